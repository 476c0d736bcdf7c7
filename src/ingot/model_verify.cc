// ingot model verify|sign
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "host/certificate.h"
#include "host/disk_file.h"
#include "host/ecdsa.h"
#include "ingot/file_sets.h"
#include "ingot/model.h"
#include "ingot/output.h"
#include "registry/bundle.h"
#include "registry/statement.h"

namespace ingot {
namespace {

struct TrustedKey {
  std::string id;
  host::PkeyPtr key;
};
using Keys = std::vector<TrustedKey>;

std::string beside(std::string path, std::string_view ending) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path + std::string(ending);
}

Result<void> trust(Keys& keys, std::string_view pem, const std::string& from) {
  auto key = host::parse_public_key(pem);
  if (!key) return fail(Reason::Invalid, fmt::format("{}: {}", from, key.error().message));
  std::string id = host::key_hint(key->get());
  keys.push_back({std::move(id), std::move(*key)});
  return {};
}

Result<Keys> read_keys(const std::vector<std::string>& files) {
  Keys keys;
  for (const std::string& file : files) {
    auto pem = host::read_file(file);
    if (!pem) return fail(pem.error());
    if (auto trusted = trust(keys, *pem, file); !trusted) return fail(trusted.error());
  }
  return keys;
}

Result<Keys> keys_of_factory(Client& client, const std::string& tenant) {
  auto listed = factory_keys(client, tenant);
  if (!listed) return fail(listed.error());
  Keys keys;
  for (const env::SigningKey& key : *listed)
    if (auto trusted = trust(keys, key.pem, "a key of the factory"); !trusted) return fail(trusted.error());
  return keys;
}

struct Checked {
  registry::Envelope envelope;
  std::string key_id;
};
// Signed by one of `keys`, whatever it says of itself.
Result<Checked> check_bundle(std::string_view text, const Keys& keys, const std::string& from) {
  auto envelope = registry::parse_bundle(text);
  if (!envelope) return fail(Reason::Invalid, fmt::format("{}: {}", from, envelope.error().message));
  const std::string message = registry::pre_authentication(envelope->payload);
  for (const TrustedKey& key : keys)
    if (host::verify_ecdsa(key.key.get(), message, envelope->signature))
      return Checked{std::move(*envelope), key.id};
  const bool known =
      std::ranges::any_of(keys, [&](const TrustedKey& key) { return key.id == envelope->hint; });
  return fail(Reason::Invalid,
              known ? fmt::format("{}: the signature is wrong: what was signed was changed", from)
                    : fmt::format("{}: none of the trusted keys signed it; it names key {}", from,
                                  envelope->hint.empty() ? "none" : short_key(envelope->hint)));
}

Result<void> check_model(const registry::Envelope& envelope, const data::Manifest& found, std::string& name) {
  auto statement = registry::parse_statement(envelope.payload);
  if (!statement) return fail(statement.error());
  name = statement->name;
  const std::string difference = registry::difference(*statement, found);
  if (difference.empty()) return {};
  return fail(Reason::Invalid, "these are not the files that were signed\n" + difference);
}

// Provenance of these very files: of another model's it would say nothing.
Result<void> check_provenance(const registry::Envelope& envelope, const data::Manifest& found,
                              const std::string& from) {
  if (registry::predicate_type(envelope.payload) != registry::kProvenancePredicate)
    return fail(Reason::Invalid, fmt::format("{}: it is no SLSA provenance", from));
  const Digest digest = Digest::of(data::to_text(found));
  const auto subjects = registry::subjects(envelope.payload);
  if (std::ranges::find(subjects, digest) == subjects.end())
    return fail(Reason::Invalid, fmt::format("{}: it is the provenance of other files", from));
  return {};
}

struct Story {
  std::string commit, workflow, run, node;
};
Story story_of(std::string_view payload) {
  Story story;
  const auto said = api::parse_json(payload);
  if (!said) return story;
  const api::Json* build = api::find(*said, {"predicate", "buildDefinition"});
  if (!build) return story;
  for (const api::Json& from : api::array_at(*build, {"resolvedDependencies"}))
    if (const auto commit = api::string_at(from, {"digest", "gitCommit"}); !commit.empty())
      story.commit = commit;
  story.workflow = api::string_at(*build, {"internalParameters", "workflow"});
  story.run = api::string_at(*build, {"internalParameters", "run"});
  story.node = api::string_at(*build, {"internalParameters", "node"});
  return story;
}

int tell(const Common& common, const std::string& name, const Checked& checked, const data::Manifest& found,
         const std::optional<Checked>& provenance) {
  const Story story = provenance ? story_of(provenance->envelope.payload) : Story{};
  if (common.json) {
    api::JsonObject all{{"verified", true},
                        {"model", name},
                        {"keyId", checked.key_id},
                        {"files", int64_t(found.files.size())},
                        {"bytes", found.bytes()}};
    if (provenance)
      all["provenance"] = api::JsonObject{
          {"commit", story.commit}, {"workflow", story.workflow}, {"run", story.run}, {"node", story.node}};
    print_json(all);
    return kOk;
  }
  fmt::print("{}: {}, {}, as they were signed with key {}\n", name, files_text(int64_t(found.files.size())),
             size_text(found.bytes()), short_key(checked.key_id));
  if (!provenance) return kOk;
  std::string text;
  const auto add = [&](std::string_view what, std::string_view value) {
    if (!value.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : "   ", what, value);
  };
  add("run", story.run);
  add("commit", std::string_view(story.commit).substr(0, 12));
  add("workflow", story.workflow);
  add("node", story.node);
  fmt::print("  made by   {}\n", text.empty() ? "nobody knows: it says nothing" : text);
  return kOk;
}

int verify_files(const Common& common, const ModelOptions& options) {
  Result<Keys> keys = read_keys(options.keys);
  if (keys && keys->empty()) {
    auto client = Client::open(common);
    if (!client)
      return failed(
          "with which key? name the public key with --key FILE; `ingot model key export` writes the "
          "factory's");
    auto place = model_place(*client, options, "x");
    keys = place ? keys_of_factory(*client, place->tenant) : keys_of_factory(*client, "root");
  }
  if (!keys) return failed(keys.error());
  const std::string bundle = options.bundle.empty() ? beside(options.name, ".sig") : options.bundle;
  auto text = host::read_file(bundle, registry::kLargestBundle);
  if (!text && text.error().reason == Reason::NotFound)
    return failed(fmt::format("{} has no signature: {} is not there\n  name it with --bundle FILE",
                              options.name, bundle));
  if (!text) return failed(text.error());
  auto checked = check_bundle(*text, *keys, bundle);
  if (!checked) return failed(checked.error());
  auto source = host::DatasetSource::open(options.name);
  if (!source) return failed(source.error());
  auto found = hash_files(*source);
  if (!found) return failed(found.error());
  std::string name;
  if (auto same = check_model(checked->envelope, *found, name); !same) return failed(same.error());
  std::optional<Checked> provenance;
  const std::string paper = beside(options.name, ".provenance.json");
  if (auto said = host::read_file(paper, registry::kLargestBundle); said) {
    auto made = check_bundle(*said, *keys, paper);
    if (!made) return failed(made.error());
    if (auto fits = check_provenance(made->envelope, *found, paper); !fits) return failed(fits.error());
    provenance = std::move(*made);
  } else if (said.error().reason != Reason::NotFound) {
    return failed(said.error());
  }
  return tell(common, name, *checked, *found, provenance);
}

Result<std::string> blob_text(Client& client, const std::string& tenant, std::string_view digest) {
  auto parsed = Digest::parse(digest);
  if (!parsed) return fail(parsed.error());
  return BlobClient(client, tenant).get(*parsed);
}

// What it brought that one of the keys signed, and that is about these files.
Result<Checked> brought(Client& client, const std::string& tenant, const api::Json& version, const Keys& keys,
                        const data::Manifest& found, std::string& name) {
  Error last{
      .reason = Reason::Invalid,
      .message = fmt::format("{} is of unsigned origin: {}", api::string_at(version, {"metadata", "name"}),
                             keys.empty() ? "the factory did not see it being made\n  verify what it brought "
                                            "with the key of who signed it: --key FILE"
                                          : "it brought no signature by the trusted keys")};
  if (keys.empty()) return fail(std::move(last));
  for (const api::Json& one : api::array_at(version, {"spec", "attestations"})) {
    auto text = blob_text(client, tenant, api::string_at(one, {"digest"}));
    if (!text) return fail(text.error());
    auto checked = check_bundle(*text, keys, "an attestation");
    if (!checked) continue;
    if (auto same = check_model(checked->envelope, found, name); same)
      return checked;
    else
      last = same.error();
  }
  return fail(std::move(last));
}

int verify_version(const Common& common, const ModelOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = model_place(*client, options, options.name);
  if (!place) return failed(place.error());
  auto version = find_model_version(*client, *place);
  if (!version) return failed(version.error());
  auto keys = read_keys(options.keys);
  if (!keys) return failed(keys.error());
  if (keys->empty() && !unsigned_origin(*version)) keys = keys_of_factory(*client, place->tenant);
  if (!keys) return failed(keys.error());
  auto text = blob_text(*client, place->tenant, api::string_at(*version, {"spec", "manifest"}));
  auto manifest = text ? data::parse_manifest(*text) : fail(text.error());
  if (!manifest) return failed(manifest.error());
  if (auto whole = check_files(*client, place->tenant, *manifest); !whole) return failed(whole.error());
  std::string name;
  if (unsigned_origin(*version)) {
    auto checked = brought(*client, place->tenant, *version, *keys, *manifest, name);
    if (!checked) return failed(checked.error());
    return tell(common, name, *checked, *manifest, std::nullopt);
  }
  auto signature = blob_text(*client, place->tenant, api::string_at(*version, {"status", "signature"}));
  auto checked = signature ? check_bundle(*signature, *keys, "the signature") : fail(signature.error());
  if (!checked) return failed(checked.error());
  if (auto same = check_model(checked->envelope, *manifest, name); !same) return failed(same.error());
  auto said = blob_text(*client, place->tenant, api::string_at(*version, {"status", "provenance"}));
  auto made = said ? check_bundle(*said, *keys, "the provenance") : fail(said.error());
  if (!made) return failed(made.error());
  if (auto fits = check_provenance(made->envelope, *manifest, "the provenance"); !fits)
    return failed(fits.error());
  return tell(common, name, *checked, *manifest, *made);
}

}  // namespace

int model_verify(const Common& common, const ModelOptions& options) {
  std::error_code error;
  return std::filesystem::exists(options.name, error) ? verify_files(common, options)
                                                      : verify_version(common, options);
}

int model_sign(const Common& common, const ModelOptions& options) {
  if (options.keys.size() != 1) return failed("with which key? name one private key with --key FILE");
  auto pem = host::read_file(options.keys.front());
  if (!pem) return failed(pem.error());
  auto key = host::parse_key(*pem);
  if (!key) return failed(fmt::format("{}: {}", options.keys.front(), key.error().message));
  if (auto fits = host::parse_public_key(host::public_pem(key->get())); !fits) return failed(fits.error());
  auto source = host::DatasetSource::open(options.path);
  if (!source) return failed(source.error());
  auto found = hash_files(*source);
  if (!found) return failed(found.error());
  if (auto fine = registry::check_signable(*found); !fine) return failed(fine.error());
  const std::string name = std::filesystem::path(beside(options.path, "")).filename();
  registry::Envelope envelope{
      .payload = registry::to_statement(name, *found), .signature = {}, .hint = host::key_hint(key->get())};
  auto der = host::sign_ecdsa(key->get(), registry::pre_authentication(envelope.payload));
  if (!der) return failed(der.error());
  envelope.signature = std::move(*der);
  const std::string path = options.bundle.empty() ? beside(options.path, ".sig") : options.bundle;
  if (auto written = host::write_file(path, registry::to_bundle(envelope), 0644); !written)
    return failed(written.error());
  if (common.json) {
    print_json(
        api::JsonObject{{"bundle", path}, {"keyId", envelope.hint}, {"files", int64_t(found->files.size())}});
    return kOk;
  }
  fmt::print("{}: {}, {}, signed with key {} in {}\n", name, files_text(int64_t(found->files.size())),
             size_text(found->bytes()), short_key(envelope.hint), path);
  return kOk;
}

}  // namespace ingot
