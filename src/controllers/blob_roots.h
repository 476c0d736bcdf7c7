// Which blobs the objects of a cluster hold. Whoever stores digests in objects implements this, so that the sweep
// (blob_keeper.h) leaves what they name alone.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "env/blobs.h"
#include "store/shard.h"

namespace ingot::controllers {

using VisitDigest = std::function<void(const Digest&)>;

struct BlobRoots {
  virtual ~BlobRoots() = default;
  // On the loop, in a turn: every digest that the cluster's objects name.
  virtual void named(const store::Turn&, const ClusterId&, const VisitDigest&) const = 0;
  // Off the loop: what the blobs of those digests name themselves. A blob that is not there or says nothing names
  // nothing; any other error keeps everything of the cluster for this time.
  virtual Result<void> follow(env::Blobs&, const ClusterId&, const std::vector<Digest>& named,
                              const VisitDigest&) const = 0;
};

// DatasetVersions: their manifests, and the files in those.
std::unique_ptr<BlobRoots> dataset_roots();
// Versions of models: likewise; and their bundles.
std::unique_ptr<BlobRoots> model_roots();
std::unique_ptr<BlobRoots> model_bundle_roots();
// Scans of images: their reports. In root.
std::unique_ptr<BlobRoots> scan_roots();
// Artifacts of workflows: what templates and arguments name, what the nodes of runs were given and left, and what pods of
// steps have told and no node knows yet. Until the Workflow is gone.
std::unique_ptr<BlobRoots> artifact_roots();

}  // namespace ingot::controllers
