// ingot model promote|rollback
#include <fmt/format.h>

#include "ingot/model.h"
#include "ingot/output.h"

namespace ingot {
namespace {

std::string alias_in(const ModelOptions& options) {
  return options.alias.empty() ? std::string(kDefaultAlias) : options.alias;
}

// Moves the alias if nobody else moved it meanwhile.
Result<api::Json> move(Client& client, const ModelPlace& place, const api::Json& model,
                       const std::string& alias, int64_t to) {
  const api::Json patch = api::JsonObject{
      {"metadata",
       api::JsonObject{{"resourceVersion", api::string_at(model, {"metadata", "resourceVersion"})}}},
      {"spec", api::JsonObject{{"aliases", api::JsonObject{{alias, to}}}}}};
  return client.call("PATCH", place.model() + "/aliases", &patch);
}

int tell(const Common& common, const api::Json& moved, std::string_view text) {
  if (common.json)
    print_json(moved);
  else
    fmt::print("{}\n", text);
  return kOk;
}

}  // namespace

int model_promote(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, options, options.name);
  if (!place) return failed(place.error());
  if (place->version.empty()) return failed("which version? write NAME@3");
  auto model = find_model(*client, *place);
  if (!model) return failed(model.error());
  auto version = find_model_version(*client, *place);
  if (!version) return failed(version.error());
  const std::string alias = alias_in(options);
  const auto before = api::int_at(*model, {"spec", "aliases", alias});
  const int64_t to = model_number(*version);
  if (before == to)
    return tell(common, *model, fmt::format("{} of {} is v{} already", alias, place->name, to));
  auto moved = move(*client, *place, *model, alias, to);
  if (!moved) return failed(moved.error());
  return tell(
      common, *moved,
      before ? fmt::format("{} of {} is v{} now, and was v{}\n  `ingot model rollback {}/{}` takes it back",
                           alias, place->name, to, *before, place->tenant, place->name)
             : fmt::format("{} of {} is v{} now", alias, place->name, to));
}

int model_rollback(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, options, options.name);
  if (!place) return failed(place.error());
  auto model = find_model(*client, *place);
  if (!model) return failed(model.error());
  const std::string alias = alias_in(options);
  const auto now = api::int_at(*model, {"spec", "aliases", alias});
  if (!now) return failed(fmt::format("{} has no alias {}", place->name, alias));
  const api::JsonArray& before = api::array_at(*model, {"status", "aliases", alias, "before"});
  if (before.empty() || !before.back().is_int64())
    return failed(fmt::format("{} of {} was no other version before v{}", alias, place->name, *now));
  const int64_t to = before.back().get_int64();
  auto moved = move(*client, *place, *model, alias, to);
  if (!moved) return failed(moved.error());
  return tell(common, *moved, fmt::format("{} of {} is v{} again; v{} kept", alias, place->name, to, *now));
}

}  // namespace ingot
