#include "apiserver/models.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/deletion.h"
#include "api/model_names.h"
#include "apiserver/gates.h"
#include "apiserver/model_naming.h"
#include "apiserver/status.h"
#include "apiserver/webhooks.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr size_t kMostBefore = 32;  // versions that an alias named before, kept for who goes back

// Only who is in this process says who asks, and from where.
bool of_registry(const Request& request) { return request.identity && request.remote == kRegistryRemote; }

bool is_version(const api::Resource& type) { return type.kind == "ModelVersion"; }

std::string_view name_of(const Json& object) { return api::string_at(object, {"metadata", "name"}); }

Result<Json> living_model(Call& call, std::string_view name) {
  const api::ObjectPtr stored = call.view.get(api::kModels, "", name);
  const Json model = stored ? stored->parse() : Json();
  if (!stored || api::is_deleting(model)) {
    Error error{.reason = Reason::NotFound,
                .message = fmt::format("{} \"{}\" not found", api::kModels, name)};
    error.group = "factory.ingot.dev";
    error.kind = "models";
    error.name = name;
    return fail(std::move(error));
  }
  return model;
}

int64_t last_number(Call& call, std::string_view model) {
  const api::ObjectPtr counter = call.view.get(kModelNumbers, "", model);
  return counter ? api::int_at(counter->parse(), {"last"}).value_or(0) : 0;
}

void note(Call& call, std::string_view type, JsonObject row) {
  row["type"] = type;
  row["by"] = call.who.name;
  call.view.append("lineage", call.services.env.clock.wall(), api::to_text(row));
}

std::string_view alias_of(const auto& member) { return {member.key().data(), member.key().size()}; }

bool same_aliases(const Json& a, const Json& b) {
  return api::object_at(a, {"spec", "aliases"}) == api::object_at(b, {"spec", "aliases"});
}

// The alias' own past: what it named before, the newest last. Going back takes the last one off again.
struct Past {
  JsonArray before;
  bool back = false;
};
Past past_of(const Json& model, std::string_view alias, std::optional<int64_t> from, int64_t to) {
  Past past{api::array_at(model, {"status", "aliases", alias, "before"}), false};
  if (!past.before.empty() && past.before.back() == Json(to)) {
    past.before.pop_back();
    past.back = true;
  } else if (from) {
    past.before.emplace_back(*from);
    if (past.before.size() > kMostBefore) past.before.erase(past.before.begin());
  }
  return past;
}

Json version_of(Call& call, std::string_view model, int64_t number) {
  const api::ObjectPtr stored =
      call.view.get(api::kModelVersions, "", api::model_version_name(model, number));
  return stored ? stored->parse() : Json();
}

// Whether an alias may name that version, as the model is called in `after`; and the alias' past once it does.
Result<Past> judge_alias(Call& call, const Json& before, const Json& after, const std::string& alias,
                         int64_t to) {
  Json model = before;
  api::set(model, {"spec", "name"}, std::string(model_name(after)));
  const std::string name(name_of(before));
  const Json version = version_of(call, name, to);
  if (version.is_null() || api::is_deleting(version))
    return fail(Reason::Invalid,
                fmt::format("spec.aliases[{}]: model {} has no version {}", alias, name, to));
  const std::optional<int64_t> from = api::int_at(before, {"spec", "aliases", alias});
  Past past = from == to ? Past{} : past_of(before, alias, from, to);
  const Json current = from ? version_of(call, name, *from) : Json();
  const policy::Promotion asked{.model = model,
                                .version = version,
                                .current = current.is_null() ? nullptr : &current,
                                .alias = alias,
                                .back = past.back,
                                .tenant = call.tenant,
                                .metrics_of = [&](std::string_view other) -> std::optional<JsonObject> {
                                  const auto names = api::int_at(before, {"spec", "aliases", other});
                                  if (!names) return std::nullopt;
                                  const Json there = version_of(call, name, *names);
                                  return api::object_at(there, {"spec", "provenanceOf", "metrics"});
                                }};
  const policy::PromotionVerdict verdict = judge_promotion(call, asked);
  if (!verdict.allowed)
    return fail(forbidden(
        call.type(), name,
        fmt::format("alias {} stays where it is: {}\n  {}", alias, verdict.reason, verdict.way_out)));
  return past;
}

Result<void> move_alias(Call& call, const Json& before, Json& after, const std::string& alias, int64_t to) {
  Result<Past> past = judge_alias(call, before, after, alias, to);
  if (!past) return fail(past.error());
  api::set(after, {"status", "aliases", alias},
           JsonObject{{"version", to},
                      {"by", call.who.name},
                      {"moved", to_rfc3339(call.services.env.clock.wall())},
                      {"before", std::move(past->before)}});
  return {};
}

Result<void> admit_aliases(Call& call, const Json& before, Json& after) {
  if (same_aliases(before, after)) return {};
  if (call.route().subresource.empty() && !call.allowed({.verb = call.in.verb,
                                                         .group = "factory.ingot.dev",
                                                         .resource = "models",
                                                         .subresource = "aliases",
                                                         .name = call.route().name}))
    return fail(forbidden(call.type(), call.route().name,
                          fmt::format("user \"{}\" may not {} models/aliases: who may, moves spec.aliases",
                                      call.who.name, call.in.verb)));
  for (const auto& member : api::object_at(before, {"spec", "aliases"})) {
    const std::string alias(alias_of(member));
    if (!api::find(after, {"spec", "aliases", alias})) api::erase(after, {"status", "aliases", alias});
  }
  const JsonObject aliases = api::object_at(after, {"spec", "aliases"});
  for (const auto& member : aliases) {
    const std::string alias(alias_of(member));
    if (api::int_at(before, {"spec", "aliases", alias}) == member.value().get_int64()) continue;
    if (auto moved = move_alias(call, before, after, alias, member.value().get_int64()); !moved) return moved;
  }
  return {};
}

// What its aliases name is judged once more, as if they moved under the new name: rules go by names.
Result<void> admit_name(Call& call, const Json& before, Json& after) {
  if (api::string_at(after, {"spec", "name"}).empty())
    api::set(after, {"spec", "name"}, std::string(model_name(before)));
  if (model_name(before) == model_name(after)) return {};
  if (api::is_deleting(before))
    return fail(conflict(call.type(), name_of(before), "the model is being deleted"));
  if (auto good = check_model_name(call, after); !good) return good;
  for (const auto& member : api::object_at(before, {"spec", "aliases"}))
    if (auto judged =
            judge_alias(call, before, after, std::string(alias_of(member)), member.value().get_int64());
        !judged)
      return fail(judged.error());
  return {};
}

Result<void> admit_version_create(Call& call, Json& version) {
  const bool from_run = api::string_at(version, {"spec", "origin"}) == "run";
  if (!of_registry(call.in.request)) {
    const std::string_view name = name_of(version);
    if (from_run)
      return fail(
          forbidden(call.type(), name,
                    "spec.origin \"run\" is for what is registered from a run with MLflow's API, where "
                    "the factory knows the run's files; leave it out, or use `ingot model import`"));
    if (api::find(version, {"spec", "provenanceOf"}))
      return fail(forbidden(call.type(), name, "spec.provenanceOf is written by the factory alone"));
  }
  if (!from_run) api::set(version, {"metadata", "labels", api::kUnsignedOriginLabel}, "true");
  api::set(version, {"status"}, JsonObject{{"phase", "PendingRegistration"}, {"by", call.who.name}});
  return {};
}

}  // namespace

bool is_model(const api::Resource& type) {
  return type.group == "factory.ingot.dev" && (type.kind == "Model" || is_version(type));
}

Result<void> number_version(Call& call, Json& version) {
  const std::string model(api::string_at(version, {"spec", "model"}));
  const Result<Json> of = living_model(call, model);
  if (!of) return fail(of.error());
  const int64_t number = last_number(call, model) + 1;
  const std::string name = api::model_version_name(model, number);
  const std::string_view said = name_of(version);
  const int64_t told = api::int_at(version, {"spec", "version"}).value_or(0);
  if ((!said.empty() && said != name) || (told != 0 && told != number))
    return fail(
        conflict(call.type(), said.empty() ? name : said,
                 fmt::format("the next version of {} is {}: say metadata.generateName \"{}-v\", and the "
                             "factory numbers it",
                             model, number, model)));
  api::set(version, {"metadata", "name"}, name);
  api::set(version, {"spec", "version"}, number);
  api::set(version, {"metadata", "ownerReferences"},
           JsonArray{JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                {"kind", "Model"},
                                {"name", model},
                                {"uid", api::string_at(*of, {"metadata", "uid"})}}});
  return {};
}

Result<void> admit_model_create(Call& call, Json& object) {
  api::add_finalizer(object, api::kLineageFinalizer);
  if (is_version(call.type())) return admit_version_create(call, object);
  if (!api::object_at(object, {"spec", "aliases"}).empty())
    return fail(Reason::Invalid, "spec.aliases: a new model has no versions that they could name");
  if (api::string_at(object, {"spec", "name"}).empty())
    api::set(object, {"spec", "name"}, std::string(name_of(object)));
  return check_model_name(call, object);
}

Result<void> admit_model_update(Call& call, const Json& before, Json& after) {
  const std::string& name = call.route().name;
  if (call.route().subresource == "status")
    return fail(forbidden(call.type(), name, "its status is written by the factory alone"));
  if (api::has_finalizer(before, api::kLineageFinalizer)) api::add_finalizer(after, api::kLineageFinalizer);
  if (!is_version(call.type())) {
    if (auto named = admit_name(call, before, after); !named) return named;
    return admit_aliases(call, before, after);
  }
  for (const std::string_view field : {"labels", "ownerReferences"}) {
    const std::string_view own = api::kUnsignedOriginLabel;
    const bool label = field == "labels";
    const Json* was =
        label ? api::find(before, {"metadata", field, own}) : api::find(before, {"metadata", field});
    const Json* now =
        label ? api::find(after, {"metadata", field, own}) : api::find(after, {"metadata", field});
    if (!was != !now || (was && *was != *now))
      return fail(forbidden(
          call.type(), name,
          fmt::format("metadata.{}{} is the factory's own", field, label ? fmt::format("[{}]", own) : "")));
  }
  return {};
}

Result<void> after_model_create(Call& call, const api::ObjectPtr& stored) {
  const Json object = stored->parse();
  if (!is_version(call.type())) {
    note(call, "model.created",
         {{"model", stored->key.name()}, {"uid", api::string_at(object, {"metadata", "uid"})}});
    if (auto kept = keep_model_name(call, Json(), object); !kept) return kept;
    return tell_of_model(call, object);
  }
  const std::string model(api::string_at(object, {"spec", "model"}));
  const int64_t number = api::int_at(object, {"spec", "version"}).value_or(0);
  const auto counted = call.view.put(kModelNumbers, "", model,
                                     JsonObject{{"metadata", JsonObject{{"name", model}}}, {"last", number}});
  if (!counted) return fail(counted.error());
  Result<Json> of = living_model(call, model);
  if (!of) return fail(of.error());
  api::set(*of, {"status", "latest"}, number);
  api::set(*of, {"status", "updated"}, to_rfc3339(call.services.env.clock.wall()));
  if (const auto told = call.view.put(api::kModels, "", model, std::move(*of)); !told)
    return fail(told.error());
  JsonObject row{{"model", model},
                 {"version", number},
                 {"uid", api::string_at(object, {"metadata", "uid"})},
                 {"origin", api::string_at(object, {"spec", "origin"})},
                 {"manifest", api::string_at(object, {"spec", "manifest"})}};
  for (const std::string_view field : {"runId", "source", "provenanceOf"})
    if (const Json* value = api::find(object, {"spec", field})) row[field] = *value;
  note(call, "version.registered", std::move(row));
  return tell_of_model(call, object);
}

Result<void> after_model_update(Call& call, const Json& before, const Json& after) {
  if (auto told = tell_of_model(call, before, after); !told || is_version(call.type())) return told;
  const std::string name(name_of(after));
  if (model_name(before) != model_name(after)) {
    if (auto kept = keep_model_name(call, before, after); !kept) return kept;
    note(call, "model.renamed",
         {{"model", name},
          {"uid", api::string_at(after, {"metadata", "uid"})},
          {"from", model_name(before)},
          {"to", model_name(after)}});
  }
  const auto moved = [&](std::string_view alias, std::optional<int64_t> from, std::optional<int64_t> to) {
    JsonObject row{{"model", name}, {"alias", alias}};
    if (from) row["from"] = *from;
    if (to) row["to"] = *to;
    if (from && to) row["back"] = past_of(before, alias, from, *to).back;
    note(call, to ? "alias.moved" : "alias.removed", std::move(row));
  };
  for (const auto& member : api::object_at(before, {"spec", "aliases"}))
    if (!api::find(after, {"spec", "aliases", alias_of(member)}))
      moved(alias_of(member), member.value().get_int64(), std::nullopt);
  for (const auto& member : api::object_at(after, {"spec", "aliases"})) {
    const auto from = api::int_at(before, {"spec", "aliases", alias_of(member)});
    if (from != member.value().get_int64()) moved(alias_of(member), from, member.value().get_int64());
  }
  return {};
}

}  // namespace ingot::apiserver
