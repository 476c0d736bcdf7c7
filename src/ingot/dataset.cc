// ingot dataset add|list|show|get
#include <fmt/format.h>

#include <map>

#include "data/manifest.h"
#include "host/dataset_files.h"
#include "ingot/blob_client.h"
#include "ingot/client.h"
#include "ingot/dataset_run.h"
#include "ingot/dataset_versions.h"
#include "ingot/file_sets.h"
#include "ingot/output.h"

namespace ingot {
namespace {

constexpr std::string_view kDatasetLabel = "factory.ingot.dev/dataset";
constexpr int kTries = 5;  // for a version's number that others want as well

std::string datasets_path(const Place& place) { return place.path(kDatasetApi, "datasets"); }
std::string versions_path(const Place& place) { return place.path(kDatasetApi, "datasetversions"); }

api::JsonObject object_of(std::string_view kind, api::JsonObject metadata, api::JsonObject spec) {
  return {{"apiVersion", "factory.ingot.dev/v1alpha1"},
          {"kind", kind},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)}};
}

// The Dataset, made if it is not there. What is said of it must be what it is.
Result<api::Json> ensure_dataset(Client& client, const Place& place, const DatasetOptions& options) {
  auto found = client.get(datasets_path(place) + "/" + query_value(options.name));
  if (found) {
    const std::pair<std::string_view, const std::string*> told[] = {
        {"classification", &options.classification}, {"region", &options.region}};
    for (const auto& [field, said] : told)
      if (const auto is = api::string_at(*found, {"spec", field}); !said->empty() && is != *said)
        return fail(
            Reason::Conflict,
            fmt::format(
                "data set {} has {} \"{}\", not \"{}\"\n  change it with `kubectl edit dataset {}`, or "
                "leave the option out",
                options.name, field, is, *said, options.name));
    return found;
  }
  if (found.error().reason != Reason::NotFound) return found;
  api::JsonObject spec;
  if (!options.classification.empty()) spec["classification"] = options.classification;
  if (!options.region.empty()) spec["region"] = options.region;
  const api::Json dataset = object_of("Dataset", {{"name", options.name}}, std::move(spec));
  return client.call("POST", datasets_path(place), &dataset);
}

Result<api::Json> add_version(Client& client, const Place& place, const DatasetOptions& options,
                              const api::Json& dataset, const SentFiles& added, int64_t newest) {
  Result<api::Json> made = fail(Reason::Conflict, "");
  for (int i = 0; i < kTries && !made && made.error().reason == Reason::Conflict; ++i) {
    const int64_t number = newest + 1 + i;
    api::JsonObject metadata{
        {"name", fmt::format("{}-v{}", options.name, number)},
        {"labels", api::JsonObject{{kDatasetLabel, options.name}}},
        {"ownerReferences",
         api::JsonArray{api::JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                        {"kind", "Dataset"},
                                        {"name", options.name},
                                        {"uid", api::string_at(dataset, {"metadata", "uid"})}}}}};
    api::JsonObject spec{{"dataset", options.name},
                         {"version", number},
                         {"manifest", added.digest.text()},
                         {"files", int64_t(added.manifest.files.size())},
                         {"bytes", added.manifest.bytes()},
                         {"source", options.run.empty() ? options.path : "run:" + options.run}};
    if (!options.message.empty()) spec["message"] = options.message;
    const api::Json version = object_of("DatasetVersion", std::move(metadata), std::move(spec));
    made = client.call("POST", versions_path(place), &version);
  }
  return made;
}

}  // namespace

int dataset_add(const Common& common, const DatasetOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = place_of(*client, options.tenant, options.ns, "data set");
  if (!place) return failed(place.error());
  if (options.path.empty() && options.run.empty())
    return failed("what does it hold? name a PATH, or what a run left with --from-run");
  std::unique_ptr<RunArtifact> artifact;
  if (!options.run.empty()) {
    auto fetched = RunArtifact::fetch(*client, place->tenant, place->ns, options.run);
    if (!fetched) return failed(fetched.error());
    artifact = std::move(*fetched);
  }
  auto source = host::DatasetSource::open(artifact ? artifact->path() : options.path);
  if (!source) {
    std::string why =
        source.error().message;  // it is to name what was asked for, and not where that was unpacked
    if (const size_t at = artifact ? why.find(artifact->path()) : why.npos; at != why.npos)
      why.replace(at, artifact->path().size(), "artifact " + options.run);
    return failed(why);
  }
  auto dataset = ensure_dataset(*client, *place, options);
  if (!dataset) return failed(dataset.error());
  auto added = send_files(*client, place->tenant, *source);
  if (!added) return failed(added.error());
  auto before = versions_of(*client, *place, options.name);
  if (!before) return failed(before.error());
  const bool same =
      !before->empty() && api::string_at(before->back(), {"spec", "manifest"}) == added->digest.text();
  auto version = same ? Result<api::Json>(before->back())
                      : add_version(*client, *place, options, *dataset, *added,
                                    before->empty() ? 0 : number_of(before->back()));
  if (!version) return failed(version.error());
  if (common.json) {
    print_json(*version);
    return kOk;
  }
  const std::string what =
      fmt::format("{} v{}: {}, {}", options.name, number_of(*version),
                  files_text(int64_t(added->manifest.files.size())), size_text(added->manifest.bytes()));
  if (same)
    fmt::print("{}, unchanged\n", what);
  else
    fmt::print("{}, {} new\n", what, count_text(added->fresh));
  return kOk;
}

int dataset_list(const Common& common, const DatasetOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = place_of(*client, options.tenant, options.ns, "data set");
  if (!place) return failed(place.error());
  auto datasets = client->list(datasets_path(*place));
  if (!datasets) return failed(datasets.error());
  if (common.json) {
    print_json(*datasets);
    return kOk;
  }
  auto versions = versions_of(*client, *place, "");
  if (!versions) return failed(versions.error());
  std::map<std::string, const api::Json*> newest;
  for (const api::Json& version : *versions)
    newest[std::string(api::string_at(version, {"spec", "dataset"}))] = &version;
  Table table({"NAME", "CLASS", "REGION", "NEWEST", "FILES", "SIZE", "AGE"});
  table.right(4).right(5);
  for (const api::Json& dataset : *datasets) {
    const std::string name(api::string_at(dataset, {"metadata", "name"}));
    const api::Json* version = newest.contains(name) ? newest[name] : nullptr;
    table.row({name, std::string(api::string_at(dataset, {"spec", "classification"})),
               std::string(api::string_at(dataset, {"spec", "region"})),
               version ? fmt::format("v{}", number_of(*version)) : "none",
               version ? count_text(api::int_at(*version, {"spec", "files"}).value_or(0)) : "",
               version ? size_text(api::int_at(*version, {"spec", "bytes"}).value_or(0)) : "",
               age_of(dataset)});
  }
  table.print(fmt::format("no data set in namespace {} of {} yet", place->ns, place->tenant));
  return kOk;
}

int dataset_show(const Common& common, const DatasetOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = place_of(*client, options.tenant, options.ns, "data set");
  if (!place) return failed(place.error());
  auto dataset = client->get(datasets_path(*place) + "/" + query_value(options.name));
  if (!dataset) return failed(dataset.error());
  auto versions = versions_of(*client, *place, options.name);
  if (!versions) return failed(versions.error());
  if (common.json) {
    print_json(api::JsonObject{{"dataset", *dataset}, {"versions", *versions}});
    return kOk;
  }
  const std::string region(api::string_at(*dataset, {"spec", "region"}));
  fmt::print("{}   {}{}\n", options.name, api::string_at(*dataset, {"spec", "classification"}),
             region.empty() ? "" : ", " + region);
  Table table({"VERSION", "FILES", "SIZE", "MANIFEST", "AGE", "MESSAGE"});
  table.right(1).right(2);
  for (const api::Json& version : *versions)
    table.row({fmt::format("v{}", number_of(version)),
               count_text(api::int_at(version, {"spec", "files"}).value_or(0)),
               size_text(api::int_at(version, {"spec", "bytes"}).value_or(0)),
               std::string(api::string_at(version, {"spec", "manifest"}).substr(0, 19)), age_of(version),
               std::string(api::string_at(version, {"spec", "message"}))});
  table.print();
  return kOk;
}

int dataset_get(const Common& common, const DatasetOptions& options) {
  const auto wanted = read_wanted(options.name);
  if (!wanted) return failed(wanted.error());
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = place_of(*client, options.tenant, options.ns, "data set");
  if (!place) return failed(place.error());
  auto version = find_version(*client, *place, *wanted);
  if (!version) return failed(version.error());
  auto digest = Digest::parse(api::string_at(*version, {"spec", "manifest"}));
  if (!digest) return failed(digest.error());
  auto text = BlobClient(*client, place->tenant).get(*digest);
  if (!text) return failed(text.error());
  auto manifest = data::parse_manifest(*text);
  if (!manifest) return failed(manifest.error());
  if (auto fetched = fetch_files(*client, place->tenant, *manifest, options.path); !fetched)
    return failed(fetched.error());
  if (common.json) {
    print_json(*version);
    return kOk;
  }
  fmt::print("{} v{}: {}, {} in {}\n", wanted->name, number_of(*version),
             files_text(int64_t(manifest->files.size())), size_text(manifest->bytes()), options.path);
  return kOk;
}

}  // namespace ingot
