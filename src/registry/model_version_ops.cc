// model-versions/…
#include <fmt/format.h>

#include <algorithm>

#include "api/model_names.h"
#include "registry/model_filter.h"
#include "registry/model_ops.h"
#include "registry/statement.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr int64_t kMostResults = 200'000;
const std::vector<std::string_view> kKeys{"name", "run_id", "source_path", "version_number"};
const std::vector<std::string_view> kOrders{"name", "version_number", "creation_timestamp",
                                            "last_updated_timestamp"};

std::string path_of(const Json& version) {
  return "modelversions/" + std::string(string_at(version, {"metadata", "name"}));
}

Result<std::string> shown(ModelApi& api, const Json& version, std::string_view name) {
  auto model = model_called(api, name);
  Out out;
  out.open('{').key("model_version");
  write_version(out, version, model ? &*model : nullptr);
  return out.close('}').take();
}

Result<Json> patched(ModelApi& api, const Args& args, JsonObject spec) {
  auto version = version_named(api, args);
  if (!version) return version;
  const Json patch = JsonObject{{"spec", std::move(spec)}};
  return api.call("PATCH", path_of(*version), &patch);
}

// A copy of a version of this registry is made of the same files, and carries on whose they were.
Result<TrackedFiles> copied(ModelApi& api, const ModelSource& source, JsonObject& spec) {
  auto model = model_called(api, source.name);
  if (!model) return fail(model.error());
  std::string number = source.version;
  if (const auto aliased = api::int_at(*model, {"spec", "aliases", source.version}))
    number = std::to_string(*aliased);
  auto version = api.call("GET", version_path(string_at(*model, {"metadata", "name"}), number));
  if (!version) return fail(version.error());
  for (const std::string_view field : {"manifest", "files", "bytes", "origin", "attestations"})
    if (const Json* value = api::find(*version, {"spec", field})) spec[field] = *value;
  TrackedFiles files{.run_id = std::string(string_at(*version, {"spec", "runId"})), .files = {}, .made = {}};
  files.made = api::object_at(*version, {"spec", "provenanceOf"});
  return files;
}

Result<std::string> create(ModelApi& api, const Args& args) {
  const auto name = args.required("name"), source = args.required("source"),
             description = args.text("description"), run = args.text("run_id");
  if (!name) return fail(name.error());
  if (!source) return fail(source.error());
  if (!description) return fail(description.error());
  if (!run) return fail(run.error());
  auto tags = read_tags(args);
  if (!tags) return fail(tags.error());
  auto model = model_named(api, args);
  if (!model) return fail(model.error());
  auto from = parse_model_source(*source);
  if (!from) return fail(from.error());
  const std::string object(string_at(*model, {"metadata", "name"}));
  JsonObject spec{{"model", object}, {"source", *source}, {"origin", "run"}};
  Result<TrackedFiles> files =
      from->kind == ModelSource::Kind::Version ? copied(api, *from, spec) : api.tracked(*from);
  if (!files) return fail(files.error());
  if (!run->empty() && !files->run_id.empty() && *run != files->run_id)
    return fail(invalid(fmt::format("source: it is of run {}, not of run_id {}", files->run_id, *run)));
  if (from->kind != ModelSource::Kind::Version) {
    if (auto fine = check_signable(files->files); !fine)
      return fail(invalid("source: " + fine.error().message));
    auto manifest = api.keep(files->files);
    if (!manifest) return fail(manifest.error());
    spec["manifest"] = manifest->text();
    spec["files"] = int64_t(files->files.files.size());
    spec["bytes"] = files->files.bytes();
  }
  if (!files->run_id.empty()) spec["runId"] = files->run_id;
  if (!files->made.empty()) spec["provenanceOf"] = std::move(files->made);
  if (!description->empty()) spec["description"] = *description;
  if (!tags->empty()) spec["tags"] = std::move(*tags);
  const Json asked = JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                {"kind", "ModelVersion"},
                                {"metadata", JsonObject{{"generateName", object + "-v"}}},
                                {"spec", std::move(spec)}};
  auto made = api.call("POST", "modelversions", &asked);
  if (!made) return fail(made.error());
  return shown(api, *made, *name);
}

Result<std::string> get(ModelApi& api, const Args& args) {
  auto version = version_named(api, args);
  if (!version) return fail(version.error());
  return shown(api, *version, *args.text("name"));
}

Result<std::string> update(ModelApi& api, const Args& args) {
  const auto description = args.text("description");
  if (!description) return fail(description.error());
  auto version = patched(api, args, {{"description", *description}});
  if (!version) return fail(version.error());
  return shown(api, *version, *args.text("name"));
}

Result<std::string> remove(ModelApi& api, const Args& args) {
  auto version = version_named(api, args);
  if (!version) return fail(version.error());
  auto gone = api.call("DELETE", path_of(*version));
  return gone ? Result<std::string>(empty_answer()) : fail(gone.error());
}

Result<std::string> download_uri(ModelApi& api, const Args& args) {
  auto version = version_named(api, args);
  if (!version) return fail(version.error());
  Out out;
  return out.open('{').field("artifact_uri", artifact_uri(*version)).close('}').take();
}

Result<std::string> set_tag(ModelApi& api, const Args& args) {
  const auto key = args.required("key"), value = args.text("value");
  if (!key) return fail(key.error());
  if (!value) return fail(value.error());
  auto version = patched(api, args, {{"tags", JsonObject{{*key, *value}}}});
  return version ? Result<std::string>(empty_answer()) : fail(version.error());
}

Result<std::string> delete_tag(ModelApi& api, const Args& args) {
  const auto key = args.required("key");
  if (!key) return fail(key.error());
  auto version = patched(api, args, {{"tags", JsonObject{{*key, nullptr}}}});
  return version ? Result<std::string>(empty_answer()) : fail(version.error());
}

Result<std::string> transition(ModelApi& api, const Args& args) {
  auto wanted = args.required("stage");
  if (!wanted) return fail(wanted.error());
  std::string stage;
  for (const std::string_view known : {"None", "Staging", "Production", "Archived"})
    if (std::ranges::equal(known, *wanted, [](char a, char b) { return std::tolower(a) == std::tolower(b); }))
      stage = known;
  if (stage.empty())
    return fail(
        invalid(fmt::format("stage: \"{}\" is none of None, Staging, Production, Archived", *wanted)));
  auto version = patched(api, args, {{"stage", stage}});
  if (!version) return fail(version.error());
  const auto others = args.flag("archive_existing_versions");
  if (!others) return fail(others.error());
  if (*others) {
    auto all = all_of(api, "modelversions");
    if (!all) return fail(all.error());
    for (const Json& other : *all) {
      if (string_at(other, {"spec", "model"}) != string_at(*version, {"spec", "model"}) ||
          string_at(other, {"spec", "stage"}) != stage ||
          string_at(other, {"metadata", "name"}) == string_at(*version, {"metadata", "name"}))
        continue;
      const Json patch = JsonObject{{"spec", JsonObject{{"stage", "Archived"}}}};
      if (auto moved = api.call("PATCH", path_of(other), &patch); !moved) return fail(moved.error());
    }
  }
  return shown(api, *version, *args.text("name"));
}

struct Found {
  Json version;
  const Json* model = nullptr;
};

std::optional<std::string> value_of(const Found& found, std::string_view key) {
  const Json& v = found.version;
  if (key == "name")
    return std::string(found.model ? string_at(*found.model, {"spec", "name"})
                                   : string_at(v, {"spec", "model"}));
  if (key == "run_id") return std::string(string_at(v, {"spec", "runId"}));
  if (key == "source_path") return std::string(string_at(v, {"spec", "source"}));
  if (key == "version_number") return std::to_string(api::int_at(v, {"spec", "version"}).value_or(0));
  if (!key.starts_with("tags.")) return std::nullopt;
  const Json* tag = api::find(v, {"spec", "tags", key.substr(5)});
  return tag && tag->is_string() ? std::optional(std::string(tag->get_string())) : std::nullopt;
}

int compare(const Found& a, const Found& b, std::string_view key) {
  const auto three = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (key == "name") return three(*value_of(a, "name"), *value_of(b, "name"));
  if (key == "version_number")
    return three(api::int_at(a.version, {"spec", "version"}).value_or(0),
                 api::int_at(b.version, {"spec", "version"}).value_or(0));
  if (key == "creation_timestamp")
    return three(string_at(a.version, {"metadata", "creationTimestamp"}),
                 string_at(b.version, {"metadata", "creationTimestamp"}));
  return three(changed_ms(a.version), changed_ms(b.version));
}

Result<std::string> search(ModelApi& api, const Args& args) {
  const auto text = args.text("filter"), token = args.text("page_token");
  const auto orders = args.texts("order_by");
  const auto most = args.number_or("max_results", 10'000, 1, kMostResults);
  if (!text) return fail(text.error());
  if (!token) return fail(token.error());
  if (!orders) return fail(orders.error());
  if (!most) return fail(most.error());
  auto filter = ModelFilter::parse(*text, kKeys);
  auto order = parse_order(*orders, kOrders);
  if (!filter) return fail(filter.error());
  if (!order) return fail(order.error());
  const auto from = token->empty() ? Result<int64_t>(0) : read_page_token(*token);
  if (!from) return fail(from.error());
  auto models = all_of(api, "models");
  if (!models) return fail(models.error());
  auto versions = all_of(api, "modelversions");
  if (!versions) return fail(versions.error());
  std::vector<Found> found;
  for (Json& version : *versions) {
    const auto model = std::ranges::find(*models, string_at(version, {"spec", "model"}),
                                         [](const Json& m) { return string_at(m, {"metadata", "name"}); });
    Found one{std::move(version), model == models->end() ? nullptr : &*model};
    if (filter->matches([&](std::string_view key) { return value_of(one, key); }))
      found.push_back(std::move(one));
  }
  // As MLflow orders what nobody orders: what changed last first.
  order->push_back({"last_updated_timestamp", true});
  order->push_back({"name", false});
  order->push_back({"version_number", true});
  std::ranges::sort(found, [&](const Found& a, const Found& b) {
    for (const OrderBy& by : *order)
      if (const int c = compare(a, b, by.key); c != 0) return by.descending ? c > 0 : c < 0;
    return false;
  });
  Out out;
  out.open('{').key("model_versions").open('[');
  const size_t begin = std::min(size_t(*from), found.size()),
               end = std::min(begin + size_t(*most), found.size());
  for (size_t i = begin; i < end; ++i) write_version(out, found[i].version, found[i].model);
  out.close(']');
  if (end < found.size()) out.field("next_page_token", page_token(int64_t(end)));
  return out.close('}').take();
}

constexpr ModelOp kOps[] = {
    {"model-versions/create", create},
    {"model-versions/delete", remove},
    {"model-versions/delete-tag", delete_tag},
    {"model-versions/get", get},
    {"model-versions/get-download-uri", download_uri},
    {"model-versions/search", search},
    {"model-versions/set-tag", set_tag},
    {"model-versions/transition-stage", transition},
    {"model-versions/update", update},
};

}  // namespace

std::span<const ModelOp> model_version_ops() { return kOps; }

}  // namespace ingot::registry
