// From a request target to what it names: cluster, kind of endpoint, resource, namespace, name, subresource, query.
// Pure; any thread. Strict: a target that is not plain (bad escapes, "..", empty segments, NUL, a '/' hidden in an
// escape) is 400, so nothing after this sees a name that could be two things.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace ingot::apiserver {

class Query {
 public:
  static Result<Query> parse(std::string_view text);  // "a=1&b=2", ≤ 64 parameters
  std::string_view get(std::string_view name) const;  // the first; "" when absent
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return values_; }
  bool flag(std::string_view name) const;  // "true", "1" or present without value
  // A number in [0, most]; 400 naming the parameter otherwise; `otherwise` when absent.
  Result<int64_t> number(std::string_view name, int64_t otherwise, int64_t most) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

enum class Endpoint : uint8_t {
  Unknown,
  Health,     // /healthz /livez /readyz (below them: single checks)
  Version,    // /version
  Discovery,  // /api /apis /api/v1 /apis/G /apis/G/V /openapi…
  Resource,   // everything below /api/v1/… and /apis/G/V/…
  Blobs,      // /blobs…: bytes by their digest, authorized as resource blobs.factory.ingot.dev
  Mlflow,     // /mlflow…: MLflow's API, authorized by the table of mlflow_routes.cc
  Hook,       // /clusters/NAME/hooks/NAMESPACE/REPOSITORY: authorized by its signature
};

struct Route {
  std::string cluster;         // the segment after /clusters/; "" = the credential's home
  bool every_cluster = false;  // "/clusters/*"
  Endpoint endpoint = Endpoint::Unknown;
  std::vector<std::string> segments;  // decoded, without /clusters/NAME
  std::string path;  // "/" and the segments, decoded: what a nonResourceURL rule is matched with
  std::string group, version, resource, ns, name, subresource;
  Query query;
};

Result<Route> parse_target(std::string_view target);

// The RBAC verb of a method on a resource route: get, list, watch, create, update, patch, delete, deletecollection;
// "" when the method means nothing there.
std::string_view verb_of(std::string_view method, const Route&);

}  // namespace ingot::apiserver
