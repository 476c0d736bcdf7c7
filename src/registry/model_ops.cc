// registered-models/…
#include "registry/model_ops.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/model_names.h"
#include "registry/model_filter.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr int64_t kMostResults = 1'000;

JsonObject object_of(std::string_view kind, JsonObject metadata, JsonObject spec) {
  return {{"apiVersion", "factory.ingot.dev/v1alpha1"},
          {"kind", kind},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)}};
}

Result<std::string> shown(const Json& model, const JsonArray& versions) {
  Out out;
  out.open('{').key("registered_model");
  write_model(out, model, versions);
  return out.close('}').take();
}

Result<JsonArray> versions_of(ModelApi& api) { return all_of(api, "modelversions"); }

// A merge patch of the model, and what it is then.
Result<Json> patched(ModelApi& api, const Args& args, JsonObject spec, std::string_view part = "") {
  auto model = model_named(api, args);
  if (!model) return model;
  const Json patch = JsonObject{{"spec", std::move(spec)}};
  return api.call("PATCH", model_path(*model) + std::string(part), &patch);
}

Result<std::string> create(ModelApi& api, const Args& args) {
  const auto name = args.required("name");
  if (!name) return fail(name.error());
  if (const std::string fault = api::model_name_fault(*name); !fault.empty())
    return fail(invalid("name: " + fault));
  auto tags = read_tags(args);
  const auto description = args.text("description");
  if (!tags) return fail(tags.error());
  if (!description) return fail(description.error());
  JsonObject spec{{"name", *name}};
  if (!description->empty()) spec["description"] = *description;
  if (!tags->empty()) spec["tags"] = std::move(*tags);
  const Json asked =
      object_of("Model", {{"generateName", api::model_object_name(*name) + "-"}}, std::move(spec));
  auto made = api.call("POST", "models", &asked);
  if (!made && made.error().reason == Reason::AlreadyExists)
    return fail(Reason::AlreadyExists, fmt::format("Registered Model (name={}) already exists.", *name));
  if (!made) return fail(made.error());
  return shown(*made, {});
}

// The object keeps its name, which signatures and history say, and with it versions, aliases and tags.
Result<std::string> rename(ModelApi& api, const Args& args) {
  const auto now = args.required("new_name");
  if (!now) return fail(now.error());
  if (const std::string fault = api::model_name_fault(*now); !fault.empty())
    return fail(invalid("new_name: " + fault));
  auto model = patched(api, args, {{"name", *now}});
  if (!model && model.error().reason == Reason::AlreadyExists)
    return fail(Reason::AlreadyExists, fmt::format("Registered Model (name={}) already exists.", *now));
  if (!model) return fail(model.error());
  auto versions = versions_of(api);
  if (!versions) return fail(versions.error());
  return shown(*model, *versions);
}

Result<std::string> update(ModelApi& api, const Args& args) {
  const auto description = args.text("description");
  if (!description) return fail(description.error());
  auto model = patched(api, args, {{"description", *description}});
  if (!model) return fail(model.error());
  auto versions = versions_of(api);
  if (!versions) return fail(versions.error());
  return shown(*model, *versions);
}

Result<std::string> remove(ModelApi& api, const Args& args) {
  auto model = model_named(api, args);
  if (!model) return fail(model.error());
  auto gone = api.call("DELETE", model_path(*model));
  return gone ? Result<std::string>(empty_answer()) : fail(gone.error());
}

Result<std::string> get(ModelApi& api, const Args& args) {
  auto model = model_named(api, args);
  if (!model) return fail(model.error());
  auto versions = versions_of(api);
  if (!versions) return fail(versions.error());
  return shown(*model, *versions);
}

std::optional<std::string> value_of(const Json& model, std::string_view key) {
  if (key == "name") return std::string(string_at(model, {"spec", "name"}));
  if (key == "last_updated_timestamp") return std::to_string(changed_ms(model));
  if (!key.starts_with("tags.")) return std::nullopt;
  const Json* tag = api::find(model, {"spec", "tags", key.substr(5)});
  return tag && tag->is_string() ? std::optional(std::string(tag->get_string())) : std::nullopt;
}

Result<std::string> search(ModelApi& api, const Args& args) {
  const auto text = args.text("filter");
  const auto orders = args.texts("order_by");
  const auto most = args.number_or("max_results", 100, 1, kMostResults);
  const auto token = args.text("page_token");
  if (!text) return fail(text.error());
  if (!orders) return fail(orders.error());
  if (!most) return fail(most.error());
  if (!token) return fail(token.error());
  auto filter = ModelFilter::parse(*text, {"name"});
  auto order = parse_order(*orders, {"name", "timestamp", "last_updated_timestamp"});
  if (!filter) return fail(filter.error());
  if (!order) return fail(order.error());
  const auto from = token->empty() ? Result<int64_t>(0) : read_page_token(*token);
  if (!from) return fail(from.error());
  auto models = all_of(api, "models");
  if (!models) return fail(models.error());
  auto versions = versions_of(api);
  if (!versions) return fail(versions.error());
  std::vector<const Json*> found;
  for (const Json& model : *models)
    if (filter->matches([&](std::string_view key) { return value_of(model, key); })) found.push_back(&model);
  order->push_back({"name", false});
  std::ranges::sort(found, [&](const Json* a, const Json* b) {
    for (const OrderBy& by : *order) {
      const auto way = by.key == "name" ? string_at(*a, {"spec", "name"}) <=> string_at(*b, {"spec", "name"})
                                        : changed_ms(*a) <=> changed_ms(*b);
      if (way != 0) return by.descending ? way > 0 : way < 0;
    }
    return false;
  });
  Out out;
  out.open('{').key("registered_models").open('[');
  const size_t begin = std::min(size_t(*from), found.size()),
               end = std::min(begin + size_t(*most), found.size());
  for (size_t i = begin; i < end; ++i) write_model(out, *found[i], *versions);
  out.close(']');
  if (end < found.size()) out.field("next_page_token", page_token(int64_t(end)));
  return out.close('}').take();
}

Result<std::string> latest(ModelApi& api, const Args& args) {
  auto model = model_named(api, args);
  if (!model) return fail(model.error());
  const auto stages = args.texts("stages");
  if (!stages) return fail(stages.error());
  auto versions = versions_of(api);
  if (!versions) return fail(versions.error());
  const std::string_view object = string_at(*model, {"metadata", "name"});
  std::vector<const Json*> newest;
  for (const Json& version : *versions) {
    if (string_at(version, {"spec", "model"}) != object) continue;
    std::string_view stage = string_at(version, {"spec", "stage"});
    if (stage.empty()) stage = "None";
    if (!stages->empty() && std::ranges::find(*stages, stage) == stages->end()) continue;
    const auto same = std::ranges::find_if(newest, [&](const Json* v) {
      const std::string_view other = string_at(*v, {"spec", "stage"});
      return (other.empty() ? "None" : other) == stage;
    });
    if (same == newest.end())
      newest.push_back(&version);
    else if (api::int_at(**same, {"spec", "version"}) < api::int_at(version, {"spec", "version"}))
      *same = &version;
  }
  Out out;
  out.open('{').key("model_versions").open('[');
  for (const Json* version : newest) write_version(out, *version, &*model);
  return out.close(']').close('}').take();
}

Result<std::string> set_tag(ModelApi& api, const Args& args) {
  const auto key = args.required("key"), value = args.text("value");
  if (!key) return fail(key.error());
  if (!value) return fail(value.error());
  auto model = patched(api, args, {{"tags", JsonObject{{*key, *value}}}});
  return model ? Result<std::string>(empty_answer()) : fail(model.error());
}

Result<std::string> delete_tag(ModelApi& api, const Args& args) {
  const auto key = args.required("key");
  if (!key) return fail(key.error());
  auto model = patched(api, args, {{"tags", JsonObject{{*key, nullptr}}}});
  return model ? Result<std::string>(empty_answer()) : fail(model.error());
}

Result<std::string> set_alias(ModelApi& api, const Args& args) {
  const auto alias = args.required("alias");
  const auto version = args.number("version");
  if (!alias) return fail(alias.error());
  if (!version) return fail(version.error());
  if (!*version || **version < 1) return fail(invalid("version: the number of a version is wanted"));
  if (const std::string fault = api::alias_fault(*alias); !fault.empty())
    return fail(invalid("alias: " + fault));
  auto there = version_named(api, args);
  if (!there) return fail(there.error());
  auto model = patched(api, args, {{"aliases", JsonObject{{*alias, **version}}}}, "/aliases");
  return model ? Result<std::string>(empty_answer()) : fail(model.error());
}

Result<std::string> delete_alias(ModelApi& api, const Args& args) {
  const auto alias = args.required("alias");
  if (!alias) return fail(alias.error());
  auto model = patched(api, args, {{"aliases", JsonObject{{*alias, nullptr}}}}, "/aliases");
  return model ? Result<std::string>(empty_answer()) : fail(model.error());
}

Result<std::string> by_alias(ModelApi& api, const Args& args) {
  auto model = model_named(api, args);
  if (!model) return fail(model.error());
  const auto alias = args.required("alias");
  if (!alias) return fail(alias.error());
  const auto number = api::int_at(*model, {"spec", "aliases", *alias});
  if (!number) return fail(Reason::BadRequest, fmt::format("Registered model alias {} not found.", *alias));
  auto version =
      api.call("GET", version_path(string_at(*model, {"metadata", "name"}), std::to_string(*number)));
  if (!version) return fail(version.error());
  Out out;
  out.open('{').key("model_version");
  write_version(out, *version, &*model);
  return out.close('}').take();
}

constexpr ModelOp kOps[] = {
    {"registered-models/alias/delete", delete_alias},
    {"registered-models/alias/get", by_alias},
    {"registered-models/alias/set", set_alias},
    {"registered-models/create", create},
    {"registered-models/delete", remove},
    {"registered-models/delete-tag", delete_tag},
    {"registered-models/get", get},
    {"registered-models/get-latest-versions", latest},
    {"registered-models/rename", rename},
    {"registered-models/search", search},
    {"registered-models/set-tag", set_tag},
    {"registered-models/update", update},
};

}  // namespace

std::span<const ModelOp> registered_model_ops() { return kOps; }

ModelHandler find_model_handler(std::string_view name) {
  for (const auto ops : {registered_model_ops(), model_version_ops(), webhook_ops()})
    for (const ModelOp& op : ops)
      if (op.name == name) return op.handle;
  return nullptr;
}

}  // namespace ingot::registry
