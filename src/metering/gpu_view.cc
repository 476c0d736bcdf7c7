#include "metering/gpu_view.h"

#include "base/quantity.h"
#include "store/follower.h"

namespace ingot::metering {
namespace {

using api::int_at;
using api::Json;
using api::string_at;

constexpr std::string_view kAllocations = "allocations.factory.ingot.dev";
constexpr std::string_view kSlices = "resourceslices.resource.k8s.io";
constexpr std::string_view kSliceSuffix = "-gpu.nvidia.com";

std::string text(const Json& value, std::initializer_list<std::string_view> path) {
  return std::string(string_at(value, path));
}

BoardView board_of(const Json& device, std::string node) {
  const auto word = [&](std::string_view name) { return text(device, {"attributes", name, "string"}); };
  const auto memory = Quantity::parse(string_at(device, {"capacity", "memory", "value"}));
  return {.uuid = word("uuid"),
          .node = std::move(node),
          .product = word("productName"),
          .model = word("model"),
          .index = int_at(device, {"attributes", "index", "int"}).value_or(0),
          .memory_mib = memory ? memory->units() >> 20 : 0,
          .simulated = api::bool_at(device, {"attributes", "simulated", "bool"}),
          .healthy = api::bool_at(device, {"attributes", "healthy", "bool"}, true)};
}

}  // namespace

class GpuView::Impl final : store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard)
      : follower_(env, shard,
                  store::later({{kRootCluster.value, std::string(kAllocations), ""},
                                {kRootCluster.value, std::string(kSlices), ""}}),
                  *this) {}

  bool settle(size_t most) {
    for (size_t n = 0; n < most && !unread_.empty(); ++n) {
      const auto unread = unread_.extract(unread_.begin());
      load_allocation(unread.key(), unread.mapped() ? unread.mapped()->parse() : Json{});
    }
    return !unread_.empty();
  }
  const std::map<Place, BoardView>& boards() const { return boards_; }
  std::vector<const BoardHolder*> holders(std::string_view uuid) const {
    std::vector<const BoardHolder*> found;
    for (auto at = holders_.lower_bound({std::string(uuid), "", 0});
         at != holders_.end() && std::get<0>(at->first) == uuid; ++at)
      found.push_back(&at->second);
    return found;
  }

 private:
  using Part = std::tuple<std::string, std::string, size_t>;  // board, pod uid, position

  void reset() override {
    boards_.clear();
    holders_.clear();
    held_.clear();
    unread_.clear();
  }

  bool follow(store::Turn& turn, const std::vector<api::Key>& changed, bool) override {
    for (const api::Key& key : changed) {
      api::ObjectPtr object = turn.get(key);
      if (key.resource() == kAllocations) {
        // What came and went between two looks was never here.
        const std::string uid(key.name());
        if (!object && !held_.contains(uid))
          unread_.erase(uid);
        else
          unread_.insert_or_assign(uid, std::move(object));
      } else if (key.name().ends_with(kSliceSuffix)) {
        const std::string node(key.name().substr(0, key.name().size() - kSliceSuffix.size()));
        load_slice(node, object ? object->parse() : Json{});
      }
    }
    return false;
  }

  // `json`: null where the object is gone.
  void load_slice(const std::string& node, const Json& json) {
    boards_.erase(boards_.lower_bound({node, INT64_MIN}), boards_.upper_bound({node, INT64_MAX}));
    for (const Json& device : api::array_at(json, {"spec", "devices"})) {
      BoardView board = board_of(device, node);
      const Place place{node, board.index};
      if (!board.uuid.empty())
        boards_.try_emplace(place, std::move(board));  // the board comes before its parts
    }
  }

  void load_allocation(const std::string& uid, const Json& json) {
    for (const Part& part : held_[uid]) holders_.erase(part);
    held_.erase(uid);
    if (json.is_null() || string_at(json, {"status", "phase"}) == "Released") return;
    for (const Json& device : api::array_at(json, {"spec", "devices"})) {
      std::vector<Part>& parts = held_[uid];
      parts.emplace_back(text(device, {"uuid"}), uid, parts.size());
      holders_[parts.back()] = {.tenant = text(json, {"spec", "tenant"}),
                                .cluster = text(json, {"spec", "cluster"}),
                                .ns = text(json, {"spec", "namespace"}),
                                .pod = text(json, {"spec", "pod"}),
                                .pod_uid = uid,
                                .milli = api::bool_at(device, {"charged"}, true)
                                             ? int32_t(int_at(device, {"milli"}).value_or(1000))
                                             : 0,
                                .profile = text(device, {"profile"}),
                                .start = int(int_at(device, {"start"}).value_or(-1))};
    }
  }

  std::map<Place, BoardView> boards_;
  std::map<Part, BoardHolder> holders_;
  std::map<std::string, std::vector<Part>> held_;  // by pod uid
  std::map<std::string, api::ObjectPtr> unread_;   // by pod uid; null: gone
  store::Follower follower_;                       // last: what it calls outlives it
};

GpuView::GpuView(env::Env& env, store::Shard& shard) : impl_(std::make_unique<Impl>(env, shard)) {}
GpuView::~GpuView() = default;
bool GpuView::settle(size_t most) { return impl_->settle(most); }
const std::map<GpuView::Place, BoardView>& GpuView::boards() const { return impl_->boards(); }
std::vector<const BoardHolder*> GpuView::holders(std::string_view uuid) const { return impl_->holders(uuid); }

}  // namespace ingot::metering
