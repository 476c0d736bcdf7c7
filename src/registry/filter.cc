#include "registry/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "registry/wire.h"

namespace ingot::registry {
namespace {

constexpr size_t kMostList = 2000;

constexpr std::string_view kRunTexts[] = {"status", "artifact_uri", "user_id", "run_name", "run_id"};
constexpr std::string_view kRunNumbers[] = {"start_time", "end_time"};
constexpr std::string_view kExperimentTexts[] = {"name", "experiment_id"};
constexpr std::string_view kExperimentNumbers[] = {"creation_time", "last_update_time"};
constexpr std::string_view kModelTexts[] = {"name",   "model_id",      "model_type",
                                            "status", "source_run_id", "experiment_id"};
constexpr std::string_view kModelNumbers[] = {"creation_timestamp_ms", "last_updated_timestamp_ms"};

struct Alias {
  std::string_view said, meant;
};
constexpr Alias kAttributeAliases[] = {
    {"created", "start_time"},
    {"Created", "start_time"},
    {"run name", "run_name"},
    {"Run name", "run_name"},
    {"Run Name", "run_name"},
    {"creation_timestamp", "creation_timestamp_ms"},
    {"creation_time", "creation_timestamp_ms"},
    {"last_updated_timestamp", "last_updated_timestamp_ms"},
};

struct EntityName {
  std::string_view said;
  Entity entity;
};
constexpr EntityName kEntities[] = {
    {"metric", Entity::Metric},
    {"metrics", Entity::Metric},
    {"parameter", Entity::Param},
    {"parameters", Entity::Param},
    {"param", Entity::Param},
    {"params", Entity::Param},
    {"tag", Entity::Tag},
    {"tags", Entity::Tag},
    {"attribute", Entity::Attribute},
    {"attributes", Entity::Attribute},
    {"attr", Entity::Attribute},
    {"run", Entity::Attribute},
    {"dataset", Entity::Dataset},
    {"datasets", Entity::Dataset},
};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '/' || c == ':' || uint8_t(c) >= 0x80;
}
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; }
bool same_word(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

std::string shown(std::string_view text) { return std::string(text.substr(0, 100)); }

bool has(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// What is left of a filter, word by word.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() {
    space();
    return rest_.empty();
  }
  bool next_is(char c) {
    space();
    return !rest_.empty() && rest_.front() == c;
  }
  bool take(char c) {
    if (!next_is(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    space();
    if (!same_word(rest_.substr(0, word.size()), word)) return false;
    if (rest_.size() > word.size() && is_word(rest_[word.size()])) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::string_view word() {
    space();
    size_t end = 0;
    while (end < rest_.size() && is_word(rest_[end])) ++end;
    return cut(end);
  }
  // Between quotes of one kind; a doubled quote stands for itself.
  Result<std::string> quoted() {
    const char quote = rest_.front();
    std::string out;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] != quote) {
        out += rest_[i];
      } else if (i + 1 < rest_.size() && rest_[i + 1] == quote) {
        out += rest_[i++];
      } else {
        cut(i + 1);
        return out;
      }
    }
    return fail(invalid(fmt::format("Invalid filter: {} is never closed", shown(rest_))));
  }
  std::string_view number() {
    space();
    size_t end = 0;
    while (end < rest_.size() && (is_word(rest_[end]) || rest_[end] == '.' || rest_[end] == '+')) ++end;
    return cut(end);
  }
  std::string_view rest() const { return rest_; }

 private:
  void space() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }
  std::string_view cut(size_t size) {
    const std::string_view piece = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return piece;
  }
  std::string_view rest_;
};

struct Identifier {
  Entity entity = Entity::Attribute;
  std::string key;
};

// One part between dots: a word, or anything in quotes.
Result<std::string> part(Scanner& in) {
  for (const char quote : {'`', '"', '\''})
    if (in.next_is(quote)) return in.quoted();
  std::string word(in.word());
  if (word.empty())
    return fail(invalid(fmt::format("Invalid filter: expected a name at '{}'", shown(in.rest()))));
  return word;
}

Result<Identifier> identifier(Scanner& in, const Grammar& grammar) {
  auto first = part(in);
  if (!first) return fail(first.error());
  Identifier out;
  if (in.take('.')) {
    const auto* known = std::ranges::find(kEntities, std::string_view(*first), &EntityName::said);
    if (known == std::end(kEntities))
      return fail(
          invalid(fmt::format("Invalid entity type '{}'. Valid values are metric, parameter, tag, "
                              "attribute and dataset",
                              shown(*first))));
    out.entity = known->entity;
    do {
      auto more = part(in);
      if (!more) return fail(more.error());
      out.key.append(out.key.empty() ? "" : ".").append(*more);
    } while (in.take('.'));
  } else {
    out.key = std::move(*first);
  }
  const bool allowed = out.entity == Entity::Metric    ? grammar.metrics
                       : out.entity == Entity::Param   ? grammar.params
                       : out.entity == Entity::Dataset ? grammar.datasets
                                                       : true;
  if (!allowed) return fail(invalid("Invalid filter: this search knows no such entity: " + shown(out.key)));
  if (out.entity == Entity::Dataset && out.key != "name" && out.key != "digest" && out.key != "context")
    return fail(invalid(fmt::format("Invalid dataset key '{}': name, digest or context", shown(out.key))));
  if (out.entity != Entity::Attribute) return out;
  const auto known = [&](std::string_view key) {
    return has(grammar.texts, key) || has(grammar.numbers, key);
  };
  for (const Alias& alias : kAttributeAliases)
    if (!known(out.key) && out.key == alias.said && known(alias.meant)) out.key = alias.meant;
  if (!known(out.key))
    return fail(
        invalid(fmt::format("Invalid attribute key '{}' specified. Valid keys are {}, {}", shown(out.key),
                            fmt::join(grammar.texts, ", "), fmt::join(grammar.numbers, ", "))));
  return out;
}

Result<Compare> comparator(Scanner& in) {
  if (in.take('!')) {
    if (in.take('=')) return Compare::Unequal;
  } else if (in.take('=')) {
    return Compare::Equal;
  } else if (in.take('<')) {
    return in.take('=') ? Compare::LessEqual : in.take('>') ? Compare::Unequal : Compare::Less;
  } else if (in.take('>')) {
    return in.take('=') ? Compare::GreaterEqual : Compare::Greater;
  } else if (in.take_word("LIKE")) {
    return Compare::Like;
  } else if (in.take_word("ILIKE")) {
    return Compare::ILike;
  } else if (in.take_word("IN")) {
    return Compare::In;
  } else if (in.take_word("NOT") && in.take_word("IN")) {
    return Compare::NotIn;
  } else if (in.take_word("IS")) {
    const bool negated = in.take_word("NOT");
    if (in.take_word("NULL")) return negated ? Compare::NotNull : Compare::Null;
  }
  return fail(
      invalid(fmt::format("Invalid comparison: expected =, !=, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN or IS "
                          "NULL at '{}'",
                          shown(in.rest()))));
}

bool is_order(Compare c) { return c >= Compare::Less && c <= Compare::GreaterEqual; }
bool is_list(Compare c) { return c == Compare::In || c == Compare::NotIn; }
bool is_null(Compare c) { return c == Compare::Null || c == Compare::NotNull; }

Result<void> check_comparator(const Clause& clause, bool numeric) {
  const Compare c = clause.compare;
  const bool text_only = c == Compare::Like || c == Compare::ILike;
  bool good = true;
  if (numeric) good = !text_only && !is_list(c) && !is_null(c);
  if (!numeric) good = !is_order(c);
  if (!numeric && is_list(c)) good = clause.entity == Entity::Attribute || clause.entity == Entity::Dataset;
  if (is_null(c)) good = clause.entity == Entity::Param || clause.entity == Entity::Tag;
  return good ? Result<void>()
              : fail(invalid(fmt::format("Invalid comparator for '{}': {}", shown(clause.key),
                                         numeric
                                             ? "numbers take =, !=, <, <=, > and >="
                                             : "texts take =, !=, LIKE and ILIKE, attributes IN and NOT IN, "
                                               "parameters and tags IS NULL")));
}

Result<std::string> text_value(Scanner& in, const Clause& clause) {
  if (!in.next_is('\'') && !in.next_is('"'))
    return fail(invalid(fmt::format("Expected a quoted string value for '{}' (e.g. 'my-value'). Got value {}",
                                    shown(clause.key), shown(in.rest()))));
  return in.quoted();
}

Result<void> list_value(Scanner& in, Clause& clause) {
  if (!in.take('('))
    return fail(invalid(
        fmt::format("Expected a list of quoted strings for '{}', e.g. ('a', 'b')", shown(clause.key))));
  do {
    auto one = text_value(in, clause);
    if (!one) return fail(one.error());
    clause.list.push_back(std::move(*one));
    if (clause.list.size() > kMostList)
      return fail(invalid(fmt::format("a list in a filter has at most {} values", kMostList)));
  } while (in.take(','));
  if (!in.take(')')) return fail(invalid("Invalid filter: a list that is never closed"));
  std::ranges::sort(clause.list);
  return {};
}

Result<void> number_value(Scanner& in, Clause& clause) {
  const std::string_view word = in.number();
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), clause.number);
  const bool whole = error == std::errc() && end == word.data() + word.size();
  if (!whole || word.empty() || !std::isfinite(clause.number))
    return fail(invalid(fmt::format("Expected numeric value type for '{}'. Found {}", shown(clause.key),
                                    shown(word.empty() ? in.rest() : word))));
  const auto exact = std::from_chars(word.data(), word.data() + word.size(), clause.whole);
  if (exact.ec != std::errc() || exact.ptr != word.data() + word.size())
    clause.whole = int64_t(std::clamp(clause.number, -9e18, 9e18));
  return {};
}

Result<Clause> read_clause(Scanner& in, const Grammar& grammar) {
  auto named = identifier(in, grammar);
  if (!named) return fail(named.error());
  auto compare = comparator(in);
  if (!compare) return fail(compare.error());
  Clause clause{.entity = named->entity, .key = std::move(named->key), .compare = *compare};
  const bool numeric = clause.entity == Entity::Metric ||
                       (clause.entity == Entity::Attribute && has(grammar.numbers, clause.key));
  if (auto good = check_comparator(clause, numeric); !good) return fail(good.error());
  if (is_null(clause.compare)) return clause;
  if (numeric) {
    if (auto read = number_value(in, clause); !read) return fail(read.error());
  } else if (is_list(clause.compare)) {
    if (auto read = list_value(in, clause); !read) return fail(read.error());
  } else {
    auto text = text_value(in, clause);
    if (!text) return fail(text.error());
    clause.text = std::move(*text);
  }
  return clause;
}

template <class T>
bool compare(Compare how, T a, T b) {
  switch (how) {
    case Compare::Equal:
      return a == b;
    case Compare::Unequal:
      return a != b;
    case Compare::Less:
      return a < b;
    case Compare::LessEqual:
      return a <= b;
    case Compare::Greater:
      return a > b;
    case Compare::GreaterEqual:
      return a >= b;
    default:
      return false;
  }
}

}  // namespace

const Grammar& run_grammar() {
  static constexpr Grammar kGrammar{kRunTexts, kRunNumbers, true, true, true};
  return kGrammar;
}
const Grammar& experiment_grammar() {
  static constexpr Grammar kGrammar{kExperimentTexts, kExperimentNumbers, false, false, false};
  return kGrammar;
}
const Grammar& model_grammar() {
  static constexpr Grammar kGrammar{kModelTexts, kModelNumbers, true, true, false};
  return kGrammar;
}

Result<std::vector<Clause>> parse_filter(std::string_view text, const Grammar& grammar) {
  std::vector<Clause> out;
  if (text.size() > kMostFilter)
    return fail(
        invalid(fmt::format("a filter has at most {} bytes, and this has {}", kMostFilter, text.size())));
  Scanner in(text);
  if (in.done()) return out;
  do {
    auto clause = read_clause(in, grammar);
    if (!clause) return fail(clause.error());
    out.push_back(std::move(*clause));
    if (out.size() > kMostClauses)
      return fail(invalid(fmt::format("a filter joins at most {} comparisons", kMostClauses)));
  } while (in.take_word("AND"));
  if (!in.done())
    return fail(invalid(fmt::format(
        "Invalid clause(s) in filter string: '{}': comparisons may be joined by AND", shown(in.rest()))));
  return out;
}

Result<std::vector<Order>> parse_orders(const std::vector<std::string>& texts, const Grammar& grammar) {
  if (texts.size() > kMostOrders)
    return fail(invalid(fmt::format("order_by has at most {} entries", kMostOrders)));
  std::vector<Order> out;
  for (const std::string& text : texts) {
    if (text.size() > kMostFilter) return fail(invalid("order_by: too long"));
    Scanner in(text);
    auto named = identifier(in, grammar);
    if (!named) return fail(named.error());
    Order order{.entity = named->entity, .key = std::move(named->key)};
    if (in.take_word("DESC"))
      order.ascending = false;
    else
      (void)in.take_word("ASC");
    if (!in.done() || order.entity == Entity::Dataset)
      return fail(invalid(fmt::format("Invalid order_by clause '{}': a key, and ASC or DESC", shown(text))));
    for (const Order& before : out)
      if (before.entity == order.entity && before.key == order.key)
        return fail(invalid("`order_by` contains duplicate fields: " + shown(text)));
    out.push_back(std::move(order));
  }
  return out;
}

// The last % is the only one that is ever come back to: what it took grows until the rest fits.
bool like(std::string_view text, std::string_view pattern, bool fold, uint64_t& work) {
  size_t t = 0, p = 0, star = pattern.npos, from = 0;
  const auto same = [&](char a, char b) { return b == '_' || (fold ? lower(a) == lower(b) : a == b); };
  while (t < text.size()) {
    ++work;
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && same(text[t], pattern[p])) {
      ++t, ++p;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

bool holds(const Clause& clause, std::optional<std::string_view> value, uint64_t& work) {
  if (clause.compare == Compare::Null) return !value;
  if (!value) return false;
  work += 1 + value->size() / 16;
  switch (clause.compare) {
    case Compare::Equal:
      return *value == clause.text;
    case Compare::Unequal:
      return *value != clause.text;
    case Compare::Like:
    case Compare::ILike:
      return like(*value, clause.text, clause.compare == Compare::ILike, work);
    case Compare::In:
      return std::ranges::binary_search(clause.list, *value);
    case Compare::NotIn:
      return !std::ranges::binary_search(clause.list, *value);
    default:
      return clause.compare == Compare::NotNull;
  }
}
bool holds(const Clause& clause, std::optional<double> value) {
  return value && compare(clause.compare, *value, clause.number);
}
bool holds(const Clause& clause, std::optional<int64_t> value) {
  return value && compare(clause.compare, *value, clause.whole);
}

}  // namespace ingot::registry
