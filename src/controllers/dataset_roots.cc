#include "api/json.h"
#include "api/model_names.h"
#include "controllers/blob_roots.h"
#include "data/manifest.h"

namespace ingot::controllers {
namespace {

// Versions whose `spec.manifest` names a list of files.
class ManifestRoots final : public BlobRoots {
 public:
  explicit ManifestRoots(std::string_view versions) : versions_(versions) {}

  void named(const store::Turn& turn, const ClusterId& cluster, const VisitDigest& visit) const override {
    turn.range(api::type_prefix(cluster, versions_), "", [&](const api::ObjectPtr& version) {
      if (const auto digest = Digest::parse(api::string_at(version->parse(), {"spec", "manifest"})))
        visit(*digest);
      return true;
    });
  }

  Result<void> follow(env::Blobs& blobs, const ClusterId& cluster, const std::vector<Digest>& named,
                      const VisitDigest& visit) const override {
    for (const Digest& digest : named) {
      const auto text = env::get_blob(blobs, cluster, digest, data::kLargestManifest);
      if (!text) {
        if (text.error().reason == Reason::InternalError) return fail(text.error());
        continue;
      }
      const auto manifest = data::parse_manifest(*text);
      if (!manifest) continue;
      for (const data::ManifestFile& file : manifest->files) visit(file.digest);
    }
    return {};
  }

 private:
  const std::string_view versions_;
};

class ReportRoots final : public BlobRoots {
 public:
  void named(const store::Turn& turn, const ClusterId& cluster, const VisitDigest& visit) const override {
    turn.range(api::type_prefix(cluster, "imagescans.factory.ingot.dev"), "",
               [&](const api::ObjectPtr& scan) {
                 if (const auto digest = Digest::parse(api::string_at(scan->parse(), {"spec", "report"})))
                   visit(*digest);
                 return true;
               });
  }
  Result<void> follow(env::Blobs&, const ClusterId&, const std::vector<Digest>&,
                      const VisitDigest&) const override {
    return {};
  }
};

}  // namespace

std::unique_ptr<BlobRoots> scan_roots() { return std::make_unique<ReportRoots>(); }
std::unique_ptr<BlobRoots> dataset_roots() {
  return std::make_unique<ManifestRoots>("datasetversions.factory.ingot.dev");
}
std::unique_ptr<BlobRoots> model_roots() { return std::make_unique<ManifestRoots>(api::kModelVersions); }

}  // namespace ingot::controllers
