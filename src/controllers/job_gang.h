// A Job whose pods run together or not at all: annotation factory.ingot.dev/gang "true", or gang-size or gang-min, of
// the Job. Its controller keeps a PodGroup for it, which says how many must run and follows the Job's parallelism, and
// labels its pods with that. A template that labels its pods itself is left alone. Pure.
#pragma once

#include <optional>
#include <string>

#include "controllers/job_pods.h"

namespace ingot::controllers {

struct JobGang {
  std::string name;   // of its PodGroup: no other Job's, nor that of an earlier Job of the same name
  int64_t least = 1;  // pods that must run
};
std::optional<JobGang> gang_of_job(const Json& job, const JobSpec&);
void label_pod(Json& pod, const JobGang&);
// Makes the PodGroup, or puts it right.
void write_group(Plan&, const Snapshot&, const Json& job, const JobGang&);

}  // namespace ingot::controllers
