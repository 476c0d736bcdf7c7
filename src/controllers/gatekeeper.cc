#include "controllers/gatekeeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/reserved.h"
#include "controllers/placement_told.h"
#include "controllers/placement_writes.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;
using api::string_at;
using policy::Facts;
using policy::Verdict;

constexpr size_t kRowsOfOnePod = 32;  // who changes his pod again and again fills no stream
constexpr size_t kRowsPerTurn = 32, kTemplatesCounted = 64, kRunsKnown = 2'048;
constexpr std::string_view kWorkflows = "workflows.argoproj.io";

// Names that no key can hold are nobody's.
bool plain(std::string_view text) { return !text.empty() && text.find('/') == text.npos; }

}  // namespace

void Gatekeeper::clear() {
  gates_ = {};
  gates_.set_desk(desk_);
  images_.clear();
  tenants_.clear();
  whose_.clear();
  excepted_.clear();
  judged_.clear();
  due_.clear();
  runs_.clear();
  unwritten_.clear();
  image_objects_.clear();
  let_.clear();
  again_ = {};
}

void Gatekeeper::set_desk(const policy::BudgetDesk* desk) {
  desk_ = desk;
  gates_.set_desk(desk);
}

Lookup Gatekeeper::lookup() const {
  return [this](const Key& key) { return turn_->get(key); };
}

// --- what gates rest on ---

bool Gatekeeper::load(const Key& key, const ObjectPtr& object) {
  const std::string_view resource = key.resource();
  if (resource == kDatasets) {
    if (gates_.empty() || !gates_.privacy()) return true;
    again_.changed = true;
    const std::string pods = api::namespace_prefix(ClusterId(std::string(key.cluster())), "pods", key.ns());
    for (auto at = judged_.lower_bound(pods); at != judged_.end() && at->first.starts_with(pods); ++at)
      again_.pods.emplace(at->first);
    return true;
  }
  const bool gate = resource == policy::kGates, exception = resource == policy::kGateExceptions,
             scan = resource == policy::kImageScans, image = resource == kImages;
  if (!gate && !exception && !scan && !image) return false;
  const Json json = object ? object->parse() : Json();
  const Json* now = object ? &json : nullptr;
  if (gate) {
    load_gate(key, now);
  } else if (exception) {
    gates_.set_exception(key.name(), now);
    std::string& tenant = excepted_[std::string(key.name())];
    again_of(tenant, false);
    if (now) again_of(tenant = string_at(json, {"spec", "target", "tenant"}), false);
    if (!now) excepted_.erase(std::string(key.name()));
  } else if (scan) {
    gates_.set_scan(key.name(), now);
    again_of("", false);
  } else {
    load_image(key.name(), now);
  }
  return true;
}

void Gatekeeper::load_image(std::string_view name, const Json* now) {
  const auto before = image_objects_.find(name);
  std::string whose;
  if (before != image_objects_.end()) {
    images_.erase(before->second);
    whose = string_at(before->second, {"spec", "tenant"});
    image_objects_.erase(before);
  }
  if (now) {
    images_.put(*now);
    whose = string_at(*now, {"spec", "tenant"});
    image_objects_.emplace(name, *now);
  }
  again_of(whose, false);
}

void Gatekeeper::load_gate(const Key& key, const Json* now) {
  gates_.set_gate(key.name(), now);
  const auto before = whose_.find(key.name());
  if (before != whose_.end()) {
    for (const std::string& tenant : before->second) again_of(tenant, true);
    whose_.erase(before);
  }
  if (!now) return;
  std::set<std::string>& tenants = whose_[std::string(key.name())];
  for (const Json& one : api::array_at(*now, {"spec", "match", "tenants"}))
    tenants.emplace(string_at(one, {}));
  if (tenants.empty()) tenants.emplace();
  for (const std::string& tenant : tenants) again_of(tenant, true);
}

void Gatekeeper::set_tenant(std::string_view name, std::string_view cluster, const Json* object) {
  if (!object) {
    tenants_.erase(std::string(name));
    return;
  }
  Tenant now{.cluster = std::string(cluster)};
  // One that says nothing gets what every tenant gets that says nothing.
  now.clearance = policy::parse_clearance(string_at(*object, {"spec", "clearance"}))
                      .value_or(policy::Clearance::Internal);
  for (const Json& region : api::array_at(*object, {"spec", "regions"}))
    now.regions.emplace_back(string_at(region, {}));
  Tenant& known = tenants_[std::string(name)];
  const bool other = known.clearance != now.clearance || known.regions != now.regions;
  known = std::move(now);
  if (other) again_of(name, false);
}

// `waiting`: also pods that no gate had anything to say of. Tenant "": all.
void Gatekeeper::again_of(std::string_view tenant, bool waiting) {
  again_.changed = true;
  std::string cluster;
  if (tenant == kRootCluster.value) {
    cluster = tenant;
  } else if (!tenant.empty()) {
    const auto known = tenants_.find(tenant);
    if (known == tenants_.end()) return;
    cluster = known->second.cluster;
  }
  if (waiting) {
    again_.clusters.insert(cluster);
    return;
  }
  const std::string prefix = cluster.empty() ? "" : cluster + "/";
  for (auto at = judged_.lower_bound(prefix); at != judged_.end() && at->first.starts_with(prefix); ++at)
    again_.pods.emplace(at->first);
}

void Gatekeeper::all_again() { again_of("", false); }

Gatekeeper::Again Gatekeeper::take_again(WallTime now) {
  for (auto at = due_.begin(); at != due_.end() && at->first <= now; ++at) again_.pods.emplace(at->second);
  return std::exchange(again_, {});
}

std::optional<WallTime> Gatekeeper::next_due() const {
  return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
}

// --- a pod ---

// The factory alone says which pods a run made, and which repository it is of (api/reserved.h). Its pipeline goes by the names of
// its WorkflowTemplate and of that repository.
Gatekeeper::Run Gatekeeper::read_run(std::string_view name, const Json& workflow) {
  Run run{.name = std::string(name),
          .uid = std::string(string_at(workflow, {"metadata", "uid"})),
          .pipelines = {}};
  for (const std::string_view of : {string_at(workflow, {"spec", "workflowTemplateRef", "name"}),
                                    string_at(workflow, {"metadata", "labels", api::kRepositoryLabel})})
    if (!of.empty()) run.pipelines.emplace_back(of);
  return run;
}

const Gatekeeper::Run* Gatekeeper::run_of(const Key& pod, const Json& object, const Lookup& lookup) {
  std::string_view uid = string_at(object, {"metadata", "annotations", api::kRunNodeAnnotation});
  uid = uid.substr(0, uid.find('/'));
  if (uid.empty()) return nullptr;
  for (const Json& owner : api::array_at(object, {"metadata", "ownerReferences"})) {
    const std::string_view name = string_at(owner, {"name"});
    if (string_at(owner, {"kind"}) != "Workflow" || string_at(owner, {"uid"}) != uid || !plain(name))
      continue;
    if (const auto known = runs_.find(uid); known != runs_.end()) return &known->second;
    const ObjectPtr workflow = lookup(Key(ClusterId(std::string(pod.cluster())), kWorkflows, pod.ns(), name));
    if (!workflow || !workflow->mentions(uid)) continue;
    Run run = read_run(name, workflow->parse());
    if (run.uid != uid) continue;
    if (runs_.size() >= kRunsKnown) runs_.clear();
    return &(runs_[std::string(uid)] = std::move(run));
  }
  return nullptr;
}

std::string Gatekeeper::workflow_of(const Key& pod, const Json& object) {
  const Run* run = run_of(pod, object, lookup());
  return run ? run->name : "";
}

Facts Gatekeeper::facts_of_tenant(const Key& key, const Json& object, std::string_view tenant,
                                  std::vector<std::string> queues, const Run* run) const {
  Facts facts;
  facts.tenant = tenant;
  facts.ns = key.ns();
  facts.name = key.name();
  facts.uid = string_at(object, {"metadata", "uid"});
  facts.queues = std::move(queues);
  if (const auto known = tenants_.find(tenant); known != tenants_.end()) {
    facts.clearance = known->second.clearance;
    facts.regions = known->second.regions;
  }
  if (run) {
    facts.workflow = run->name;
    facts.workflow_uid = run->uid;
    facts.pipelines = run->pipelines;
    facts.pipeline_known = !run->pipelines.empty();
  }
  return facts;
}

policy::Surroundings Gatekeeper::around(const Key& key, const Lookup& lookup) const {
  return {images_,
          [&lookup, cluster = ClusterId(std::string(key.cluster())),
           ns = std::string(key.ns())](std::string_view name) -> std::optional<policy::DatasetFact> {
            if (!plain(name)) return std::nullopt;
            const ObjectPtr found = lookup(Key(cluster, kDatasets, ns, name));
            if (!found) return std::nullopt;
            const Json json = found->parse();
            return policy::DatasetFact{policy::parse_clearance(string_at(json, {"spec", "classification"}))
                                           .value_or(policy::Clearance::Restricted),
                                       std::string(string_at(json, {"spec", "region"}))};
          }};
}

Facts Gatekeeper::facts_of(const Key& key, const Json& object, std::string_view tenant,
                           std::vector<std::string> queues, const Lookup& lookup) {
  Facts facts = facts_of_tenant(key, object, tenant, std::move(queues), run_of(key, object, lookup));
  policy::add_pod(facts, object, around(key, lookup));
  return facts;
}

RunJudged Gatekeeper::judge_run(const RunAsked& asked, std::string_view tenant, const Lookup& lookup,
                                const UnitOf& unit_of) {
  if (gates_.empty()) return {};
  const auto work = scheduler::work_of(asked.workflow);
  std::vector<std::string> queues = book_.chain(tenant, book_.resolve(tenant, work.queue).value_or(""));
  if (!gates_.concerns(tenant, queues)) return {};
  const Run run = read_run(asked.key.name(), asked.workflow);
  Facts facts = facts_of_tenant(asked.key, asked.workflow, tenant, std::move(queues), &run);
  facts.kind = policy::WorkKind::Workflow;
  policy::add_workflow(facts, asked.spec, asked.templates, around(asked.key, lookup));
  if (const auto cost = cost_of(facts, unit_of)) {
    facts.cost_micros = cost->micros;
    facts.currency = cost->currency;
  }
  const WallTime now = env_.clock.wall();
  const Verdict verdict = gates_.judge(facts, now);
  const policy::Finding* held = verdict.held_by();
  if (env_.faults.fires("placement.ignore_gates")) held = nullptr;
  return {.concerned = !verdict.gates.empty(),
          .held = held ? held->text() : "",
          .row = policy::verdict_row(verdict, facts, gates_, now)};
}

std::optional<EstimatedCost> Gatekeeper::cost_of(const Facts& run, const UnitOf& unit_of) {
  if (!cost_) return std::nullopt;
  std::optional<EstimatedCost> sum;
  estimating_ = true;
  for (size_t i = 0; i < std::min(run.shapes.size(), kTemplatesCounted); ++i) {
    const auto cost = cost_(unit_of(api::JsonObject{{"spec", *run.shapes[i].spec}}));
    if (!cost) continue;
    const int64_t before = sum ? sum->micros : 0;
    sum =
        EstimatedCost{cost->micros > INT64_MAX - before ? INT64_MAX : before + cost->micros, cost->currency};
  }
  estimating_ = false;
  return sum;
}

void Gatekeeper::judge(const Key& key, const Json& object, std::string_view tenant, scheduler::Unit& unit,
                       const Lookup* imagined) {
  if (gates_.empty() || estimating_) return;
  std::vector<std::string> queues = book_.chain(tenant, unit.work.queue);
  if (!gates_.concerns(tenant, queues)) return;
  const WallTime now = env_.clock.wall();
  Facts facts = facts_of(key, object, tenant, std::move(queues), imagined ? *imagined : lookup());
  const auto cost = cost_ ? cost_(unit) : std::nullopt;
  if (cost) {
    facts.cost_micros = cost->micros;
    facts.currency = cost->currency;
  }
  const Verdict verdict = gates_.judge(facts, now);
  const policy::Finding* held = verdict.held_by();
  if (env_.faults.fires("placement.ignore_gates")) held = nullptr;
  if (held && unit.waits.empty()) unit.waits = held->text();
  if (!verdict.region.empty())
    for (scheduler::PendingPod& pod : unit.pods) {
      std::string& region = pod.request.where.selector[std::string(policy::kRegionLabel)];
      if (!region.empty() && region != verdict.region && unit.waits.empty())
        unit.waits = fmt::format("its nodeSelector asks for region {}, and its data are of {}", region,
                                 verdict.region);
      region = verdict.region;
      for (scheduler::Request& other : pod.otherwise)
        other.where.selector[std::string(policy::kRegionLabel)] = verdict.region;
    }
  if (imagined) return;
  Judged& judged = judged_[key.text()];
  if (judged.until) due_.erase({*judged.until, key.text()});
  judged.until = verdict.until;
  if (judged.until) due_.emplace(*judged.until, key.text());
  judged.tenant = tenant;
  judged.cost = cost;
  judged.region = verdict.region;
  if (held && judged.rows < kRowsOfOnePod) unwritten_.insert(key.text());
}

void Gatekeeper::forget(const std::string& pod) {
  const auto known = judged_.find(pod);
  if (known == judged_.end()) return;
  if (known->second.until) due_.erase({*known->second.until, pod});
  judged_.erase(known);
  unwritten_.erase(pod);
}

bool Gatekeeper::lets(const Key& key, const Json& object, std::string_view tenant) {
  if (gates_.empty()) return true;
  const auto work = scheduler::work_of(object);
  std::vector<std::string> queues = book_.chain(tenant, book_.resolve(tenant, work.queue).value_or(""));
  if (!gates_.concerns(tenant, queues) || env_.faults.fires("placement.ignore_gates")) return true;
  const WallTime now = env_.clock.wall();
  Facts facts = facts_of(key, object, tenant, std::move(queues), lookup());
  const auto known = judged_.find(key.text());
  if (known != judged_.end() && known->second.cost) {
    facts.cost_micros = known->second.cost->micros;
    facts.currency = known->second.cost->currency;
  }
  const Verdict verdict = gates_.judge(facts, now);
  if (verdict.holds()) return false;
  // Where its data are it must have been placed already.
  if (!verdict.region.empty() && (known == judged_.end() || known->second.region != verdict.region))
    return false;
  if (verdict.gates.empty()) return true;
  Let let{key, facts.uid, policy::verdict_row(verdict, facts, gates_, now), {}};
  for (const policy::Finding& finding : verdict.findings)
    if (finding.exception.empty()) let.warnings.push_back(finding.text());
  let_.push_back(std::move(let));
  return true;
}

void Gatekeeper::write_verdicts(store::Turn& turn, WallTime now) {
  for (Let& let : std::exchange(let_, {})) {
    turn.append({std::string(policy::kVerdicts), std::move(let.row.unique), std::string(let.pod.cluster()),
                 now, std::move(let.row.data)});
    for (const std::string& warning : let.warnings)
      say(turn, {let.pod, "Pod", let.uid, "Warning", "GateWarning", warning, kScheduler}, now);
  }
}

bool Gatekeeper::write(store::Turn& turn, WallTime now) {
  for (size_t n = 0; n < kRowsPerTurn && !unwritten_.empty(); ++n) {
    const Key key(unwritten_.extract(unwritten_.begin()).value());
    if (const auto judged = judged_.find(key.text()); judged != judged_.end())
      record(turn, key, judged->second, now);
  }
  return !unwritten_.empty();
}

void Gatekeeper::record(store::Turn& turn, const Key& key, Judged& judged, WallTime now) {
  const ObjectPtr object = turn.get(key);
  if (!object) return;
  const Json pod = object->parse();
  const auto work = scheduler::work_of(pod);
  Facts facts =
      facts_of(key, pod, judged.tenant,
               book_.chain(judged.tenant, book_.resolve(judged.tenant, work.queue).value_or("")), lookup());
  if (judged.cost) {
    facts.cost_micros = judged.cost->micros;
    facts.currency = judged.cost->currency;
  }
  const Verdict verdict = gates_.judge(facts, now);
  if (!verdict.holds()) return;
  policy::VerdictRow row = policy::verdict_row(verdict, facts, gates_, now);
  if (row.unique == judged.row) return;
  judged.row = row.unique;
  ++judged.rows;
  turn.append({std::string(policy::kVerdicts), std::move(row.unique), std::string(key.cluster()), now,
               std::move(row.data)});
}

}  // namespace ingot::controllers
