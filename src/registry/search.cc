#include "registry/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "api/mlflow_error.h"
#include "registry/ops.h"

namespace ingot::registry {
namespace {

constexpr std::string_view kNameTag = "mlflow.runName", kContextTag = "mlflow.data.context";

using Mask = std::vector<uint8_t>;

// Loops the compiler makes wide.
template <class T, class Test>
void narrow(Mask& mask, const std::vector<T>& column, Test test) {
  uint8_t* to = mask.data();
  const T* from = column.data();
  for (size_t i = 0, n = mask.size(); i < n; ++i) to[i] &= uint8_t(test(from[i]));
}

template <class T>
void narrow_numbers(Mask& mask, const std::vector<T>& column, Compare how, T with) {
  switch (how) {
    case Compare::Equal:
      return narrow(mask, column, [with](T v) { return v == with; });
    case Compare::Less:
      return narrow(mask, column, [with](T v) { return v < with; });
    case Compare::LessEqual:
      return narrow(mask, column, [with](T v) { return v <= with; });
    case Compare::Greater:
      return narrow(mask, column, [with](T v) { return v > with; });
    case Compare::GreaterEqual:
      return narrow(mask, column, [with](T v) { return v >= with; });
    default:
      return narrow(mask, column, [with](T v) { return v != with; });
  }
}

}  // namespace

Error too_costly() {
  return invalid("the filter costs too much on so many: compare for equality, or ask of fewer experiments");
}

namespace {

class Search {
 public:
  Search(Book& book, const RunQuery& query)
      : book_(book), columns_(book.columns()), runs_(book.runs()), query_(query) {}

  Result<RunPage> run() {
    mask_.assign(runs_.size(), 1);
    lifecycle();
    // Cheap ones first: what they leave out, the others need not look at.
    for (int turn = 0; turn < 3; ++turn)
      for (const Clause& clause : query_.clauses)
        if (cost(clause) == turn) apply(clause);
    if (work_ > kMostWork) return fail(too_costly());
    return pick();
  }

 private:
  static bool is_like(const Clause& c) { return c.compare == Compare::Like || c.compare == Compare::ILike; }
  static int cost(const Clause& c) {
    if (c.entity == Entity::Dataset) return 2;
    if (c.entity == Entity::Attribute && c.key != "start_time" && c.key != "run_name")
      return c.key == "run_id" ? 0 : 2;
    return is_like(c) ? 1 : 0;
  }

  void lifecycle() {
    std::vector<uint8_t> allowed(book_.experiments().size() * 2, 0);
    for (const int64_t id : query_.experiments) {
      if (!book_.experiment(id)) continue;
      allowed[size_t(id) * 2] = query_.lifecycle != Lifecycle::Deleted;
      allowed[size_t(id) * 2 + 1] = query_.lifecycle != Lifecycle::Active;
    }
    narrow(mask_, columns_.places(runs_), [&](uint32_t place) { return allowed[place]; });
  }

  void none() { std::ranges::fill(mask_, 0); }

  void apply(const Clause& clause) {
    switch (clause.entity) {
      case Entity::Metric:
        return apply_metric(clause);
      case Entity::Param:
        return apply_text(clause, Of::Param, clause.key);
      case Entity::Tag:
        return apply_text(clause, Of::Tag, clause.key);
      case Entity::Dataset:
        return each([&](const Run& run) { return dataset(clause, run); });
      case Entity::Attribute:
        return apply_attribute(clause);
    }
  }

  void apply_metric(const Clause& clause) {
    const TextId key = book_.texts().find(clause.key);
    if (!key) return none();
    const std::vector<double>& column = columns_.metric(runs_, key);
    narrow_numbers(mask_, column, clause.compare, clause.number);
    // A NaN is unequal to everything; nothing is not.
    if (clause.compare == Compare::Unequal) narrow(mask_, column, [](double v) { return !is_absent(v); });
  }

  void apply_text(const Clause& clause, Of of, std::string_view name) {
    const Texts& texts = book_.texts();
    const TextId key = texts.find(name);
    if (!key) return clause.compare == Compare::Null ? void() : none();
    const std::vector<TextId>& column = columns_.text(runs_, of, key);
    if (clause.compare == Compare::Null) return narrow(mask_, column, [](TextId v) { return v == 0; });
    if (clause.compare == Compare::NotNull) return narrow(mask_, column, [](TextId v) { return v != 0; });
    const TextId value = texts.find(clause.text);
    if (clause.compare == Compare::Equal)
      return value ? narrow(mask_, column, [value](TextId v) { return v == value; }) : none();
    if (clause.compare == Compare::Unequal)
      return narrow(mask_, column, [value](TextId v) { return v != 0 && v != value; });
    // Each text is looked at once, however many runs say it.
    std::vector<uint8_t> known(texts.ids(), 2);
    for (size_t row = 0; row < mask_.size() && work_ <= kMostWork; ++row) {
      if (!mask_[row]) continue;
      const TextId id = column[row];
      if (known[id] == 2) known[id] = id != 0 && holds(clause, texts.at(id), work_);
      mask_[row] = known[id];
    }
  }

  void apply_attribute(const Clause& clause) {
    if (clause.key == "start_time")
      return narrow_numbers(mask_, columns_.started(runs_), clause.compare, clause.whole);
    if (clause.key == "run_name") return apply_text(clause, Of::Tag, kNameTag);
    if (clause.key == "run_id" && (clause.compare == Compare::Equal || clause.compare == Compare::In)) {
      Mask named(mask_.size(), 0);
      const auto name = [&](std::string_view text) {
        const auto id = parse_run_id(text);
        if (const auto row = id ? book_.run(*id) : std::nullopt) named[*row] = mask_[*row];
      };
      if (clause.compare == Compare::Equal) name(clause.text);
      for (const std::string& one : clause.list) name(one);
      mask_.swap(named);
      return;
    }
    each([&](const Run& run) { return attribute(clause, run); });
  }

  bool attribute(const Clause& clause, const Run& run) {
    if (clause.key == "end_time") return holds(clause, run.ended ? std::optional(run.ended) : std::nullopt);
    if (clause.key == "status") return holds(clause, to_string(run.status), work_);
    if (clause.key == "user_id") return holds(clause, book_.texts().at(run.user), work_);
    if (clause.key == "run_id") return holds(clause, std::string_view(to_text(run.id)), work_);
    return holds(clause, std::string_view(artifact_root(book_, run)), work_);
  }

  bool dataset(const Clause& clause, const Run& run) {
    if (!run.links) return false;
    return std::ranges::any_of(run.links->datasets, [&](const RunInput& input) {
      const Dataset& d = book_.datasets()[input.dataset];
      if (clause.key == "name") return holds(clause, std::string_view(d.name), work_);
      if (clause.key == "digest") return holds(clause, std::string_view(d.digest), work_);
      const auto tag = input.tags.find(kContextTag);
      return tag != input.tags.end() && holds(clause, std::string_view(tag->second), work_);
    });
  }

  template <class Test>
  void each(Test test) {
    for (size_t row = 0; row < mask_.size() && work_ <= kMostWork; ++row)
      if (mask_[row]) {
        ++work_;
        mask_[row] = test(runs_[row]);
      }
  }

  // A number that orders as the value does; the last two are for NaN and for nothing, whichever way one orders.
  static constexpr uint64_t kNothing = ~0ull, kNaN = kNothing - 1, kMostKeyed = kNaN - 1;
  static uint64_t keyed(uint64_t order, bool ascending) {
    return std::min(ascending ? order : ~order, kMostKeyed);
  }
  static uint64_t number_key(double value, bool ascending) {
    if (is_absent(value)) return kNothing;
    if (std::isnan(value)) return kNaN;
    const uint64_t bits = std::bit_cast<uint64_t>(value == 0 ? 0.0 : value);
    return keyed(bits >> 63 ? ~bits : bits | 1ull << 63, ascending);
  }
  static uint64_t time_key(int64_t value, bool ascending) {
    return keyed(uint64_t(value) ^ 1ull << 63, ascending);
  }
  // Its first bytes: those that begin alike are told apart by what follows.
  static uint64_t text_key(std::string_view text, bool ascending) {
    uint64_t first = 0;
    for (size_t i = 0; i < 8; ++i) first = first << 8 | (i < text.size() ? uint8_t(text[i]) : 0);
    return keyed(first, ascending);
  }

  struct By {
    const Order* order;
    const std::vector<double>* numbers = nullptr;
    const std::vector<TextId>* texts = nullptr;
    bool missing = false;  // nobody has such a key
  };

  std::string_view text_of(const By& by, uint32_t row) const {
    if (by.texts) return book_.texts().at((*by.texts)[row]);
    const Run& run = runs_[row];
    return by.order->key == "status" ? to_string(run.status) : book_.texts().at(run.user);
  }
  bool is_text(const By& by) const {
    return by.texts || by.order->key == "status" || by.order->key == "user_id";
  }

  uint64_t key_of(const By& by, uint32_t row) const {
    const bool up = by.order->ascending;
    if (by.missing) return kNothing;
    if (by.numbers) return number_key((*by.numbers)[row], up);
    if (by.texts && (*by.texts)[row] == 0) return kNothing;
    if (is_text(by)) return text_key(text_of(by, row), up);
    const std::string& key = by.order->key;
    if (key == "start_time") return time_key(runs_[row].started, up);
    if (key == "end_time") return runs_[row].ended ? time_key(runs_[row].ended, up) : kNothing;
    uint64_t first = 0;  // run_id, and artifact_uri, which ends in it
    for (size_t i = 0; i < 8; ++i) first = first << 8 | runs_[row].id[i];
    return keyed(first, up);
  }

  // What the first key does not tell apart.
  bool before(const std::vector<By>& bys, uint32_t a, uint32_t b) const {
    for (size_t i = 0; i < bys.size(); ++i) {
      const By& by = bys[i];
      if (i > 0) {
        const uint64_t ka = key_of(by, a), kb = key_of(by, b);
        if (ka != kb) return ka < kb;
      }
      if (!by.missing && is_text(by) && key_of(by, a) < kNaN) {
        const int order = text_of(by, a).compare(text_of(by, b));
        if (order != 0) return by.order->ascending ? order < 0 : order > 0;
      }
    }
    if (runs_[a].started != runs_[b].started) return runs_[a].started > runs_[b].started;
    return runs_[a].id < runs_[b].id;
  }

  std::vector<By> bys() {
    std::vector<By> out;
    for (const Order& order : query_.orders) {
      By by{.order = &order};
      const bool name = order.entity == Entity::Attribute && order.key == "run_name";
      if (order.entity != Entity::Attribute || name) {
        const TextId key = book_.texts().find(name ? kNameTag : std::string_view(order.key));
        by.missing = key == 0;
        // Each of these may put another column out: so many are not made.
        if (key && order.entity == Entity::Metric)
          by.numbers = &columns_.metric(runs_, key);
        else if (key)
          by.texts = &columns_.text(runs_, order.entity == Entity::Param ? Of::Param : Of::Tag, key);
      }
      out.push_back(by);
    }
    return out;
  }

  RunPage pick() {
    struct Item {
      uint64_t key;
      uint32_t row;
    };
    const std::vector<By> by = bys();
    const std::vector<int64_t>& started = columns_.started(runs_);
    std::vector<Item> items;
    for (uint32_t row = 0; row < mask_.size(); ++row)
      if (mask_[row])
        items.push_back({by.empty() ? time_key(started[row], false) : key_of(by.front(), row), row});
    const auto order = [&](const Item& a, const Item& b) {
      return a.key != b.key ? a.key < b.key : before(by, a.row, b.row);
    };
    const size_t from = std::min(query_.offset, items.size());
    const size_t to = std::min(from + query_.most, items.size());
    const auto at = [&](size_t i) { return items.begin() + ptrdiff_t(i); };
    if (from > 0 && from < items.size()) std::nth_element(items.begin(), at(from), items.end(), order);
    if (to < items.size()) std::nth_element(at(from), at(to), items.end(), order);
    std::sort(at(from), at(to), order);
    RunPage page{.more = to < items.size()};
    for (size_t i = from; i < to; ++i) page.rows.push_back(items[i].row);
    return page;
  }

  Book& book_;
  Columns& columns_;
  const std::vector<Run>& runs_;
  const RunQuery& query_;
  Mask mask_;
  uint64_t work_ = 0;
};

}  // namespace

Result<RunPage> search_runs(Book& book, const RunQuery& query) { return Search(book, query).run(); }

}  // namespace ingot::registry
