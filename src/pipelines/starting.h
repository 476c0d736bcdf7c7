// A Workflow that somebody's pipeline becomes: through what anybody's goes through when it is created. Thread rule: the
// loop, in the turn given.
#pragma once

#include <string_view>

#include "api/registry.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot::pipelines {

// The text of a pipeline: one Workflow, its fields checked. Invalid: why it is none.
Result<api::Json> read_pipeline(const api::Registry&, std::string_view yaml);
// Whether the templates that it refers to must be there; where nobody would hear of it, the run says so when it begins.
enum class Templates { Checked, Later };
// As it is stored. AlreadyExists when there is one of its name; Invalid, Forbidden: why it may not be.
Result<api::ObjectPtr> create_workflow(store::Turn&, env::Env&, const api::Registry&, const api::Key&,
                                       api::Json object, Templates = Templates::Checked);

}  // namespace ingot::pipelines
