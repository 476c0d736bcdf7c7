#include "registry/lineage.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "api/model_names.h"
#include "registry/lineage_names.h"
#include "registry/lineage_walk.h"
#include "registry/run_rows.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::Key;
using api::string_at;

constexpr int kPage = 500;
constexpr size_t kAtOnce = 32;  // rows that are asked for while the shard answers
constexpr std::array kStreams{kLineageRows, kLedgerRows, kVerdictRows};

struct Asked {
  LineageWalk walk;
  Lineage::Done done;
  std::vector<WantedRows> wants;
  std::vector<store::StoredRow> rows;
  size_t asked = 0, answered = 0;
  std::optional<Error> error;
  Result<bool> outcome = false;
  std::string text;
};
using AskedPtr = std::shared_ptr<Asked>;

}  // namespace

class Lineage::Impl : public std::enable_shared_from_this<Lineage::Impl> {
 public:
  Impl(env::Env& env, store::Shard& shard, env::Worker& worker, LineageOptions options)
      : env_(env), shard_(shard), worker_(worker), index_(std::make_shared<LineageIndex>(options.entries)) {}

  void start() {
    env_.loop.post([weak = weak_from_this()] {
      if (const auto at = weak.lock()) at->catch_up([](const Result<void>&) {});
    });
  }

  void ask(LineageQuery query, Done done) {
    const std::string cluster = query.cluster.value;
    if (asked_ >= kMostAsked || of_cluster_[cluster] >= kMostOfCluster) {
      Error busy{.reason = Reason::TooManyRequests,
                 .message = "too many questions about lineage at once: ask again",
                 .retry_after_s = 1};
      return tell(std::move(done), fail(std::move(busy)));
    }
    auto walk = LineageWalk::start(std::move(query));
    if (!walk) return tell(std::move(done), fail(walk.error()));
    ++asked_;
    ++of_cluster_[cluster];
    auto asked = std::make_shared<Asked>(Asked{std::move(*walk), std::move(done)});
    catch_up([weak = weak_from_this(), asked](const Result<void>& fresh) {
      const auto at = weak.lock();
      if (!at) return;
      if (!fresh) return at->finish(asked, fail(fresh.error()));
      at->resolve(asked);
    });
  }

 private:
  using Fresh = std::move_only_function<void(const Result<void>&)>;

  // Never inline.
  void tell(Done done, Result<std::string> what) {
    env_.loop.post([done = std::move(done), what = std::move(what)]() mutable { done(std::move(what)); });
  }
  void finish(const AskedPtr& asked, Result<std::string> what) {
    --asked_;
    const auto of = of_cluster_.find(asked->walk.query().cluster.value);
    if (--of->second == 0) of_cluster_.erase(of);
    tell(std::move(asked->done), std::move(what));
  }

  // Everything that is durable now is indexed before `fresh` is told.
  void catch_up(Fresh fresh) {
    waiting_.push_back(std::move(fresh));
    if (!catching_) begin_round();
  }
  void begin_round() {
    catching_ = true;
    serving_ = std::exchange(waiting_, {});
    page(0);
  }
  void end_round(const Result<void>& how) {
    catching_ = false;
    for (Fresh& fresh : std::exchange(serving_, {})) fresh(how);
    if (!waiting_.empty() && !catching_) begin_round();
  }
  void page(size_t stream) {
    if (stream == kStreams.size()) return end_round({});
    // What had a number when this is asked is durable: commits keep their order.
    const uint64_t durable = newest_;
    shard_.rows({.stream = std::string(kStreams[stream]), .after = after_[stream], .limit = kPage},
                [weak = weak_from_this(), stream, durable](Result<std::vector<store::StoredRow>> rows) {
                  const auto at = weak.lock();
                  if (!at) return;
                  if (!rows) return at->end_round(fail(rows.error()));
                  if (rows->empty()) {
                    at->after_[stream] = std::max(at->after_[stream], durable);
                    return at->page(stream + 1);
                  }
                  at->take(stream, std::move(*rows));
                });
  }
  void take(size_t stream, std::vector<store::StoredRow> rows) {
    const uint64_t last = rows.back().sequence;
    const bool all = rows.size() < size_t(kPage);
    auto held = std::make_shared<std::vector<store::StoredRow>>(std::move(rows));
    worker_.run([index = index_, held] { absorb(*index, *held); },
                [weak = weak_from_this(), stream, last, all] {
                  const auto at = weak.lock();
                  if (!at) return;
                  at->after_[stream] = last;
                  at->newest_ = std::max(at->newest_, last);
                  at->page(all ? stream + 1 : stream);
                });
  }
  static void absorb(LineageIndex& index, const std::vector<store::StoredRow>& rows) {
    std::string last;
    for (const store::StoredRow& stored : rows) {
      const auto row = api::parse_json(stored.row.data);
      if (!row) continue;
      for (const std::string& name : names_in(stored.row.stream, *row)) {
        // All rows of what a pod held follow the first.
        if (stored.row.stream == kLedgerRows && std::exchange(last, name) == name) continue;
        index.add(stored.row.cluster, name, stored.sequence);
      }
    }
  }

  void resolve(const AskedPtr& asked) {
    const auto live = asked->walk.live();
    if (!live) return step(asked);
    auto taken = shard_.submit(
        [weak = weak_from_this(), asked, live](store::Turn& turn) {
          const auto at = weak.lock();
          if (!at) return;
          const api::ObjectPtr object =
              turn.get(Key(asked->walk.query().cluster, live->resource, live->ns, live->name));
          auto resolved = asked->walk.resolve(object ? object->parse() : Json());
          turn.then(turn.revision(),
                    [weak, asked, resolved = std::move(resolved)](const Result<void>& durable) {
                      const auto at = weak.lock();
                      if (!at) return;
                      if (!durable || !resolved)
                        return at->finish(asked, fail(!durable ? durable.error() : resolved.error()));
                      at->step(asked);
                    });
        },
        store::Shard::Kind::Reads);
    if (!taken) finish(asked, fail(taken.error()));
  }

  // The worker reads what came and says what it wants next, until it wants nothing.
  void step(const AskedPtr& asked) {
    worker_.run([index = index_, asked] { asked->wants = asked->walk.next(*index); },
                [weak = weak_from_this(), asked] {
                  if (const auto at = weak.lock()) at->fetch(asked);
                });
  }
  void fetch(const AskedPtr& asked) {
    asked->asked = asked->answered = 0;
    asked->rows.clear();
    if (asked->wants.empty()) return digest(asked);
    more(asked);
  }
  void more(const AskedPtr& asked) {
    while (asked->asked < asked->wants.size() && asked->asked - asked->answered < kAtOnce) {
      const WantedRows& want = asked->wants[asked->asked++];
      // Of any cluster: a row is found by its number then.
      shard_.rows(
          {.stream = std::string(want.stream), .after = want.row - 1, .limit = want.limit},
          [weak = weak_from_this(), asked, row = want.row](Result<std::vector<store::StoredRow>> rows) {
            ++asked->answered;
            if (!rows) asked->error = rows.error();
            // The index knows hashes, and what follows a row may be anybody's.
            const std::string& cluster = asked->walk.query().cluster.value;
            if (rows && !rows->empty() && rows->front().sequence == row)
              for (store::StoredRow& one : *rows)
                if (one.row.cluster == cluster) asked->rows.push_back(std::move(one));
            const auto at = weak.lock();
            if (!at) return;
            if (asked->answered == asked->wants.size()) return at->digest(asked);
            at->more(asked);
          });
    }
  }
  void digest(const AskedPtr& asked) {
    if (asked->error) return finish(asked, fail(*asked->error));
    worker_.run(
        [asked] {
          asked->walk.read(asked->rows);
          asked->outcome = asked->walk.go_on();
        },
        [weak = weak_from_this(), asked] {
          const auto at = weak.lock();
          if (!at) return;
          if (!asked->outcome) return at->finish(asked, fail(asked->outcome.error()));
          if (*asked->outcome) return at->compare(asked);
          at->step(asked);
        });
  }

  // What is there now, and what is not any more.
  void compare(const AskedPtr& asked) {
    auto taken = shard_.submit(
        [weak = weak_from_this(), asked](store::Turn& turn) {
          LineageGraph& graph = asked->walk.graph();
          const ClusterId& cluster = asked->walk.query().cluster;
          std::map<std::string, std::string> called;  // models
          for (const std::string& node : asked->walk.kept()) {
            if (!graph.has(node)) continue;
            if (gone(turn, cluster, graph.node(node))) graph.tell(node, "gone", true);
            if (kind_of(node) != "version") continue;
            const std::string model(string_at(graph.node(node), {"model"}));
            const auto [name, fresh] = called.try_emplace(model);
            if (fresh) name->second = called_now(turn, cluster, model);
            if (!name->second.empty() && name->second != model)
              graph.tell(node, "called", Json(boost::json::string_view(name->second)));
          }
          turn.then(turn.revision(), [weak, asked](const Result<void>& durable) {
            const auto at = weak.lock();
            if (!at) return;
            if (!durable) return at->finish(asked, fail(durable.error()));
            at->write(asked);
          });
        },
        store::Shard::Kind::Reads);
    if (!taken) finish(asked, fail(taken.error()));
  }
  // What a model is called; its object and its history keep their name.
  static std::string called_now(const store::Turn& turn, const ClusterId& cluster, std::string_view model) {
    const api::ObjectPtr object = model.empty() || model.find('/') != model.npos
                                      ? nullptr
                                      : turn.get(Key(cluster, api::kModels, "", model));
    return object ? std::string(string_at(object->parse(), {"spec", "name"})) : std::string();
  }
  static bool gone(const store::Turn& turn, const ClusterId& cluster, const Json& node) {
    const auto there = [&](std::string_view resource, std::string_view ns, std::string_view name,
                           std::string_view field, std::string_view value) {
      if (name.empty() || name.find('/') != name.npos || ns.find('/') != ns.npos) return false;
      const api::ObjectPtr object = turn.get(Key(cluster, resource, ns, name));
      return object && object->mentions(fmt::format("\"{}\":\"{}\"", field, value));
    };
    const std::string_view kind = string_at(node, {"kind"});
    if (kind == "version")
      return !there(
          api::kModelVersions, "",
          api::model_version_name(string_at(node, {"model"}), api::int_at(node, {"version"}).value_or(0)),
          "uid", string_at(node, {"uid"}));
    if (kind == "run") {
      const std::string_view run = string_at(node, {"run"});
      if (run != "Workflow" && run != "Pod") return false;
      const std::string_view uid = name_of(string_at(node, {"id"}));
      return !there(run == "Workflow" ? kWorkflows : kPods, string_at(node, {"namespace"}),
                    string_at(node, {"name"}), "uid", uid);
    }
    if (kind != "data") return false;
    for (const Json& one : api::array_at(node, {"names"})) {
      const std::string_view name = one.get_string();
      const size_t slash = name.find('/');
      if (slash != name.npos && there(kDatasetVersions, name.substr(0, slash), name.substr(slash + 1),
                                      "manifest", string_at(node, {"manifest"})))
        return false;
    }
    return true;
  }

  void write(const AskedPtr& asked) {
    worker_.run([asked] { asked->text = asked->walk.answer(); },
                [weak = weak_from_this(), asked] {
                  if (const auto at = weak.lock()) at->finish(asked, std::move(asked->text));
                });
  }

  env::Env& env_;
  store::Shard& shard_;
  env::Worker& worker_;
  const std::shared_ptr<LineageIndex> index_;  // the worker's
  std::array<uint64_t, kStreams.size()> after_{};
  uint64_t newest_ = 0;  // row that was seen
  bool catching_ = false;
  std::vector<Fresh> waiting_, serving_;
  size_t asked_ = 0;
  std::map<std::string, size_t> of_cluster_;
};

Lineage::Lineage(env::Env& env, store::Shard& shard, env::Worker& worker, LineageOptions options)
    : impl_(std::make_shared<Impl>(env, shard, worker, options)) {
  impl_->start();
}
Lineage::~Lineage() = default;
void Lineage::ask(LineageQuery query, Done done) { impl_->ask(std::move(query), std::move(done)); }

}  // namespace ingot::registry
