// What a cluster shows of a type: its stored objects, with the built-in ones laid under them, and for a tenant's
// `nodes` and their `resourceslices` the projection of the factory's. Reads only. Valid inside the turn.
#pragma once

#include <optional>

#include "apiserver/context.h"

namespace ingot::apiserver {

class Source {
 public:
  Source(Call&, const api::Resource&);

  api::ObjectPtr get(std::string_view ns, std::string_view name) const;
  // In key order, what is greater than "namespace/name" `after`; as of an earlier revision when `at` is given.
  Result<void> range(std::optional<Revision> at, std::string_view ns, std::string_view after,
                     const store::Visit&) const;
  bool projected() const { return projected_; }
  bool is_builtin(std::string_view name) const;
  const std::vector<api::ObjectPtr>& builtin() const { return builtin_; }

 private:
  Call& call_;
  std::string resource_;
  bool projected_;
  const std::vector<api::ObjectPtr>& builtin_;
};

// A node or its slice as tenants see it: no annotations of the factory, no list of images. Shared by all tenants.
api::ObjectPtr project(Services&, const api::ObjectPtr&);
// A pod as the wildcard path shows it: with its cluster's id in annotation factory.ingot.dev/cluster.
api::ObjectPtr with_cluster(const api::ObjectPtr&);
void append_with_cluster(std::string& out, const api::Object&);

}  // namespace ingot::apiserver
