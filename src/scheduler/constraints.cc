#include "scheduler/constraints.h"

#include <algorithm>
#include <charconv>

namespace ingot::scheduler {
namespace {

std::optional<int64_t> integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool holds(const Requirement& r, const std::string* value) {
  const auto listed = [&] { return std::ranges::find(r.values, *value) != r.values.end(); };
  switch (r.op) {
    case Requirement::Op::In:
      return value && listed();
    case Requirement::Op::NotIn:
      return !value || !listed();
    case Requirement::Op::Exists:
      return value != nullptr;
    case Requirement::Op::DoesNotExist:
      return value == nullptr;
    case Requirement::Op::Gt:
    case Requirement::Op::Lt: {
      if (!value || r.values.size() != 1) return false;
      const auto have = integer(*value), bound = integer(r.values[0]);
      if (!have || !bound) return false;
      return r.op == Requirement::Op::Gt ? *have > *bound : *have < *bound;
    }
    case Requirement::Op::Never:
      return false;
  }
  return false;
}

}  // namespace

void put_text(std::string& out, std::string_view text) {
  ((out += std::to_string(text.size())) += ':') += text;
}

void put_text(std::string& out, const std::vector<Requirement>& requirements) {
  out += '[';
  for (const Requirement& r : requirements) {
    put_text(out, r.key);
    out += char('a' + int(r.op));
    for (const std::string& value : r.values) put_text(out, value);
    out += ';';
  }
  out += ']';
}

void put_text(std::string& out, const Term& term) {
  put_text(out, term.labels);
  put_text(out, term.fields);
}

bool matches_all(const std::vector<Requirement>& requirements, const Labels& labels) {
  return std::ranges::all_of(requirements, [&](const Requirement& r) {
    const auto found = labels.find(r.key);
    return holds(r, found == labels.end() ? nullptr : &found->second);
  });
}

bool matches_term(const Term& term, std::string_view node_name, const Labels& labels) {
  if (term.labels.empty() && term.fields.empty()) return false;
  const std::string name(node_name);
  return matches_all(term.labels, labels) && std::ranges::all_of(term.fields, [&](const Requirement& r) {
           return r.key == "metadata.name" && holds(r, &name);
         });
}

std::optional<Effect> parse_effect(std::string_view text) {
  for (const Effect effect : {Effect::NoSchedule, Effect::PreferNoSchedule, Effect::NoExecute})
    if (text == to_string(effect)) return effect;
  return std::nullopt;
}

std::string_view to_string(Effect effect) {
  switch (effect) {
    case Effect::NoSchedule:
      return "NoSchedule";
    case Effect::PreferNoSchedule:
      return "PreferNoSchedule";
    case Effect::NoExecute:
      return "NoExecute";
  }
  return "";
}

bool Toleration::tolerates(const Taint& taint) const {
  if (effect && *effect != taint.effect) return false;
  if (key.empty()) return exists;
  return key == taint.key && (exists || value == taint.value);
}

std::string Constraints::text() const {
  std::string out;
  for (const auto& [key, value] : selector) {
    put_text(out, key);
    put_text(out, value);
  }
  out += '|';
  if (affinity) {
    out += '?';
    for (const Term& term : *affinity) put_text(out, term);
  }
  out += '|';
  for (const Toleration& t : tolerations) {
    put_text(out, t.key);
    out += t.exists ? 'e' : '=';
    put_text(out, t.value);
    out += t.effect ? char('0' + int(*t.effect)) : '*';
  }
  out += '|';
  put_text(out, node);
  return out;
}

bool matches_selector(const Constraints& c, const Labels& labels) {
  return std::ranges::all_of(c.selector, [&](const auto& want) {
    const auto found = labels.find(want.first);
    return found != labels.end() && found->second == want.second;
  });
}

bool matches_affinity(const Constraints& c, std::string_view node_name, const Labels& labels) {
  if (!c.affinity) return true;
  return std::ranges::any_of(*c.affinity,
                             [&](const Term& term) { return matches_term(term, node_name, labels); });
}

const Taint* blocking_taint(const Constraints& c, const std::vector<Taint>& taints) {
  for (const Taint& taint : taints) {
    if (taint.effect == Effect::PreferNoSchedule) continue;
    if (std::ranges::none_of(c.tolerations, [&](const Toleration& t) { return t.tolerates(taint); }))
      return &taint;
  }
  return nullptr;
}

int disliked_taints(const Constraints& c, const std::vector<Taint>& taints) {
  return int(std::ranges::count_if(taints, [&](const Taint& taint) {
    return taint.effect == Effect::PreferNoSchedule &&
           std::ranges::none_of(c.tolerations, [&](const Toleration& t) { return t.tolerates(taint); });
  }));
}

}  // namespace ingot::scheduler
