// Artifacts of the steps that run on this machine, brought and kept, and the requests that steps are: by crews that are fair
// among tenants. Thread rule: the loop; destroyed by another thread.
#pragma once

#include "env/blobs.h"
#include "host/artifact_in.h"
#include "host/container_view.h"
#include "host/fair_crew.h"
#include "node/runtime.h"

namespace ingot::host {

class Artifacts final : public node::ArtifactStore {
 public:
  Artifacts(env::Loop&, env::Blobs&);

  void bring(node::Bring, PodPlace, node::Callback<node::Brought>);
  // What the container left, and what its artifacts became.
  void keep(node::LeftBy, Layers, node::Callback<node::Left>);

  void ask(node::HttpAsk, PodPlace, node::Callback<node::HttpAnswer>);

  void keep(const std::string& cluster, const node::ArtifactOut&, Files, node::Callback<node::Kept>) override;
  void find(const std::string& cluster, const Digest&, node::Callback<node::Kept>) override;

 private:
  env::Loop& loop_;
  env::Blobs& blobs_;
  FairCrew crew_, reading_, asking_;
};

}  // namespace ingot::host
