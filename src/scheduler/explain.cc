#include "scheduler/explain.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/quantity.h"

namespace ingot::scheduler {
namespace {

struct Seen {
  const NodeState* state;
  const Node* node;
  int64_t free_cpu() const { return std::max<int64_t>(0, state->space.cpu_milli); }
  int64_t free_memory() const { return std::max<int64_t>(0, state->space.memory_mib) << 20; }
};
using Nodes = std::vector<Seen>;
using Amount = std::function<int64_t(const Seen&)>;

Nodes only(const Nodes& nodes, const std::function<bool(const Seen&)>& keep) {
  Nodes kept;
  std::ranges::copy_if(nodes, std::back_inserter(kept), keep);
  return kept;
}
int64_t largest(const Nodes& nodes, const Amount& amount) {
  int64_t most = 0;
  for (const Seen& n : nodes) most = std::max(most, amount(n));
  return most;
}
int64_t sum(const Nodes& nodes, const Amount& amount) {
  int64_t total = 0;
  for (const Seen& n : nodes) total += amount(n);
  return total;
}

std::string count(int64_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

std::string pools(const Nodes& nodes) {
  std::set<std::string_view> names;
  for (const Seen& n : nodes) names.insert(n.node->pool);
  if (names.size() == 1) return "in pool " + std::string(*names.begin());
  return "in " + std::to_string(names.size()) + " pools";
}

std::string selector_text(const Constraints& where) {
  std::string text;
  for (const auto& [key, value] : where.selector) {
    if (!text.empty()) text += ',';
    if (text.size() > 200) return text + ",...";
    text += key + "=" + value;
  }
  return text;
}

// A resource of which a node has some: what must fit on one node.
struct Kind {
  Amount capacity, free;
  int64_t needs;
  std::function<std::string(int64_t)> amount;  // "4", "500m", "2Gi"
  std::string noun, one;                       // " CPUs", " memory"; of just one
};

std::string short_of(const Kind& kind, const Nodes& nodes, const std::string& where) {
  const int64_t free = sum(nodes, kind.free), most = largest(nodes, kind.free);
  const std::string capacity = kind.amount(sum(nodes, kind.capacity));
  std::string text =
      kind.amount(free) + " of " + capacity + (capacity == "1" ? kind.one : kind.noun) + " free " + where;
  if (free >= kind.needs) text += ", but at most " + kind.amount(most) + " on one node";
  return text + ", needs " + kind.amount(kind.needs);
}

// " GPU", " 1g.10gb instance", " GPU share of 500m", " set of 2 GPUs and 1 MIG 1g.10gb": one of what it asks for.
std::string board_noun(const Request& request) {
  if (!request.parts.empty()) return " set of " + devices_text(request);
  std::string out = request.profile.empty() ? " GPU" : " " + request.profile + " instance";
  if (request.share()) out += " share";
  if (request.share_memory_mib > 0) return out + " of " + std::to_string(request.share_memory_mib) + " MiB";
  return request.milli < 1000 ? out + " of " + format_milli(request.milli) : out;
}

std::string plural(std::string noun, std::string_view word) {
  return noun.insert(noun.find(word) + word.size(), "s");
}

// "64Mi" as it is, "12341826Ki" as "11.7Gi".
std::string memory_text(int64_t bytes) {
  constexpr size_t kShort = 6;
  std::string exact = format_bytes(bytes);
  if (exact.size() <= kShort) return exact;
  static constexpr std::string_view kUnits[] = {"Ki", "Mi", "Gi", "Ti", "Pi"};
  size_t unit = 0;
  int64_t size = 1024;
  for (; unit + 1 < std::size(kUnits) && bytes / 1024 >= size; ++unit) size *= 1024;
  return std::to_string(bytes / size) + "." + std::to_string(bytes % size * 10 / size) +
         std::string(kUnits[unit]);
}

std::vector<Kind> kinds(const Request& request, const Sees& sees) {
  const auto plain = [](int64_t n) { return std::to_string(n); };
  const std::string one = board_noun(request);
  const std::string_view word = !request.parts.empty()    ? "set"
                                : request.share()         ? "share"
                                : request.profile.empty() ? "GPU"
                                                          : "instance";
  const int64_t wanted = request.parts.empty() ? request.gpus : 1;
  return {
      {[&sees](const Seen& n) { return sees.most(*n.state); },
       [&sees](const Seen& n) { return sees.places(*n.state); }, wanted, plain, plural(one, word), one},
      {[](const Seen& n) { return n.node->cpu_milli; }, [](const Seen& n) { return n.free_cpu(); },
       request.cpu_milli, format_milli, " CPUs", " CPU"},
      {[](const Seen& n) { return n.node->memory_bytes; }, [](const Seen& n) { return n.free_memory(); },
       request.memory_bytes, memory_text, " memory", " memory"},
  };
}

// Which profiles the boards have that have not the one asked for; of a few models.
std::optional<std::string> no_such_profile(const Request& request, const Nodes& nodes) {
  constexpr size_t kModels = 3;
  std::set<std::string_view> models;
  for (const Seen& n : nodes)
    for (const Device& d : n.node->devices) {
      if (gpu::find_profile(d.model, request.profile)) return std::nullopt;
      models.insert(d.model);
    }
  if (models.empty()) return "no node that matches has GPUs";
  std::string out;
  size_t told = 0;
  for (const std::string_view model : models) {
    if (told++ == kModels) return out + "; and " + std::to_string(models.size() - kModels) + " models more";
    const std::string names = gpu::profile_names(model);
    if (!out.empty()) out += "; ";
    (out += model) += names.empty() ? " cannot be cut into MIG instances"
                                    : " has no profile " + request.profile + "; it has " + names;
  }
  return out;
}

// What no change of load would mend.
std::optional<std::string> never(const Request& request, const Nodes& all, const Sees& sees,
                                 Nodes& matching) {
  const Constraints& where = request.where;
  if (all.empty()) return "the factory has no node";
  if (!request.unknown.empty()) return "no node offers " + request.unknown;
  matching = all;
  if (!where.node.empty()) {
    matching = only(matching, [&](const Seen& n) { return n.node->name == where.node; });
    if (matching.empty()) return "the proposed node \"" + where.node + "\" does not exist";
  }
  const std::string of = !where.node.empty() ? "the proposed node \"" + where.node + "\" does not match"
                         : all.size() == 1   ? "the only node does not match"
                                             : "none of " + std::to_string(all.size()) + " nodes matches";
  matching = only(matching, [&](const Seen& n) { return matches_selector(where, n.node->labels); });
  if (matching.empty()) return of + " the node selector " + selector_text(where);
  matching =
      only(matching, [&](const Seen& n) { return matches_affinity(where, n.node->name, n.node->labels); });
  if (matching.empty()) return of + " the required node affinity";
  if (request.gpus > 0 && request.models != kAnyModel) {
    matching = only(matching, [&](const Seen& n) {
      return !n.node->devices.empty() && (request.models >> n.state->model & 1) != 0;
    });
    if (matching.empty()) return "no node that matches has a GPU of the models that it takes";
  }
  if (request.all_of_node) {
    matching = only(matching, [&](const Seen& n) { return int64_t(n.node->devices.size()) == request.gpus; });
    if (matching.empty()) return "no node that matches has " + count(request.gpus, "GPU") + " in all";
  }
  if (!request.profile.empty())
    if (auto text = no_such_profile(request, matching)) return text;
  for (const Kind& kind : kinds(request, sees)) {
    const int64_t most = largest(matching, kind.capacity);
    if (kind.needs <= most) continue;
    const std::string needs = kind.amount(kind.needs);
    return "needs " + needs + (needs == "1" ? kind.one : kind.noun) + " on one node; the largest node" +
           (matching.size() < all.size() ? " that matches" : "") + " has " + kind.amount(most);
  }
  return std::nullopt;
}

// What an operator can mend: nodes that are away, closed or kept for others.
std::optional<std::string> closed(const Request& request, Nodes& nodes) {
  const size_t matching = nodes.size();
  const std::string all =
      matching == 1 ? "the node that matches" : "all " + std::to_string(matching) + " nodes that match";
  const std::string are = matching == 1 ? " is " : " are ";
  nodes = only(nodes, [](const Seen& n) { return n.node->ready; });
  if (nodes.empty()) return all + are + "not ready";
  const size_t ready = nodes.size();
  nodes = only(nodes, [](const Seen& n) { return !n.node->cordoned; });
  if (nodes.empty()) return (ready == matching ? all : "the ready nodes that match") + are + "cordoned";
  const Taint* taint = blocking_taint(request.where, nodes.front().node->taints);
  nodes = only(nodes, [&](const Seen& n) { return !blocking_taint(request.where, n.node->taints); });
  if (!nodes.empty()) return std::nullopt;
  std::string text = taint->key;
  if (!taint->value.empty()) text += "=" + taint->value;
  return (ready == matching ? all : "the ready nodes that match") + (matching == 1 ? " has" : " have") +
         " a taint that the pod does not tolerate: " + text + ":" + std::string(to_string(taint->effect));
}

}  // namespace

std::string devices_text(const Request& request) {
  std::vector<std::pair<std::string, int64_t>> kinds;
  for (const Part& part : request.parts) {
    const std::string name = part.profile.empty() ? "GPU" : "MIG " + part.profile;
    auto known = std::ranges::find(kinds, name, &std::pair<std::string, int64_t>::first);
    if (known == kinds.end()) known = kinds.insert(kinds.end(), {name, 0});
    known->second += part.count;
  }
  std::string out;
  for (size_t i = 0; i < kinds.size(); ++i)
    out += (i == 0 ? "" : i + 1 == kinds.size() ? " and " : ", ") + count(kinds[i].second, kinds[i].first);
  static constexpr std::string_view kSides[] = {"board", "NUMA node", "NVLink island"};  // by Side
  for (const Rule& rule : request.rules)
    out += std::string(rule.apart ? ", no two on one " : " on one ") + std::string(kSides[size_t(rule.side)]);
  return out;
}

Explanation explain(const Request& request, const std::vector<const NodeState*>& nodes, const Sees& sees) {
  Nodes all, left;
  for (const NodeState* n : nodes) all.push_back({n, &n->node});
  if (auto text = never(request, all, sees, left)) return {*text};
  left = only(left, [&](const Seen& n) { return sees.open(*n.node); });
  if (left.empty()) return {"the nodes that match are in pools that are closed to its tenant"};
  if (request.cuts()) {
    left = only(left, [&](const Seen& n) { return sees.cuts(*n.node); });
    if (left.empty()) return {"the nodes that match are in pools whose GPUs are not cut into MIG instances"};
  }
  if (auto text = closed(request, left)) return {*text};

  std::string where = request.where.node.empty() ? pools(left) : "on node " + request.where.node;
  bool boards = true;
  for (const Kind& kind : kinds(request, sees)) {
    const Nodes roomy = only(left, [&](const Seen& n) { return kind.free(n) >= kind.needs; });
    if (roomy.empty()) {
      if (largest(left, kind.capacity) < kind.needs)  // the nodes that are large enough are closed
        return {"needs " + kind.amount(kind.needs) + kind.noun + " on one node; the largest open node has " +
                kind.amount(largest(left, kind.capacity))};
      return {short_of(kind, left, where), true};
    }
    left = roomy;
    if (boards && request.gpus > 0)
      where = "on nodes with " + (kind.noun == " GPUs" ? count(kind.needs, "free GPU")
                                                       : std::to_string(kind.needs) + " free" +
                                                             (kind.needs == 1 ? kind.one : kind.noun));
    boards = false;
  }
  left = only(left, [](const Seen& n) { return n.state->used_pods < n.node->pods; });
  if (left.empty()) return {"every pod place " + where + " is taken", true};
  left = only(left, [&](const Seen& n) { return !sees.kept(*n.node); });
  if (left.empty()) return {"what is free " + where + " is kept for a pod that has waited longer", true};
  return {"waits for its turn", true};
}

}  // namespace ingot::scheduler
