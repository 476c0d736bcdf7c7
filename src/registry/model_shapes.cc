// Models and versions as MLflow shows them.
#include <fmt/format.h>

#include <algorithm>

#include "api/model_names.h"
#include "base/time.h"
#include "registry/model_ops.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kMostObjects = 200'000, kMostTags = 500;

std::string_view key_of(const auto& member) { return {member.key().data(), member.key().size()}; }
std::string_view text_of(const Json& value) {
  return value.is_string() ? std::string_view(value.get_string()) : std::string_view();
}

int64_t ms(std::string_view time) {
  const auto at = parse_rfc3339(time);
  return at ? std::chrono::duration_cast<std::chrono::milliseconds>(at->time_since_epoch()).count() : 0;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

void write_tags(Out& out, const Json& object) {
  const JsonObject& tags = api::object_at(object, {"spec", "tags"});
  if (tags.empty()) return;
  out.key("tags").open('[');
  for (const auto& member : tags)
    out.open('{').field("key", key_of(member)).field("value", text_of(member.value())).close('}');
  out.close(']');
}

std::string_view status_of(const Json& version) {
  const std::string_view phase = string_at(version, {"status", "phase"});
  if (phase == "Ready") return "READY";
  return phase == "Failed" ? "FAILED_REGISTRATION" : "PENDING_REGISTRATION";
}

}  // namespace

int64_t changed_ms(const Json& object) {
  int64_t last = ms(string_at(object, {"metadata", "creationTimestamp"}));
  for (const std::string_view field : {"signed", "updated"})
    last = std::max(last, ms(string_at(object, {"status", field})));
  for (const Json& entry : api::array_at(object, {"metadata", "managedFields"}))
    last = std::max(last, ms(string_at(entry, {"time"})));
  return last;
}

std::string model_path(const Json& model) {
  return "models/" + escaped(string_at(model, {"metadata", "name"}));
}
std::string version_path(std::string_view model_object, std::string_view number) {
  return fmt::format("modelversions/{}-v{}", escaped(model_object), escaped(number));
}

Result<Json> model_called(ModelApi& api, std::string_view name) {
  auto model = api.call("GET", "models/" + escaped(api::model_object_name(name)));
  if (model ? string_at(*model, {"spec", "name"}) == name : model.error().reason != Reason::NotFound)
    return model;
  // One that was renamed, or came to a name that another's object has.
  std::string selector = "spec.name=";
  for (const char c : name) {
    if (c == '\\' || c == ',' || c == '=') selector += '\\';
    selector += c;
  }
  auto found = api.call("GET", "models?fieldSelector=" + escaped(selector));
  if (found && !api::array_at(*found, {"items"}).empty()) return api::array_at(*found, {"items"}).front();
  return fail(Reason::NotFound, fmt::format("Registered Model with name={} not found", name));
}

Result<Json> model_named(ModelApi& api, const Args& args) {
  const auto name = args.required("name");
  if (!name) return fail(name.error());
  return model_called(api, *name);
}

Result<Json> version_named(ModelApi& api, const Args& args) {
  const auto name = args.required("name");
  if (!name) return fail(name.error());
  const auto number = args.number("version");
  if (!number) return fail(number.error());
  if (!*number || **number < 1) return fail(invalid("version: the number of a version is wanted"));
  auto model = model_called(api, *name);
  auto version =
      !model
          ? fail(model.error())
          : api.call("GET", version_path(string_at(*model, {"metadata", "name"}), std::to_string(**number)));
  if (!version && version.error().reason == Reason::NotFound)
    return fail(Reason::NotFound,
                fmt::format("Model Version (name={}, version={}) not found", *name, **number));
  return version;
}

Result<JsonArray> all_of(ModelApi& api, const std::string& collection) {
  JsonArray all;
  std::string next;
  do {
    auto page =
        api.call("GET", collection + "?limit=500" + (next.empty() ? "" : "&continue=" + escaped(next)));
    if (!page) return fail(page.error());
    for (const Json& item : api::array_at(*page, {"items"})) all.push_back(item);
    if (all.size() > kMostObjects) return fail(Reason::TooManyRequests, "there are too many to search");
    next = string_at(*page, {"metadata", "continue"});
  } while (!next.empty());
  return all;
}

Result<JsonObject> read_tags(const Args& args) {
  JsonObject tags;
  const auto list = args.objects("tags", kMostTags);
  if (!list) return fail(list.error());
  for (const JsonObject* one : *list) {
    const Args tag(*one);
    const auto key = tag.required("key"), value = tag.text("value");
    if (!key) return fail(key.error());
    if (!value) return fail(value.error());
    tags[*key] = *value;
  }
  return tags;
}

// By its object's name, which is plain in any URL and stays when the model is called otherwise.
std::string artifact_uri(const Json& version) {
  return fmt::format("mlflow-artifacts:/models/{}/{}", string_at(version, {"spec", "model"}),
                     api::int_at(version, {"spec", "version"}).value_or(0));
}

void write_version(Out& out, const Json& version, const Json* model) {
  const int64_t number = api::int_at(version, {"spec", "version"}).value_or(0);
  const std::string_view stage = string_at(version, {"spec", "stage"});
  out.open('{')
      .field("name", model ? string_at(*model, {"spec", "name"}) : string_at(version, {"spec", "model"}))
      .field("version", std::to_string(number))
      .field("creation_timestamp", ms(string_at(version, {"metadata", "creationTimestamp"})))
      .field("last_updated_timestamp", changed_ms(version))
      .field_if("user_id", string_at(version, {"status", "by"}))
      .field("current_stage", stage.empty() ? "None" : stage)
      .field_if("description", string_at(version, {"spec", "description"}))
      .field_if("source", string_at(version, {"spec", "source"}))
      .field_if("run_id", string_at(version, {"spec", "runId"}))
      .field("status", status_of(version))
      .field_if("status_message", string_at(version, {"status", "message"}));
  write_tags(out, version);
  if (model) {
    out.key("aliases").open('[');
    for (const auto& member : api::object_at(*model, {"spec", "aliases"}))
      if (member.value() == Json(number)) out.text(key_of(member));
    out.close(']');
  }
  out.close('}');
}

void write_model(Out& out, const Json& model, const JsonArray& versions) {
  out.open('{')
      .field("name", string_at(model, {"spec", "name"}))
      .field("creation_timestamp", ms(string_at(model, {"metadata", "creationTimestamp"})))
      .field("last_updated_timestamp", changed_ms(model))
      .field_if("description", string_at(model, {"spec", "description"}));
  write_tags(out, model);
  // The newest of each stage.
  const std::string_view object = string_at(model, {"metadata", "name"});
  std::vector<const Json*> newest;
  for (const Json& version : versions) {
    if (string_at(version, {"spec", "model"}) != object) continue;
    const auto stage = string_at(version, {"spec", "stage"});
    const auto same =
        std::ranges::find(newest, stage, [](const Json* v) { return string_at(*v, {"spec", "stage"}); });
    if (same == newest.end())
      newest.push_back(&version);
    else if (api::int_at(**same, {"spec", "version"}) < api::int_at(version, {"spec", "version"}))
      *same = &version;
  }
  if (!newest.empty()) {
    out.key("latest_versions").open('[');
    for (const Json* version : newest) write_version(out, *version, &model);
    out.close(']');
  }
  const JsonObject& aliases = api::object_at(model, {"spec", "aliases"});
  if (!aliases.empty()) {
    out.key("aliases").open('[');
    for (const auto& member : aliases)
      out.open('{')
          .field("alias", key_of(member))
          .field("version", std::to_string(member.value().is_int64() ? member.value().get_int64() : 0))
          .close('}');
    out.close(']');
  }
  out.close('}');
}

}  // namespace ingot::registry
