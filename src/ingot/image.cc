// ingot image load
#include <fmt/format.h>

#include "base/encoding.h"
#include "host/containerd.h"
#include "host/images.h"
#include "host/machine_names.h"
#include "ingot/client.h"
#include "ingot/output.h"

namespace ingot {
namespace {

// "<tenant or shared>.<first 16 hex digits of the reference's SHA-256>": one object for one reference.
std::string object_name(const std::string& tenant, const std::string& reference) {
  return fmt::format("{}.{}", tenant.empty() ? "shared" : tenant, hex(sha256(reference)).substr(0, 16));
}

Result<void> record(Client& client, const std::string& tenant, const std::string& reference,
                    const std::string& digest) {
  const std::string name = object_name(tenant, reference);
  api::Json image = api::JsonObject{
      {"apiVersion", "factory.ingot.dev/v1alpha1"},
      {"kind", "Image"},
      {"metadata", api::JsonObject{{"name", name}}},
      {"spec", api::JsonObject{{"tenant", tenant}, {"reference", reference}, {"digest", digest}}}};
  const std::string path = fmt::format("{}/images/{}", kFactoryApi, name);
  auto before = client.get(path);
  if (!before && before.error().reason != Reason::NotFound) return fail(before.error());
  if (before) {
    if (api::string_at(*before, {"spec", "digest"}) == digest) return {};
    api::set(image, {"metadata", "resourceVersion"},
             api::string_at(*before, {"metadata", "resourceVersion"}));
  }
  auto written = before ? client.call("PUT", path, &image)
                        : client.call("POST", fmt::format("{}/images", kFactoryApi), &image);
  if (!written) return fail(written.error());
  return {};
}

}  // namespace

int image_load(const Common& common, const ImageOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  if (!options.tenant.empty()) {
    auto tenant = client->get(fmt::format("{}/tenants/{}", kFactoryApi, query_value(options.tenant)));
    if (!tenant) return failed(tenant.error());
  }
  auto programs = host::find_container_programs();
  if (!programs) return failed(programs.error());
  const host::MachinePaths paths{common.data};
  auto image = host::load_image({.socket = paths.socket(), .ctr = programs->ctr}, options.file);
  if (!image) return failed(image.error());
  if (image->references.empty())
    return failed(
        fmt::format("{} names no image: give it a name when it is made, such as train:1", options.file));
  for (const std::string& reference : image->references)
    if (auto kept = record(*client, options.tenant, reference, image->digest); !kept)
      return failed(kept.error());
  if (common.json) {
    api::JsonArray references(image->references.begin(), image->references.end());
    print_json(
        api::JsonObject{{"digest", image->digest}, {"references", references}, {"tenant", options.tenant}});
    return kOk;
  }
  for (const std::string& reference : image->references)
    fmt::print("image {} loaded for {}   {}\n", reference,
               options.tenant.empty() ? "every tenant" : options.tenant, image->digest.substr(0, 19));
  return kOk;
}

}  // namespace ingot
