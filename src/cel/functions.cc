#include "cel/functions.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace ingot::cel {
namespace {

using Args = std::span<const Value>;
using Type::Bool, Type::Double, Type::Dyn, Type::Int, Type::String;

template <class... T>
constexpr std::array<Type, sizeof...(T)> types(T... t) {
  return {t...};
}
constexpr auto kInt = types(Int), kDouble = types(Double), kString = types(String), kBool = types(Bool),
               kQuantity = types(Type::Quantity), kSemver = types(Type::Semver), kList = types(Type::List),
               kMap = types(Type::Map);
constexpr auto kInts = types(Int, Int), kDoubles = types(Double, Double), kIntDouble = types(Int, Double),
               kDoubleInt = types(Double, Int), kStrings = types(String, String), kBools = types(Bool, Bool),
               kQuantities = types(Type::Quantity, Type::Quantity), kQuantityInt = types(Type::Quantity, Int),
               kSemvers = types(Type::Semver, Type::Semver), kLists = types(Type::List, Type::List),
               kListInt = types(Type::List, Int), kMapString = types(Type::Map, String),
               kInList = types(Dyn, Type::List), kInMap = types(String, Type::Map), kAny = types(Dyn, Dyn);

template <class T>
const T& get(Args a, size_t i) {
  return *a[i].as<T>();
}
Outcome wrong(std::string message) { return std::unexpected(std::move(message)); }

// --- numbers ---

template <class Op>
Outcome checked(Args a, Op op) {
  int64_t out = 0;
  if (op(get<int64_t>(a, 0), get<int64_t>(a, 1), &out)) return wrong("integer overflow");
  return Value(out);
}
Outcome add_ints(Args a) {
  return checked(a, [](auto x, auto y, auto* out) { return __builtin_add_overflow(x, y, out); });
}
Outcome subtract_ints(Args a) {
  return checked(a, [](auto x, auto y, auto* out) { return __builtin_sub_overflow(x, y, out); });
}
Outcome multiply_ints(Args a) {
  return checked(a, [](auto x, auto y, auto* out) { return __builtin_mul_overflow(x, y, out); });
}
template <bool Remainder>
Outcome divide_ints(Args a) {
  const int64_t x = get<int64_t>(a, 0), y = get<int64_t>(a, 1);
  if (y == 0) return wrong(Remainder ? "modulus by zero" : "division by zero");
  if (x == INT64_MIN && y == -1) return wrong("integer overflow");
  return Value(Remainder ? x % y : x / y);
}
template <class Op>
Outcome doubles(Args a) {
  return Value(double(Op()(get<double>(a, 0), get<double>(a, 1))));
}
Outcome negate_int(Args a) {
  if (get<int64_t>(a, 0) == INT64_MIN) return wrong("integer overflow");
  return Value(-get<int64_t>(a, 0));
}
Outcome negate_double(Args a) { return Value(-get<double>(a, 0)); }
Outcome negate_bool(Args a) { return Value(!get<bool>(a, 0)); }

// --- order ---

template <class A, class B, class Op>
Outcome order(Args a) {
  return Value(bool(Op()(get<A>(a, 0), get<B>(a, 1))));
}
// One row for each pair of types that have an order.
#define INGOT_ORDER(sign, op)                                               \
  {sign, false, kInts, Bool, order<int64_t, int64_t, op>},                  \
      {sign, false, kDoubles, Bool, order<double, double, op>},             \
      {sign, false, kIntDouble, Bool, order<int64_t, double, op>},          \
      {sign, false, kDoubleInt, Bool, order<double, int64_t, op>},          \
      {sign, false, kStrings, Bool, order<std::string, std::string, op>}, { \
    sign, false, kBools, Bool, order<bool, bool, op>                        \
  }

template <bool Equal>
Outcome equal(Args a) {
  return Value((a[0] == a[1]) == Equal);
}

// --- text ---

Outcome join_texts(Args a) {
  constexpr size_t kMost = 64 * 1024;
  if (get<std::string>(a, 0).size() + get<std::string>(a, 1).size() > kMost)
    return wrong("the text is too long");
  return Value(get<std::string>(a, 0) + get<std::string>(a, 1));
}
Outcome starts_with(Args a) { return Value(get<std::string>(a, 0).starts_with(get<std::string>(a, 1))); }
Outcome ends_with(Args a) { return Value(get<std::string>(a, 0).ends_with(get<std::string>(a, 1))); }
Outcome contains(Args a) { return Value(get<std::string>(a, 0).contains(get<std::string>(a, 1))); }
RE2::Options pattern_options() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  return options;
}
Outcome matches(Args a) {
  const RE2 pattern(get<std::string>(a, 1), pattern_options());
  if (!pattern.ok()) return wrong("invalid pattern: " + pattern.error());
  return Value(RE2::PartialMatch(get<std::string>(a, 0), pattern));
}
template <int From, int To>
Outcome change_case(Args a) {
  std::string text = get<std::string>(a, 0);
  for (char& c : text)
    if (c >= From && c < From + 26) c = char(c - From + To);
  return Value(std::move(text));
}
// In characters, as CEL counts.
Outcome text_size(Args a) {
  return Value(
      int64_t(std::ranges::count_if(get<std::string>(a, 0), [](char c) { return (c & 0xc0) != 0x80; })));
}

// --- lists and maps ---

Outcome list_size(Args a) { return Value(int64_t(a[0].list()->size())); }
Outcome map_size(Args a) { return Value(int64_t(a[0].map()->members.size())); }
Outcome item(Args a) {
  const List& list = *a[0].list();
  const int64_t at = get<int64_t>(a, 1);
  if (at < 0 || at >= int64_t(list.size())) return wrong("index out of bounds: " + std::to_string(at));
  return list[size_t(at)];
}
Outcome entry(Args a) {
  const Map& map = *a[0].map();
  const auto found = map.members.find(get<std::string>(a, 1));
  if (found != map.members.end()) return found->second;
  return map.open ? Outcome(make(Map())) : wrong("no such key: " + get<std::string>(a, 1));
}
Outcome in_list(Args a) { return Value(std::ranges::find(*a[1].list(), a[0]) != a[1].list()->end()); }
Outcome in_map(Args a) { return Value(a[1].map()->members.contains(get<std::string>(a, 0))); }
Outcome join_lists(Args a) {
  constexpr size_t kMost = 4096;
  if (a[0].list()->size() + a[1].list()->size() > kMost) return wrong("the list is too long");
  List all = *a[0].list();
  all.insert(all.end(), a[1].list()->begin(), a[1].list()->end());
  return make(std::move(all));
}

// --- quantities ---

using Q = ingot::Quantity;
Outcome quantity(Args a) {
  const auto parsed = Q::parse(get<std::string>(a, 0));
  return parsed ? Outcome(Value(*parsed)) : wrong("not a quantity: " + get<std::string>(a, 0));
}
Outcome is_quantity(Args a) { return Value(Q::parse(get<std::string>(a, 0)).has_value()); }
template <class T>
Outcome compare(Args a) {
  const auto order = get<T>(a, 0) <=> get<T>(a, 1);
  return Value(int64_t(order > 0) - int64_t(order < 0));
}
template <int Sign>
Outcome sum(Args a) {
  const int64_t x = get<Q>(a, 0).milli;
  int64_t y = 0, out = 0;
  if (const Q* other = a[1].as<Q>())
    y = other->milli;
  else if (__builtin_mul_overflow(get<int64_t>(a, 1), int64_t(1000), &y))
    return wrong("quantity overflow");
  const bool over = Sign > 0 ? __builtin_add_overflow(x, y, &out) : __builtin_sub_overflow(x, y, &out);
  return over ? wrong("quantity overflow") : Outcome(Value(Q{out}));
}
Outcome is_integer(Args a) { return Value(get<Q>(a, 0).milli % 1000 == 0); }
Outcome as_integer(Args a) {
  return get<Q>(a, 0).milli % 1000 ? wrong("the quantity is not an integer")
                                   : Outcome(Value(get<Q>(a, 0).milli / 1000));
}
Outcome as_double(Args a) { return Value(double(get<Q>(a, 0).milli) / 1000); }
Outcome sign(Args a) {
  const int64_t n = get<Q>(a, 0).milli;
  return Value(int64_t(n > 0) - int64_t(n < 0));
}

// --- versions ---

using V = ingot::cel::Semver;
std::optional<V> version_of(std::string_view text) {
  V version;
  text = text.substr(0, text.find('+'));
  if (const size_t dash = text.find('-'); dash != text.npos) {
    version.before = text.substr(dash + 1);
    if (version.before.empty()) return std::nullopt;
    text = text.substr(0, dash);
  }
  int64_t* const parts[] = {&version.major, &version.minor, &version.patch};
  for (size_t i = 0; i < 3; ++i) {
    const size_t dot = i < 2 ? text.find('.') : text.size();
    if (dot == text.npos) return std::nullopt;
    const std::string_view part = text.substr(0, dot);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), *parts[i]);
    const bool padded = part.size() > 1 && part[0] == '0';
    if (part.empty() || part[0] == '-' || padded || error != std::errc{} || end != part.data() + part.size())
      return std::nullopt;
    text = text.substr(std::min(dot + 1, text.size()));
  }
  return version;
}
Outcome semver(Args a) {
  auto version = version_of(get<std::string>(a, 0));
  return version ? Outcome(Value(*std::move(version)))
                 : wrong("not a semantic version: " + get<std::string>(a, 0));
}
Outcome is_semver(Args a) { return Value(version_of(get<std::string>(a, 0)).has_value()); }
template <int64_t V::* Part>
Outcome part(Args a) {
  return Value(get<V>(a, 0).*Part);
}

// --- conversions ---

Outcome same(Args a) { return a[0]; }
Outcome int_to_double(Args a) { return Value(double(get<int64_t>(a, 0))); }
Outcome double_to_int(Args a) {
  const double d = get<double>(a, 0);
  if (!(std::abs(d) < 9.2e18)) return wrong("integer overflow");
  return Value(int64_t(d));
}
Outcome text_to_int(Args a) {
  const std::string& text = get<std::string>(a, 0);
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc{} && end == text.data() + text.size() ? Outcome(Value(n))
                                                                  : wrong("not an integer: " + text);
}
Outcome int_to_text(Args a) { return Value(std::to_string(get<int64_t>(a, 0))); }
Outcome bool_to_text(Args a) { return Value(std::string(get<bool>(a, 0) ? "true" : "false")); }

const Function kFunctions[] = {
    {"_+_", false, kInts, Int, add_ints},
    {"_+_", false, kDoubles, Double, doubles<std::plus<>>},
    {"_+_", false, kStrings, String, join_texts},
    {"_+_", false, kLists, Type::List, join_lists},
    {"_-_", false, kInts, Int, subtract_ints},
    {"_-_", false, kDoubles, Double, doubles<std::minus<>>},
    {"_*_", false, kInts, Int, multiply_ints},
    {"_*_", false, kDoubles, Double, doubles<std::multiplies<>>},
    {"_/_", false, kInts, Int, divide_ints<false>},
    {"_/_", false, kDoubles, Double, doubles<std::divides<>>},
    {"_%_", false, kInts, Int, divide_ints<true>},
    {"-_", false, kInt, Int, negate_int},
    {"-_", false, kDouble, Double, negate_double},
    {"!_", false, kBool, Bool, negate_bool},
    INGOT_ORDER("_<_", std::less<>),
    INGOT_ORDER("_<=_", std::less_equal<>),
    INGOT_ORDER("_>_", std::greater<>),
    INGOT_ORDER("_>=_", std::greater_equal<>),
    {"_==_", false, kAny, Bool, equal<true>},
    {"_!=_", false, kAny, Bool, equal<false>},
    {"_in_", false, kInList, Bool, in_list},
    {"_in_", false, kInMap, Bool, in_map},
    {"_[_]", false, kListInt, Dyn, item},
    {"_[_]", false, kMapString, Dyn, entry},
    {"startsWith", true, kStrings, Bool, starts_with},
    {"endsWith", true, kStrings, Bool, ends_with},
    {"contains", true, kStrings, Bool, contains},
    {"matches", true, kStrings, Bool, matches},
    {"matches", false, kStrings, Bool, matches},
    {"lowerAscii", true, kString, String, change_case<'A', 'a'>},
    {"upperAscii", true, kString, String, change_case<'a', 'A'>},
    {"size", true, kString, Int, text_size},
    {"size", false, kString, Int, text_size},
    {"size", true, kList, Int, list_size},
    {"size", false, kList, Int, list_size},
    {"size", true, kMap, Int, map_size},
    {"size", false, kMap, Int, map_size},
    {"quantity", false, kString, Type::Quantity, quantity},
    {"isQuantity", false, kString, Bool, is_quantity},
    {"compareTo", true, kQuantities, Int, compare<Q>},
    {"isGreaterThan", true, kQuantities, Bool, order<Q, Q, std::greater<>>},
    {"isLessThan", true, kQuantities, Bool, order<Q, Q, std::less<>>},
    {"add", true, kQuantities, Type::Quantity, sum<1>},
    {"add", true, kQuantityInt, Type::Quantity, sum<1>},
    {"sub", true, kQuantities, Type::Quantity, sum<-1>},
    {"sub", true, kQuantityInt, Type::Quantity, sum<-1>},
    {"isInteger", true, kQuantity, Bool, is_integer},
    {"asInteger", true, kQuantity, Int, as_integer},
    {"asApproximateFloat", true, kQuantity, Double, as_double},
    {"sign", true, kQuantity, Int, sign},
    {"semver", false, kString, Type::Semver, semver},
    {"isSemver", false, kString, Bool, is_semver},
    {"compareTo", true, kSemvers, Int, compare<V>},
    {"isGreaterThan", true, kSemvers, Bool, order<V, V, std::greater<>>},
    {"isLessThan", true, kSemvers, Bool, order<V, V, std::less<>>},
    {"major", true, kSemver, Int, part<&V::major>},
    {"minor", true, kSemver, Int, part<&V::minor>},
    {"patch", true, kSemver, Int, part<&V::patch>},
    {"int", false, kInt, Int, same},
    {"int", false, kDouble, Int, double_to_int},
    {"int", false, kString, Int, text_to_int},
    {"double", false, kDouble, Double, same},
    {"double", false, kInt, Double, int_to_double},
    {"string", false, kString, String, same},
    {"string", false, kInt, String, int_to_text},
    {"string", false, kBool, String, bool_to_text},
};

bool fits(const Function& f, std::string_view name, bool member, std::span<const Type> given) {
  return f.name == name && f.member == member && std::ranges::equal(f.takes, given, accepts);
}

}  // namespace

bool accepts(Type parameter, Type argument) {
  return parameter == argument || parameter == Dyn || argument == Dyn ||
         (parameter == Type::Map && is_map(argument));
}

bool is_function(std::string_view name, bool member) {
  return std::ranges::any_of(kFunctions,
                             [&](const Function& f) { return f.name == name && f.member == member; });
}

const Function* overload(std::string_view name, bool member, std::span<const Type> given) {
  const auto* found =
      std::ranges::find_if(kFunctions, [&](const Function& f) { return fits(f, name, member, given); });
  return found == std::end(kFunctions) ? nullptr : found;
}

Type result_of(std::string_view name, bool member, std::span<const Type> given) {
  std::optional<Type> result;
  for (const Function& f : kFunctions)
    if (fits(f, name, member, given)) result = !result || *result == f.gives ? f.gives : Dyn;
  return result.value_or(Dyn);
}

std::string no_overload(std::string_view name, bool member, std::span<const Type> given) {
  std::string text = "found no matching overload for '" + std::string(name) + "' applied to '";
  for (size_t i = 0; i < given.size(); ++i) {
    if (i == 0 && member) {
      text += std::string(to_string(given[0])) + ".(";
      continue;
    }
    text += i == 0 ? "(" : i == size_t(member) ? "" : ", ";
    text += to_string(given[i]);
  }
  return text + (given.empty() ? "()'" : ")'");
}

std::string pattern_fault(std::string_view pattern) {
  const RE2 compiled(pattern, pattern_options());
  return compiled.ok() ? "" : compiled.error();
}

}  // namespace ingot::cel
