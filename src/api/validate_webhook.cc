// Webhook. Where an address leads is judged when it is connected to.
#include <algorithm>
#include <set>

#include "api/validate.h"
#include "api/webhook.h"

namespace ingot::api {
namespace {

constexpr size_t kLongestName = 63, kLongestText = 1'000, kLongestSecret = 1'000;
constexpr std::string_view kApplied = "kubectl.kubernetes.io/last-applied-configuration";

void events(const Json& spec, FieldErrors& errors) {
  const auto known = webhook_events();
  const JsonArray& list = array_at(spec, {"events"});
  if (list.empty()) return errors.required("spec.events", "of what is it told?");
  if (list.size() > known.size()) return errors.too_many("spec.events", list.size(), known.size());
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string_view event = text(list[i]);
    if (std::ranges::find(known, event) == known.end())
      errors.unsupported(item("spec.events", i), event, {known.begin(), known.end()});
    else if (!seen.insert(event).second)
      errors.duplicate(item("spec.events", i), list[i]);
  }
}

}  // namespace

void validate_webhook(const Subject& s) {
  // It is the namespace of what waits for it.
  if (const auto name = string_at(s.object, {"metadata", "name"}); name.size() > kLongestName)
    s.errors.too_long("metadata.name", kLongestName);
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  if (const auto url = string_at(*spec, {"url"}); url.empty())
    s.errors.required("spec.url");
  else if (const auto parsed = parse_webhook_url(url); !parsed)
    s.errors.invalid("spec.url", Json(shorten(std::string(url), 200)), parsed.error());
  events(*spec, s.errors);
  if (const auto name = string_at(*spec, {"name"}); !name.empty())
    s.errors.check("spec.name", shorten(std::string(name), 100), webhook_name_fault(name));
  if (string_at(*spec, {"description"}).size() > kLongestText)
    s.errors.too_long("spec.description", kLongestText);
  const std::string_view secret = string_at(*spec, {"secret"});
  if (secret.size() > kLongestSecret) s.errors.too_long("spec.secret", kLongestSecret);
  if (!secret.empty() && string_at(s.object, {"metadata", "annotations", kApplied}).find("\"secret\":") !=
                             std::string_view::npos)
    s.errors.forbidden("spec.secret",
                       "kubectl apply keeps it in an annotation that everybody reads: use kubectl create or "
                       "replace, or MLflow's create_webhook");
}

}  // namespace ingot::api
