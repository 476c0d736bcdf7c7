#include "registry/model_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ingot::registry {
namespace {

constexpr size_t kLongestFilter = 16 * 1024, kMostClauses = 50, kMostValues = 1'000, kMostOrders = 10;
using Op = FilterClause::Op;

std::unexpected<Error> wrong(std::string message) { return fail(Reason::Invalid, std::move(message)); }

char lowered(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) {
  return (lowered(c) >= 'a' && lowered(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-';
}
bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lowered(x) == lowered(y); });
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() {
    skip();
    return at_ == text_.size();
  }
  bool take(std::string_view token) {
    skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  std::string_view word() {
    skip();
    const size_t from = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return text_.substr(from, at_ - from);
  }
  // A word, with quoted parts: tags.`my key`, tags."my key".
  Result<std::string> identifier() {
    std::string name(word());
    if (at_ < text_.size() && (text_[at_] == '`' || text_[at_] == '"')) {
      auto rest = quoted();
      if (!rest) return rest;
      name += *rest;
    }
    if (name.empty()) return wrong(fmt::format("filter: a name was expected at \"{}\"", rest_of()));
    return name;
  }
  Result<std::string> literal() {
    skip();
    if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) return quoted();
    const std::string_view number = word();
    const bool fine = !number.empty() && number.find_first_not_of("-0123456789") == number.npos;
    if (fine) return std::string(number);
    return wrong(fmt::format("filter: a quoted text was expected at \"{}\"", rest_of()));
  }
  std::string rest_of() const { return std::string(text_.substr(std::min(at_, text_.size()), 40)); }

 private:
  void skip() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  // A quote within is written twice or after a backslash.
  Result<std::string> quoted() {
    const char quote = text_[at_++];
    std::string value;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
        value += text_[++at_];
      } else if (text_[at_] == quote) {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != quote) return ++at_, value;
        value += text_[++at_];
      } else {
        value += text_[at_];
      }
    }
    return wrong("filter: a quote is never closed");
  }

  std::string_view text_;
  size_t at_ = 0;
};

Result<Op> read_op(Reader& in) {
  constexpr std::pair<std::string_view, Op> kSigns[] = {{"!=", Op::NotEqual},     {"<=", Op::LessEqual},
                                                        {">=", Op::GreaterEqual}, {"=", Op::Equal},
                                                        {"<", Op::Less},          {">", Op::Greater}};
  for (const auto& [sign, op] : kSigns)
    if (in.take(sign)) return op;
  const std::string_view word = in.word();
  if (same_word(word, "LIKE")) return Op::Like;
  if (same_word(word, "ILIKE")) return Op::ILike;
  if (same_word(word, "IN")) return Op::In;
  return wrong(fmt::format("filter: \"{}\" is no comparison: = != LIKE ILIKE IN are", word.substr(0, 40)));
}

Result<FilterClause> read_clause(Reader& in, const std::vector<std::string_view>& keys) {
  auto key = in.identifier();
  if (!key) return fail(key.error());
  if (key->starts_with("tag.")) key->replace(0, 3, "tags");
  if (key->starts_with("attribute.")) key->erase(0, 10);
  if (!key->starts_with("tags.") && std::ranges::find(keys, *key) == keys.end())
    return wrong(fmt::format("filter: \"{}\" cannot be searched by; {} and tags.KEY can", key->substr(0, 60),
                             fmt::join(keys, ", ")));
  auto op = read_op(in);
  if (!op) return fail(op.error());
  FilterClause clause{std::move(*key), *op, {}};
  const bool list = clause.op == Op::In;
  if (list && !in.take("(")) return wrong("filter: IN is followed by a list in parentheses");
  do {
    auto value = in.literal();
    if (!value) return fail(value.error());
    clause.values.push_back(std::move(*value));
    if (clause.values.size() > kMostValues) return wrong("filter: a list is too long");
  } while (list && in.take(","));
  if (list && !in.take(")")) return wrong("filter: a list is never closed");
  return clause;
}

// Numbers by value where both are, texts by their bytes.
int compare(const std::string& a, const std::string& b) {
  const auto number = [](const std::string& text, int64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
  };
  int64_t x = 0, y = 0;
  if (number(a, x) && number(b, y)) return x < y ? -1 : x > y;
  return a.compare(b);
}

bool holds(const FilterClause& clause, const std::string& value) {
  const std::string& wanted = clause.values.front();
  switch (clause.op) {
    case Op::Equal:
      return value == wanted;
    case Op::NotEqual:
      return value != wanted;
    case Op::Like:
      return is_like(value, wanted, false);
    case Op::ILike:
      return is_like(value, wanted, true);
    case Op::In:
      return std::ranges::find(clause.values, value) != clause.values.end();
    case Op::Less:
      return compare(value, wanted) < 0;
    case Op::LessEqual:
      return compare(value, wanted) <= 0;
    case Op::Greater:
      return compare(value, wanted) > 0;
    case Op::GreaterEqual:
      return compare(value, wanted) >= 0;
  }
  return false;
}

}  // namespace

bool is_like(std::string_view text, std::string_view pattern, bool ignore_case) {
  const auto same = [&](char a, char b) { return ignore_case ? lowered(a) == lowered(b) : a == b; };
  size_t t = 0, p = 0, star = pattern.npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && (pattern[p] == '_' || same(text[t], pattern[p]))) {
      ++t, ++p;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

Result<ModelFilter> ModelFilter::parse(std::string_view text, const std::vector<std::string_view>& keys) {
  ModelFilter filter;
  if (text.size() > kLongestFilter) return wrong("filter: it is too long");
  Reader in(text);
  while (!in.at_end()) {
    if (filter.clauses_.size() == kMostClauses) return wrong("filter: it has too many clauses");
    auto clause = read_clause(in, keys);
    if (!clause) return fail(clause.error());
    filter.clauses_.push_back(std::move(*clause));
    if (in.at_end()) break;
    if (!same_word(in.word(), "AND")) return wrong("filter: clauses are joined by AND alone");
    if (in.at_end()) return wrong("filter: something must follow AND");
  }
  return filter;
}

bool ModelFilter::matches(
    const std::function<std::optional<std::string>(std::string_view key)>& value) const {
  return std::ranges::all_of(clauses_, [&](const FilterClause& clause) {
    const auto found = value(clause.key);
    // MLflow's client asks every time for what is no prompt, and few models say so.
    if (!found) return clause.op == Op::NotEqual && clause.key == "tags.mlflow.prompt.is_prompt";
    return holds(clause, *found);
  });
}

Result<std::vector<OrderBy>> parse_order(const std::vector<std::string>& texts,
                                         const std::vector<std::string_view>& keys) {
  std::vector<OrderBy> order;
  if (texts.size() > kMostOrders) return wrong("order_by: too many");
  for (const std::string& text : texts) {
    Reader in(text);
    auto key = in.identifier();
    if (!key) return fail(key.error());
    if (std::ranges::find(keys, *key) == keys.end())
      return wrong(fmt::format("order_by: \"{}\" cannot be ordered by; {} can", key->substr(0, 60),
                               fmt::join(keys, ", ")));
    const std::string_view way = in.word();
    if (!in.at_end() || !(way.empty() || same_word(way, "ASC") || same_word(way, "DESC")))
      return wrong(fmt::format("order_by: \"{}\" is neither KEY ASC nor KEY DESC", text.substr(0, 100)));
    order.push_back({std::move(*key), same_word(way, "DESC")});
  }
  return order;
}

}  // namespace ingot::registry
