#include "apiserver/model_naming.h"

#include <fmt/format.h>

#include "api/model_names.h"
#include "apiserver/status.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using api::JsonObject;

constexpr int kTries = 8;

std::string_view object_of(const Json& model) { return api::string_at(model, {"metadata", "name"}); }

Error taken(Call& call, std::string_view name) {
  Error error = already_exists(call.type(), name);
  error.message = fmt::format("a model called \"{}\" already exists", name);
  return error;
}

}  // namespace

std::string_view model_name(const Json& model) {
  const std::string_view said = api::string_at(model, {"spec", "name"});
  return said.empty() ? object_of(model) : said;
}

api::ObjectPtr model_called(const ClusterView& view, std::string_view name) {
  const auto if_so = [&](std::string_view object) -> api::ObjectPtr {
    api::ObjectPtr model = view.get(api::kModels, "", object);
    return model && model_name(model->parse()) == name ? model : nullptr;
  };
  if (api::ObjectPtr model = if_so(api::model_object_name(name))) return model;
  const api::ObjectPtr naming = view.get(api::kModelNamings, "", api::model_naming_key(name));
  return naming ? if_so(api::string_at(naming->parse(), {"model"})) : nullptr;
}

Result<void> name_model(Call& call, Json& model) {
  const std::string called(api::string_at(model, {"spec", "name"}));
  if (called.empty()) return {};
  if (!object_of(model).empty() && object_of(model) != api::model_object_name(called))
    return fail(about({.reason = Reason::Invalid,
                       .message = fmt::format("metadata.name: must be \"{}\", as spec.name says, or left to "
                                              "the factory by metadata.generateName",
                                              api::model_object_name(called))},
                      call.type(), object_of(model)));
  if (!object_of(model).empty()) return {};
  if (model_called(call.view, called)) return fail(taken(call, called));
  std::string object = api::model_object_name(called);
  for (int tries = 0; call.view.get(api::kModels, "", object); ++tries) {
    if (tries == kTries) return fail(taken(call, called));
    object = api::model_object_name(called, call.services.env.entropy.next());
  }
  api::set(model, {"metadata", "name"}, object);
  return {};
}

Result<void> check_model_name(Call& call, const Json& model) {
  const api::ObjectPtr other = model_called(call.view, model_name(model));
  if (other && other->key.name() != object_of(model)) return fail(taken(call, model_name(model)));
  return {};
}

Result<void> keep_model_name(Call& call, const Json& before, const Json& after) {
  const std::string_view now = model_name(after), was = before.is_null() ? now : model_name(before);
  if (now == was && !before.is_null()) return {};
  if (const std::string key = api::model_naming_key(was);
      now != was && call.view.get(api::kModelNamings, "", key))
    if (const auto gone = call.view.erase(api::kModelNamings, "", key); !gone) return fail(gone.error());
  if (object_of(after) == api::model_object_name(now)) return {};
  const std::string key = api::model_naming_key(now);
  const auto kept = call.view.put(
      api::kModelNamings, "", key,
      JsonObject{{"metadata", JsonObject{{"name", key}}}, {"name", now}, {"model", object_of(after)}});
  return kept ? Result<void>() : fail(kept.error());
}

}  // namespace ingot::apiserver
