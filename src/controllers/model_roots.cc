#include "api/json.h"
#include "api/model_names.h"
#include "controllers/blob_roots.h"

namespace ingot::controllers {
namespace {

// What versions were signed with, and what brought ones carry: blobs that name no others.
class ModelBundles final : public BlobRoots {
 public:
  void named(const store::Turn& turn, const ClusterId& cluster, const VisitDigest& visit) const override {
    const auto maybe = [&](std::string_view text) {
      if (const auto digest = Digest::parse(text)) visit(*digest);
    };
    turn.range(api::type_prefix(cluster, api::kModelVersions), "", [&](const api::ObjectPtr& object) {
      const api::Json version = object->parse();
      maybe(api::string_at(version, {"status", "signature"}));
      maybe(api::string_at(version, {"status", "provenance"}));
      for (const api::Json& brought : api::array_at(version, {"spec", "attestations"}))
        maybe(api::string_at(brought, {"digest"}));
      return true;
    });
  }
  Result<void> follow(env::Blobs&, const ClusterId&, const std::vector<Digest>&,
                      const VisitDigest&) const override {
    return {};
  }
};

}  // namespace

std::unique_ptr<BlobRoots> model_bundle_roots() { return std::make_unique<ModelBundles>(); }

}  // namespace ingot::controllers
