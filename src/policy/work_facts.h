// What a gate sees of a piece of work: of a pod, of a whole Workflow with all its templates, or of a model's version that
// an alias is to name. Pure; any thread.
//
// Work is written by tenants, and its labels and annotations are theirs: nothing here is taken from those. What the
// factory knows itself (queues, the Workflow that a pod is of, clearance, cost) is filled in by who asks.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "policy/images.h"

namespace ingot::policy {

enum class Clearance : uint8_t { Public, Internal, Confidential, Restricted };
std::optional<Clearance> parse_clearance(std::string_view);
std::string_view to_string(Clearance);

enum class WorkKind : uint8_t { Pod, Workflow, Promotion };
std::string_view to_string(WorkKind);

struct ImageUse {
  std::string where;      // "container main", "template train"
  std::string reference;  // as it is written
  std::string name;       // its repository: "docker.io/library/train"; "" where it cannot be read
  std::string by_digest;  // the digest in the reference, if there is one
  std::string digest;     // of what would run; "": the factory has no such image
};

// A Dataset as it is now. What nobody knows counts as the most secret.
struct DatasetFact {
  Clearance classification = Clearance::Restricted;
  std::string region;
};
struct DatasetUse {
  std::string name, version;
  std::optional<DatasetFact> known;
};

// What is judged by pod security: a PodSpec, of a pod or as a template would make it.
struct PodShape {
  std::string where;  // "" or "template train"
  const api::Json* spec = nullptr;
  const api::Json* metadata = nullptr;
};

struct Facts {
  WorkKind kind = WorkKind::Pod;
  std::string tenant, ns, name, uid;
  std::vector<std::string> queues;     // the one that it counts in, and those above it
  std::string workflow, workflow_uid;  // that it is of, as the factory knows it
  std::vector<std::string> pipelines;  // names that its Workflow goes by
  bool pipeline_known = false;         // false: gates for any pipeline are for this work too
  std::string model;                   // of a promotion
  Clearance clearance = Clearance::Restricted;
  std::vector<std::string> regions;  // of which the tenant may use data; empty: all
  std::vector<ImageUse> images;
  std::vector<DatasetUse> datasets;
  std::vector<PodShape> shapes;
  std::optional<int64_t> cost_micros;  // estimated; none: nobody knows
  std::string currency;
  std::string digest;          // "sha256:…" of what is judged; "" of a pod, until somebody asks
  bool complete = true;        // false: a Workflow so large that only its pods are judged in full
  std::deque<api::Json> made;  // what `shapes` point to, of Workflows

  Facts() = default;
  Facts(Facts&&) = default;
  Facts& operator=(Facts&&) = default;
  Facts(const Facts&) = delete;
};

inline constexpr size_t kMostImages = 500, kMostDatasets = 256, kMostShapes = 500;

struct Surroundings {
  const Images& images;
  std::function<std::optional<DatasetFact>(std::string_view name)> dataset;  // of the work's namespace
};

// Its containers, volumes and security; `pod` outlives the facts.
void add_pod(Facts&, const api::Json& pod, const Surroundings&);
// All that its templates would run. `spec` is merged with the WorkflowTemplate's, `stored` are the templates of others that
// it refers to. A reference that a step fills in is judged with its pod.
void add_workflow(Facts&, const api::Json& spec, const api::JsonObject& stored, const Surroundings&);
// The digest of what is judged: of a pod's or a Workflow's spec, of a version's manifest.
std::string subject_digest(const Facts&);

// Whether `text` is what the pattern says: "*" stands for any characters.
bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace ingot::policy
