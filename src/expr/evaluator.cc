#include "expr/evaluator.h"

#include <algorithm>

#include "expr/each.h"
#include "expr/operators.h"

namespace ingot::expr {
namespace {

using Kind = Node::Kind;

class Evaluator {
 public:
  Evaluator(const Ast& ast, const Json& variables, WallTime now, int64_t& left)
      : ast_(ast), variables_(variables), now_(now), left_(left) {}

  Outcome run(NodeId id) {
    const Node& node = ast_.nodes[id];
    if (--left_ < 0) return wrong(std::string(kTooDear));
    switch (node.kind) {
      case Kind::Literal:
        return node.value;
      case Kind::Name:
        return name(node);
      case Kind::Pointer:
        return pointer(node);
      case Kind::Member:
        return member(node);
      case Kind::Slice:
        return with_all(node, [&](const auto& v) { return slice(*v[0], *v[1], *v[2]); });
      case Kind::Chain:
        return chain(node);
      case Kind::Unary:
        return with_all(node, [&](const auto& v) { return negate(node.name, *v[0]); });
      case Kind::Binary:
        return binary(node);
      case Kind::Conditional: {
        const Maybe<bool> yes = truth(run(node.children[0]), "?");
        return yes ? run(node.children[*yes ? 1 : 2]) : Outcome(wrong(yes.error()));
      }
      case Kind::Let:
        return let(node);
      case Kind::Sequence:
        return sequence(node);
      case Kind::List:
        return with_all(node, list);
      case Kind::Map:
        return with_all(node, map);
      case Kind::Each:
        return each(node);
      case Kind::Call:
        return with_all(node, [&](const auto& v) { return call(*node.function, v, now_, left_); });
    }
    return wrong("unknown expression");
  }

 private:
  struct Scope {
    Value item, index, acc;
  };

  static Maybe<bool> truth(const Outcome& outcome, std::string_view sign) {
    if (!outcome) return wrong(outcome.error());
    if (!(*outcome)->is_bool())
      return wrong("invalid operation: " + std::string(sign) + " needs a bool, not " +
                   std::string(type_name(**outcome)));
    return (*outcome)->get_bool();
  }

  // Whether the values may be gone over once more.
  bool pay(const Json& json) {
    left_ -= weight(json, left_);
    return left_ >= 0;
  }
  Outcome paid(Made made) {
    if (!made) return wrong(std::move(made.error()));
    return pay(*made) ? Outcome(make(*std::move(made))) : wrong(std::string(kTooDear));
  }

  template <class Then>
  Outcome with_all(const Node& node, Then then) {
    std::vector<Value> values;
    values.reserve(node.children.size());
    for (const NodeId child : node.children) {
      Outcome value = run(child);
      if (!value) return value;
      if (!pay(**value)) return wrong(std::string(kTooDear));
      values.push_back(*std::move(value));
    }
    return paid(then(values));
  }

  Outcome name(const Node& node) {
    const auto local = std::ranges::find(locals_.rbegin(), locals_.rend(), node.name, &Local::first);
    if (local != locals_.rend()) return local->second;
    if (node.name == "$env") return borrowed(variables_);
    const Json* found = variables_.get_object().if_contains(node.name);
    return found ? borrowed(*found) : Outcome(wrong("unknown name " + node.name));
  }

  Outcome pointer(const Node& node) {
    if (scopes_.empty()) return wrong("# is only known in a predicate");
    const Scope& scope = scopes_.back();
    if (node.name == "acc" && !scope.acc) return wrong("#acc is only known in reduce");
    return node.name.empty() ? scope.item : node.name == "acc" ? scope.acc : scope.index;
  }

  Outcome member(const Node& node) {
    Outcome of = run(node.children[0]);
    if (!of || skipping_) return of;
    if (node.optional && (*of)->is_null()) {
      skipping_ = true;
      return of;
    }
    if (node.children.size() == 1) return fetch(*of, text(node.name));
    const Outcome key = run(node.children[1]);
    return key ? fetch(*of, **key) : key;
  }

  Outcome chain(const Node& node) {
    Outcome value = run(node.children[0]);
    return std::exchange(skipping_, false) ? make(nullptr) : value;
  }

  Outcome binary(const Node& node) {
    const bool either = node.name == "||";
    if (either || node.name == "&&") {
      const Maybe<bool> left = truth(run(node.children[0]), node.name);
      if (!left) return wrong(left.error());
      if (*left == either) return make(Json(either));
      const Maybe<bool> right = truth(run(node.children[1]), node.name);
      return right ? make(Json(*right)) : Outcome(wrong(right.error()));
    }
    if (node.name == "??") {
      const Outcome left = run(node.children[0]);
      return !left || !(*left)->is_null() ? left : run(node.children[1]);
    }
    return with_all(node, [&](const auto& v) -> Made {
      if (mismatched(node, *v[0], *v[1]))
        return wrong("invalid operation: " + node.name + " (mismatched types " +
                     std::string(type_name(*v[0])) + " and " + std::string(type_name(*v[1])) + ")");
      return operate(node.name, *v[0], *v[1], {{}, now_, left_});
    });
  }

  // Upstream knows the types of literals and of variables, though not of their members, before it runs.
  bool mismatched(const Node& node, const Json& a, const Json& b) const {
    const auto known = [&](NodeId id) {
      const Node& n = ast_.nodes[id];
      return n.kind == Kind::Literal || (n.kind == Kind::Name && !includes(locals_, n.name, &Local::first));
    };
    return (node.name == "==" || node.name == "!=") && known(node.children[0]) && known(node.children[1]) &&
           !a.is_null() && !b.is_null() && a.kind() != b.kind() && !(is_number(a) && is_number(b));
  }

  Outcome let(const Node& node) {
    Outcome value = run(node.children[0]);
    if (!value) return value;
    locals_.emplace_back(node.name, *std::move(value));
    Outcome result = run(node.children[1]);
    locals_.pop_back();
    return result;
  }

  Outcome sequence(const Node& node) {
    Outcome last = make(nullptr);
    for (const NodeId child : node.children)
      if (last = run(child); !last) break;
    return last;
  }

  static Made list(const std::vector<Value>& values) {
    JsonArray items;
    items.reserve(values.size());
    for (const Value& value : values) items.push_back(*value);
    return items;
  }
  static Made map(const std::vector<Value>& values) {
    JsonObject members;
    for (size_t i = 0; i + 1 < values.size(); i += 2) {
      if (!values[i]->is_string())
        return wrong("a map's key must be a string, not " + std::string(type_name(*values[i])));
      members.insert_or_assign(values[i]->get_string(), *values[i + 1]);
    }
    return members;
  }

  Outcome each(const Node& node) {
    const Outcome list = run(node.children[0]);
    if (!list) return list;
    if (!(*list)->is_array())
      return wrong(node.name + ": argument 1 must be an array, not " + std::string(type_name(**list)));
    Value more;
    if (node.children.size() == 3) {
      Outcome third = run(node.children[2]);
      if (!third) return third;
      more = *std::move(third);
    }
    const Predicate predicate = [&](const Value& item, size_t index, const Value& acc) -> Outcome {
      if (node.children.size() == 1) return item;
      scopes_.push_back({item, make(Json(int64_t(index))), acc});
      Outcome outcome = run(node.children[1]);
      scopes_.pop_back();
      return outcome;
    };
    if (!pay(**list)) return wrong(std::string(kTooDear));
    return for_each(node.name, *list, predicate, more, left_);
  }

  using Local = std::pair<std::string_view, Value>;
  const Ast& ast_;
  const Json& variables_;
  const WallTime now_;
  int64_t& left_;
  std::vector<Local> locals_;
  std::vector<Scope> scopes_;
  bool skipping_ = false;  // a `?.` found nil: up to the end of its chain
};

}  // namespace

Outcome evaluate(const Ast& ast, const Json& variables, WallTime now, int64_t& left) {
  int64_t own = std::min(left, kMaxSteps);
  left -= own;
  Outcome outcome = Evaluator(ast, variables, now, own).run(ast.root);
  left += std::max<int64_t>(own, 0);
  return outcome;
}

}  // namespace ingot::expr
