#include "registry/sealing.h"

#include <fmt/format.h>

#include "registry/bundle.h"
#include "registry/statement.h"

namespace ingot::registry {
namespace {

using api::int_at;
using api::Json;
using api::string_at;

Result<data::Manifest> manifest_of(env::Blobs& blobs, const ClusterId& cluster, const Json& version,
                                   const Digest& digest) {
  const auto text = env::get_blob(blobs, cluster, digest, data::kLargestManifest);
  if (!text && text.error().reason == Reason::NotFound)
    return fail(Reason::NotFound,
                fmt::format("spec.manifest: there is no blob {}: upload it first", digest.text()));
  if (!text) return fail(text.error());
  auto manifest = data::parse_manifest(*text);
  if (!manifest) return fail(Reason::Invalid, "spec.manifest: " + manifest.error().message);
  const int64_t files = int64_t(manifest->files.size());
  if (int_at(version, {"spec", "files"}).value_or(0) != files)
    return fail(Reason::Invalid, fmt::format("spec.files: the manifest lists {}", files));
  if (int_at(version, {"spec", "bytes"}).value_or(0) != manifest->bytes())
    return fail(Reason::Invalid, fmt::format("spec.bytes: the manifest's files have {}", manifest->bytes()));
  for (const data::ManifestFile& file : manifest->files) {
    const auto there = blobs.stat(cluster, file.digest);
    if (!there && there.error().reason == Reason::NotFound)
      return fail(Reason::NotFound, fmt::format("{} is not there: upload it first", file.name));
    if (!there) return fail(there.error());
    if (there->bytes != file.bytes)
      return fail(Reason::Invalid, fmt::format("{} has {} bytes, and {} in the manifest", file.name,
                                               there->bytes, file.bytes));
  }
  return manifest;
}

Result<std::string> signed_blob(env::Blobs& blobs, env::Signer& signer, const ClusterId& cluster,
                                std::string payload, std::string& key_id) {
  auto made = signer.sign(pre_authentication(payload));
  if (!made) return fail(made.error());
  key_id = made->key_id;
  auto stored = env::put_blob(blobs, cluster, to_bundle({std::move(payload), made->der, made->key_id}));
  if (!stored) return fail(stored.error());
  return stored->digest.text();
}

}  // namespace

Result<Sealed> seal(env::Blobs& blobs, env::Signer& signer, const ClusterId& cluster, const Json& version,
                    const Made& made, const std::string& factory) {
  const auto digest = Digest::parse(string_at(version, {"spec", "manifest"}));
  if (!digest) return fail(Reason::Invalid, "spec.manifest: " + digest.error().message);
  const auto manifest = manifest_of(blobs, cluster, version, *digest);
  if (!manifest) return fail(manifest.error());
  if (auto fine = check_signable(*manifest); !fine) return fail(fine.error());
  if (string_at(version, {"spec", "origin"}) != "run") {
    for (const Json& brought : api::array_at(version, {"spec", "attestations"})) {
      const auto bundle = Digest::parse(string_at(brought, {"digest"}));
      if (!bundle || !blobs.stat(cluster, *bundle))
        return fail(Reason::NotFound, fmt::format("spec.attestations: there is no blob {}: upload it first",
                                                  string_at(brought, {"digest"})));
    }
    return Sealed{};
  }
  Sealed sealed;
  std::string provenance = to_provenance(version, made, *manifest, *digest, factory);
  if (const auto said = api::parse_json(provenance))
    sealed.build = api::object_at(*said, {"predicate", "buildDefinition"});
  auto signature =
      signed_blob(blobs, signer, cluster, to_statement(string_at(version, {"metadata", "name"}), *manifest),
                  sealed.key_id);
  if (!signature) return fail(signature.error());
  auto attested = signed_blob(blobs, signer, cluster, std::move(provenance), sealed.key_id);
  if (!attested) return fail(attested.error());
  sealed.signature = std::move(*signature);
  sealed.provenance = std::move(*attested);
  return sealed;
}

}  // namespace ingot::registry
