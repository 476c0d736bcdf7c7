#include "expr/each.h"

#include <algorithm>

#include "expr/go_text.h"
#include "expr/operators.h"

namespace ingot::expr {
namespace {

class Each {
 public:
  Each(std::string_view name, const Value& list, const Predicate& predicate, const Value& more,
       int64_t& steps)
      : name_(name),
        list_(list),
        items_(list->get_array()),
        predicate_(predicate),
        more_(more),
        steps_(steps) {}

  Outcome run() {
    if (name_ == "map") return gather([](const Value&, const Value& made) { return made; });
    if (name_ == "filter") return filter();
    if (name_.starts_with("find")) return find();
    if (name_ == "sum") return sum();
    if (name_ == "groupBy") return group();
    if (name_ == "sortBy") return sort();
    if (name_ == "reduce") return reduce();
    return count();
  }

 private:
  Value item(size_t i) const { return part_of(list_, items_[i]); }
  Outcome ask(size_t i) const { return predicate_(item(i), i, nullptr); }
  Maybe<bool> holds(size_t i) const {
    const Outcome outcome = ask(i);
    if (!outcome) return wrong(outcome.error());
    if (!(*outcome)->is_bool())
      return wrong(std::string(name_) + ": the predicate must give a bool, not " +
                   std::string(type_name(**outcome)));
    return (*outcome)->get_bool();
  }
  bool pay(const Json& json) { return (steps_ -= weight(json, steps_)) >= 0; }
  static Outcome too_dear() { return wrong(std::string(kTooDear)); }

  template <class Chosen>
  Outcome gather(Chosen chosen) {
    JsonArray out;
    for (size_t i = 0; i < items_.size(); ++i) {
      const Outcome made = ask(i);
      if (!made) return made;
      const Value one = chosen(item(i), *made);
      if (!pay(*one)) return too_dear();
      out.push_back(*one);
    }
    return pay(Json(out)) ? make(std::move(out)) : too_dear();
  }

  Outcome filter() {
    JsonArray out;
    for (size_t i = 0; i < items_.size(); ++i) {
      const Maybe<bool> yes = holds(i);
      if (!yes) return wrong(yes.error());
      if (!*yes) continue;
      if (!pay(items_[i])) return too_dear();
      out.push_back(items_[i]);
    }
    return make(std::move(out));
  }

  Outcome count() {
    int64_t found = 0;
    for (size_t i = 0; i < items_.size(); ++i) {
      const Maybe<bool> yes = holds(i);
      if (!yes) return wrong(yes.error());
      found += *yes;
      if (name_ == "any" && *yes) break;
      if (name_ == "all" && !*yes) return make(Json(false));
    }
    if (name_ == "count") return make(Json(found));
    return make(Json(name_ == "all" ? true : name_ == "any" ? found > 0 : found == (name_ == "one")));
  }

  Outcome find() {
    const bool last = name_.starts_with("findLast"), index = name_.ends_with("Index");
    for (size_t k = 0; k < items_.size(); ++k) {
      const size_t i = last ? items_.size() - 1 - k : k;
      const Maybe<bool> yes = holds(i);
      if (!yes) return wrong(yes.error());
      if (*yes) return index ? make(Json(int64_t(i))) : item(i);
    }
    return make(nullptr);
  }

  Outcome sum() {
    Json total(int64_t(0));
    for (size_t i = 0; i < items_.size(); ++i) {
      const Outcome one = ask(i);
      if (!one) return one;
      Made next = operate("+", **one, total, {{}, {}, steps_});
      if (!next) return wrong(std::move(next.error()));
      total = *std::move(next);
    }
    return make(std::move(total));
  }

  // Keys are texts here, whatever they were.
  Outcome group() {
    JsonObject groups;
    for (size_t i = 0; i < items_.size(); ++i) {
      const Outcome key = ask(i);
      if (!key) return key;
      if ((*key)->is_structured()) return wrong("groupBy: a key cannot be " + std::string(type_name(**key)));
      if (!pay(items_[i])) return too_dear();
      Json& group = groups[printed(**key)];
      if (!group.is_array()) group.emplace_array();
      group.get_array().push_back(items_[i]);
    }
    return make(std::move(groups));
  }

  Outcome sort() {
    bool descending = false;
    if (more_) {
      if (!more_->is_string() || (text_of(*more_) != "asc" && text_of(*more_) != "desc"))
        return wrong("sortBy: the order is \"asc\" or \"desc\"");
      descending = text_of(*more_) == "desc";
    }
    std::vector<std::pair<Value, size_t>> keys;
    for (size_t i = 0; i < items_.size(); ++i) {
      Outcome key = ask(i);
      if (!key) return key;
      if (const auto order = less(**key, keys.empty() ? **key : *keys.front().first); !order)
        return wrong(order.error());
      keys.emplace_back(*std::move(key), i);
    }
    std::ranges::sort(keys, [&](const auto& a, const auto& b) {
      if (before(*a.first, *b.first)) return !descending;
      return before(*b.first, *a.first) ? descending : a.second < b.second;
    });
    JsonArray out;
    for (const auto& key : keys) out.push_back(items_[key.second]);
    return pay(Json(out)) ? make(std::move(out)) : too_dear();
  }

  Outcome reduce() {
    if (items_.empty() && !more_) return wrong("reduce of empty array with no initial value");
    Value acc = more_ ? more_ : item(0);
    for (size_t i = more_ ? 0 : 1; i < items_.size(); ++i) {
      Outcome next = predicate_(item(i), i, acc);
      if (!next) return next;
      acc = *std::move(next);
    }
    return acc;
  }

  const std::string_view name_;
  const Value& list_;
  const JsonArray& items_;
  const Predicate& predicate_;
  const Value& more_;
  int64_t& steps_;
};

}  // namespace

Outcome for_each(std::string_view name, const Value& list, const Predicate& predicate, const Value& more,
                 int64_t& steps) {
  return Each(name, list, predicate, more, steps).run();
}

}  // namespace ingot::expr
