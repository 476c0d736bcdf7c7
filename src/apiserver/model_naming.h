// What models are called. A model's object keeps its name for good, since versions, signatures and history say it; what the
// model is called is spec.name, which no two models of a cluster share and which may change. Where the two differ from what
// api::model_object_name() says, a `modelnamings` object leads from the one to the other. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

std::string_view model_name(const api::Json& model);  // what it is called
// nullptr: none.
api::ObjectPtr model_called(const ClusterView&, std::string_view name);

// An object name for a new model that says only what it is called.
Result<void> name_model(Call&, api::Json& model);
// AlreadyExists: another model of the cluster is called so.
Result<void> check_model_name(Call&, const api::Json& model);
// Together with a model that is written: `before` is null when it is new.
Result<void> keep_model_name(Call&, const api::Json& before, const api::Json& after);

}  // namespace ingot::apiserver
