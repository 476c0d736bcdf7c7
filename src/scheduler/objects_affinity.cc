#include "scheduler/objects_affinity.h"

#include <algorithm>
#include <array>
#include <set>

namespace ingot::scheduler {
namespace {

using api::array_at;
using api::find;
using api::Json;
using api::string_at;
using Op = Requirement::Op;

constexpr std::string_view kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
constexpr std::string_view kPreferred = "preferredDuringSchedulingIgnoredDuringExecution";

std::vector<std::string> strings(const api::JsonArray& list) {
  std::vector<std::string> out;
  for (const Json& item : list)
    if (item.is_string()) out.emplace_back(item.get_string().data(), item.get_string().size());
  return out;
}

std::vector<Requirement> requirements(const api::JsonArray& expressions) {
  static constexpr std::array<std::pair<std::string_view, Op>, 6> kOps = {{{"In", Op::In},
                                                                           {"NotIn", Op::NotIn},
                                                                           {"Exists", Op::Exists},
                                                                           {"DoesNotExist", Op::DoesNotExist},
                                                                           {"Gt", Op::Gt},
                                                                           {"Lt", Op::Lt}}};
  std::vector<Requirement> out;
  for (const Json& e : expressions) {
    Requirement r{.key = std::string(string_at(e, {"key"})), .op = Op::Never};
    for (const auto& [name, op] : kOps)
      if (string_at(e, {"operator"}) == name) r.op = op;
    r.values = strings(array_at(e, {"values"}));
    out.push_back(std::move(r));
  }
  return out;
}

// What a pod is, for its terms.
struct Reader {
  std::string space;
  Labels labels;

  // The keys that the pod itself carries become requirements.
  void add_keys(Selector& selector, const api::JsonArray& keys, Op op) const {
    if (!selector) return;
    for (const std::string& key : strings(keys))
      if (const auto own = labels.find(key); own != labels.end())
        selector->push_back({.key = key, .op = op, .values = {own->second}});
  }

  PodTerm term(const Json& t, int32_t weight = 0) const {
    PodTerm out{.key = std::string(string_at(t, {"topologyKey"})),
                .labels = selector_from(find(t, {"labelSelector"})),
                .namespaces = strings(array_at(t, {"namespaces"})),
                .namespace_labels = selector_from(find(t, {"namespaceSelector"})),
                .weight = weight};
    add_keys(out.labels, array_at(t, {"matchLabelKeys"}), Op::In);
    add_keys(out.labels, array_at(t, {"mismatchLabelKeys"}), Op::NotIn);
    if (out.namespaces.empty() && !out.namespace_labels) out.namespaces = {space};
    std::ranges::sort(out.namespaces);
    return out;
  }

  void terms(const Json& pod, std::string_view kind, std::vector<PodTerm>& required,
             std::vector<PodTerm>& preferred) const {
    for (const Json& t : array_at(pod, {"spec", "affinity", kind, kRequired})) required.push_back(term(t));
    for (const Json& t : array_at(pod, {"spec", "affinity", kind, kPreferred}))
      if (const Json* inner = find(t, {"podAffinityTerm"}))
        preferred.push_back(
            term(*inner, int32_t(std::clamp<int64_t>(api::int_at(t, {"weight"}).value_or(1), 1, 100))));
  }

  Spread spread(const Json& s) const {
    const auto number = [&](std::string_view name) {
      return int32_t(std::clamp<int64_t>(api::int_at(s, {name}).value_or(1), 1, 1'000'000));
    };
    Spread out{.key = std::string(string_at(s, {"topologyKey"})),
               .labels = selector_from(find(s, {"labelSelector"})),
               .max_skew = number("maxSkew"),
               .min_domains = number("minDomains"),
               .required = string_at(s, {"whenUnsatisfiable"}) != "ScheduleAnyway",
               .honor_affinity = string_at(s, {"nodeAffinityPolicy"}) != "Ignore",
               .honor_taints = string_at(s, {"nodeTaintsPolicy"}) == "Honor"};
    add_keys(out.labels, array_at(s, {"matchLabelKeys"}), Op::In);
    return out;
  }
};

}  // namespace

Labels labels_of(const Json& object) {
  Labels out;
  for (const auto& [key, value] : api::object_at(object, {"metadata", "labels"}))
    if (value.is_string())
      out.emplace(std::string(key.data(), key.size()),
                  std::string(value.get_string().data(), value.get_string().size()));
  return out;
}

Selector selector_from(const Json* selector) {
  if (!selector || !selector->is_object()) return std::nullopt;
  std::vector<Requirement> out;
  for (const auto& [key, value] : api::object_at(*selector, {"matchLabels"}))
    if (value.is_string())
      out.push_back({.key = std::string(key.data(), key.size()),
                     .op = Op::In,
                     .values = {std::string(value.get_string().data(), value.get_string().size())}});
  std::ranges::sort(out, {}, &Requirement::key);
  for (Requirement& r : requirements(array_at(*selector, {"matchExpressions"}))) out.push_back(std::move(r));
  return out;
}

std::expected<Affinity, std::string> affinity_of(const Json& pod) {
  Affinity out;
  size_t terms = array_at(pod, {"spec", "topologySpreadConstraints"}).size();
  for (const std::string_view kind : {"podAffinity", "podAntiAffinity", "nodeAffinity"})
    for (const std::string_view list : {kRequired, kPreferred})
      terms += array_at(pod, {"spec", "affinity", kind, list}).size();
  if (terms == 0) return out;
  if (terms > kMaxAffinityTerms)
    return std::unexpected("the pod has " + std::to_string(terms) +
                           " affinity terms and topology spread constraints; " +
                           std::to_string(kMaxAffinityTerms) + " at most");
  const Reader reader{.space = std::string(string_at(pod, {"metadata", "namespace"})),
                      .labels = labels_of(pod)};
  reader.terms(pod, "podAffinity", out.near, out.prefer_near);
  reader.terms(pod, "podAntiAffinity", out.apart, out.prefer_apart);
  for (const Json& s : array_at(pod, {"spec", "topologySpreadConstraints"}))
    out.spread.push_back(reader.spread(s));
  for (const Json& t : array_at(pod, {"spec", "affinity", "nodeAffinity", kPreferred}))
    out.prefer_nodes.push_back(
        {.term = {requirements(array_at(t, {"preference", "matchExpressions"})),
                  requirements(array_at(t, {"preference", "matchFields"}))},
         .weight = int32_t(std::clamp<int64_t>(api::int_at(t, {"weight"}).value_or(1), 1, 100))});
  return out;
}

Subject subject_of(std::string_view cluster, const Json& pod, Affinity asks, Constraints where) {
  return {.cluster = std::string(cluster),
          .space = std::string(string_at(pod, {"metadata", "namespace"})),
          .labels = labels_of(pod),
          .asks = std::move(asks),
          .where = std::move(where)};
}

Labels topology_annotations(const Json& pod) {
  Labels out;
  for (const std::string_view name :
       {kRequiredTopology, kPreferredTopology, kUnconstrainedTopology, kSliceTopology, kSliceSize})
    if (const auto value = string_at(pod, {"metadata", "annotations", name}); !value.empty())
      out.emplace(name, value);
  return out;
}

}  // namespace ingot::scheduler
