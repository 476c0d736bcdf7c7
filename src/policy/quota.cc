#include "policy/quota.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/quantity.h"

namespace ingot::policy {
namespace {

using api::Json;
using api::string_at;

constexpr int64_t kMost = int64_t(1) << 50;  // of one amount: sums stay far from overflow
constexpr size_t kNamed = 3;                 // names told in one message
constexpr size_t kDeepest = 16;              // queues on a way from the root

std::string model_key(std::string_view model) { return api::entry("gpuModels", model); }
bool is_model(std::string_view key) { return key.starts_with("gpuModels["); }
std::string_view model_of(std::string_view key) { return key.substr(10, key.size() - 11); }

void set(QuotaAmounts& to, std::string key, int64_t n) {
  to[std::move(key)] = std::clamp<int64_t>(n, 0, kMost);
}

QuotaAmounts amounts(const Json* from) {
  QuotaAmounts out;
  if (!from) return out;
  if (const auto gpus = api::int_at(*from, {"gpus"})) set(out, "gpus", *gpus);
  for (const auto& [model, n] : api::object_at(*from, {"gpuModels"}))
    if (n.is_int64()) set(out, model_key({model.data(), model.size()}), n.get_int64());
  if (const auto cpu = Quantity::parse(string_at(*from, {"cpu"}))) set(out, "cpu", cpu->milli);
  if (const auto memory = Quantity::parse(string_at(*from, {"memory"}))) set(out, "memory", memory->units());
  return out;
}

std::string told(std::string_view key, int64_t n) {
  if (key == "cpu") return format_milli(n) + " CPUs";
  if (key == "memory") return format_bytes(n) + " of memory";
  const std::string gpus = std::to_string(n) + (n == 1 ? " GPU" : " GPUs");
  return is_model(key) ? gpus + " of model " + std::string(model_of(key)) : gpus;
}

std::string title(const QuotaNode& n) { return (n.tenant ? "tenant " : "queue ") + n.name; }
std::string_view parent_field(const QuotaNode& n) { return n.tenant ? "spec.queue" : "spec.parent"; }
std::string guarantee_field(const QuotaNode& n, std::string_view key) {
  return n.tenant ? "spec.gpus.guarantee" : "spec.guarantee." + std::string(key);
}

class Tree {
 public:
  Tree(const QuotaNode& changed, const std::vector<QuotaNode>& others) {
    for (const QuotaNode& n : others) add(n);
    add(changed);
  }
  const QuotaNode* queue(std::string_view name) const {
    const auto found = queues_.find(name);
    return found == queues_.end() ? nullptr : found->second;
  }
  const std::vector<const QuotaNode*>& below(std::string_view queue) const {
    static const std::vector<const QuotaNode*> kNone;
    const auto found = children_.find(queue);
    return found == children_.end() ? kNone : found->second;
  }
  // From the node's parent up, as far as a tree may reach.
  std::vector<const QuotaNode*> above(const QuotaNode& from) const {
    std::vector<const QuotaNode*> out;
    for (const QuotaNode* at = queue(from.parent); at && out.size() <= kDeepest; at = queue(at->parent))
      out.push_back(at);
    return out;
  }
  // Its own guarantee or that of what hangs below, the larger. Depth is bounded by the number of queues: the tree has
  // no ring when this is asked.
  QuotaAmounts guarantee(const QuotaNode& of) const {
    QuotaAmounts out = of.guarantee;
    if (!of.tenant)
      for (const auto& [key, n] : sum_below(of.name)) out[key] = std::max(out[key], n);
    int64_t models = 0;
    for (const auto& [key, n] : out)
      if (is_model(key)) models += n;
    if (models > 0) out["gpus"] = std::max(out["gpus"], models);
    return out;
  }
  QuotaAmounts sum_below(std::string_view queue) const {
    QuotaAmounts sum;
    for (const QuotaNode* child : below(queue))
      for (const auto& [key, n] : guarantee(*child)) sum[key] = std::min(sum[key] + n, kMost);
    return sum;
  }

 private:
  void add(const QuotaNode& n) {
    if (!n.tenant) queues_.emplace(n.name, &n);
    children_[n.parent].push_back(&n);
  }
  std::map<std::string_view, const QuotaNode*> queues_;
  std::map<std::string_view, std::vector<const QuotaNode*>> children_;
};

// Whether the node hangs where it can; nothing else is asked of it otherwise.
bool check_place(const QuotaNode& n, const Tree& tree, api::FieldErrors& errors) {
  if (n.parent.empty()) return true;
  const std::string field(parent_field(n));
  if (!tree.queue(n.parent)) {
    errors.invalid(
        field, Json(n.parent),
        "there is no queue of that name: create it first, or leave the field out to hang below the root");
    return false;
  }
  const auto above = tree.above(n);
  std::string way = n.name;
  for (const QuotaNode* at : above) {
    way += " → " + at->name;
    if (n.tenant || at->name != n.name) continue;
    errors.invalid(field, Json(n.parent), "hangs below this queue itself: " + way);
    return false;
  }
  if (above.size() < kDeepest) return true;
  errors.invalid(field, Json(n.parent), fmt::format("queues may be nested {} deep", kDeepest));
  return false;
}

void check_below(const QuotaNode& n, const Tree& tree, api::FieldErrors& errors) {
  const std::string below = dependents(n.name, [&] {
    std::vector<QuotaNode> all;
    for (const QuotaNode* child : tree.below(n.name)) all.push_back(*child);
    return all;
  }());
  for (const auto& [key, sum] : tree.sum_below(n.name)) {
    const std::string of_all = fmt::format("{} below it guarantee {} together", below, told(key, sum));
    if (const auto own = n.guarantee.find(key); own != n.guarantee.end() && own->second < sum)
      errors.invalid("spec.guarantee." + key, Json(own->second), of_all);
    if (const auto most = n.limit.find(key); most != n.limit.end() && most->second < sum)
      errors.invalid("spec.limit." + key, Json(most->second), of_all);
  }
}

// Once for each kind: the nearest queue above that does not hold it.
void check_above(const QuotaNode& n, const Tree& tree, api::FieldErrors& errors) {
  const QuotaAmounts mine = tree.guarantee(n);
  std::set<std::string_view> told_already;
  for (const QuotaNode* above : tree.above(n)) {
    const QuotaAmounts sums = tree.sum_below(above->name);
    for (const auto& [key, n_mine] : mine) {
      const int64_t sum = sums.find(key)->second;
      const auto judge = [&](const QuotaAmounts& bounds, std::string_view verb, std::string_view field) {
        const auto bound = bounds.find(key);
        if (n_mine == 0 || bound == bounds.end() || sum <= bound->second || !told_already.insert(key).second)
          return;
        errors.invalid(
            guarantee_field(n, key), Json(n_mine),
            fmt::format("queue {} {} {}, and with this {} would be guaranteed below it: lower this, or "
                        "raise spec.{}.{} of that queue first",
                        above->name, verb, told(key, bound->second), told(key, sum), field, key));
      };
      judge(above->guarantee, "guarantees", "guarantee");
      judge(above->limit, "is limited to", "limit");
    }
  }
}

}  // namespace

QuotaNode quota_of_queue(const Json& queue) {
  return {.name = std::string(string_at(queue, {"metadata", "name"})),
          .parent = std::string(string_at(queue, {"spec", "parent"})),
          .guarantee = amounts(api::find(queue, {"spec", "guarantee"})),
          .limit = amounts(api::find(queue, {"spec", "limit"}))};
}

QuotaNode quota_of_tenant(const Json& tenant) {
  QuotaNode out{.name = std::string(string_at(tenant, {"metadata", "name"})),
                .parent = std::string(string_at(tenant, {"spec", "queue"})),
                .tenant = true};
  if (const auto n = api::int_at(tenant, {"spec", "gpus", "guarantee"}); n && *n > 0)
    set(out.guarantee, "gpus", *n);
  if (const auto n = api::int_at(tenant, {"spec", "gpus", "limit"})) set(out.limit, "gpus", *n);
  return out;
}

void check_quota(const QuotaNode& changed, const std::vector<QuotaNode>& others, api::FieldErrors& errors) {
  const Tree tree(changed, others);
  if (!check_place(changed, tree, errors)) return;
  if (!changed.tenant) check_below(changed, tree, errors);
  check_above(changed, tree, errors);
}

std::vector<std::string> quota_warnings(const QuotaNode& changed, const std::vector<QuotaNode>& others,
                                        const QuotaAmounts& capacity) {
  std::vector<std::string> out;
  const auto has = [&](const std::string& key) {
    const auto found = capacity.find(key);
    return found == capacity.end() ? 0 : found->second;
  };
  std::string models;
  for (const auto& [key, n] : capacity)
    if (is_model(key)) (models += models.empty() ? "" : ", ") += model_of(key);
  for (const auto* amounts : {&changed.guarantee, &changed.limit})
    for (const auto& [key, n] : *amounts)
      if (is_model(key) && has(key) == 0)
        out.push_back(fmt::format("spec.{}.{}: no node has a GPU of that model today; there are: {}",
                                  amounts == &changed.limit ? "limit" : "guarantee", key,
                                  models.empty() ? "none" : models));
  const Tree tree(changed, others);
  const QuotaAmounts mine = tree.guarantee(changed);
  for (const auto& [key, sum] : tree.sum_below("")) {
    const auto own = mine.find(key);
    const bool gpus = key == "gpus" || (is_model(key) && has(key) > 0);
    if (gpus && own != mine.end() && own->second > 0 && sum > has(key))
      out.push_back(fmt::format("{}: {} are guaranteed in all, and the factory has {} today",
                                guarantee_field(changed, key), told(key, sum), told(key, has(key))));
  }
  return out;
}

std::string dependents(std::string_view queue, const std::vector<QuotaNode>& all) {
  std::vector<std::string> names;
  for (const QuotaNode& n : all)
    if (n.parent == queue) names.push_back(title(n));
  std::ranges::sort(names);
  if (names.size() > kNamed) {
    const size_t more = names.size() - kNamed;
    names.resize(kNamed);
    names.push_back(fmt::format("{} more", more));
  }
  std::string out;
  for (size_t i = 0; i < names.size(); ++i)
    (out += i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") += names[i];
  return out;
}

}  // namespace ingot::policy
