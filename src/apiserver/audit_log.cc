#include "apiserver/audit_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json.h"

namespace ingot::apiserver {
namespace {

constexpr int kPage = 1'000;

class Reading : public std::enable_shared_from_this<Reading> {
 public:
  using Done = std::move_only_function<void(Result<std::string>)>;
  Reading(store::Shard& shard, AuditQuery query, Done done)
      : shard_(shard), query_(std::move(query)), done_(std::move(done)) {
    const auto want = [&](std::string_view field, const std::string& value) {
      // As it lies in a row: within a value the quotes would have backslashes before them.
      if (!value.empty()) wanted_.push_back(fmt::format("\"{}\":{}", field, api::to_text(api::Json(value))));
    };
    want("user", query_.user);
    want("verb", query_.verb);
    want("resource", query_.resource);
    want("name", query_.name);
    if (query_.denied) want("decision", "deny");
    if (query_.changes) wanted_.emplace_back("\"revision\":");
  }

  void start() {
    if (query_.after > 0 || !query_.since) return page(query_.after);
    find_start(0, uint64_t(1) << 62);
  }

 private:
  // The last row number after which all rows are of the time asked for, or nearly.
  void find_start(uint64_t low, uint64_t high) {
    if (high - low <= 1) return page(low);
    const uint64_t middle = low + (high - low) / 2;
    shard_.rows({.stream = "audit", .after = middle, .limit = 1},
                [self = shared_from_this(), low, middle, high](Result<std::vector<store::StoredRow>> rows) {
                  if (!rows) return self->done_(fail(rows.error()));
                  const bool later = rows->empty() || rows->front().row.at >= *self->query_.since - kSlack;
                  if (later) return self->find_start(low, middle);
                  self->find_start(rows->front().sequence, std::max(high, rows->front().sequence + 1));
                });
  }

  void page(uint64_t after) {
    shard_.rows({.stream = "audit", .after = after, .limit = kPage},
                [self = shared_from_this()](Result<std::vector<store::StoredRow>> rows) {
                  if (!rows) return self->done_(fail(rows.error()));
                  self->take(*rows);
                });
  }

  void take(const std::vector<store::StoredRow>& rows) {
    for (const store::StoredRow& stored : rows) {
      last_ = stored.sequence;
      if (matches(stored.row)) add(stored.row);
      if (found_ == query_.most) return answer(true);
    }
    looked_ += int(rows.size());
    if (rows.size() < size_t(kPage)) return answer(false);
    if (looked_ >= kLooked) return answer(true);
    page(last_);
  }

  bool matches(const store::Row& row) const {
    if (!query_.cluster.empty() && row.cluster != query_.cluster) return false;
    if (query_.since && row.at < *query_.since) return false;
    return std::ranges::all_of(
        wanted_, [&](const std::string& text) { return row.data.find(text) != std::string::npos; });
  }
  void add(const store::Row& row) {
    text_ += fmt::format("{}{{\"at\":\"{}\",\"cluster\":{},{}", found_++ ? "," : "", to_rfc3339_micro(row.at),
                         api::to_text(api::Json(row.cluster)), std::string_view(row.data).substr(1));
  }
  void answer(bool more) {
    done_(fmt::format("{{\"rows\":[{}]{}}}", text_, more ? fmt::format(",\"next\":\"{}\"", last_) : ""));
  }

  store::Shard& shard_;
  const AuditQuery query_;
  Done done_;
  std::vector<std::string> wanted_;
  std::string text_;
  int found_ = 0, looked_ = 0;
  uint64_t last_ = 0;
};

}  // namespace

void read_audit(store::Shard& shard, AuditQuery query,
                std::move_only_function<void(Result<std::string>)> done) {
  std::make_shared<Reading>(shard, std::move(query), std::move(done))->start();
}

}  // namespace ingot::apiserver
