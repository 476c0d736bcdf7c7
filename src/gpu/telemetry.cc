#include "gpu/telemetry.h"

namespace ingot::gpu {

void Telemetry::put(const std::string& node, std::vector<Sample> samples, Instant at) {
  Node& n = nodes_[node];
  for (Sample& s : samples) {
    if (!s.xids.empty()) n.last_xid[s.uuid] = s.xids.back();
    if (const auto told = n.last_xid.find(s.uuid); told != n.last_xid.end()) s.last_xid = told->second;
  }
  n.samples = std::move(samples);
  n.at = at;
  n.silence.clear();
}

void Telemetry::silent(const std::string& node, std::string why) { nodes_[node].silence = std::move(why); }

void Telemetry::set_source(const std::string& node, Ask ask) { nodes_[node].ask = std::move(ask); }

void Telemetry::forget(std::string_view node) {
  if (const auto found = nodes_.find(node); found != nodes_.end()) nodes_.erase(found);
}

Telemetry::Look Telemetry::look(std::string_view node, Instant now) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return {.samples = {}, .stale = true, .why = "nobody samples this node"};
  const Node& n = found->second;
  if (n.ask) return {.samples = n.ask(), .stale = false, .why = {}};
  if (!n.at || now - *n.at > kFresh)
    return {.samples = {}, .stale = true, .why = n.silence.empty() ? "no sample yet" : n.silence};
  return {.samples = n.samples, .stale = false, .why = {}};
}

}  // namespace ingot::gpu
