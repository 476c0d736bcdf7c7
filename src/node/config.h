// What a pod names and the node must fetch before it starts: ConfigMaps, Secrets, tokens, versions of data sets. references() and the
// readers are pure; ConfigFetcher belongs to the loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/env.h"
#include "node/api.h"
#include "node/pod.h"

namespace ingot::node {

struct TokenRef {
  std::string audience;  // "" = the API server's own
  int64_t expiration_s = 3600;
  auto operator<=>(const TokenRef&) const = default;
};
struct ConfigRefs {
  std::set<std::string> config_maps, secrets;
  std::set<std::string> dataset_versions;  // "NAME-v3"
  std::set<TokenRef> tokens;
  bool empty() const {
    return config_maps.empty() && secrets.empty() && tokens.empty() && dataset_versions.empty();
  }
};
inline constexpr std::string_view kDatasetDriver = "datasets.ingot.dev";
// A data set's version as a CSI volume names it; none: the volume is no data set.
struct DatasetRef {
  std::string dataset, version;
  std::string object() const { return dataset + "-v" + version; }  // the DatasetVersion's name
};
std::optional<DatasetRef> dataset_of(const api::Json& volume);
ConfigRefs references(const Pod&);

struct Token {
  std::string text;
  WallTime expires, issued;
  // The kubelet's rule: renew once 80 % of its life is over.
  WallTime renew_at() const { return issued + (expires - issued) * 4 / 5; }
};

// nullopt: the API server says that there is none.
struct PodConfig {
  std::map<std::string, std::optional<api::Json>> config_maps, secrets, dataset_versions;
  std::map<TokenRef, Token> tokens;
};

// Fetches everything in `refs` at once, the tokens that are not yet due for renewal kept from `old`. One error
// (no answer, 403, 500) fails the whole; a 404 is an absent object. Cancelled by destroying it.
class ConfigFetcher {
 public:
  using Done = std::move_only_function<void(Result<PodConfig>)>;
  // `ca_pem`: the factory's CA, the content of every namespace's kube-root-ca.crt; "" = fetch it as any ConfigMap.
  ConfigFetcher(env::Env&, Api&, const std::string& cluster_path, const Pod&, const ConfigRefs&,
                const PodConfig& old, const std::string& ca_pem, Done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ingot::node
