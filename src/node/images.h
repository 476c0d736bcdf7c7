// From the image a pod names to the digest the runtime holds. Thread rule: the loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/json.h"

namespace ingot::node {

// As Docker reads names: "nginx" → "docker.io/library/nginx:latest", "a/b:1" → "docker.io/a/b:1"; a first part
// with '.' or ':' or "localhost" is a registry; a digest keeps no tag. nullopt: not an image reference.
std::optional<std::string> normalize_reference(std::string_view);

// The Image objects of the factory: per tenant, and shared with all.
class Images {
 public:
  void clear() { digests_.clear(); }
  void put(const api::Json& image);
  void erase(const api::Json& image);
  // The tenant's own image before a shared one. 404 with the way out, 400 for a bad name.
  Result<std::string> find(std::string_view tenant, std::string_view reference) const;

 private:
  std::map<std::pair<std::string, std::string>, std::string>
      digests_;  // (tenant, normalized reference) → digest
};

}  // namespace ingot::node
