#include "api/table_cells.h"

#include <algorithm>

#include "base/assert.h"

namespace ingot::api {
namespace {

std::string join(const JsonArray& list, auto&& text_of) {
  std::string all;
  for (const Json& one : list) (all.empty() ? all : all += ",") += text_of(one);
  return all;
}
std::string or_none(std::string_view text) { return text.empty() ? "<none>" : std::string(text); }
std::string or_unknown(std::string_view text) { return text.empty() ? "<unknown>" : std::string(text); }
std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return out;
}
std::string_view first_of(std::initializer_list<std::string_view> texts) {
  for (std::string_view text : texts)
    if (!text.empty()) return text;
  return {};
}
std::string_view created(const Json& o) { return string_at(o, {"metadata", "creationTimestamp"}); }

CellValue age(const Json& o, WallTime now) { return age_of(created(o), now); }

CellValue data_count(const Json& o, WallTime) {
  const size_t count = object_at(o, {"data"}).size() + object_at(o, {"binaryData"}).size();
  return string_at(o, {"kind"}) == "Secret" ? CellValue(count) : CellValue(std::to_string(count));
}

// Events come in two forms: core/v1 and events.k8s.io/v1 name the same things differently.
CellValue last_seen(const Json& o, WallTime now) {
  return age_of(first_of({string_at(o, {"series", "lastObservedTime"}), string_at(o, {"lastTimestamp"}),
                          string_at(o, {"deprecatedLastTimestamp"}), string_at(o, {"firstTimestamp"}),
                          string_at(o, {"eventTime"})}),
                now);
}
CellValue first_seen(const Json& o, WallTime now) {
  return age_of(first_of({string_at(o, {"firstTimestamp"}), string_at(o, {"deprecatedFirstTimestamp"}),
                          string_at(o, {"eventTime"})}),
                now);
}
CellValue involved(const Json& o, WallTime) {
  const std::string_view ref = find(o, {"regarding"}) ? "regarding" : "involvedObject";
  const std::string_view name = string_at(o, {ref, "name"});
  const std::string kind = lower(string_at(o, {ref, "kind"}));
  return name.empty() ? kind : kind + "/" + std::string(name);
}
CellValue event_source(const Json& o, WallTime) {
  const std::string_view ref = find(o, {"deprecatedSource"}) ? "deprecatedSource" : "source";
  const std::string_view component =
      first_of({string_at(o, {ref, "component"}), string_at(o, {"reportingComponent"}),
                string_at(o, {"reportingController"})});
  const std::string_view host = first_of({string_at(o, {ref, "host"}), string_at(o, {"reportingInstance"})});
  return host.empty() ? std::string(component) : std::string(component) + ", " + std::string(host);
}
CellValue message(const Json& o, WallTime) {
  std::string text(first_of({string_at(o, {"message"}), string_at(o, {"note"})}));
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}
CellValue event_count(const Json& o, WallTime) {
  for (const std::optional<int64_t>& count :
       {int_at(o, {"series", "count"}), int_at(o, {"count"}), int_at(o, {"deprecatedCount"})})
    if (count) return std::to_string(*count);
  return "1";
}

CellValue node_status(const Json& o, WallTime) {
  std::string text = "Unknown";
  for (const Json& c : array_at(o, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "Ready") text = string_at(c, {"status"}) == "True" ? "Ready" : "NotReady";
  return bool_at(o, {"spec", "unschedulable"}) ? text + ",SchedulingDisabled" : text;
}
CellValue node_roles(const Json& o, WallTime) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  for (const auto& [key, value] : object_at(o, {"metadata", "labels"})) {
    const std::string_view name(key.data(), key.size());
    if (name.starts_with(kPrefix) && name.size() > kPrefix.size())
      roles.emplace_back(name.substr(kPrefix.size()));
    else if (name == "kubernetes.io/role" && value.is_string())
      roles.emplace_back(value.get_string());
  }
  std::ranges::sort(roles);
  std::string all;
  for (const std::string& role : roles) (all.empty() ? all : all += ",") += role;
  return or_none(all);
}
CellValue node_gpus(const Json& o, WallTime) {
  const std::string text(string_at(o, {"status", "allocatable", "nvidia.com/gpu"}));
  return text.empty() ? CellValue(0) : CellValue(std::strtoll(text.c_str(), nullptr, 10));
}
CellValue node_simulated(const Json& o, WallTime) {
  return string_at(o, {"metadata", "labels", "ingot.dev/simulated"}) == "true" ? "true" : "false";
}
CellValue node_ip(const Json& o, WallTime) {
  for (const Json& a : array_at(o, {"status", "addresses"}))
    if (string_at(a, {"type"}) == "InternalIP") return std::string(string_at(a, {"address"}));
  return "<none>";
}
CellValue node_os(const Json& o, WallTime) {
  return or_unknown(string_at(o, {"status", "nodeInfo", "osImage"}));
}
CellValue node_kernel(const Json& o, WallTime) {
  return or_unknown(string_at(o, {"status", "nodeInfo", "kernelVersion"}));
}
CellValue node_runtime(const Json& o, WallTime) {
  return or_unknown(string_at(o, {"status", "nodeInfo", "containerRuntimeVersion"}));
}

bool job_condition(const Json& o, std::string_view type) {
  return std::ranges::any_of(array_at(o, {"status", "conditions"}), [&](const Json& c) {
    return string_at(c, {"type"}) == type && string_at(c, {"status"}) == "True";
  });
}
CellValue job_status(const Json& o, WallTime) {
  for (std::string_view type : {"Complete", "Failed"})
    if (job_condition(o, type)) return type;
  if (!string_at(o, {"metadata", "deletionTimestamp"}).empty()) return "Terminating";
  for (std::string_view type : {"Suspended", "FailureTarget", "SuccessCriteriaMet"})
    if (job_condition(o, type)) return type;
  return "Running";
}
CellValue job_completions(const Json& o, WallTime) {
  const std::string done = std::to_string(int_at(o, {"status", "succeeded"}).value_or(0));
  if (const std::optional<int64_t> all = int_at(o, {"spec", "completions"}))
    return done + "/" + std::to_string(*all);
  const int64_t parallelism = int_at(o, {"spec", "parallelism"}).value_or(0);
  return parallelism > 1 ? done + "/1 of " + std::to_string(parallelism) : done + "/1";
}
CellValue job_duration(const Json& o, WallTime now) {
  const std::string_view start = string_at(o, {"status", "startTime"}),
                         end = string_at(o, {"status", "completionTime"});
  if (start.empty()) return "";
  const std::optional<WallTime> until = end.empty() ? std::optional(now) : parse_rfc3339(end);
  return age_of(start, until.value_or(now));
}
const JsonArray& job_pod_containers(const Json& o) {
  return array_at(o, {"spec", "template", "spec", "containers"});
}
CellValue job_names(const Json& o, WallTime) {
  return join(job_pod_containers(o), [](const Json& c) { return std::string(string_at(c, {"name"})); });
}
CellValue job_images(const Json& o, WallTime) {
  return join(job_pod_containers(o), [](const Json& c) { return std::string(string_at(c, {"image"})); });
}
CellValue job_selector(const Json& o, WallTime) {
  std::string all;
  for (const auto& [key, value] : object_at(o, {"spec", "selector", "matchLabels"}))
    (all.empty() ? all : all += ",") +=
        std::string(key) + "=" + (value.is_string() ? value.get_string().c_str() : "");
  return or_none(all);
}

CellValue role_ref(const Json& o, WallTime) {
  return std::string(string_at(o, {"roleRef", "kind"})) + "/" +
         std::string(string_at(o, {"roleRef", "name"}));
}
template <char Kind>
CellValue subjects(const Json& o, WallTime) {
  std::string all;
  for (const Json& s : array_at(o, {"subjects"})) {
    const std::string_view kind = string_at(s, {"kind"});
    if (kind.empty() || kind[0] != Kind) continue;
    if (!all.empty()) all += ", ";
    if (Kind == 'S') (all += string_at(s, {"namespace"})) += '/';
    all += string_at(s, {"name"});
  }
  return all;
}
CellValue secrets_count(const Json& o, WallTime) { return array_at(o, {"secrets"}).size(); }
// pkg/printers/internalversion/printers.go: resourceClaimState
CellValue claim_state(const Json& o, WallTime) {
  const bool deleted = find(o, {"metadata", "deletionTimestamp"}),
             allocated = find(o, {"status", "allocation"});
  std::string text = deleted ? "deleted" : allocated ? "" : "pending";
  if (!allocated) return text;
  text += text.empty() ? "allocated" : ",allocated";
  return array_at(o, {"status", "reservedFor"}).empty() ? text : text + ",reserved";
}
CellValue slice_node(const Json& o, WallTime) { return or_unknown(string_at(o, {"spec", "nodeName"})); }
CellValue global_default(const Json& o, WallTime) { return bool_at(o, {"globalDefault"}); }
CellValue allocation_gpus(const Json& o, WallTime) {
  return std::ranges::count_if(array_at(o, {"spec", "devices"}),
                               [](const Json& device) { return bool_at(device, {"charged"}, true); });
}
CellValue model_aliases(const Json& o, WallTime) {
  std::string all;
  for (const auto& [alias, version] : object_at(o, {"spec", "aliases"})) {
    if (!version.is_int64()) continue;
    if (!all.empty()) all += ',';
    all.append(alias.data(), alias.size()) += "=v" + std::to_string(version.get_int64());
  }
  return or_none(all);
}
CellValue image_tenant(const Json& o, WallTime) {
  const std::string_view tenant = string_at(o, {"spec", "tenant"});
  return tenant.empty() ? "shared" : std::string(tenant);
}
CellValue tenant_limit(const Json& o, WallTime) {
  const std::optional<int64_t> limit = int_at(o, {"spec", "gpus", "limit"});
  return limit ? std::to_string(*limit) : "none";
}
CellValue tenants(const Json& o, WallTime) {
  return or_none(join(array_at(o, {"spec", "tenants"}),
                      [](const Json& t) { return t.is_string() ? std::string(t.get_string()) : ""; }));
}
CellValue gate_tenants(const Json& o, WallTime) {
  return or_none(join(array_at(o, {"spec", "match", "tenants"}),
                      [](const Json& name) { return std::string(string_at(name, {})); }));
}
CellValue gate_rules(const Json& o, WallTime) {
  return or_none(join(array_at(o, {"spec", "rules"}),
                      [](const Json& rule) { return std::string(string_at(rule, {"name"})); }));
}
// {gpus: 8, gpuModels: {H100-80GB: 4}, cpu: "32"} → "gpus=8,H100-80GB=4,cpu=32".
CellValue amounts(const Json& o, std::initializer_list<std::string_view> path) {
  std::string all;
  const auto add = [&](std::string_view name, const Json* value) {
    if (!value) return;
    (all.empty() ? all : all += ",") += std::string(name) + "=";
    all += value->is_string() ? std::string(value->get_string()) : to_text(*value);
  };
  const JsonObject& amounts = object_at(o, path);
  add("gpus", amounts.if_contains("gpus"));
  if (const Json* models = amounts.if_contains("gpuModels"); models && models->is_object())
    for (const auto& [model, n] : models->get_object()) add({model.data(), model.size()}, &n);
  for (const char* name : {"cpu", "memory"}) add(name, amounts.if_contains(name));
  return all.empty() ? "none" : all;
}
CellValue queue_guarantee(const Json& o, WallTime) { return amounts(o, {"spec", "guarantee"}); }
CellValue queue_limit(const Json& o, WallTime) { return amounts(o, {"spec", "limit"}); }
CellValue queue_used(const Json& o, WallTime) { return amounts(o, {"status", "used"}); }

struct Cell {
  std::string_view name;
  CellValue (*make)(const Json&, WallTime);
};
constexpr Cell kCells[] = {
    {"age", age},
    {"data", data_count},
    {"last-seen", last_seen},
    {"first-seen", first_seen},
    {"involved", involved},
    {"source", event_source},
    {"message", message},
    {"count", event_count},
    {"node-status", node_status},
    {"node-roles", node_roles},
    {"node-gpus", node_gpus},
    {"node-simulated", node_simulated},
    {"node-ip", node_ip},
    {"node-os", node_os},
    {"node-kernel", node_kernel},
    {"node-runtime", node_runtime},
    {"job-status", job_status},
    {"job-completions", job_completions},
    {"job-duration", job_duration},
    {"job-containers", job_names},
    {"job-images", job_images},
    {"job-selector", job_selector},
    {"role-ref", role_ref},
    {"subjects-user", subjects<'U'>},
    {"subjects-group", subjects<'G'>},
    {"subjects-sa", subjects<'S'>},
    {"sa-secrets", secrets_count},
    {"claim-state", claim_state},
    {"slice-node", slice_node},
    {"global-default", global_default},
    {"allocation-gpus", allocation_gpus},
    {"image-tenant", image_tenant},
    {"model-aliases", model_aliases},
    {"tenant-limit", tenant_limit},
    {"tenants", tenants},
    {"gate-tenants", gate_tenants},
    {"gate-rules", gate_rules},
    {"queue-guarantee", queue_guarantee},
    {"queue-limit", queue_limit},
    {"queue-used", queue_used},
};
constexpr std::string_view kPodCells[] = {"pod-ready", "pod-status",    "pod-restarts", "pod-ip",
                                          "pod-node",  "pod-nominated", "pod-gates"};

}  // namespace

bool is_computed_cell(std::string_view name) {
  return std::ranges::find(kPodCells, name) != std::end(kPodCells) ||
         std::ranges::find(kCells, name, &Cell::name) != std::end(kCells);
}

Json computed_cell(std::string_view name, const Json& object, WallTime now) {
  if (name.starts_with("pod-")) return pod_cell(name, object, now).json;
  const Cell* cell = std::ranges::find(kCells, name, &Cell::name);
  ASSERT(cell != std::end(kCells));
  return cell->make(object, now).json;
}

std::string age_of(std::string_view timestamp, WallTime now) {
  const std::optional<WallTime> since = parse_rfc3339(timestamp);
  return since ? human_duration(now - *since) : "<unknown>";
}

}  // namespace ingot::api
