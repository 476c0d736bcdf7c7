#include "api/names.h"
#include "api/validate.h"
#include "base/digest.h"
#include "base/quantity.h"

namespace ingot::api {
namespace {

void price(const Json* value, const std::string& path, FieldErrors& errors) {
  if (value && !is_price(text(*value)))
    errors.invalid(path, *value, "must be a price: digits with an optional fraction, such as \"2.00\"");
}

}  // namespace

bool is_price(std::string_view value) {
  size_t digits = 0, dots = 0;
  for (char c : value) {
    if (c >= '0' && c <= '9')
      ++digits;
    else if (c == '.')
      ++dots;
    else
      return false;
  }
  return digits > 0 && dots <= 1 && value.front() != '.' && value.back() != '.' && value.size() <= 20;
}

void validate_tenant(const Subject& s) {
  const std::string_view name = string_at(s.object, {"metadata", "name"});
  if (name == "root" || name == "shared")
    s.errors.invalid("metadata.name", Json(std::string(name)), "is reserved for the factory itself");
  if (name.size() > 40)
    s.errors.invalid("metadata.name", Json(std::string(name)), "must be no more than 40 bytes");
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  at_least(*spec, "weight", 1, "spec", s.errors);
  if (int_at(*spec, {"weight"}).value_or(1) > 1'000'000)
    s.errors.invalid("spec.weight", *find(*spec, {"weight"}), "must be less than or equal to 1000000");
  if (const std::string_view queue = string_at(*spec, {"queue"}); !queue.empty())
    s.errors.check("spec.queue", queue, dns_label_fault(queue));
  if (const Json* limit = find(*spec, {"storage", "limit"}))
    if (const auto bytes = Quantity::parse(text(*limit)); bytes && bytes->milli < 0)
      s.errors.invalid("spec.storage.limit", *limit, "must be greater than or equal to 0");
  const JsonArray& regions = array_at(*spec, {"regions"});
  for (size_t i = 0; i < regions.size(); ++i)
    s.errors.check(item("spec.regions", i), text(regions[i]), label_value_fault(text(regions[i])));
  const Json* gpus = find(*spec, {"gpus"});
  if (!gpus) return;
  at_least(*gpus, "guarantee", 0, "spec.gpus", s.errors);
  at_least(*gpus, "limit", 0, "spec.gpus", s.errors);
  const int64_t guarantee = int_at(*gpus, {"guarantee"}).value_or(0);
  const std::optional<int64_t> limit = int_at(*gpus, {"limit"});
  if (limit && guarantee > *limit)
    s.errors.invalid("spec.gpus.guarantee", guarantee,
                     "must be less than or equal to the limit of " + std::to_string(*limit));
}

void validate_image(const Subject& s) {
  const std::string_view digest = string_at(s.object, {"spec", "digest"});
  if (!digest.empty() && !Digest::parse(digest))
    s.errors.invalid("spec.digest", Json(std::string(digest)),
                     "must be \"sha256:\" and 64 lower case hexadecimal digits");
  if (const Json* reference = find(s.object, {"spec", "reference"}); reference && text(*reference).empty())
    s.errors.required("spec.reference");
  if (const std::string_view tenant = string_at(s.object, {"spec", "tenant"}); !tenant.empty())
    s.errors.check("spec.tenant", tenant, dns_label_fault(tenant));
}

void validate_price_list(const Subject& s) {
  if (string_at(s.object, {"metadata", "name"}) != "default")
    s.errors.invalid("metadata.name", Json(std::string(string_at(s.object, {"metadata", "name"}))),
                     "must be \"default\": a factory has one price list");
  for (std::string_view field : {"cpuHour", "memoryGiBHour"})
    price(find(s.object, {"spec", field}), child("spec", field), s.errors);
  for (const auto& [key, value] : object_at(s.object, {"spec", "gpuHour"}))
    price(&value, entry("spec.gpuHour", {key.data(), key.size()}), s.errors);
  const std::string_view currency = string_at(s.object, {"spec", "currency"});
  if (currency.size() != 3 || currency.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != currency.npos)
    s.errors.invalid("spec.currency", Json(std::string(currency)),
                     "must be a currency code of three letters, such as \"USD\"");
}

void validate_allocation(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  at_least(*spec, "cpuMilli", 0, "spec", s.errors);
  at_least(*spec, "memoryBytes", 0, "spec", s.errors);
  if (s.before && !same(spec, find(*s.before, {"spec"})))
    s.errors.forbidden("spec", "what was allocated never changes");
  const bool was_released = s.before && string_at(*s.before, {"status", "phase"}) == "Released";
  if (was_released && string_at(s.object, {"status", "phase"}) != "Released")
    s.errors.forbidden("status.phase", "a released allocation cannot be opened again");
}

}  // namespace ingot::api
