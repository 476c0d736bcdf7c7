#include "scheduler/affinity_terms.h"

#include <algorithm>
#include <array>
#include <set>

namespace ingot::scheduler {
namespace {

using Op = Requirement::Op;

void put_number(std::string& out, int64_t n) { (out += std::to_string(n)) += ';'; }

std::string text_of(const Requirement& r) {
  static constexpr std::array<std::string_view, 7> kOps = {" in ", " notin ", "", "", ">", "<", " ? "};
  if (r.op == Op::Exists) return r.key;
  if (r.op == Op::DoesNotExist) return "!" + r.key;
  if (r.op == Op::In && r.values.size() == 1) return r.key + "=" + r.values[0];
  if (r.op == Op::NotIn && r.values.size() == 1) return r.key + "!=" + r.values[0];
  std::string list;
  for (const std::string& value : r.values) (list += list.empty() ? "" : ",") += value;
  const bool set = r.op == Op::In || r.op == Op::NotIn;
  return r.key + std::string(kOps[size_t(r.op)]) + (set ? "(" + list + ")" : list);
}

std::string text_of(const std::vector<Requirement>& requirements) {
  std::string out;
  for (const Requirement& r : requirements) {
    if (!out.empty()) out += ',';
    out += text_of(r);
    if (out.size() > 200) return out.substr(0, 197) + "...";
  }
  return out;
}

// Two requirements that no set of labels meets, or one that none does.
std::optional<std::string> conflict(const std::vector<Requirement>& all) {
  for (const Requirement& in : all) {
    if (in.op == Op::Never || (in.op == Op::In && in.values.empty())) return text_of({in});
    if (in.op != Op::In && in.op != Op::Exists && in.op != Op::Gt && in.op != Op::Lt) continue;
    for (const Requirement& other : all) {
      if (other.key != in.key || &other == &in) continue;
      const bool absent = other.op == Op::DoesNotExist;
      // None of the values that one lists is one that the other allows.
      const bool none = in.op == Op::In && std::ranges::none_of(in.values, [&](const std::string& value) {
                          return matches_all({other}, {{other.key, value}});
                        });
      if (absent || none) return text_of({in}) + " and " + text_of({other});
    }
  }
  return std::nullopt;
}

std::optional<std::string> node_conflict(const Constraints& where) {
  std::vector<Requirement> selector;
  for (const auto& [key, value] : where.selector) selector.push_back({key, Op::In, {value}});
  if (!where.affinity) return std::nullopt;
  if (where.affinity->empty()) return "its required node affinity has no term";
  std::optional<std::string> first;
  for (const Term& term : *where.affinity) {
    std::vector<Requirement> all = selector;
    all.insert(all.end(), term.labels.begin(), term.labels.end());
    auto wrong = term.labels.empty() && term.fields.empty()
                     ? std::optional<std::string>("a term without requirements")
                     : conflict(all);
    if (!wrong) return std::nullopt;
    if (!first) first = std::move(wrong);
  }
  return "its required node affinity and node selector ask for " + *first;
}

bool same_pods(const PodTerm& a, const PodTerm& b) {
  std::string left, right;
  put_text(left, a);
  put_text(right, b);
  return left == right;
}

}  // namespace

bool Affinity::empty() const {
  return near.empty() && apart.empty() && prefer_near.empty() && prefer_apart.empty() && spread.empty() &&
         prefer_nodes.empty();
}

std::string Affinity::text() const {
  std::string out;
  if (empty()) return out;
  for (const auto* list : {&near, &apart, &prefer_near, &prefer_apart}) {
    for (const PodTerm& term : *list) {
      put_text(out, term);
      put_number(out, term.weight);
    }
    out += '|';
  }
  for (const Spread& s : spread) {
    put_text(out, s.key);
    put_text(out, s.labels);
    put_number(out, s.max_skew);
    put_number(out, s.min_domains);
    for (const bool flag : {s.required, s.honor_affinity, s.honor_taints}) out += flag ? '1' : '0';
  }
  out += '|';
  for (const WeightedTerm& w : prefer_nodes) {
    put_text(out, w.term);
    put_number(out, w.weight);
  }
  return out;
}

void put_text(std::string& out, const Selector& selector) {
  if (selector)
    put_text(out, *selector);
  else
    out += '-';
}

void put_text(std::string& out, const PodTerm& term) {
  put_text(out, term.key);
  put_text(out, term.labels);
  for (const std::string& name : term.namespaces) put_text(out, name);
  out += ';';
  put_text(out, term.namespace_labels);
}

bool selects(const Selector& selector, const Labels& labels) {
  return selector && matches_all(*selector, labels);
}

bool selects(const PodTerm& term, const std::string& space, const Labels& space_labels, const Labels& pod) {
  const bool there = std::ranges::find(term.namespaces, space) != term.namespaces.end() ||
                     selects(term.namespace_labels, space_labels);
  return there && selects(term.labels, pod);
}

std::string text_of(const Selector& selector) {
  if (!selector) return "(no selector)";
  return selector->empty() ? "(any label)" : text_of(*selector);
}

std::optional<std::string> contradiction(const Affinity& affinity, const Constraints& where,
                                         const std::string& space, const Labels& pod) {
  const std::string no = "no node can satisfy the pod: ";
  if (auto wrong = node_conflict(where)) return no + *wrong;
  for (const PodTerm& term : affinity.near) {
    if (!term.labels) return no + "a term of its pod affinity has no label selector, which selects no pod";
    if (auto wrong = conflict(*term.labels)) return no + "its pod affinity asks for pods with " + *wrong;
    // A pod that its own affinity selects may be the first of its kind.
    const bool first =
        std::ranges::all_of(affinity.near, [&](const PodTerm& t) { return selects(t, space, {}, pod); });
    for (const PodTerm& other : affinity.apart)
      if (!first && same_pods(term, other))
        return no + "it must be near pods with " + text_of(term.labels) +
               " and apart from them by the same " + term.key;
  }
  return std::nullopt;
}

}  // namespace ingot::scheduler
