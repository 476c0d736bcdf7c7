// From the image a pod names to the digest the runtime holds. Thread rule: the loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/json.h"

namespace ingot::policy {

// As Docker reads names: "nginx" → "docker.io/library/nginx:latest", "a/b:1" → "docker.io/a/b:1"; a first part
// with '.' or ':' or "localhost" is a registry; a digest keeps no tag. nullopt: not an image reference.
std::optional<std::string> normalize_reference(std::string_view);
// Of a normalized one, without tag and digest: "docker.io/library/nginx".
std::string_view repository_of(std::string_view normalized);

// The Image objects of the factory: per tenant, and shared with all.
class Images {
 public:
  void clear() {
    digests_.clear();
    pinned_.clear();
  }
  void put(const api::Json& image);
  void erase(const api::Json& image);
  // Of a normalized reference: the tenant's own image before a shared one. A name with the digest of an image that was
  // loaded under that name is that image, whatever its tag is by now.
  std::optional<std::string> digest(std::string_view tenant, const std::string& normalized) const;
  // The tenant's own image before a shared one. 404 with the way out, 400 for a bad name.
  Result<std::string> find(std::string_view tenant, std::string_view reference) const;

 private:
  using Name = std::pair<std::string, std::string>;  // tenant, normalized reference
  std::map<Name, std::string> digests_;
  std::map<Name, size_t> pinned_;  // repository and digest → how many references say so
};

}  // namespace ingot::policy
