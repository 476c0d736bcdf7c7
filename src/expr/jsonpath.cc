#include "expr/jsonpath.h"

#include <algorithm>

#include "expr/functions.h"
#include "expr/go_text.h"
#include "expr/jsonpath_nodes.h"

namespace ingot::expr {
namespace {

using Kind = PathNode::Kind;
using Values = std::vector<Value>;
using Found = Maybe<Values>;

class Walker {
 public:
  Walker(const std::vector<PathNode>& nodes, bool allow_missing, int64_t& left)
      : nodes_(nodes), allow_missing_(allow_missing), left_(left) {}

  // The values of each text and action from `at` up to the end of its range; `done` is called with them.
  template <class Done>
  Maybe<size_t> run(size_t at, const Value& current, const Done& done) {
    for (; at < nodes_.size(); ++at) {
      if (is_end(nodes_[at])) return at;
      const Found found = walk({current}, nodes_[at]);
      if (!found) return wrong(found.error());
      if (!is_range(nodes_[at])) {
        done(*found);
        continue;
      }
      const size_t end = end_of(at);
      for (const Value& item : *found)
        if (const auto ran = run(at + 1, item, done); !ran) return ran;
      at = end;
    }
    return at;
  }

 private:
  static bool has(const PathNode& node, Kind kind) { return includes(node.nodes, kind, &PathNode::kind); }
  static bool is_range(const PathNode& node) { return node.kind == Kind::Action && has(node, Kind::Range); }
  static bool is_end(const PathNode& node) { return node.kind == Kind::Action && has(node, Kind::End); }
  size_t end_of(size_t at) const {
    for (int open = 0; at < nodes_.size(); ++at) {
      open += int(is_range(nodes_[at])) - int(is_end(nodes_[at]));
      if (open == 0) break;
    }
    return at;
  }

  bool pay(size_t count) { return (left_ -= 1 + int64_t(count)) >= 0; }

  Found walk(const Values& values, const PathNode& node) {
    if (!pay(values.size())) return wrong(std::string(kTooDear));
    switch (node.kind) {
      case Kind::Literal:
        return Values{borrowed(node.value)};
      case Kind::Action:
        return action(values, node);
      case Kind::Field:
        return field(values, node.text);
      case Kind::Array:
        return array(values, node);
      case Kind::Filter:
        return filter(values, node);
      case Kind::Union:
        return all_of(values, node);
      case Kind::Wildcard:
        return below(values);
      case Kind::Recursive:
        return recursive(values);
      case Kind::Range:
        return values;
      case Kind::End:
        return Values();
    }
    return Values();
  }

  Found action(const Values& values, const PathNode& node) {
    Found current = values;
    for (const PathNode& one : node.nodes)
      if (current = walk(*current, one); !current) break;
    return current;
  }

  Found field(const Values& values, const std::string& name) {
    Values out;
    for (const Value& value : values)
      if (const auto* map = value->if_object())
        if (const Json* found = map->if_contains(name)) out.push_back(part_of(value, *found));
    if (out.empty() && !values.empty() && !allow_missing_)
      return wrong("jsonpath: " + name + " is not found");
    return out;
  }

  Found array(const Values& values, const PathNode& node) {
    Values out;
    for (const Value& value : values) {
      if (value->is_null()) continue;
      if (!value->is_array())
        return wrong("jsonpath: " + std::string(type_name(*value)) + " is not array or slice");
      const JsonArray& list = value->get_array();
      const int64_t size = int64_t(list.size());
      int64_t from = node.bounds[0].value_or(0), to = node.one ? from + 1 : node.bounds[1].value_or(size);
      if (from < 0) from += size;
      if (to < 0 || (to == 0 && node.one)) to += size;
      if (from == to) return out;
      if (from < 0 || from >= size || to < 0 || to > size)
        return wrong("jsonpath: array index out of bounds: index " +
                     std::to_string(from < 0 || from >= size ? from : to - 1) + ", length " +
                     std::to_string(size));
      if (from > to) return wrong("jsonpath: starting index is greater than ending index");
      const int64_t step = node.bounds[2].value_or(1);
      if (step <= 0) return wrong("jsonpath: step must be > 0");
      if (!pay(size_t(to - from))) return wrong(std::string(kTooDear));
      for (int64_t i = from; i < to; i += step) out.push_back(part_of(value, list[size_t(i)]));
    }
    return out;
  }

  Found all_of(const Values& values, const PathNode& node) {
    Values out;
    for (const PathNode& one : node.nodes) {
      const Found found = walk(values, one);
      if (!found) return found;
      if (!pay(found->size())) return wrong(std::string(kTooDear));
      out.insert(out.end(), found->begin(), found->end());
    }
    return out;
  }

  Found below(const Values& values) {
    Values out;
    for (const Value& value : values) {
      if (const auto* list = value->if_array())
        for (const Json& item : *list) out.push_back(part_of(value, item));
      if (const auto* map = value->if_object())
        for (const auto* member : sorted(*map)) out.push_back(part_of(value, member->value()));
      if (!pay(out.size())) return wrong(std::string(kTooDear));
    }
    return out;
  }

  // Each value that has others in it, before those.
  Found recursive(const Values& values) {
    Values out;
    for (const Value& value : values) {
      const Found children = below({value});
      if (!children) return children;
      if (children->empty()) continue;
      out.push_back(value);
      const Found deeper = recursive(*children);
      if (!deeper) return deeper;
      if (!pay(deeper->size())) return wrong(std::string(kTooDear));
      out.insert(out.end(), deeper->begin(), deeper->end());
    }
    return out;
  }

  Found filter(const Values& values, const PathNode& node) {
    Values out;
    for (const Value& value : values) {
      if (!value->is_array())
        return wrong("jsonpath: only lists can be filtered, not " + std::string(type_name(*value)));
      for (const Json& item : value->get_array()) {
        const Value one = part_of(value, item);
        const Maybe<bool> chosen = chosen_by(node, one);
        if (!chosen) return wrong(chosen.error());
        if (*chosen) out.push_back(one);
      }
    }
    return out;
  }

  Maybe<bool> chosen_by(const PathNode& node, const Value& item) {
    const Found left = walk({item}, node.nodes[0]);
    if (left_ < 0) return wrong(std::string(kTooDear));
    if (node.text == "exists") return left && !left->empty();
    if (!left) return wrong(left.error());
    if (left->empty()) return false;
    const Found right = walk({item}, node.nodes[1]);
    if (!right) return wrong(right.error());
    if (right->empty()) return false;
    if (left->size() > 1 || right->size() > 1)
      return wrong("jsonpath: can only compare one element at a time");
    return compare(node.text, *left->front(), *right->front());
  }

  static Maybe<bool> compare(std::string_view sign, const Json& a, const Json& b) {
    const bool equality = sign == "==" || sign == "!=";
    if (a.kind() != b.kind() || a.is_structured() || a.is_null() || (a.is_bool() && !equality))
      return wrong("jsonpath: incompatible types for comparison");
    if (equality) return equal(a, b) == (sign == "==");
    if (sign == "<") return *less(a, b);
    if (sign == "<=") return *less(a, b) || equal(a, b);
    if (sign == ">") return !*less(a, b) && !equal(a, b);
    return !*less(a, b);
  }

  const std::vector<PathNode>& nodes_;
  const bool allow_missing_;
  int64_t& left_;
};

}  // namespace

Maybe<JsonPath> JsonPath::compile(std::string_view text) {
  auto nodes = parse_jsonpath(text);
  if (!nodes) return wrong(nodes.error());
  return JsonPath(std::make_shared<const std::vector<PathNode>>(*std::move(nodes)));
}

Maybe<std::string> JsonPath::text(const Json& json, int64_t& steps, bool allow_missing) const {
  std::string out;
  const auto ran = Walker(*nodes_, allow_missing, steps).run(0, borrowed(json), [&](const Values& values) {
    for (const Value& value : values) {
      steps -= weight(*value, steps);
      if (steps < 0) return;
      if (&value != values.data()) out += ' ';
      out += value->is_null()         ? "null"
             : value->is_structured() ? json_text(*value).value_or("")
                                      : printed(*value);
    }
  });
  if (steps < 0) return wrong(std::string(kTooDear));
  return ran ? Maybe<std::string>(std::move(out)) : wrong(ran.error());
}

Maybe<std::vector<Json>> JsonPath::find(const Json& json, int64_t& steps, bool allow_missing) const {
  std::vector<Json> out;
  const auto ran = Walker(*nodes_, allow_missing, steps).run(0, borrowed(json), [&](const Values& values) {
    for (const Value& value : values) {
      steps -= weight(*value, steps);
      if (steps >= 0) out.push_back(*value);
    }
  });
  if (steps < 0) return wrong(std::string(kTooDear));
  return ran ? Maybe<std::vector<Json>>(std::move(out)) : wrong(ran.error());
}

}  // namespace ingot::expr
