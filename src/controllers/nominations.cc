#include "controllers/nominations.h"

namespace ingot::controllers {
namespace {

constexpr size_t kPerTurn = 32;

// By uid; "": none any more. A gang's pods go to its nodes in rank order.
std::map<std::string, std::string> wanted(const scheduler::Model& model, const PlacementUnits& units) {
  std::map<std::string, std::string> out;
  for (const std::string& uid : units.nominated()) out[uid];
  for (const auto& [id, r] : model.reservations()) {
    const scheduler::Unit* unit = r.evicting ? model.unit(id) : nullptr;
    if (!unit) continue;
    auto pod = unit->pods.begin();
    for (const auto& [node, n] : r.pods)
      for (int64_t i = 0; i < n && pod != unit->pods.end(); ++i) out[(pod++)->uid] = node;
  }
  return out;
}

}  // namespace

bool write_nominations(store::Turn& turn, const scheduler::Model& model, PlacementUnits& units) {
  size_t written = 0;
  for (const auto& [uid, node] : wanted(model, units)) {
    const WaitingPod* waits = units.waiting(uid);
    if (!waits || waits->nominated == node) continue;
    if (written == kPerTurn) return true;
    const api::ObjectPtr before = turn.get(waits->key);
    if (!before) continue;
    api::Json pod = before->parse();
    if (api::string_at(pod, {"metadata", "uid"}) != uid) continue;
    if (node.empty())
      api::erase(pod, {"status", "nominatedNodeName"});
    else
      api::set(pod, {"status", "nominatedNodeName"}, node);
    if (!turn.put(before->key, std::move(pod), before->revision)) return false;
    units.set_nominated(uid, node);
    ++written;
  }
  return false;
}

}  // namespace ingot::controllers
