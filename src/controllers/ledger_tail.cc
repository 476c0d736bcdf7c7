#include "controllers/ledger_tail.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace ingot::controllers {
namespace {

constexpr int kPage = 64;  // parsed on the loop in one go; more than a pod has rows
constexpr Duration kRetry = std::chrono::seconds(1);

}  // namespace

struct LedgerTail::Impl : std::enable_shared_from_this<Impl> {
  Impl(env::Env& e, store::Shard& s, Take t) : env(e), shard(s), take(std::move(t)) {}

  void ask() {
    store::RowQuery query{
        .stream = std::string(policy::kLedger), .since = since, .after = after, .limit = kPage};
    shard.rows(std::move(query),
               [weak = weak_from_this(), life = life](Result<std::vector<store::StoredRow>> rows) {
                 const auto self = weak.lock();
                 if (self && self->asked && self->life == life) self->read(std::move(rows));
               });
  }
  void read(Result<std::vector<store::StoredRow>> rows) {
    if (!rows) {
      env.loop.at(env.clock.now() + kRetry, [weak = weak_from_this(), life = life] {
        const auto self = weak.lock();
        if (self && self->asked && self->life == life) self->ask();
      });
      return;
    }
    Page page{.up_to = after, .end = rows->size() < size_t(kPage)};
    for (store::StoredRow& stored : *rows) {
      const auto json = api::parse_json(stored.row.data);
      auto entry = json ? policy::entry_from(*json) : std::nullopt;
      page.up_to = stored.sequence;
      if (entry) page.rows.push_back({stored.sequence, *std::move(entry)});
    }
    if (!page.end) cut(page);
    asked = false;
    take(std::move(page));
  }
  // Whose last row, that of CPU and memory, is not here comes with the next page.
  static void cut(Page& page) {
    const auto last = std::ranges::find_if(page.rows.rbegin(), page.rows.rend(),
                                           [](const Row& row) { return row.entry.device == policy::kCpu; });
    if (last == page.rows.rend() || last == page.rows.rbegin()) return;
    page.rows.erase(last.base(), page.rows.end());
    page.up_to = page.rows.back().sequence;
  }

  env::Env& env;
  store::Shard& shard;
  const Take take;
  uint64_t after = 0, life = 0;
  WallTime since{};
  bool asked = false;
};

LedgerTail::LedgerTail(env::Env& env, store::Shard& shard, Take take)
    : impl_(std::make_shared<Impl>(env, shard, std::move(take))) {}
LedgerTail::~LedgerTail() = default;

void LedgerTail::ask(uint64_t after, WallTime since) {
  ASSERT(!impl_->asked);
  impl_->asked = true;
  impl_->after = after;
  impl_->since = since;
  impl_->ask();
}
bool LedgerTail::asked() const { return impl_->asked; }
void LedgerTail::clear() {
  ++impl_->life;
  impl_->asked = false;
}

}  // namespace ingot::controllers
