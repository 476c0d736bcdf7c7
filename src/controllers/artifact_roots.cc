#include "controllers/blob_roots.h"

namespace ingot::controllers {
namespace {

// What may hold locations of artifacts: pods in annotations, ConfigMaps as what memoize remembers.
constexpr std::string_view kResources[] = {"workflows.argoproj.io",
                                           "workflownodes",
                                           "cronworkflows.argoproj.io",
                                           "workflowtemplates.argoproj.io",
                                           "pods",
                                           "clusterworkflowtemplates.argoproj.io",
                                           "configmaps",
                                           "datasets.factory.ingot.dev"};
constexpr std::string_view kKey = "sha256/";  // before the digits, in `s3: {key}`
constexpr size_t kDigits = 64;

class ArtifactRoots final : public BlobRoots {
 public:
  // By their text: a location may be JSON in JSON, and one too many keeps a blob, one too few loses it.
  void named(const store::Turn& turn, const ClusterId& cluster, const VisitDigest& visit) const override {
    for (const std::string_view resource : kResources)
      turn.range(api::type_prefix(cluster, resource), "", [&](const api::ObjectPtr& object) {
        const std::string_view text = object->json;
        for (size_t at = text.find(kKey); at != text.npos; at = text.find(kKey, at + 1))
          if (const auto digest = Digest::parse_hex(text.substr(at + kKey.size(), kDigits))) visit(*digest);
        return true;
      });
  }
  Result<void> follow(env::Blobs&, const ClusterId&, const std::vector<Digest>&,
                      const VisitDigest&) const override {
    return {};
  }
};

}  // namespace

std::unique_ptr<BlobRoots> artifact_roots() { return std::make_unique<ArtifactRoots>(); }

}  // namespace ingot::controllers
