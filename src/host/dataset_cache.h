// Versions of data sets as directories that pods of this machine mount: DATA/datasets/CLUSTER/versions/MANIFEST, each of whose
// files is another name of DATA/datasets/CLUSTER/files/DIGEST, so that what versions share lies here once. Every byte's digest
// was checked on the way in; nobody may change them.
//
// A pod that mounts one has a mark beneath its own directory, and goes with its mark; what has none stays for a while and then
// goes, at once where the disk has little room. Thread rule: the loop; stopped there, then destroyed by another thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "env/blobs.h"
#include "env/env.h"
#include "host/fair_crew.h"
#include "node/runtime.h"

namespace ingot::host {

struct DatasetCacheOptions {
  Duration every = std::chrono::minutes(10);
  Duration unused = std::chrono::hours(24);
  int64_t room = int64_t(10) << 30;  // where the disk has less than this, what is unused goes at once
};

class DatasetCache {
 public:
  // Beneath `data`; marks are looked for in data/nodes/NODE/pods/POD/datasets.
  DatasetCache(const env::Clock&, env::Loop&, env::Log&, env::Blobs&, std::string data,
               DatasetCacheOptions = {});
  void stop();  // on the loop, before it is destroyed: no more rounds

  void prepare(node::DatasetsWanted, node::Callback<std::vector<std::string>>);
  // What nobody uses; how many versions went. Blocks; any thread.
  int sweep();

 private:
  void next_round();
  Result<std::string> version(const node::DatasetsWanted&, const Digest&);
  Result<void> make(const std::string& cluster, const Digest&, const std::string& to, const node::Stop&);
  Result<void> file(const std::string& cluster, const Digest&, const std::string& to);
  std::set<std::string> marked() const;  // "CLUSTER.MANIFEST"

  const env::Clock& clock_;
  env::Loop& loop_;
  env::Log& log_;
  env::Blobs& blobs_;
  const std::string data_, root_;
  const DatasetCacheOptions options_;
  std::mutex mutex_;  // over what is there, and marks
  std::condition_variable made_;
  std::set<std::string> making_;  // guarded
  uint64_t fresh_ = 0;            // guarded
  env::TimerId timer_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  FairCrew crew_;
};

}  // namespace ingot::host
