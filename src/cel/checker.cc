#include "cel/checker.h"

#include <algorithm>

#include "cel/functions.h"

namespace ingot::cel {
namespace {

using Kind = Node::Kind;

struct DeviceField {
  std::string_view name;
  Type type;
};
constexpr DeviceField kDevice[] = {{"driver", Type::String},
                                   {"attributes", Type::Attributes},
                                   {"capacity", Type::Capacities},
                                   {"allowMultipleAllocations", Type::Bool}};

// What a member of a map is.
Type member_of(Type map) {
  switch (map) {
    case Type::Attributes:
      return Type::Domain;
    case Type::Capacities:
      return Type::CapacityDomain;
    case Type::CapacityDomain:
      return Type::Quantity;
    default:
      return Type::Dyn;
  }
}

class Checker {
 public:
  explicit Checker(const Ast& ast) : ast_(ast) {}

  Maybe<Type> check(NodeId id) {
    const Node& node = ast_.nodes[id];
    switch (node.kind) {
      case Kind::Literal:
        return node.value.type();
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
      case Kind::Conditional:
        return conditional(node);
      case Kind::Bind:
        return bind(node);
      case Kind::All:
      case Kind::Exists:
        return each(node);
    }
    return Type::Dyn;
  }

 private:
  static Maybe<Type> wrong(const Node& node, std::string message) {
    return std::unexpected(Problem{node.at, std::move(message)});
  }

  Maybe<Type> name(const Node& node) {
    const auto local = std::ranges::find(locals_.rbegin(), locals_.rend(), node.name, &Local::first);
    if (local != locals_.rend()) return local->second;
    if (node.name == "device") return Type::Device;
    return wrong(node, "undeclared reference to '" + node.name + "' (in container '')");
  }

  Maybe<Type> select(const Node& node) {
    const Maybe<Type> of = check(node.children[0]);
    if (!of) return of;
    const bool has = node.kind == Kind::Has;
    if (*of == Type::Device) {
      const auto* field = std::ranges::find(kDevice, node.name, &DeviceField::name);
      if (field == std::end(kDevice)) return wrong(node, "undefined field '" + node.name + "'");
      return has ? Type::Bool : field->type;
    }
    if (*of != Type::Dyn && !is_map(*of))
      return wrong(node, "type '" + std::string(to_string(*of)) + "' does not support field selection");
    return has ? Type::Bool : member_of(*of);
  }

  Maybe<Type> call(const Node& node) {
    std::vector<Type> types;
    // A member function of something undeclared reads as a function of that name; the receiver is what is wrong.
    for (NodeId child : node.children) {
      const Maybe<Type> type = check(child);
      if (!type) return type;
      types.push_back(*type);
    }
    if (!is_function(node.name, node.member))
      return wrong(node, "undeclared reference to '" + node.name + "' (in container '')");
    if ((node.name == "_==_" || node.name == "_!=_") && !comparable(types[0], types[1]))
      return wrong(node, no_overload(node.name, false, types));
    if (!overload(node.name, node.member, types))
      return wrong(node, no_overload(node.name, node.member, types));
    if (node.name == "matches") {
      const Node& pattern = ast_.nodes[node.children[1]];
      const auto* text = pattern.kind == Kind::Literal ? pattern.value.as<std::string>() : nullptr;
      if (const std::string fault = text ? pattern_fault(*text) : ""; !fault.empty())
        return wrong(pattern, "invalid matches argument: " + fault);
    }
    return node.name == "_[_]" && is_map(types[0]) ? member_of(types[0])
                                                   : result_of(node.name, node.member, types);
  }

  static bool is_number(Type type) { return type == Type::Int || type == Type::Double; }
  static bool comparable(Type a, Type b) {
    return accepts(a, b) || accepts(b, a) || (is_number(a) && is_number(b)) || (is_map(a) && is_map(b));
  }

  Maybe<Type> list(const Node& node) {
    for (NodeId child : node.children)
      if (const Maybe<Type> type = check(child); !type) return type;
    return Type::List;
  }

  Maybe<Type> logic(const Node& node) {
    const std::string_view sign = node.kind == Kind::And ? "_&&_" : "_||_";
    for (NodeId child : node.children) {
      const Maybe<Type> type = check(child);
      if (!type) return type;
      if (!accepts(Type::Bool, *type))
        return wrong(ast_.nodes[child], "expected type 'bool' but found '" + std::string(to_string(*type)) +
                                            "' in '" + std::string(sign) + "'");
    }
    return Type::Bool;
  }

  Maybe<Type> conditional(const Node& node) {
    const Maybe<Type> condition = check(node.children[0]);
    if (!condition) return condition;
    if (!accepts(Type::Bool, *condition))
      return wrong(node,
                   "expected type 'bool' but found '" + std::string(to_string(*condition)) + "' before '?'");
    const Maybe<Type> yes = check(node.children[1]), no = yes ? check(node.children[2]) : yes;
    if (!no) return no;
    return *yes == *no ? *yes : Type::Dyn;
  }

  Maybe<Type> bind(const Node& node) {
    const Maybe<Type> value = check(node.children[0]);
    if (!value) return value;
    return with(node.name, *value, node.children[1]);
  }

  Maybe<Type> each(const Node& node) {
    const Maybe<Type> range = check(node.children[0]);
    if (!range) return range;
    if (*range != Type::Dyn && *range != Type::List && !is_map(*range))
      return wrong(node, "expression of type '" + std::string(to_string(*range)) +
                             "' cannot be range of a comprehension");
    const Maybe<Type> verdict = with(node.name, is_map(*range) ? Type::String : Type::Dyn, node.children[1]);
    if (verdict && !accepts(Type::Bool, *verdict))
      return wrong(node, "expected type 'bool' but found '" + std::string(to_string(*verdict)) + "'");
    return verdict ? Maybe<Type>(Type::Bool) : verdict;
  }

  Maybe<Type> with(const std::string& name, Type type, NodeId body) {
    locals_.emplace_back(name, type);
    const Maybe<Type> result = check(body);
    locals_.pop_back();
    return result;
  }

  using Local = std::pair<std::string_view, Type>;
  const Ast& ast_;
  std::vector<Local> locals_;
};

}  // namespace

Maybe<Type> check(const Ast& ast) { return Checker(ast).check(ast.root()); }

}  // namespace ingot::cel
