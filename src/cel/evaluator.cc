#include "cel/evaluator.h"

#include <algorithm>

namespace ingot::cel {
namespace {

using Kind = Node::Kind;

Outcome wrong(std::string message) { return std::unexpected(std::move(message)); }

class Evaluator {
 public:
  Evaluator(const Ast& ast, const Value& device, int64_t& left) : ast_(ast), device_(device), left_(left) {}

  Outcome run(NodeId id) {
    const Node& node = ast_.nodes[id];
    if (--left_ < 0) return too_dear();
    switch (node.kind) {
      case Kind::Literal:
        return node.value;
      case Kind::Name:
        return name(node);
      case Kind::Select:
      case Kind::Has:
        return select(node);
      case Kind::Call:
        return call(node);
      case Kind::MakeList:
        return list(node);
      case Kind::And:
      case Kind::Or:
        return logic(node);
      case Kind::Conditional: {
        const Outcome condition = truth(run(node.children[0]));
        return condition ? run(node.children[*condition->as<bool>() ? 1 : 2]) : condition;
      }
      case Kind::Bind: {
        Outcome value = run(node.children[0]);
        return value ? with(node.name, *std::move(value), node.children[1]) : value;
      }
      case Kind::All:
      case Kind::Exists:
        return each(node);
    }
    return wrong("unknown expression");
  }

 private:
  static Outcome too_dear() { return wrong("the expression takes more steps than are allowed"); }
  static Outcome truth(Outcome outcome) {
    if (outcome && !outcome->as<bool>()) return wrong("no such overload: a bool is needed");
    return outcome;
  }

  Outcome name(const Node& node) const {
    const auto local = std::ranges::find(locals_.rbegin(), locals_.rend(), node.name, &Local::first);
    return local != locals_.rend() ? local->second : device_;
  }

  Outcome select(const Node& node) {
    const Outcome of = run(node.children[0]);
    if (!of) return of;
    const Map* map = of->map();
    if (!map) return wrong("no such overload: only maps have members");
    const auto found = map->members.find(node.name);
    if (node.kind == Kind::Has) return Value(found != map->members.end());
    if (found != map->members.end()) return found->second;
    return map->open ? Outcome(make(Map())) : wrong("no such key: " + node.name);
  }

  static int64_t weight(const Value& value) {
    if (const auto* text = value.as<std::string>()) return int64_t(text->size() / 16);
    if (const List* list = value.list()) return int64_t(list->size());
    return 0;
  }

  Outcome call(const Node& node) {
    std::vector<Value> arguments;
    std::vector<Type> types;
    for (NodeId child : node.children) {
      Outcome value = run(child);
      if (!value) return value;
      types.push_back(value->type());
      left_ -= weight(*value);
      arguments.push_back(*std::move(value));
    }
    if (node.name == "matches") left_ -= 1'000 + 100 * weight(arguments.back());
    if (left_ < 0) return too_dear();
    const Function* function = overload(node.name, node.member, types);
    return function ? function->call(arguments) : wrong("no such overload");
  }

  Outcome list(const Node& node) {
    List items;
    for (NodeId child : node.children) {
      Outcome value = run(child);
      if (!value) return value;
      items.push_back(*std::move(value));
    }
    return make(std::move(items));
  }

  // What decides wins over what fails, wherever it stands.
  Outcome logic(const Node& node) {
    const bool decides = node.kind == Kind::Or;
    Outcome result = Value(!decides);
    for (NodeId child : node.children) {
      Outcome part = truth(run(child));
      if (left_ < 0) return too_dear();
      if (part && *part->as<bool>() == decides) return part;
      if (!part && result) result = std::move(part);
    }
    return result;
  }

  Outcome each(const Node& node) {
    const Outcome range = run(node.children[0]);
    if (!range) return range;
    List items;
    if (const List* list = range->list())
      items = *list;
    else if (const Map* map = range->map())
      for (const auto& [key, value] : map->members) items.push_back(Value(key));
    else
      return wrong("no such overload: a list or a map is needed");
    const bool decides = node.kind == Kind::Exists;
    Outcome result = Value(!decides);
    for (Value& item : items) {
      Outcome part = truth(with(node.name, std::move(item), node.children[1]));
      if (left_ < 0) return too_dear();
      if (part && *part->as<bool>() == decides) return part;
      if (!part && result) result = std::move(part);
    }
    return result;
  }

  Outcome with(const std::string& name, Value value, NodeId body) {
    locals_.emplace_back(name, std::move(value));
    Outcome result = run(body);
    locals_.pop_back();
    return result;
  }

  using Local = std::pair<std::string_view, Value>;
  const Ast& ast_;
  const Value& device_;
  std::vector<Local> locals_;
  int64_t& left_;
};

}  // namespace

Outcome evaluate(const Ast& ast, const Value& device, int64_t& left) {
  int64_t own = std::min(left, kMaxSteps);
  left -= own;
  Outcome outcome = Evaluator(ast, device, own).run(ast.root());
  left += std::max<int64_t>(own, 0);
  return outcome;
}

}  // namespace ingot::cel
