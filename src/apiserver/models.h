// Models and their versions as they are written: versions are numbered here and no number is given twice, aliases name
// versions that may be trusted, and each step is a row of the stream `lineage`. Loop thread, inside the turn.
//
// A version's number comes from a counter of its model's name (resource `modelnumbers`, which no client sees), kept when
// Model and versions are deleted. Both carry a finalizer: they go once registry/ has left a tombstone.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

inline constexpr std::string_view kModelNumbers = "modelnumbers";
// Request::remote of who turns MLflow's calls into requests, in this process: what it says of a version's origin is true.
inline constexpr std::string_view kRegistryRemote = "mlflow";

bool is_model(const api::Resource&);  // or a version of one

// Before a new version has a name. What models are called: model_naming.h.
Result<void> number_version(Call&, api::Json& version);
Result<void> admit_model_create(Call&, api::Json& object);
Result<void> admit_model_update(Call&, const api::Json& before, api::Json& after);
// What is written together with one that was stored.
Result<void> after_model_create(Call&, const api::ObjectPtr&);
Result<void> after_model_update(Call&, const api::Json& before, const api::Json& after);

}  // namespace ingot::apiserver
