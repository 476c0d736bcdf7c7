// MLflow's registered models and model versions, as requests about Model and ModelVersion. One table from a route's name to its
// handler. Thread rule: that of the ModelApi.
//
// Facts: mlflow/protos/model_registry.proto, mlflow/store/model_registry/sqlalchemy_store.py.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "registry/model_api.h"
#include "registry/wire.h"

namespace ingot::registry {

using ModelHandler = Result<std::string> (*)(ModelApi&, const Args&);
struct ModelOp {
  std::string_view name;
  ModelHandler handle;
};
// nullptr: none of that name.
ModelHandler find_model_handler(std::string_view name);
std::span<const ModelOp> registered_model_ops();
std::span<const ModelOp> model_version_ops();
std::span<const ModelOp> webhook_ops();
// {"entity": "MODEL_VERSION", "action": "CREATED"} → "model_version.created"
Result<std::string> webhook_event(const Args&);

// What both share. A model is found by what it is called, which need not be its object's name.
Result<api::Json> model_called(ModelApi&, std::string_view name);
Result<api::Json> model_named(ModelApi&, const Args&);    // by `name`
Result<api::Json> version_named(ModelApi&, const Args&);  // by `name` and `version`
Result<api::JsonArray> all_of(ModelApi&, const std::string& collection);
std::string model_path(const api::Json& model);  // "models/digits"
std::string version_path(std::string_view model_object, std::string_view number);
void write_model(Out&, const api::Json& model, const api::JsonArray& versions);
void write_version(Out&, const api::Json& version, const api::Json* model);
int64_t changed_ms(const api::Json& object);  // when anybody last wrote it
Result<api::JsonObject> read_tags(const Args&);
std::string artifact_uri(const api::Json& version);

}  // namespace ingot::registry
