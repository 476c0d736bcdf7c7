#include "policy/verdict_record.h"

#include <fmt/format.h>

#include "base/digest.h"
#include "policy/prices.h"

namespace ingot::policy {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

JsonObject digest_of(std::string_view digest) {
  const auto parsed = Digest::parse(digest);
  return parsed ? JsonObject{{"sha256", parsed->hex()}} : JsonObject{};
}

JsonObject resource(std::string_view uri, std::string_view digest) {
  JsonObject out{{"uri", uri}};
  if (JsonObject d = digest_of(digest); !d.empty()) out["digest"] = std::move(d);
  return out;
}

std::string uri_of(const Facts& facts) {
  return fmt::format("ingot:{}/{}{}{}/{}", facts.tenant, facts.ns, facts.ns.empty() ? "" : "/",
                     to_string(facts.kind), facts.name);
}

// Of the gates that were asked, as they are now.
JsonObject policy_of(const Verdict& verdict, const GateSet& gates) {
  Sha256 all;
  for (const std::string& gate : verdict.gates) all.add(fmt::format("{} {}\n", gate, gates.digest_of(gate)));
  return JsonObject{{"uri", fmt::format("ingot:gates/{}", fmt::join(verdict.gates, ","))},
                    {"digest", JsonObject{{"sha256", all.finish().hex()}}}};
}

JsonArray findings_of(const Verdict& verdict) {
  JsonArray all;
  for (const Finding& f : verdict.findings) {
    JsonObject one{{"gate", f.gate},         {"rule", f.rule},     {"kind", f.kind},
                   {"enforced", f.enforced}, {"reason", f.reason}, {"wayOut", f.way_out}};
    if (!f.exception.empty()) {
      one["exception"] = f.exception;
      one["approver"] = f.approver;
    }
    all.push_back(std::move(one));
  }
  return all;
}

// What the work was, as far as gates look at it.
JsonObject work_of(const Facts& facts) {
  JsonObject out{{"tenant", facts.tenant}, {"clearance", to_string(facts.clearance)}};
  if (!facts.queues.empty()) out["queue"] = facts.queues.front();
  if (!facts.workflow.empty()) out["workflow"] = facts.workflow;
  if (!facts.workflow_uid.empty()) out["workflowUid"] = facts.workflow_uid;
  if (!facts.model.empty()) out["model"] = facts.model;
  JsonArray pipelines(facts.pipelines.begin(), facts.pipelines.end());
  if (!pipelines.empty()) out["pipelines"] = std::move(pipelines);
  if (facts.cost_micros)
    out["estimatedCost"] = fmt::format("{} {}", shown_micro(*facts.cost_micros), facts.currency);
  JsonArray images, datasets;
  for (const ImageUse& i : facts.images) {
    JsonObject one{{"reference", i.reference}};
    if (const std::string& d = i.digest.empty() ? i.by_digest : i.digest; !d.empty()) one["digest"] = d;
    images.push_back(std::move(one));
  }
  for (const DatasetUse& d : facts.datasets) {
    JsonObject one{{"name", d.name}, {"version", d.version}};
    if (d.known) {
      one["classification"] = to_string(d.known->classification);
      one["region"] = d.known->region;
    }
    datasets.push_back(std::move(one));
  }
  if (!images.empty()) out["images"] = std::move(images);
  if (!datasets.empty()) out["datasets"] = std::move(datasets);
  if (!facts.complete) out["complete"] = false;
  return out;
}

JsonObject statement(const Verdict& verdict, const Facts& facts, const GateSet& gates, WallTime now) {
  JsonArray inputs;
  for (const VerdictInput& input : verdict.inputs)
    inputs.push_back(resource("ingot:" + input.uri, input.digest));
  const bool passed = !verdict.holds();
  JsonObject predicate{{"verifier", JsonObject{{"id", kVerifier}}},
                       {"timeVerified", to_rfc3339(now)},
                       {"resourceUri", uri_of(facts)},
                       {"policy", policy_of(verdict, gates)},
                       {"inputAttestations", std::move(inputs)},
                       {"verificationResult", passed ? "PASSED" : "FAILED"},
                       {"verifiedLevels", passed ? JsonArray{"INGOT_GATES"} : JsonArray{"FAILED"}},
                       {"slsaVersion", "1.0"},
                       {"ingot_findings", findings_of(verdict)},
                       {"ingot_work", work_of(facts)}};
  if (!verdict.region.empty()) predicate["ingot_region"] = verdict.region;
  const std::string name = facts.uid.empty() ? uri_of(facts) : fmt::format("{} {}", uri_of(facts), facts.uid);
  JsonObject subject{{"name", name}};
  if (JsonObject d = digest_of(subject_digest(facts)); !d.empty()) subject["digest"] = std::move(d);
  return JsonObject{{"_type", "https://in-toto.io/Statement/v1"},
                    {"subject", JsonArray{std::move(subject)}},
                    {"predicateType", kVerdictPredicate},
                    {"predicate", std::move(predicate)}};
}

}  // namespace

std::string to_verification_summary(const Verdict& verdict, const Facts& facts, const GateSet& gates,
                                    WallTime now) {
  return api::to_text(statement(verdict, facts, gates, now));
}

VerdictRow verdict_row(const Verdict& verdict, const Facts& facts, const GateSet& gates, WallTime now) {
  JsonObject row{{"kind", to_string(facts.kind)},
                 {"tenant", facts.tenant},
                 {"namespace", facts.ns},
                 {"name", facts.name},
                 {"uid", facts.uid},
                 {"result", verdict.holds() ? "FAILED" : "PASSED"},
                 {"gates", JsonArray(verdict.gates.begin(), verdict.gates.end())},
                 {"text", verdict.holds() ? verdict.held_by()->text() : ""}};
  if (!facts.workflow_uid.empty()) row["workflowUid"] = facts.workflow_uid;
  if (!facts.model.empty()) row["model"] = facts.model;
  row["statement"] = statement(verdict, facts, gates, now);
  const std::string rests = fmt::format("{}\n{}\n{}", subject_digest(facts), verdict.text(), verdict.region);
  return {fmt::format("{}:{}:{}", to_string(facts.kind), facts.uid, Digest::of(rests).hex().substr(0, 32)),
          api::to_text(row)};
}

}  // namespace ingot::policy
