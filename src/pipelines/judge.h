// Who says whether a run may begin: gates, before its first node. Thread rule: the loop, in the turn given.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/object.h"
#include "store/shard.h"

namespace ingot::pipelines {

// A Workflow with all that it would run.
struct RunToJudge {
  const api::Key& key;
  const api::Json& workflow;
  const api::Json& spec;             // with what the WorkflowTemplate says that it refers to …
  const api::JsonObject& templates;  // … and the templates of others that it uses
};

struct RunSaid {
  bool concerned = false;         // somebody was asked
  std::string held;               // why it waits, and the way out; "": it may begin
  std::string row, row_identity;  // of the stream `verdicts`, once for each identity
};

// None: nobody knows yet; the run is asked for again when the engine is told to.
using Judge = std::function<std::optional<RunSaid>(const store::Turn&, const RunToJudge&)>;

}  // namespace ingot::pipelines
