#include "controllers/placement_writes.h"

#include "base/encoding.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr size_t kMaxMessage = 1'024;  // of an Event (pkg/apis/core/validation)

std::string part_of(const scheduler::Held& d) {
  if (!d.profile.empty()) return d.profile + " of ";
  return d.milli < 1000 ? std::to_string(d.milli) + "m of " : "";
}

}  // namespace

Json allocation_object(const Grant& grant, WallTime now) {
  JsonArray devices;
  for (const scheduler::Held& d : grant.devices) {
    JsonObject device{{"uuid", d.uuid}, {"model", d.model}};
    if (d.milli != 1000) device["milli"] = d.milli;
    if (d.memory_mib > 0) device["memoryMiB"] = d.memory_mib;
    if (!d.profile.empty()) {
      device["profile"] = d.profile;
      device["start"] = d.start;
    }
    if (const size_t i = devices.size(); i < grant.claims.size()) {
      device["claim"] = grant.claims[i].entry;
      device["request"] = grant.claims[i].request;
      device["claimUID"] = grant.claims[i].uid;
    }
    devices.push_back(std::move(device));
  }
  devices.insert(devices.end(), grant.joined.begin(), grant.joined.end());
  JsonObject metadata{{"name", grant.pod_uid}, {"uid", grant.uid}, {"creationTimestamp", to_rfc3339(now)}};
  if (grant.simulated) metadata["labels"] = JsonObject{{"ingot.dev/simulated", "true"}};
  JsonObject spec{{"tenant", grant.tenant},       {"cluster", grant.pod.cluster()},
                  {"namespace", grant.pod.ns()},  {"pod", grant.pod.name()},
                  {"node", grant.node},           {"devices", std::move(devices)},
                  {"cpuMilli", grant.cpu_milli},  {"memoryBytes", grant.memory_bytes},
                  {"from", to_rfc3339_micro(now)}};
  if (!grant.created.empty()) spec["created"] = grant.created;
  if (!grant.models.empty()) spec["models"] = JsonArray(grant.models.begin(), grant.models.end());
  if (!grant.why.empty()) spec["why"] = grant.why;
  JsonObject work = scheduler::work_object(grant.work);
  if (grant.work.unit == grant.pod_uid) work.erase("unit");  // which is what it is without saying
  if (!work.empty()) spec["work"] = std::move(work);
  return JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                    {"kind", "Allocation"},
                    {"metadata", std::move(metadata)},
                    {"spec", std::move(spec)},
                    {"status", JsonObject{{"phase", "Open"}}}};
}

std::string assigned(const api::Key& pod, const scheduler::Binding& b) {
  std::string message =
      "Successfully assigned " + std::string(pod.ns()) + "/" + std::string(pod.name()) + " to " + b.node;
  for (const scheduler::Held& d : b.devices)
    message += (&d == &b.devices.front() ? " with " : ", ") + part_of(d) + d.uuid;
  return b.why.empty() ? message : message + ": " + b.why;
}

void set_condition(Json& object, std::string_view type, std::string_view status, std::string_view reason,
                   std::string_view message, WallTime now) {
  JsonArray conditions = api::array_at(object, {"status", "conditions"});
  Json* found = nullptr;
  for (Json& c : conditions)
    if (api::string_at(c, {"type"}) == type) found = &c;
  if (!found) found = &conditions.emplace_back(JsonObject{{"type", type}, {"lastProbeTime", nullptr}});
  if (api::string_at(*found, {"status"}) != status) api::set(*found, {"lastTransitionTime"}, to_rfc3339(now));
  api::set(*found, {"status"}, status);
  for (const auto& [name, value] : {std::pair{"reason", reason}, std::pair{"message", message}}) {
    if (value.empty())
      api::erase(*found, {name});
    else
      api::set(*found, {name}, value);
  }
  api::set(object, {"status", "conditions"}, std::move(conditions));
}

void bind_pod(Json& pod, std::string_view node, WallTime now) {
  api::set(pod, {"spec", "nodeName"}, node);
  api::erase(pod, {"status", "nominatedNodeName"});
  set_condition(pod, "PodScheduled", "True", "", "", now);
}

void refuse_pod(Json& pod, std::string_view message, WallTime now) {
  set_condition(pod, "PodScheduled", "False", "Unschedulable", message, now);
}

api::Key event_key(const Notice& h) {
  std::string what;
  for (const std::string_view part : {std::string_view(h.about.text()), h.uid, h.type, h.reason, h.component})
    (what += part) += '\n';
  const std::string hash = hex(sha256(what)).substr(0, 16);
  const std::string_view ns = h.about.ns().empty() ? "default" : h.about.ns();
  return {ClusterId(std::string(h.about.cluster())), "events", ns,
          std::string(h.about.name().substr(0, 200)) + "." + hash};
}

std::string uuid_of(std::string_view text) {
  const std::string id = sha256(text);
  uint64_t high = 0, low = 0;
  for (size_t i = 0; i < 8; ++i) {
    high = high << 8 | uint8_t(id[i]);
    low = low << 8 | uint8_t(id[8 + i]);
  }
  return uuid(high, low);
}

Json event_object(const Notice& h, const api::Object* before, WallTime now) {
  std::string message(h.message.substr(0, kMaxMessage));
  if (before) {
    Json event = before->parse();
    api::set(event, {"count"}, api::int_at(event, {"count"}).value_or(1) + 1);
    api::set(event, {"lastTimestamp"}, to_rfc3339(now));
    api::set(event, {"message"}, std::move(message));
    return event;
  }
  const api::Key key = event_key(h);
  JsonObject about{{"kind", h.kind}, {"apiVersion", "v1"}, {"name", h.about.name()}, {"uid", h.uid}};
  if (!h.about.ns().empty()) about["namespace"] = h.about.ns();
  return JsonObject{{"apiVersion", "v1"},
                    {"kind", "Event"},
                    {"metadata", JsonObject{{"name", key.name()},
                                            {"namespace", key.ns()},
                                            {"uid", uuid_of(key.text() + to_rfc3339_micro(now))},
                                            {"creationTimestamp", to_rfc3339(now)}}},
                    {"involvedObject", std::move(about)},
                    {"type", h.type},
                    {"reason", h.reason},
                    {"message", std::move(message)},
                    {"source", JsonObject{{"component", h.component}}},
                    {"reportingComponent", h.component},
                    {"reportingInstance", ""},
                    {"eventTime", nullptr},
                    {"firstTimestamp", to_rfc3339(now)},
                    {"lastTimestamp", to_rfc3339(now)},
                    {"count", 1}};
}

void say(store::Turn& turn, const Notice& what, WallTime now) {
  const api::Key key = event_key(what);
  const api::ObjectPtr before = turn.get(key);
  (void)turn.put(key, event_object(what, before.get(), now));  // without `expect` nothing can be in its way
}

}  // namespace ingot::controllers
