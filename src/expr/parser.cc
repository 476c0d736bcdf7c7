#include "expr/parser.h"

#include <algorithm>

#include "expr/lexer.h"

namespace ingot::expr {
namespace {

using Kind = Node::Kind;

struct Operator {
  std::string_view sign, means;  // "and" is "&&"
  int binds;
  bool right = false;
};
constexpr Operator kOperators[] = {{"|", "|", 0},
                                   {"or", "||", 10},
                                   {"||", "||", 10},
                                   {"and", "&&", 15},
                                   {"&&", "&&", 15},
                                   {"==", "==", 20},
                                   {"!=", "!=", 20},
                                   {"<", "<", 20},
                                   {">", ">", 20},
                                   {">=", ">=", 20},
                                   {"<=", "<=", 20},
                                   {"in", "in", 20},
                                   {"matches", "matches", 20},
                                   {"contains", "contains", 20},
                                   {"startsWith", "startsWith", 20},
                                   {"endsWith", "endsWith", 20},
                                   {"..", "..", 25},
                                   {"+", "+", 30},
                                   {"-", "-", 30},
                                   {"*", "*", 60},
                                   {"/", "/", 60},
                                   {"%", "%", 60},
                                   {"**", "**", 100, true},
                                   {"^", "**", 100, true},
                                   {"??", "??", 500}};
constexpr int kNotBinds = 50, kMinusBinds = 90;

// Functions with a predicate: how many arguments at least and at most, the predicate being the second.
struct Each {
  std::string_view name;
  size_t least, most;
};
constexpr Each kEach[] = {{"all", 2, 2},     {"none", 2, 2},      {"any", 2, 2},      {"one", 2, 2},
                          {"filter", 2, 2},  {"map", 2, 2},       {"count", 1, 2},    {"sum", 1, 2},
                          {"find", 2, 2},    {"findIndex", 2, 2}, {"findLast", 2, 2}, {"findLastIndex", 2, 2},
                          {"groupBy", 2, 2}, {"sortBy", 2, 3},    {"reduce", 2, 3}};

const Operator* binary_at(const Token& token) {
  if (token.kind != Token::Kind::Sign) return nullptr;
  const auto* found = std::ranges::find(kOperators, token.text, &Operator::sign);
  return found == std::end(kOperators) ? nullptr : found;
}
bool is_comparison(std::string_view sign) {
  return sign == "<" || sign == ">" || sign == "<=" || sign == ">=";
}
bool may_follow_not(std::string_view sign) {
  return sign == "in" || sign == "matches" || sign == "contains" || sign == "startsWith" ||
         sign == "endsWith";
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  std::expected<Ast, Problem> run() {
    const Id root = sequence();
    if (!root) return std::unexpected(root.error());
    if (now().kind != Token::Kind::End) return std::unexpected(unexpected_token());
    ast_.root = *root;
    return std::move(ast_);
  }

 private:
  using Id = std::expected<NodeId, Problem>;
  using Ids = std::expected<std::vector<NodeId>, Problem>;

  // What calls itself goes through here, so that no text makes the stack deep.
  struct Level {
    int& depth;
    explicit Level(int& d) : depth(d) { ++depth; }
    ~Level() { --depth; }
  };

  const Token& now() const { return tokens_[next_]; }
  const Token& after() const { return tokens_[std::min(next_ + 1, tokens_.size() - 1)]; }
  bool take(std::string_view sign) { return now().is(sign) && ++next_; }
  Problem unexpected_token() const {
    if (now().kind == Token::Kind::End) return {now().at, "unexpected end of the expression"};
    return {now().at, "unexpected token " + std::string(now().text)};
  }
  Id unexpected() const { return std::unexpected(unexpected_token()); }
  Id fault(size_t at, std::string message) const { return std::unexpected(Problem{at, std::move(message)}); }

  Id add(Node node) {
    for (const NodeId child : node.children) node.depth = std::max(node.depth, ast_.nodes[child].depth + 1);
    if (node.depth > kMaxDepth) return fault(node.at, "the expression is nested too deeply");
    ast_.nodes.push_back(std::move(node));
    return NodeId(ast_.nodes.size() - 1);
  }
  Id add(Kind kind, size_t at, std::string_view name, std::vector<NodeId> children) {
    return add(
        {.kind = kind, .at = uint32_t(at), .name = std::string(name), .children = std::move(children)});
  }
  Id nil(size_t at) { return add({.kind = Kind::Literal, .at = uint32_t(at), .value = make(nullptr)}); }

  Id sequence() {
    const size_t at = now().at;
    std::vector<NodeId> parts;
    do {
      const Id part = expression(0);
      if (!part) return part;
      parts.push_back(*part);
    } while (take(";") && now().kind != Token::Kind::End);
    return parts.size() == 1 ? Id(parts.front()) : add(Kind::Sequence, at, "", std::move(parts));
  }
  Id sequence_in(std::string_view close) {
    Id inside = sequence();
    if (inside && !take(close)) return unexpected();
    return inside;
  }

  Id expression(int binds) {
    const Level level(depth_);
    if (depth_ > kMaxDepth) return fault(now().at, "the expression is nested too deeply");
    if (binds == 0 && now().is("let")) return let();
    if (binds == 0 && now().is("if")) return conditional_if();
    Id left = primary();
    std::string_view before;
    while (left) {
      const bool negated = now().is("not") && may_follow_not(after().text);
      const Operator* op = binary_at(negated ? after() : now());
      if (!op || op->binds < binds) break;
      const size_t at = now().at;
      if (before == "??" && op->sign != "??")
        return fault(at, "?? and " + std::string(op->sign) + " cannot be mixed without parentheses");
      next_ += 1 + negated;
      before = op->sign;
      left = operation(*left, *op, at);
      if (left && negated) left = add(Kind::Unary, at, "!", {*left});
    }
    return left && binds == 0 ? conditional(*left) : left;
  }

  Id operation(NodeId left, const Operator& op, size_t at) {
    if (op.sign == "|") {
      if (now().kind != Token::Kind::Word) return unexpected();
      const Token name = now();
      ++next_;
      return now().is("(") ? call(name, {left}) : unexpected();
    }
    if (is_comparison(op.sign)) return comparison(left, op.sign, at);
    const Id right = expression(op.right ? op.binds : op.binds + 1);
    return right ? add(Kind::Binary, at, op.means, {left, *right}) : right;
  }

  // a < b < c is a < b and b < c.
  Id comparison(NodeId left, std::string_view sign, size_t at) {
    std::optional<NodeId> all;
    for (;;) {
      const Id right = expression(21);
      if (!right) return right;
      Id one = add(Kind::Binary, at, sign, {left, *right});
      if (one && all) one = add(Kind::Binary, at, "&&", {*all, *one});
      if (!one) return one;
      all = *one;
      if (now().kind != Token::Kind::Sign || !is_comparison(now().text)) return *all;
      left = *right;
      sign = now().text;
      at = tokens_[next_++].at;
    }
  }

  Id let() {
    const size_t at = tokens_[next_++].at;
    if (now().kind != Token::Kind::Word) return unexpected();
    const std::string_view name = tokens_[next_++].text;
    if (!take("=")) return unexpected();
    const Id value = expression(0);
    if (!value) return value;
    if (!take(";")) return unexpected();
    const Id body = sequence();
    return body ? add(Kind::Let, at, name, {*value, *body}) : body;
  }

  Id conditional_if() {
    const Level level(depth_);
    if (depth_ > kMaxDepth) return fault(now().at, "the expression is nested too deeply");
    const size_t at = tokens_[next_++].at;
    const Id condition = expression(0);
    if (!condition) return condition;
    if (!take("{")) return unexpected();
    const Id yes = sequence_in("}");
    if (!yes) return yes;
    if (!take("else")) return unexpected();
    if (!now().is("if") && !take("{")) return unexpected();
    const Id no = now().is("if") ? conditional_if() : sequence_in("}");
    return no ? add(Kind::Conditional, at, "", {*condition, *yes, *no}) : no;
  }

  Id conditional(NodeId condition) {
    Id all = condition;
    while (all && now().is("?")) {
      const size_t at = tokens_[next_++].at;
      const Id yes = now().is(":") ? all : expression(0);
      if (!yes) return yes;
      if (!take(":")) return unexpected();
      const Id no = expression(0);
      if (!no) return no;
      all = add(Kind::Conditional, at, "", {*all, *yes, *no});
    }
    return all;
  }

  Id primary() {
    const Token token = now();
    if (const bool no = token.is("not") || token.is("!"); no || token.is("-") || token.is("+")) {
      ++next_;
      const Id operand = expression(no ? kNotBinds : kMinusBinds);
      if (!operand) return operand;
      return postfix(add(Kind::Unary, token.at, no ? "!" : token.text, {*operand}));
    }
    if (take("(")) return postfix(sequence_in(")"));
    if (predicates_ > 0 && (token.is("#") || token.is("."))) {
      std::string_view name;
      if (take("#") && now().kind == Token::Kind::Word && now().at == token.at + 1)
        name = tokens_[next_++].text;
      if (!name.empty() && name != "index" && name != "acc")
        return fault(token.at, "unknown pointer #" + std::string(name));
      return postfix(add(Kind::Pointer, token.at, name, {}));
    }
    if (take("::")) {
      if (now().kind != Token::Kind::Word) return unexpected();
      const Token name = tokens_[next_++];
      return now().is("(") ? postfix(call(name, {})) : unexpected();
    }
    return secondary();
  }

  Id secondary() {
    const Token token = now();
    if (token.kind == Token::Kind::Literal) {
      ++next_;
      const Id literal = add({.kind = Kind::Literal, .at = uint32_t(token.at), .value = token.value});
      return token.is_text() ? postfix(literal) : literal;
    }
    if (token.kind == Token::Kind::Word) {
      ++next_;
      if (token.text == "nil") return nil(token.at);
      if (token.text == "true" || token.text == "false")
        return add(
            {.kind = Kind::Literal, .at = uint32_t(token.at), .value = make(Json(token.text == "true"))});
      return postfix(now().is("(") ? call(token, {}) : name(token));
    }
    if (take("[")) {
      const Ids items = arguments("]");
      if (!items) return std::unexpected(items.error());
      return postfix(add(Kind::List, token.at, "", *items));
    }
    if (take("{")) return postfix(map(token.at));
    return unexpected();
  }

  Id name(const Token& token) {
    if (token.text == "sprig" && !now().is("."))
      return fault(token.at, "sprig's functions can only be called");
    return add(Kind::Name, token.at, token.text, {});
  }

  // After the opening, up to and with `close`; a comma may end them.
  Ids arguments(std::string_view close, std::vector<NodeId> all = {}) {
    const size_t given = all.size();
    while (!take(close)) {
      if (all.size() > given && !take(",")) return std::unexpected(unexpected_token());
      if (take(close)) break;
      const Id one = expression(0);
      if (!one) return std::unexpected(one.error());
      all.push_back(*one);
    }
    return all;
  }

  Id map(size_t at) {
    std::vector<NodeId> parts;
    while (!take("}")) {
      if (!parts.empty() && !take(",")) return unexpected();
      if (take("}")) break;
      const Token key = now();
      Id k = std::unexpected(unexpected_token());
      if (key.is("(")) {
        k = expression(0);
      } else if (key.kind == Token::Kind::Word || key.kind == Token::Kind::Literal) {
        ++next_;
        k = add({.kind = Kind::Literal,
                 .at = uint32_t(key.at),
                 .value = key.is_text() ? key.value : make(text(key.text))});
      }
      if (!k) return k;
      if (!take(":")) return unexpected();
      const Id value = expression(0);
      if (!value) return value;
      parts.insert(parts.end(), {*k, *value});
    }
    return add(Kind::Map, at, "", std::move(parts));
  }

  // At "(", behind the name; `first` is what was piped in.
  Id call(const Token& name, std::vector<NodeId> first) {
    if (const auto* each = std::ranges::find(kEach, name.text, &Each::name); each != std::end(kEach))
      return call_each(*each, name, std::move(first));
    const Function* function = builtin(name.text);
    if (!function) {
      const std::string why = missing_builtin(name.text);
      return fault(name.at, why.empty() ? "unknown function " + std::string(name.text) : why);
    }
    return call(*function, name.at, std::move(first));
  }
  Id call(const Function& function, size_t at, std::vector<NodeId> first) {
    take("(");
    Ids all = arguments(")", std::move(first));
    if (!all) return std::unexpected(all.error());
    if (std::string why = count_fault(function, all->size()); !why.empty()) return fault(at, std::move(why));
    return add({.kind = Kind::Call,
                .at = uint32_t(at),
                .name = std::string(function.name),
                .function = &function,
                .children = *std::move(all)});
  }

  Id call_each(const Each& each, const Token& name, std::vector<NodeId> all) {
    take("(");
    while (!now().is(")") && all.size() < each.most) {
      if (tokens_[next_ - 1].text != "(" && !take(",")) return unexpected();
      if (now().is(")")) break;
      const Id one = all.size() == 1 ? predicate() : expression(0);
      if (!one) return one;
      all.push_back(*one);
    }
    take(",");
    if (!take(")")) return unexpected();
    if (all.size() < each.least)
      return fault(name.at, std::string(name.text) + " takes a list and a predicate");
    return add(Kind::Each, name.at, name.text, std::move(all));
  }

  Id predicate() {
    ++predicates_;
    const bool braces = take("{");
    Id body = braces ? sequence_in("}") : expression(0);
    --predicates_;
    return body;
  }

  Id postfix(Id value) {
    while (value) {
      const size_t at = now().at;
      const bool optional = now().is("?.");
      if (take("?.") || take(".")) {
        if (optional && take("["))
          value = bracket(*value, at, true);
        else
          value = member(*value, at, optional);
      } else if (take("[")) {
        value = bracket(*value, at, false);
      } else {
        break;
      }
    }
    return value;
  }

  // A chain goes on where it is continued: a?.b.c is nil as a whole.
  Id linked(NodeId of, Node node) {
    const bool chain = ast_.nodes[of].kind == Kind::Chain;
    const bool optional = node.optional;
    const size_t at = node.at;
    node.children[0] = chain ? ast_.nodes[of].children[0] : of;
    const Id link = add(std::move(node));
    return link && (chain || optional) ? add(Kind::Chain, at, "", {*link}) : link;
  }

  Id member(NodeId of, size_t at, bool optional) {
    const Token name = now();
    const bool word =
        name.kind == Token::Kind::Word ||
        (name.kind == Token::Kind::Sign && std::isalpha(static_cast<unsigned char>(name.text[0])));
    if (!word) return unexpected();
    ++next_;
    const Node& object = ast_.nodes[of];
    if (object.kind == Kind::Name && object.name == "sprig") return sprig_call(name);
    if (now().is("(")) return fault(name.at, "method " + std::string(name.text) + " is not implemented");
    return linked(of, {.kind = Kind::Member,
                       .at = uint32_t(at),
                       .optional = optional,
                       .name = std::string(name.text),
                       .children = {of}});
  }

  Id sprig_call(const Token& name) {
    const Function* function = sprig(name.text);
    if (!function) return fault(name.at, "sprig." + std::string(name.text) + " is not implemented");
    return now().is("(") ? call(*function, name.at, {})
                         : fault(name.at, "sprig's functions can only be called");
  }

  // After "[".
  Id bracket(NodeId of, size_t at, bool optional) {
    const Id from = now().is(":") ? nil(at) : expression(0);
    if (!from) return from;
    if (take(":")) {
      const Id to = now().is("]") ? nil(at) : expression(0);
      if (!to) return to;
      if (!take("]")) return unexpected();
      return add(Kind::Slice, at, "", {of, *from, *to});
    }
    if (!take("]")) return unexpected();
    Node node{.kind = Kind::Member, .at = uint32_t(at), .optional = optional, .children = {of}};
    const Node& index = ast_.nodes[*from];
    if (index.kind == Kind::Literal && index.value->is_string())
      node.name = text_of(*index.value);
    else
      node.children.push_back(*from);
    return linked(of, std::move(node));
  }

  std::vector<Token> tokens_;
  size_t next_ = 0;
  int depth_ = 0, predicates_ = 0;
  Ast ast_;
};

}  // namespace

std::expected<Ast, Problem> parse(std::string_view text) {
  if (text.size() > kMaxText)
    return std::unexpected(
        Problem{0, "the expression is longer than " + std::to_string(kMaxText) + " bytes"});
  auto all = tokens(text);
  if (!all) return std::unexpected(std::move(all.error()));
  return Parser(*std::move(all)).run();
}

}  // namespace ingot::expr
