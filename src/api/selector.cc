#include "api/selector.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "api/names.h"

namespace ingot::api {
namespace {

std::unexpected<Error> unparsable(std::string why) {
  return fail(Reason::BadRequest, "unable to parse requirement: " + std::move(why));
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Words and signs of apimachinery's label selector grammar.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : rest_(text) {}

  std::string_view peek() {
    Lexer ahead = *this;
    return ahead.next();
  }
  std::string_view next() {  // "" at the end
    const size_t start = rest_.find_first_not_of(" \t\r\n");
    if (start == rest_.npos) return rest_ = {};
    rest_.remove_prefix(start);
    size_t size = 1;
    if (is_sign(rest_[0])) {
      if (rest_.starts_with("==") || rest_.starts_with("!=")) size = 2;
    } else {
      size = std::min(rest_.find_first_of(" \t\r\n,()!=<>"), rest_.size());
    }
    std::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return word;
  }
  static bool is_sign(char c) { return std::string_view(",()!=<>").find(c) != std::string_view::npos; }
  static bool is_word(std::string_view w) { return !w.empty() && !is_sign(w[0]); }

 private:
  std::string_view rest_;
};

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

// "(a,b,)" → a, b, "".
Result<std::vector<std::string>> value_list(Lexer& lexer) {
  if (lexer.next() != "(") return unparsable("expected: '('");
  std::vector<std::string> values;
  for (bool after_value = false;;) {
    const std::string_view word = lexer.next();
    if (word == ")") {
      if (!after_value) values.emplace_back();
      return values;
    }
    if (word == ",") {
      if (!after_value) values.emplace_back();
      after_value = false;
    } else if (Lexer::is_word(word) && !after_value) {
      values.emplace_back(word);
      after_value = true;
    } else {
      return unparsable("found " + quoted(word) + ", expected: ',', or ')'");
    }
  }
}

}  // namespace

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  LabelSelector out;
  Lexer lexer(text);
  if (lexer.peek().empty()) return out;
  for (;;) {
    Term term{.op = Op::Exists};
    std::string_view word = lexer.next();
    if (word == "!") {
      term.op = Op::Absent;
      word = lexer.next();
    }
    if (!Lexer::is_word(word)) return unparsable("found " + quoted(word) + ", expected: identifier");
    term.key = word;
    if (std::string fault = qualified_name_fault(word); !fault.empty())
      return unparsable("key: Invalid value: \"" + term.key + "\": " + fault);
    const std::string_view op = lexer.peek();
    if (term.op == Op::Exists && !op.empty() && op != ",") {
      lexer.next();
      if (op == "in" || op == "notin") {
        term.op = op == "in" ? Op::In : Op::NotIn;
        Result<std::vector<std::string>> values = value_list(lexer);
        if (!values) return fail(std::move(values.error()));
        term.values = std::move(*values);
      } else if (op == "=" || op == "==" || op == "!=" || op == ">" || op == "<") {
        term.op = op == "!=" ? Op::NotIn : op == ">" ? Op::Greater : op == "<" ? Op::Less : Op::In;
        const std::string_view next = lexer.peek();
        term.values.emplace_back(Lexer::is_word(next) ? lexer.next() : std::string_view());
        if ((op == ">" || op == "<") && !number(term.values[0]))
          return unparsable("values[0][" + term.key + "]: Invalid value: \"" + term.values[0] +
                            "\": for 'Gt', 'Lt' operators, the value must be an integer");
      } else {
        return unparsable("found " + quoted(op) + ", expected: in, notin, =, ==, !=, gt, lt");
      }
      for (const std::string& value : term.values)
        if (std::string fault = label_value_fault(value); !fault.empty())
          return unparsable("values[0][" + term.key + "]: Invalid value: \"" + value + "\": " + fault);
    }
    out.terms_.push_back(std::move(term));
    word = lexer.next();
    if (word.empty()) return out;
    if (word != ",") return unparsable("found " + quoted(word) + ", expected: ',' or 'end of string'");
  }
}

Result<LabelSelector> LabelSelector::from_object(const Json& selector) {
  LabelSelector out;
  for (const auto& [key, value] : object_at(selector, {"matchLabels"})) {
    if (!value.is_string()) return fail(Reason::BadRequest, "a label selector's matchLabels must be strings");
    out.terms_.push_back({std::string(key), Op::In, {std::string(value.get_string())}});
  }
  for (const Json& rule : array_at(selector, {"matchExpressions"})) {
    const std::string_view op = string_at(rule, {"operator"});
    Term term{.key = std::string(string_at(rule, {"key"}))};
    if (op == "In")
      term.op = Op::In;
    else if (op == "NotIn")
      term.op = Op::NotIn;
    else if (op == "Exists")
      term.op = Op::Exists;
    else if (op == "DoesNotExist")
      term.op = Op::Absent;
    else
      return fail(Reason::BadRequest, "\"" + std::string(op) + "\" is not a valid label selector operator");
    for (const Json& value : array_at(rule, {"values"}))
      if (value.is_string()) term.values.emplace_back(value.get_string());
    if (term.key.empty())
      return fail(Reason::BadRequest, "a label selector's matchExpressions must have a key");
    if ((op == "In" || op == "NotIn") == term.values.empty())
      return fail(Reason::BadRequest,
                  "for 'In', 'NotIn' operators, values set can't be empty; for others it must be");
    out.terms_.push_back(std::move(term));
  }
  return out;
}

bool LabelSelector::matches(const JsonObject& labels) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    const Json* found = labels.if_contains(term.key);
    const bool has = found && found->is_string();
    const std::string_view value =
        has ? std::string_view(found->get_string().data(), found->get_string().size()) : std::string_view();
    auto listed = [&] { return std::ranges::find(term.values, value) != term.values.end(); };
    auto compare = [&](auto&& test) {
      const std::optional<int64_t> own = number(value), other = number(term.values[0]);
      return has && own && other && test(*own, *other);
    };
    switch (term.op) {
      case Op::In:
        return has && listed();
      case Op::NotIn:
        return !has || !listed();
      case Op::Exists:
        return has;
      case Op::Absent:
        return !has;
      case Op::Greater:
        return compare(std::greater<>());
      case Op::Less:
        return compare(std::less<>());
    }
    return false;
  });
}

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector out;
  auto bad = [&](std::string_view term) {
    return fail(Reason::BadRequest, "invalid selector: '" + std::string(text) + "'; can't understand '" +
                                        std::string(term) + "'");
  };
  while (!text.empty()) {
    size_t end = 0;
    while (end < text.size() && text[end] != ',') end += text[end] == '\\' ? 2 : 1;
    const std::string_view term = text.substr(0, std::min(end, text.size()));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (term.empty()) continue;
    const size_t sign = term.find_first_of("!=");
    if (sign == term.npos || sign == 0) return bad(term);
    std::string_view value = term.substr(sign);
    const bool equal = !value.starts_with("!=");
    if (!equal || value.starts_with("=="))
      value.remove_prefix(2);
    else if (value.starts_with('='))
      value.remove_prefix(1);
    else
      return bad(term);
    std::string plain;
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '=') return bad(term);
      if (value[i] == '\\') {
        if (++i == value.size() || std::string_view("\\,=").find(value[i]) == std::string_view::npos)
          return bad(term);
      }
      plain += value[i];
    }
    out.terms_.push_back({std::string(term.substr(0, sign)), std::move(plain), equal});
  }
  return out;
}

bool FieldSelector::matches(const Json& object) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    const Json* at = &object;
    for (std::string_view rest = term.path; at && !rest.empty();) {
      const size_t dot = std::min(rest.find('.'), rest.size());
      at = find(*at, {rest.substr(0, dot)});
      rest.remove_prefix(std::min(dot + 1, rest.size()));
    }
    std::string text;
    if (at && at->is_string())
      text.assign(at->get_string().data(), at->get_string().size());
    else if (at && (at->is_bool() || at->is_number()))
      text = to_text(*at);
    return (text == term.value) == term.equal;
  });
}

std::string_view FieldSelector::pinned(std::string_view path) const {
  for (const Term& term : terms_)
    if (term.equal && term.path == path) return term.value;
  return {};
}

}  // namespace ingot::api
