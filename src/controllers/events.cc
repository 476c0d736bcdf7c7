#include "controllers/events.h"

#include <algorithm>

#include "base/encoding.h"

namespace ingot::controllers {
namespace {

std::string event_name(const Json& involved, const Happening& what) {
  std::string all;
  for (std::string_view part :
       {api::string_at(involved, {"metadata", "uid"}), what.reason, std::string_view(what.message)})
    (all += part) += '\0';
  const std::string digest = hex(sha256(all)).substr(0, 16);
  return std::string(api::string_at(involved, {"metadata", "name"}).substr(0, 230)) + "." + digest;
}

Json involved_object(const Json& object) {
  JsonObject ref;
  for (std::string_view field : {"apiVersion", "kind"}) ref[field] = api::string_at(object, {field});
  for (std::string_view field : {"namespace", "name", "uid", "resourceVersion"})
    if (std::string_view value = api::string_at(object, {"metadata", field}); !value.empty())
      ref[field] = value;
  return ref;
}

}  // namespace

int64_t record(Plan& plan, const Snapshot& in, const Json& involved, const Happening& what, WallTime now) {
  std::string ns(api::string_at(involved, {"metadata", "namespace"}));
  if (ns.empty()) ns = "default";
  const std::string name = event_name(involved, what);
  const std::string at = to_rfc3339(now);
  const Key key(in.cluster(), "events", ns, name);
  if (std::ranges::any_of(plan.writes, [&](const Write& w) { return w.key == key; })) return 1;

  if (const ObjectPtr before = in.get("events", ns, name)) {
    Json event = before->parse();
    const int64_t count = api::int_at(event, {"count"}).value_or(1) + 1;
    api::set(event, {"count"}, count);
    api::set(event, {"lastTimestamp"}, at);
    plan.update(before, std::move(event));
    return count;
  }
  plan.create(in, "events",
              {{"apiVersion", "v1"},
               {"kind", "Event"},
               {"metadata", {{"name", name}, {"namespace", ns}}},
               {"involvedObject", involved_object(involved)},
               {"reason", what.reason},
               {"message", what.message.substr(0, 1024)},
               {"source", {{"component", what.component}}},
               {"firstTimestamp", at},
               {"lastTimestamp", at},
               {"count", 1},
               {"type", what.type},
               {"eventTime", nullptr},
               {"reportingComponent", what.component},
               {"reportingInstance", ""}});
  return 1;
}

}  // namespace ingot::controllers
