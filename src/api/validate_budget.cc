// Budget: an amount for a time, and what happens on the way to it.
#include "api/names.h"
#include "api/validate.h"
#include "base/time.h"

namespace ingot::api {
namespace {

constexpr size_t kMostNames = 1'000;
constexpr int64_t kMostPercent = 1'000;
constexpr double kMostAmount = 1e12;

void names(const Json& scope, std::string_view field, FieldErrors& errors) {
  const JsonArray& list = array_at(scope, {field});
  const std::string path = child("spec.scope", field);
  if (list.size() > kMostNames) errors.too_many(path, list.size(), kMostNames);
  for (size_t i = 0; i < std::min(list.size(), kMostNames); ++i)
    errors.check(item(path, i), text(list[i]), dns_label_fault(text(list[i])));
}

// Thousandths of the amount that "80%" or "800.00" is; none: it is neither.
std::optional<double> part(std::string_view at, double amount) {
  const bool percent = at.ends_with('%');
  if (percent) at.remove_suffix(1);
  if (!is_price(at)) return std::nullopt;
  const double value = std::stod(std::string(at));
  if (percent) return value > double(kMostPercent) ? std::nullopt : std::optional(value * 10);
  return amount > 0 ? std::optional(value * 1'000 / amount) : std::nullopt;
}

}  // namespace

void validate_budget(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  const std::string_view amount = string_at(*spec, {"amount"});
  const bool priced = is_price(amount);
  if (!amount.empty() && (!priced || amount.find_first_of("123456789") == amount.npos))
    s.errors.invalid("spec.amount", *find(*spec, {"amount"}),
                     "must be an amount above 0: digits with an optional fraction, such as \"500.00\"");
  if (priced && std::stod(std::string(amount)) > kMostAmount)
    s.errors.invalid("spec.amount", *find(*spec, {"amount"}), "must be at most 1000000000000");
  const std::string_view currency = string_at(*spec, {"currency"});
  if (currency.size() != 3 || currency.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != currency.npos)
    s.errors.invalid("spec.currency", Json(std::string(currency)),
                     "must be a currency code of three letters, such as \"USD\"");
  const auto assumed = parse_duration(string_at(*spec, {"assumedRunTime"}));
  if (!assumed || *assumed < std::chrono::seconds(1) || *assumed > std::chrono::days(31))
    s.errors.invalid("spec.assumedRunTime", Json(std::string(string_at(*spec, {"assumedRunTime"}))),
                     "must be a duration such as \"30m\" or \"24h\", between 1s and 31d");
  if (const Json* scope = find(*spec, {"scope"}))
    for (const std::string_view field : {"tenants", "queues"}) names(*scope, field, s.errors);
  std::optional<double> parts[2];
  for (const auto& [field, out] : {std::pair("soft", &parts[0]), std::pair("hard", &parts[1])}) {
    const Json* at = find(*spec, {"limits", field, "at"});
    if (!at || text(*at).empty()) continue;
    *out = part(text(*at), priced ? std::stod(std::string(amount)) : 0);
    if (!*out && (priced || text(*at).ends_with('%')))
      s.errors.invalid(child(child("spec.limits", field), "at"), *at,
                       "must be a part of the amount such as \"80%\", up to 1000%, or an amount such as "
                       "\"400.00\"");
  }
  if (parts[0] && parts[1] && *parts[0] > *parts[1])
    s.errors.invalid(
        "spec.limits.soft.at", *find(*spec, {"limits", "soft", "at"}),
        "must not be above the hard limit, " + std::string(string_at(*spec, {"limits", "hard", "at"})));
}

}  // namespace ingot::api
