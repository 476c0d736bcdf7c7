#include <algorithm>
#include <cmath>

#include "expr/go_text.h"
#include "expr/rows.h"

namespace ingot::expr {
namespace {

Made to_int(const Call& c) {
  if (is_number(c[0])) return Json(c.integer(0));
  if (!c[0].is_string()) return wrong("invalid operation: int(" + std::string(type_name(c[0])) + ")");
  const auto n = parsed_int(c.text(0));
  return n ? Made(Json(*n)) : wrong("invalid operation: int(" + std::string(c.text(0)) + ")");
}
Made to_float(const Call& c) {
  if (is_number(c[0])) return Json(c.number(0));
  if (!c[0].is_string()) return wrong("invalid operation: float(" + std::string(type_name(c[0])) + ")");
  const auto d = parsed_float(c.text(0));
  return d ? Made(Json(*d)) : wrong("invalid operation: float(" + std::string(c.text(0)) + ")");
}

Made absolute(const Call& c) {
  if (c[0].is_double()) return Json(std::abs(c.number(0)));
  return Json(c.integer(0) < 0 ? int64_t(-uint64_t(c.integer(0))) : c.integer(0));
}
Made ceil(const Call& c) { return Json(std::ceil(c.number(0))); }
Made floor(const Call& c) { return Json(std::floor(c.number(0))); }
Made round(const Call& c) { return Json(std::round(c.number(0))); }

// Every number of the arguments and of the lists in them.
bool numbers(const Json& json, std::vector<Json>& out) {
  if (const auto* list = json.if_array())
    return std::ranges::all_of(*list, [&](const Json& item) { return numbers(item, out); });
  out.push_back(json);
  return is_number(json);
}
Maybe<std::vector<Json>> numbers(const Call& c, std::string_view name) {
  std::vector<Json> out;
  for (const Value& argument : c.arguments)
    if (!numbers(*argument, out))
      return wrong("invalid argument for " + std::string(name) + " (type " +
                   std::string(type_name(out.back())) + ")");
  return out;
}

template <bool Largest>
Made extreme(const Call& c) {
  const auto all = numbers(c, Largest ? "max" : "min");
  if (!all) return wrong(all.error());
  if (all->empty()) return Json();
  const Json* best = &all->front();
  for (const Json& one : *all)
    if (Largest ? *less(*best, one) : *less(one, *best)) best = &one;
  return *best;
}
Made mean(const Call& c) {
  const auto all = numbers(c, "mean");
  if (!all) return wrong(all.error());
  double sum = 0;
  for (const Json& one : *all) sum += number_of(one);
  return Json(all->empty() ? 0.0 : sum / double(all->size()));
}
Made median(const Call& c) {
  const auto all = numbers(c, "median");
  if (!all) return wrong(all.error());
  std::vector<double> sorted;
  for (const Json& one : *all) sorted.push_back(number_of(one));
  if (sorted.empty()) return Json(0.0);
  std::ranges::sort(sorted, [](double a, double b) { return a < b || (std::isnan(a) && !std::isnan(b)); });
  const size_t middle = sorted.size() / 2;
  return Json(sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2);
}

template <class Op>
Made bits(const Call& c) {
  return Json(int64_t(Op()(uint64_t(c.integer(0)), uint64_t(c.integer(1)))));
}
struct AndNot {
  uint64_t operator()(uint64_t a, uint64_t b) const { return a & ~b; }
};
enum class Shift : uint8_t { Left, Right, UnsignedRight };
template <Shift Way>
Made shift(const Call& c) {
  const int64_t by = c.integer(1), of = c.integer(0);
  if (by < 0) return wrong("a negative shift count");
  if (Way == Shift::Right) return Json(of >> std::min<int64_t>(by, 63));
  if (by > 63) return Json(int64_t(0));
  return Json(int64_t(Way == Shift::Left ? uint64_t(of) << by : uint64_t(of) >> by));
}
Made bit_not(const Call& c) { return Json(~c.integer(0)); }

constexpr Function kRows[] = {
    {"int", "a", to_int},
    {"float", "a", to_float},
    {"asInt", "a", to_int},
    {"asFloat", "a", to_float},
    {"abs", "n", absolute},
    {"ceil", "n", ceil},
    {"floor", "n", floor},
    {"round", "n", round},
    {"max", "aa*", extreme<true>},
    {"min", "aa*", extreme<false>},
    {"mean", "aa*", mean},
    {"median", "aa*", median},
    {"bitand", "ii", bits<std::bit_and<>>},
    {"bitor", "ii", bits<std::bit_or<>>},
    {"bitxor", "ii", bits<std::bit_xor<>>},
    {"bitnand", "ii", bits<AndNot>},
    {"bitnot", "i", bit_not},
    {"bitshl", "ii", shift<Shift::Left>},
    {"bitshr", "ii", shift<Shift::Right>},
    {"bitushr", "ii", shift<Shift::UnsignedRight>},
};

}  // namespace

std::span<const Function> number_rows() { return kRows; }

}  // namespace ingot::expr
