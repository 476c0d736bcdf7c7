#include "registry/looking.h"

#include <fmt/format.h>

namespace ingot::registry {
namespace {

using api::Json;
using api::Key;
using api::string_at;

constexpr size_t kMostDatasets = 256;
constexpr std::string_view kDatasetDriver = "datasets.ingot.dev";

// "" for what no key can hold.
std::string_view plain(std::string_view text) {
  return text.find('/') == text.npos ? text : std::string_view();
}

// The object of that name, if it is the one that was meant, or null.
Json object(const store::Turn& turn, const ClusterId& cluster, std::string_view resource, std::string_view ns,
            std::string_view name, std::string_view uid) {
  if (plain(name).empty() || (!ns.empty() && plain(ns).empty())) return {};
  const api::ObjectPtr found = turn.get(Key(cluster, resource, ns, name));
  if (!found) return {};
  Json value = found->parse();
  return uid.empty() || string_at(value, {"metadata", "uid"}) == uid ? value : Json();
}

void mounted(const store::Turn& turn, const ClusterId& cluster, Made& made) {
  const std::string_view ns = string_at(made.pod, {"metadata", "namespace"});
  for (const Json& volume : api::array_at(made.pod, {"spec", "volumes"})) {
    if (made.datasets.size() == kMostDatasets) return;
    if (string_at(volume, {"csi", "driver"}) != kDatasetDriver) continue;
    const std::string name = fmt::format("{}-v{}", string_at(volume, {"csi", "volumeAttributes", "dataset"}),
                                         string_at(volume, {"csi", "volumeAttributes", "version"}));
    const Json version = object(turn, cluster, "datasetversions.factory.ingot.dev", ns, name, "");
    if (const auto digest = Digest::parse(string_at(version, {"spec", "manifest"})))
      made.datasets.emplace_back(name, *digest);
  }
}

}  // namespace

Made look_up(const store::Turn& turn, const ClusterId& cluster, const Json& version) {
  const auto said = [&](std::string_view field) {
    return string_at(version, {"spec", "provenanceOf", field});
  };
  Made made;
  const std::string_view ns = said("namespace");
  if (ns.empty()) return made;
  made.pod = object(turn, cluster, "pods", ns, said("pod"), said("podUid"));
  made.workflow = object(turn, cluster, "workflows.argoproj.io", ns, said("workflow"), said("workflowUid"));
  if (!made.workflow.is_null() && !said("node").empty())
    made.node =
        object(turn, cluster, "workflownodes", ns, fmt::format("{}:{}", said("workflow"), said("node")), "");
  if (const std::string_view uid = said("podUid"); !uid.empty())
    made.allocation = object(turn, kRootCluster, "allocations.factory.ingot.dev", "", uid, "");
  if (!made.allocation.is_null() && string_at(made.allocation, {"spec", "cluster"}) != cluster.value)
    made.allocation = Json();
  mounted(turn, cluster, made);
  return made;
}

}  // namespace ingot::registry
