#include "expr/when.h"

#include <algorithm>
#include <cmath>

#include "expr/go_text.h"
#include "expr/pattern.h"
#include "expr/when_tokens.h"

namespace ingot::expr {
namespace {

using Kind = WhenToken::Kind;
using Part = Maybe<Json>;

std::string shown(const Json& json) { return "value '" + printed(json) + "'"; }
std::unexpected<std::string> misfit(const Json& json, std::string_view sign, std::string_view needs) {
  return wrong(shown(json) + " cannot be used with " + std::string(sign) + ", it is no " +
               std::string(needs));
}

Part compare(std::string_view sign, const Json& a, const Json& b, int64_t& steps) {
  if (sign == "==" || sign == "!=") return Json(equal(a, b) == (sign == "=="));
  if (sign == "in") {
    if (!b.is_array()) return misfit(b, sign, "list");
    return Json(std::ranges::any_of(b.get_array(), [&](const Json& item) { return equal(item, a); }));
  }
  if (sign.ends_with('~')) {
    if (!a.is_string()) return misfit(a, sign, "text");
    if (!b.is_string()) return misfit(b, sign, "text");
    const auto pattern = Pattern::compile(text_of(b), steps);
    if (!pattern) return wrong(pattern.error());
    return Json(pattern->matches(text_of(a)) == (sign == "=~"));
  }
  if (a.kind() != b.kind() || (!a.is_double() && !a.is_string())) return misfit(a, sign, "number");
  if (sign == "<") return *less(a, b);
  if (sign == ">") return *less(b, a);
  return Json(equal(a, b) || (sign == "<=" ? *less(a, b) : *less(b, a)));
}

Part calculate(std::string_view sign, const Json& a, const Json& b) {
  if (sign == "+" && (a.is_string() || b.is_string())) return text(printed(a) + printed(b));
  for (const Json* one : {&a, &b})
    if (!one->is_double()) return misfit(*one, sign, "number");
  const double x = a.get_double(), y = b.get_double();
  const int64_t m = cut(x), n = cut(y);
  const bool far = n < 0 || n > 63;
  if (sign == "+") return Json(x + y);
  if (sign == "-") return Json(x - y);
  if (sign == "*") return Json(x * y);
  if (sign == "/") return Json(x / y);
  if (sign == "%") return Json(std::fmod(x, y));
  if (sign == "**") return Json(std::pow(x, y));
  if (sign == "&") return Json(double(m & n));
  if (sign == "|") return Json(double(m | n));
  if (sign == "^") return Json(double(m ^ n));
  if (sign == "<<") return Json(far ? 0.0 : double(uint64_t(m) << n));
  return Json(far ? 0.0 : double(uint64_t(m) >> n));
}

// Reads and computes at once; all operators of one level associate to the left, those of ?: among them.
class Reader {
 public:
  explicit Reader(std::vector<WhenToken> tokens) : tokens_(std::move(tokens)) {}

  Part run() {
    Part all = level(0);
    if (all && next_ != tokens_.size()) return wrong("unexpected '" + tokens_[next_].text + "'");
    return all;
  }

 private:
  static int level_of(const WhenToken& token) {
    static constexpr std::string_view kModifiers[] = {"&|^", "<<>>", "+-", "*/%"};
    if (token.kind == Kind::Comma) return 0;
    if (token.kind == Kind::Ternary) return 1;
    if (token.kind == Kind::Logic) return token.text == "||" ? 2 : 3;
    if (token.kind == Kind::Comparator) return 4;
    if (token.kind != Kind::Modifier) return -1;
    if (token.text == "**") return kHighest;
    for (int i = 0; i < 4; ++i)
      if (kModifiers[i].contains(token.text)) return 5 + i;
    return -1;
  }

  Part level(int at) {
    if (at > kHighest) return value();
    Part left = level(at + 1);
    while (left && next_ < tokens_.size() && level_of(tokens_[next_]) == at) {
      const WhenToken& sign = tokens_[next_++];
      const bool decided = skipping_ || decides(sign, *left);
      const bool before = std::exchange(skipping_, decided);
      Part right = level(at + 1);
      skipping_ = before;
      if (!right) return right;
      if (!skipping_) left = joined(sign, *left, *right, decided);
    }
    return left;
  }

  static bool decides(const WhenToken& sign, const Json& left) {
    if (sign.text == "&&") return left.is_bool() && !left.get_bool();
    if (sign.text == "||") return left.is_bool() && left.get_bool();
    if (sign.text == "?") return left.is_bool() && !left.get_bool();
    return sign.kind == Kind::Ternary && !left.is_null();
  }

  Part joined(const WhenToken& sign, const Json& left, const Json& right, bool decided) {
    switch (sign.kind) {
      case Kind::Comma: {
        JsonArray list = left.is_array() ? left.get_array() : JsonArray{left};
        list.push_back(right);
        return list;
      }
      case Kind::Ternary:
        if (sign.text != "?") return decided ? left : right;
        if (!left.is_bool()) return misfit(left, sign.text, "bool");
        return decided ? Json() : right;
      case Kind::Logic:
        if (!left.is_bool()) return misfit(left, sign.text, "bool");
        if (decided) return left;
        if (!right.is_bool()) return misfit(right, sign.text, "bool");
        return right;
      case Kind::Comparator:
        return compare(sign.text, left, right, steps_);
      default:
        return calculate(sign.text, left, right);
    }
  }

  Part value() {
    if (next_ >= tokens_.size()) return wrong("unexpected end of expression");
    const WhenToken& token = tokens_[next_++];
    if (token.kind == Kind::Open) return parenthesis();
    if (token.kind == Kind::Prefix) return prefix(token.text);
    if (token.kind == Kind::Close || level_of(token) >= 0) return wrong("unexpected '" + token.text + "'");
    return token.value;
  }

  Part parenthesis() {
    if (++depth_ > kMostDepth) return wrong("nested too deeply");
    Part inside = level(0);
    --depth_;
    if (!inside) return inside;
    if (next_ >= tokens_.size() || tokens_[next_].kind != Kind::Close) return wrong("unbalanced parenthesis");
    ++next_;
    return inside;
  }

  Part prefix(std::string_view sign) {
    Part of = value();
    if (!of || skipping_) return of;
    if (sign == "!") return of->is_bool() ? Part(Json(!of->get_bool())) : misfit(*of, sign, "bool");
    if (!of->is_double()) return misfit(*of, sign, "number");
    return sign == "-" ? Json(-of->get_double()) : Json(double(~cut(of->get_double())));
  }

  static constexpr int kHighest = 9, kMostDepth = 60;
  const std::vector<WhenToken> tokens_;
  size_t next_ = 0;
  int depth_ = 0;
  int64_t steps_ = 100'000;
  bool skipping_ = false;
};

}  // namespace

Maybe<bool> when(std::string_view text) {
  constexpr size_t kMostText = 64 * 1024;
  const auto fault = [&](std::string_view why) {
    return wrong("when '" + std::string(text.substr(0, 1024)) + "': " + std::string(why));
  };
  if (text.empty()) return true;
  if (text.size() > kMostText) return fault("is too long");
  auto tokens = when_tokens(text);
  if (!tokens) return fault(tokens.error());
  const Part all = Reader(*std::move(tokens)).run();
  if (!all) return fault(all.error());
  if (!all->is_bool()) return fault("gives " + printed(*all) + ", not true or false");
  return all->get_bool();
}

}  // namespace ingot::expr
