// ingot model import|export|diff
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

#include "api/model_names.h"
#include "host/disk_file.h"
#include "ingot/file_sets.h"
#include "ingot/model.h"
#include "ingot/output.h"
#include "registry/bundle.h"
#include "registry/statement.h"

namespace ingot {
namespace {

constexpr std::string_view kApi = "factory.ingot.dev/v1alpha1";

api::JsonObject object_of(std::string_view kind, api::JsonObject metadata, api::JsonObject spec) {
  return {{"apiVersion", kApi}, {"kind", kind}, {"metadata", std::move(metadata)}, {"spec", std::move(spec)}};
}

Result<api::Json> ensure_model(Client& client, const ModelPlace& place) {
  auto model = find_model(client, place);
  if (model || model.error().reason != Reason::NotFound) return model;
  const api::Json made = object_of("Model", {{"generateName", api::model_object_name(place.name) + "-"}},
                                   {{"name", place.name}});
  return client.call("POST", place.models(), &made);
}

// What a model brings from where it was made: kept as it is, judged by who verifies.
Result<api::JsonArray> send_attestations(Client& client, const std::string& tenant,
                                         const std::vector<std::string>& files) {
  api::JsonArray all;
  BlobClient blobs(client, tenant);
  for (const std::string& file : files) {
    auto text = host::read_file(file, registry::kLargestBundle);
    if (!text) return fail(text.error());
    auto bundle = registry::parse_bundle(*text);
    if (!bundle) return fail(Reason::Invalid, fmt::format("{}: {}", file, bundle.error().message));
    const Digest digest = Digest::of(*text);
    if (auto put = blobs.put(digest, *text); !put) return fail(put.error());
    all.push_back(api::JsonObject{{"digest", digest.text()},
                                  {"mediaType", registry::kBundleType},
                                  {"predicateType", registry::predicate_type(bundle->payload)}});
  }
  return all;
}

// Until the factory has said what it thinks of it.
Result<api::Json> settled(Client& client, const ModelPlace& place, const std::string& name) {
  const std::string path =
      place.versions() + "?watch=true&fieldSelector=metadata.name%3D" + query_value(name);
  api::Json last;
  auto watched = client.watch(path, [&](const api::Json& event) {
    last = *api::find(event, {"object"});
    const auto phase = api::string_at(last, {"status", "phase"});
    return phase != "Ready" && phase != "Failed";
  });
  if (!watched) return fail(watched.error());
  if (api::string_at(last, {"status", "phase"}) == "Failed")
    return fail(Reason::Invalid,
                fmt::format("{} failed: {}", name, api::string_at(last, {"status", "message"})));
  return last;
}

Result<data::Manifest> manifest_of(Client& client, const std::string& tenant, const api::Json& version) {
  auto digest = Digest::parse(api::string_at(version, {"spec", "manifest"}));
  if (!digest) return fail(digest.error());
  auto text = BlobClient(client, tenant).get(*digest);
  if (!text) return fail(text.error());
  return data::parse_manifest(*text);
}

Result<void> save_blob(Client& client, const std::string& tenant, std::string_view digest,
                       const std::string& path) {
  auto parsed = Digest::parse(digest);
  if (!parsed) return fail(parsed.error());
  auto text = BlobClient(client, tenant).get(*parsed);
  if (!text) return fail(text.error());
  return host::write_file(path, *text, 0644);
}

std::string beside(std::string path, std::string_view ending) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path + std::string(ending);
}

// What lies beside the files: what they can be verified with.
Result<std::vector<std::string>> save_papers(Client& client, const ModelPlace& place,
                                             const api::Json& version, const std::string& path) {
  std::vector<std::pair<std::string, std::string>> papers;
  papers.emplace_back(beside(path, ".manifest.json"), api::string_at(version, {"spec", "manifest"}));
  papers.emplace_back(beside(path, ".sig"), api::string_at(version, {"status", "signature"}));
  papers.emplace_back(beside(path, ".provenance.json"), api::string_at(version, {"status", "provenance"}));
  int n = 0;
  for (const api::Json& brought : api::array_at(version, {"spec", "attestations"}))
    papers.emplace_back(beside(path, fmt::format(".attestation-{}.json", ++n)),
                        api::string_at(brought, {"digest"}));
  std::vector<std::string> written;
  for (const auto& [file, digest] : papers) {
    if (digest.empty()) continue;
    if (auto saved = save_blob(client, place.tenant, digest, file); !saved) return fail(saved.error());
    written.push_back(file);
  }
  return written;
}

void print_changes(const char* what, const api::JsonObject& before, const api::JsonObject& after) {
  const auto text = [](const api::Json* value) {
    return value == nullptr     ? std::string("none")
           : value->is_string() ? std::string(value->get_string())
                                : api::to_text(*value);
  };
  std::map<std::string, bool> names;
  for (const auto& member : before) names[std::string(member.key().data(), member.key().size())];
  for (const auto& member : after) names[std::string(member.key().data(), member.key().size())];
  for (const auto& [name, unused] : names) {
    const std::string a = text(before.if_contains(name)), b = text(after.if_contains(name));
    if (a != b) fmt::print("{}  {}: {} -> {}\n", what, name, a, b);
  }
}

}  // namespace

int model_import(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, options, options.name);
  if (!place) return failed(place.error());
  if (!place->version.empty()) return failed("the factory numbers versions: name the model alone");
  if (const std::string fault = api::model_name_fault(place->name); !fault.empty())
    return failed("NAME: " + fault);
  auto source = host::DatasetSource::open(options.path);
  if (!source) return failed(source.error());
  auto manifest = hash_files(*source);
  if (!manifest) return failed(manifest.error());
  if (auto fine = registry::check_signable(*manifest); !fine) return failed(fine.error());
  auto sent = send_files(*client, place->tenant, *source, std::move(*manifest));
  if (!sent) return failed(sent.error());
  auto attestations = send_attestations(*client, place->tenant, options.attestations);
  if (!attestations) return failed(attestations.error());
  auto model = ensure_model(*client, *place);
  if (!model) return failed(model.error());
  const std::string object(api::string_at(*model, {"metadata", "name"}));
  api::JsonObject spec{{"model", object},
                       {"manifest", sent->digest.text()},
                       {"files", int64_t(sent->manifest.files.size())},
                       {"bytes", sent->manifest.bytes()},
                       {"source", options.source.empty() ? options.path : options.source},
                       {"origin", "import"}};
  if (!attestations->empty()) spec["attestations"] = *attestations;
  if (!options.description.empty()) spec["description"] = options.description;
  const api::Json asked = object_of("ModelVersion", {{"generateName", object + "-v"}}, std::move(spec));
  auto made = client->call("POST", place->versions(), &asked);
  if (!made) return failed(made.error());
  auto version = settled(*client, *place, std::string(api::string_at(*made, {"metadata", "name"})));
  if (!version) return failed(version.error());
  if (common.json) {
    print_json(*version);
    return kOk;
  }
  fmt::print("{} v{}: {}, {}, of unsigned origin{}\n", place->name, model_number(*version),
             files_text(int64_t(sent->manifest.files.size())), size_text(sent->manifest.bytes()),
             attestations->empty() ? ""
                                   : fmt::format(", with {} attestation{}", attestations->size(),
                                                 attestations->size() == 1 ? "" : "s"));
  return kOk;
}

int model_export(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, options, options.name);
  if (!place) return failed(place.error());
  auto version = find_model_version(*client, *place);
  if (!version) return failed(version.error());
  auto manifest = manifest_of(*client, place->tenant, *version);
  if (!manifest) return failed(manifest.error());
  if (auto fetched = fetch_files(*client, place->tenant, *manifest, options.path); !fetched)
    return failed(fetched.error());
  auto papers = save_papers(*client, *place, *version, options.path);
  if (!papers) return failed(papers.error());
  if (common.json) {
    print_json(*version);
    return kOk;
  }
  fmt::print("{} v{}: {}, {} in {}\n", place->name, model_number(*version),
             files_text(int64_t(manifest->files.size())), size_text(manifest->bytes()), options.path);
  for (const std::string& paper : *papers) fmt::print("  {}\n", paper);
  return kOk;
}

int model_diff(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  std::vector<api::Json> versions;
  std::vector<data::Manifest> manifests;
  for (const std::string& name : {options.name, options.other}) {
    auto place = model_place(*client, options, name);
    if (!place) return failed(place.error());
    auto version = find_model_version(*client, *place);
    if (!version) return failed(version.error());
    auto manifest = manifest_of(*client, place->tenant, *version);
    if (!manifest) return failed(manifest.error());
    versions.push_back(std::move(*version));
    manifests.push_back(std::move(*manifest));
  }
  std::map<std::string, std::pair<const data::ManifestFile*, const data::ManifestFile*>> files;
  for (const data::ManifestFile& file : manifests[0].files) files[file.name].first = &file;
  for (const data::ManifestFile& file : manifests[1].files) files[file.name].second = &file;
  api::JsonObject changed;
  for (const auto& [name, both] : files) {
    const char* what = both.first == nullptr                       ? "added"
                       : both.second == nullptr                    ? "removed"
                       : both.first->digest != both.second->digest ? "changed"
                                                                   : nullptr;
    if (what != nullptr) changed[name] = what;
  }
  if (common.json) {
    print_json(api::JsonObject{{"before", versions[0]}, {"after", versions[1]}, {"files", changed}});
    return kOk;
  }
  const auto of = [&](const api::Json& version, std::string_view field) -> const api::JsonObject& {
    return api::object_at(version, {"spec", "provenanceOf", field});
  };
  for (const std::string_view field : {"commit", "workflow", "node"}) {
    const auto a = api::string_at(versions[0], {"spec", "provenanceOf", field}),
               b = api::string_at(versions[1], {"spec", "provenanceOf", field});
    if (a != b) fmt::print("{}  {} -> {}\n", field, a.empty() ? "none" : a, b.empty() ? "none" : b);
  }
  print_changes("parameter", of(versions[0], "parameters"), of(versions[1], "parameters"));
  print_changes("metric", of(versions[0], "metrics"), of(versions[1], "metrics"));
  for (const auto& member : changed)
    fmt::print("{}  {}\n", std::string_view(member.value().get_string()),
               std::string_view(member.key().data(), member.key().size()));
  if (changed.empty()) fmt::print("the files are the same\n");
  return kOk;
}

}  // namespace ingot
