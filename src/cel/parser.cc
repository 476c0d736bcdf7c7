#include "cel/parser.h"

#include <algorithm>

#include "cel/lexer.h"

namespace ingot::cel {
namespace {

using Kind = Node::Kind;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Maybe<Ast> run() {
    const auto root = expression();
    if (!root) return std::unexpected(root.error());
    if (now().kind != Token::Kind::End) return std::unexpected(unexpected_token());
    return std::move(ast_);
  }

 private:
  using Id = Maybe<NodeId>;

  // What calls itself goes through here, so that no text makes the stack deep.
  struct Level {
    int& depth;
    explicit Level(int& d) : depth(d) { ++depth; }
    ~Level() { --depth; }
  };

  const Token& now() const { return tokens_[next_]; }
  bool take(std::string_view sign) { return now().is(sign) && ++next_; }
  Problem unexpected_token() const {
    if (now().kind == Token::Kind::End) return {now().at, "Syntax error: the expression ends too early"};
    const std::string text =
        now().kind == Token::Kind::Literal ? "a literal" : "'" + std::string(now().text) + "'";
    return {now().at, "Syntax error: unexpected " + text};
  }

  Id add(Node node) {
    for (NodeId child : node.children) node.depth = std::max(node.depth, ast_.nodes[child].depth + 1);
    if (node.depth > kMaxDepth)
      return std::unexpected(Problem{node.at, "the expression is nested too deeply"});
    ast_.nodes.push_back(std::move(node));
    return NodeId(ast_.nodes.size() - 1);
  }
  Id call(size_t at, std::string name, std::vector<NodeId> arguments, bool member = false) {
    return add({.kind = Kind::Call,
                .at = uint32_t(at),
                .member = member,
                .name = std::move(name),
                .children = std::move(arguments)});
  }

  Id expression() {
    const Level level(depth_);
    if (depth_ > kMaxDepth) return std::unexpected(Problem{now().at, "the expression is nested too deeply"});
    const Id condition = chain("||", Kind::Or);
    if (!condition || !now().is("?")) return condition;
    const size_t at = tokens_[next_++].at;
    const Id yes = chain("||", Kind::Or);
    if (!yes) return yes;
    if (!take(":")) return std::unexpected(unexpected_token());
    const Id no = expression();
    if (!no) return no;
    return add({.kind = Kind::Conditional, .at = uint32_t(at), .children = {*condition, *yes, *no}});
  }

  Id chain(std::string_view sign, Kind kind) {
    std::vector<NodeId> parts;
    const size_t at = now().at;
    do {
      const Id part = kind == Kind::Or ? chain("&&", Kind::And) : binary(0);
      if (!part) return part;
      parts.push_back(*part);
    } while (take(sign));
    if (parts.size() == 1) return parts.front();
    return add({.kind = kind, .at = uint32_t(at), .children = std::move(parts)});
  }

  // Relations, sums, products: all associate to the left.
  Id binary(int level) {
    static const std::vector<std::string_view> kSigns[] = {
        {"<", "<=", ">", ">=", "==", "!=", "in"}, {"+", "-"}, {"*", "/", "%"}};
    if (level == 3) return unary();
    Id left = binary(level + 1);
    while (left) {
      const Token& sign = now();
      const bool is_sign = sign.kind == Token::Kind::Sign || sign.text == "in";
      if (!is_sign || std::ranges::find(kSigns[level], sign.text) == kSigns[level].end()) return left;
      ++next_;
      const Id right = binary(level + 1);
      if (!right) return right;
      left = call(sign.at, "_" + std::string(sign.text) + "_", {*left, *right});
    }
    return left;
  }

  Id unary() {
    const size_t at = now().at;
    const std::string_view sign = now().is("!") ? "!_" : now().is("-") ? "-_" : "";
    if (sign.empty()) return member();
    size_t count = 0;
    for (; now().is(sign.substr(0, 1)); ++next_) ++count;
    Id operand = member();
    if (operand && count % 2) operand = call(at, std::string(sign), {*operand});
    return operand;
  }

  Id member() {
    Id value = primary();
    while (value) {
      const size_t at = now().at;
      if (take("[")) {
        const Id index = expression();
        if (!index) return index;
        if (!take("]")) return std::unexpected(unexpected_token());
        value = call(at, "_[_]", {*value, *index});
      } else if (take(".")) {
        if (now().kind != Token::Kind::Word) return std::unexpected(unexpected_token());
        const std::string name(tokens_[next_++].text);
        value = now().is("(")
                    ? member_call(*value, name, at)
                    : add({.kind = Kind::Select, .at = uint32_t(at), .name = name, .children = {*value}});
      } else {
        break;
      }
    }
    return value;
  }

  // After "(" up to and with `close`.
  Maybe<std::vector<NodeId>> list_until(std::string_view close) {
    std::vector<NodeId> all;
    if (take(close)) return all;
    do {
      const Id one = expression();
      if (!one) return std::unexpected(one.error());
      all.push_back(*one);
    } while (take(","));
    if (!take(close)) return std::unexpected(unexpected_token());
    return all;
  }

  bool is_name(NodeId id) const { return ast_.nodes[id].kind == Kind::Name; }

  Id member_call(NodeId receiver, const std::string& name, size_t at) {
    ++next_;
    const auto arguments = list_until(")");
    if (!arguments) return std::unexpected(arguments.error());
    const std::vector<NodeId>& a = *arguments;
    if (is_name(receiver) && ast_.nodes[receiver].name == "cel" && name == "bind") {
      if (a.size() != 3 || !is_name(a[0]))
        return std::unexpected(Problem{at, "cel.bind() takes a name, its value and an expression"});
      return add(
          {.kind = Kind::Bind, .at = uint32_t(at), .name = ast_.nodes[a[0]].name, .children = {a[1], a[2]}});
    }
    if ((name == "all" || name == "exists") && a.size() == 2) {
      if (!is_name(a[0])) return std::unexpected(Problem{at, "argument must be a simple name"});
      return add({.kind = name == "all" ? Kind::All : Kind::Exists,
                  .at = uint32_t(at),
                  .name = ast_.nodes[a[0]].name,
                  .children = {receiver, a[1]}});
    }
    std::vector<NodeId> all{receiver};
    all.insert(all.end(), a.begin(), a.end());
    return call(at, name, std::move(all), true);
  }

  Id has(size_t at) {
    const auto arguments = list_until(")");
    if (!arguments) return std::unexpected(arguments.error());
    if (arguments->size() != 1 || ast_.nodes[arguments->front()].kind != Kind::Select)
      return std::unexpected(Problem{at, "invalid argument to has() macro"});
    Node node = ast_.nodes[arguments->front()];
    node.kind = Kind::Has;
    return add(std::move(node));
  }

  Id primary() {
    const Token& token = tokens_[next_];
    const auto at = uint32_t(token.at);
    if (token.kind == Token::Kind::Literal) {
      ++next_;
      return add({.kind = Kind::Literal, .at = at, .value = token.value});
    }
    if (take("(")) {
      const Id inner = expression();
      if (inner && !take(")")) return std::unexpected(unexpected_token());
      return inner;
    }
    if (take("[")) {
      const auto items = list_until("]");
      if (!items) return std::unexpected(items.error());
      return add({.kind = Kind::MakeList, .at = at, .children = *items});
    }
    if (token.is("{"))
      return std::unexpected(Problem{token.at, "maps cannot be written in this factory's CEL"});
    if (token.kind != Token::Kind::Word || token.text == "in") return std::unexpected(unexpected_token());
    ++next_;
    if (token.text == "true" || token.text == "false")
      return add({.kind = Kind::Literal, .at = at, .value = Value(token.text == "true")});
    if (token.text == "null") return add({.kind = Kind::Literal, .at = at});
    if (!take("(")) return add({.kind = Kind::Name, .at = at, .name = std::string(token.text)});
    if (token.text == "has") return has(token.at);
    const auto arguments = list_until(")");
    if (!arguments) return std::unexpected(arguments.error());
    return call(token.at, std::string(token.text), *arguments);
  }

  const std::vector<Token> tokens_;
  size_t next_ = 0;
  int depth_ = 0;
  Ast ast_;
};

}  // namespace

Maybe<Ast> parse(std::string_view text) {
  if (text.size() > kMaxText)
    return std::unexpected(
        Problem{0, "the expression is longer than " + std::to_string(kMaxText) + " bytes"});
  auto all = tokens(text);
  if (!all) return std::unexpected(all.error());
  return Parser(std::move(*all)).run();
}

}  // namespace ingot::cel
