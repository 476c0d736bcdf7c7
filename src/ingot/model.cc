#include "ingot/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "api/model_names.h"
#include "base/time.h"
#include "ingot/blob_client.h"
#include "ingot/output.h"
#include "ingot/place.h"

namespace ingot {
namespace {

constexpr std::string_view kGroup = "/apis/factory.ingot.dev/v1alpha1/";

std::optional<int64_t> number_in(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

Error no_version(const ModelPlace& place) {
  return {.reason = Reason::NotFound,
          .message = fmt::format(
              "{}/{} has no version or alias \"{}\"\n  `ingot model show {}/{}` shows what there is",
              place.tenant, place.name, place.version, place.tenant, place.name)};
}

std::string_view phase_of(const api::Json& version) { return api::string_at(version, {"status", "phase"}); }

// "production, canary": the aliases that name version `number`.
std::string aliases_of(const api::Json& model, int64_t number) {
  std::string all;
  for (const auto& member : api::object_at(model, {"spec", "aliases"}))
    if (member.value() == api::Json(number))
      (all += all.empty() ? "" : ",").append(member.key().data(), member.key().size());
  return all;
}

std::string signed_text(const api::Json& version) {
  if (unsigned_origin(version)) return "unsigned origin";
  const std::string_view key = api::string_at(version, {"status", "keyId"});
  return key.empty() ? std::string(phase_of(version)) : "signed " + short_key(key);
}

// A model that was renamed keeps its object's name.
std::string object_called(Client& client, const ModelPlace& place) {
  std::string plain = api::model_object_name(place.name);
  auto model = client.get(place.models() + "/" + query_value(plain));
  if (model && api::string_at(*model, {"spec", "name"}) == place.name) return plain;
  std::string selector = "spec.name=";
  for (const char c : place.name) {
    if (c == '\\' || c == ',' || c == '=') selector += '\\';
    selector += c;
  }
  auto found = client.get(place.models() + "?fieldSelector=" + query_value(selector));
  if (found && !api::array_at(*found, {"items"}).empty())
    return std::string(api::string_at(api::array_at(*found, {"items"}).front(), {"metadata", "name"}));
  return plain;
}

}  // namespace

std::string ModelPlace::models() const { return fmt::format("/clusters/{}{}models", tenant, kGroup); }
std::string ModelPlace::versions() const {
  return fmt::format("/clusters/{}{}modelversions", tenant, kGroup);
}
std::string ModelPlace::model() const { return models() + "/" + query_value(object); }

int64_t model_number(const api::Json& version) {
  return api::int_at(version, {"spec", "version"}).value_or(0);
}
std::string short_key(std::string_view id) { return std::string(id.substr(0, 12)); }
bool unsigned_origin(const api::Json& version) {
  return api::string_at(version, {"spec", "origin"}) != "run";
}

Result<ModelPlace> model_place(Client& client, const ModelOptions& options, const std::string& text) {
  ModelPlace place{.tenant = options.tenant, .name = text, .version = {}, .object = {}};
  if (const size_t slash = place.name.find('/'); slash != place.name.npos) {
    const std::string tenant = place.name.substr(0, slash);
    if (!place.tenant.empty() && place.tenant != tenant)
      return fail(Reason::Invalid,
                  fmt::format("\"{}\" is of tenant {}, and --tenant says {}", text, tenant, place.tenant));
    place.tenant = tenant;
    place.name.erase(0, slash + 1);
  }
  if (const size_t at = place.name.rfind('@'); at != place.name.npos) {
    place.version = place.name.substr(at + 1);
    place.name.resize(at);
    if (place.version.empty())
      return fail(Reason::Invalid, fmt::format("\"{}\" names no version: write NAME@3", text));
  }
  auto found = place_of(client, place.tenant, "default", "model");
  if (!found) return fail(found.error());
  place.tenant = found->tenant;
  place.object = object_called(client, place);
  return place;
}

Result<api::Json> find_model(Client& client, const ModelPlace& place) {
  auto model = client.get(place.model());
  if (model ? api::string_at(*model, {"spec", "name"}) != place.name : model.error().kind == "models")
    return fail(Reason::NotFound,
                fmt::format("tenant {} has no model {}\n  `ingot model list` shows what there is",
                            place.tenant, place.name));
  return model;
}

Result<api::JsonArray> model_versions(Client& client, const ModelPlace& place) {
  auto all = client.list(place.versions());
  if (!all) return all;
  const std::string& model = place.object;
  api::JsonArray versions;
  for (api::Json& version : *all)
    if (model.empty() || api::string_at(version, {"spec", "model"}) == model)
      versions.push_back(std::move(version));
  std::ranges::sort(versions, {}, model_number);
  return versions;
}

Result<api::Json> find_model_version(Client& client, const ModelPlace& place) {
  auto model = find_model(client, place);
  if (!model) return model;
  std::optional<int64_t> wanted;
  if (!place.version.empty()) {
    wanted = api::int_at(*model, {"spec", "aliases", place.version});
    if (!wanted) wanted = number_in(place.version);
    if (!wanted) return fail(no_version(place));
    auto version =
        client.get(place.versions() + "/" + query_value(api::model_version_name(place.object, *wanted)));
    return !version && version.error().reason == Reason::NotFound ? fail(no_version(place)) : version;
  }
  auto versions = model_versions(client, place);
  if (!versions) return fail(versions.error());
  for (auto it = versions->rbegin(); it != versions->rend(); ++it)
    if (phase_of(*it) == "Ready") return *it;
  return fail(Reason::NotFound, fmt::format("{}/{} has no version that is ready", place.tenant, place.name));
}

int model_list(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto found = place_of(*client, options.tenant, "default", "model");
  if (!found) return failed(found.error());
  const ModelPlace place{.tenant = found->tenant, .name = {}, .version = {}, .object = {}};
  auto models = client->list(place.models());
  if (!models) return failed(models.error());
  if (common.json) {
    print_json(*models);
    return kOk;
  }
  auto versions = model_versions(*client, place);
  if (!versions) return failed(versions.error());
  std::map<std::string, const api::Json*> newest;
  for (const api::Json& version : *versions)
    newest[std::string(api::string_at(version, {"spec", "model"}))] = &version;
  Table table({"NAME", "NEWEST", "FILES", "SIZE", "TRUST", "ALIASES", "AGE"});
  table.right(2).right(3);
  for (const api::Json& model : *models) {
    const auto version = newest.find(std::string(api::string_at(model, {"metadata", "name"})));
    const api::Json* last = version == newest.end() ? nullptr : version->second;
    std::string aliases;
    for (const auto& member : api::object_at(model, {"spec", "aliases"}))
      aliases += fmt::format("{}{} v{}", aliases.empty() ? "" : ", ",
                             std::string_view(member.key().data(), member.key().size()),
                             member.value().is_int64() ? member.value().get_int64() : 0);
    table.row({std::string(api::string_at(model, {"spec", "name"})),
               last ? fmt::format("v{}", model_number(*last)) : "none",
               last ? count_text(api::int_at(*last, {"spec", "files"}).value_or(0)) : "",
               last ? size_text(api::int_at(*last, {"spec", "bytes"}).value_or(0)) : "",
               last ? signed_text(*last) : "", aliases, age_of(model)});
  }
  table.print();
  return kOk;
}

int model_show(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, options, options.name);
  if (!place) return failed(place.error());
  auto model = find_model(*client, *place);
  if (!model) return failed(model.error());
  auto versions = model_versions(*client, *place);
  if (!versions) return failed(versions.error());
  if (common.json) {
    print_json(api::JsonObject{{"model", *model}, {"versions", *versions}});
    return kOk;
  }
  const std::string description(api::string_at(*model, {"spec", "description"}));
  fmt::print("{}{}{}\n", api::string_at(*model, {"spec", "name"}), description.empty() ? "" : "   ",
             description);
  Table table({"VERSION", "PHASE", "TRUST", "FILES", "SIZE", "RUN", "COMMIT", "ALIASES", "AGE", "MESSAGE"});
  table.right(3).right(4);
  for (const api::Json& version : *versions)
    table.row({fmt::format("v{}", model_number(version)), std::string(phase_of(version)),
               signed_text(version), count_text(api::int_at(version, {"spec", "files"}).value_or(0)),
               size_text(api::int_at(version, {"spec", "bytes"}).value_or(0)),
               std::string(api::string_at(version, {"spec", "runId"}).substr(0, 8)),
               std::string(api::string_at(version, {"spec", "provenanceOf", "commit"}).substr(0, 7)),
               aliases_of(*model, model_number(version)), age_of(version),
               phase_of(version) == "Failed"
                   ? std::string(api::string_at(version, {"status", "message"}))
                   : std::string(api::string_at(version, {"spec", "description"}))});
  table.print();
  return kOk;
}

int model_rename(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, options, options.name);
  if (!place) return failed(place.error());
  if (!place->version.empty()) return failed("a version has no name of its own: name the model alone");
  if (const std::string fault = api::model_name_fault(options.other); !fault.empty())
    return failed("NEW: " + fault);
  if (auto model = find_model(*client, *place); !model) return failed(model.error());
  const api::Json patch = api::JsonObject{{"spec", api::JsonObject{{"name", options.other}}}};
  auto renamed = client->call("PATCH", place->model(), &patch);
  if (!renamed) return failed(renamed.error());
  if (common.json) {
    print_json(*renamed);
    return kOk;
  }
  fmt::print("{}/{} is called {} now; what was signed before says {}\n", place->tenant, place->name,
             options.other, place->object);
  return kOk;
}

int model_delete(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, options, options.name);
  if (!place) return failed(place.error());
  std::string path = place->model(), what = place->name;
  if (!place->version.empty()) {
    auto version = find_model_version(*client, *place);
    if (!version) return failed(version.error());
    path = place->versions() + "/" + query_value(api::string_at(*version, {"metadata", "name"}));
    what = fmt::format("{} v{}", place->name, model_number(*version));
  } else if (auto model = find_model(*client, *place); !model) {
    return failed(model.error());
  }
  auto gone = client->call("DELETE", path);
  if (!gone) return failed(gone.error());
  if (common.json) {
    print_json(*gone);
    return kOk;
  }
  fmt::print("{} deleted; what is known of it stays in the history, and its number{} not used again\n", what,
             place->version.empty() ? "s are" : " is");
  return kOk;
}

}  // namespace ingot
