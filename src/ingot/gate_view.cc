#include "ingot/gate_view.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "ingot/output.h"

namespace ingot {
namespace {

using api::Json;
using api::string_at;

constexpr size_t kSteps = 16;  // queues on a way to the root

Result<api::JsonArray> collection(Client& client, std::string_view resource) {
  return client.list(fmt::format("{}/{}", kFactoryApi, resource));
}

const Json* named(const api::JsonArray& objects, std::string_view name) {
  for (const Json& object : objects)
    if (string_at(object, {"metadata", "name"}) == name) return &object;
  return nullptr;
}

// As QueueBook::chain, for who asks from outside.
std::vector<std::string> chain(const api::JsonArray& queues, const Json* tenant, std::string_view name,
                               std::string_view asked) {
  std::vector<std::string> out{std::string(asked.empty() ? name : asked)};
  std::string next(asked);
  if (asked.empty() && tenant) next = string_at(*tenant, {"spec", "queue"});
  for (size_t step = 0; step < kSteps && !next.empty(); ++step) {
    if (next != out.back()) out.push_back(next);
    const Json* queue = named(queues, next);
    next = queue ? string_at(*queue, {"spec", "parent"}) : std::string_view();
  }
  return out;
}

}  // namespace

Result<GateView> read_gates(Client& client) {
  GateView view;
  for (const auto& [resource, to] : {std::pair("gates", &view.gates),
                                     {"gateexceptions", &view.exceptions},
                                     {"imagescans", &view.scans},
                                     {"images", &view.images},
                                     {"tenants", &view.tenants}}) {
    auto got = collection(client, resource);
    if (!got) return fail(got.error());
    *to = *std::move(got);
  }
  for (const Json& gate : view.gates) view.set.set_gate(string_at(gate, {"metadata", "name"}), &gate);
  for (const Json& one : view.exceptions) view.set.set_exception(string_at(one, {"metadata", "name"}), &one);
  for (const Json& scan : view.scans) view.set.set_scan(string_at(scan, {"metadata", "name"}), &scan);
  for (const Json& image : view.images) view.known.put(image);
  return view;
}

Result<policy::Facts> facts_of_file(Client& client, const GateView& view, const Place& place,
                                    const Json& object) {
  const std::string_view kind = string_at(object, {"kind"});
  policy::Facts facts;
  facts.tenant = place.tenant;
  facts.ns = place.ns;
  facts.name = string_at(object, {"metadata", "name"});
  if (facts.name.empty()) facts.name = string_at(object, {"metadata", "generateName"});
  const Json* tenant = named(view.tenants, place.tenant);
  facts.clearance = policy::Clearance::Restricted;
  if (tenant) {
    facts.clearance = policy::parse_clearance(string_at(*tenant, {"spec", "clearance"}))
                          .value_or(policy::Clearance::Internal);
    for (const Json& region : api::array_at(*tenant, {"spec", "regions"}))
      facts.regions.emplace_back(string_at(region, {}));
  }
  auto queues = collection(client, "queues");
  if (!queues) return fail(queues.error());
  facts.queues = chain(*queues, tenant, place.tenant,
                       string_at(object, {"metadata", "labels", "kueue.x-k8s.io/queue-name"}));
  facts.cost_micros = 0;  // judged when it waits, with its run time
  std::map<std::string, std::optional<policy::DatasetFact>, std::less<>> datasets;
  const policy::Surroundings around{
      view.known, [&](std::string_view name) -> std::optional<policy::DatasetFact> {
        const auto known = datasets.find(name);
        if (known != datasets.end()) return known->second;
        auto got = client.get(place.path("factory.ingot.dev/v1alpha1", "datasets") + "/" +
                              query_value(std::string(name)));
        std::optional<policy::DatasetFact> fact;
        if (got)
          fact = policy::DatasetFact{policy::parse_clearance(string_at(*got, {"spec", "classification"}))
                                         .value_or(policy::Clearance::Restricted),
                                     std::string(string_at(*got, {"spec", "region"}))};
        return datasets.emplace(std::string(name), fact).first->second;
      }};
  if (kind == "Pod") {
    policy::add_pod(facts, object, around);
    return facts;
  }
  if (const Json* of_job = kind == "Job" ? api::find(object, {"spec", "template"}) : nullptr) {
    policy::add_pod(facts, *of_job, around);
    return facts;
  }
  if (kind != "Workflow" && kind != "WorkflowTemplate")
    return fail(Reason::Invalid,
                fmt::format("kind \"{}\": a Pod, a Job, a Workflow or a WorkflowTemplate is judged", kind));
  facts.kind = policy::WorkKind::Workflow;
  facts.workflow = facts.name;
  Json spec = *api::find(object, {"spec"});
  std::string_view pipeline = kind == "WorkflowTemplate"
                                  ? std::string_view(facts.name)
                                  : string_at(object, {"spec", "workflowTemplateRef", "name"});
  if (!pipeline.empty()) {
    facts.pipelines.emplace_back(pipeline);
    facts.pipeline_known = true;
  }
  if (kind == "Workflow" && !pipeline.empty()) {
    auto of = client.get(place.path("argoproj.io/v1alpha1", "workflowtemplates") + "/" +
                         query_value(std::string(pipeline)));
    if (!of) return fail(of.error());
    spec = *api::find(*of, {"spec"});
  }
  policy::add_workflow(facts, spec, {}, around);
  return facts;
}

}  // namespace ingot
