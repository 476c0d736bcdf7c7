// A pod's volumes: what they contain (pure) and making them (Files). Thread rule: the loop.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "node/config.h"
#include "node/environment.h"
#include "node/pod.h"
#include "node/runtime.h"

namespace ingot::node {

inline constexpr size_t kMaxVolumeBytes = size_t{8} << 20;  // of a rendered volume

struct EmptyVolume {
  bool memory = false;
  int64_t size_limit_bytes = 0;
  bool operator==(const EmptyVolume&) const = default;
};
struct FileVolume {
  std::map<std::string, Files::Entry> files;  // relative path → bytes
  bool memory = false;                        // holds secrets
};
// The files of a data set's version, which the runtime makes (Runtime::datasets).
struct DatasetVolume {
  Digest manifest;
  bool operator==(const DatasetVolume&) const = default;
};
using VolumeContent = std::variant<EmptyVolume, FileVolume, DatasetVolume>;

// What `volume` (an entry of spec.volumes) holds. Errors name the volume and what is missing or not supported.
Result<VolumeContent> content_of(const Pod&, const api::Json& volume, const PodConfig&, const NodeFacts&);

// The volumes of one pod on disk. sync() makes what is missing and rewrites what changed; empty ones are made once.
class PodVolumes {
 public:
  explicit PodVolumes(Files& files) : files_(files) {}
  Result<void> sync(const Pod&, const PodConfig&, const NodeFacts&);
  // Manifests of data sets that sync() needs and does not have yet; and where one of them is.
  std::vector<Digest> missing_datasets(const Pod&, const PodConfig&) const;
  void put_dataset(const Digest& manifest, std::string host_path) {
    datasets_.insert_or_assign(manifest, std::move(host_path));
  }
  // The mounts of a container; needs a sync() without error.
  Result<std::vector<Mount>> mounts(const Pod&, const ContainerDef&, const Environment&) const;

 private:
  struct Made {
    std::string host_path;
    std::string fingerprint;  // of the content, so that nothing unchanged is written again
    bool writable = false;
  };
  Files& files_;
  std::map<std::string, Made> made_;
  std::map<Digest, std::string> datasets_;
};

}  // namespace ingot::node
