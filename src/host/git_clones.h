// What is kept of remotes: a directory a repository beneath one root, and how much those of a cluster take together.
// Any thread; waits for a disk. Invariant: what a cluster's clones take is known of each that was looked at or kept.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "env/blobs.h"
#include "env/git.h"
#include "host/disk_file.h"

namespace ingot::host {

class GitClones {
 public:
  // Of a cluster without a limit of its own, its clones together.
  static constexpr int64_t kMostOfOne = int64_t(8) << 30;

  GitClones(Fd root, env::Blobs& blobs) : root_(std::move(root)), blobs_(blobs) {}

  // The repository's directory, made where there is none, for a user that has no other.
  Result<Fd> open(const std::string& repository);
  // Looks how much the repository takes, and notes it.
  int64_t measure(const ClusterId&, const std::string& repository);

  struct Room {
    int64_t left = 0, held = 0, limit = 0;  // limit: of clones and blobs together where the tenant has one
    bool of_tenant = false;
  };
  // What the cluster's clones may still grow by: up to its spec.storage.limit together with its blobs, else to kMostOfOne.
  Room room(const ClusterId&);
  int64_t disk_left() const;

  void forget(const std::string& repository);
  // All others are removed.
  void keep(const std::vector<env::GitKept>&);

 private:
  int64_t bytes_of(const std::string& repository) const;

  const Fd root_;
  env::Blobs& blobs_;
  std::mutex mutex_;
  struct Held {
    ClusterId cluster;
    int64_t bytes = 0;
  };
  std::map<std::string, Held> held_;  // guarded
};

}  // namespace ingot::host
