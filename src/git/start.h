// The Workflow that a commit starts: the repository's pipeline with what it runs on. Pure; any thread.
//
// Invariants: the name follows from repository, branch and commit alone, so the same push never starts two; what runs, runs
// as the repository's service account, whatever the pipeline says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/digest.h"
#include "base/error.h"

namespace ingot::git {

inline constexpr std::string_view kBranchAnnotation = "factory.ingot.dev/branch",
                                  // The state of a run that is over, as its Git host was told last.
    kReportedAnnotation = "factory.ingot.dev/reported";

struct Push {
  std::string repository, uid, url;  // the object's name and uid
  std::string branch, commit, before;
  std::vector<std::string> paths;  // that changed
  std::string service_account;
};

// "digits-1a2b3c4d5e6f-0a1b2c": repository, commit, and what tells branches (and repositories of one name) apart.
std::string run_name(const Push&);
// Whether the pipeline asks for the repository's files: an artifact `source`, of the run or its entrypoint.
bool wants_source(const api::Json& workflow);
// Invalid, naming the field: what a pipeline from a repository may not say. `workflow` is of its type already; without a
// digest its `source`, if any, stays as it is.
Result<api::Json> make_run(api::Json workflow, const Push&, const Digest* source);

}  // namespace ingot::git
