// Ids and units as types, so that one cannot be passed for another. Plain values; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace ingot {

template <class Tag, class T>
struct Strong {
  T value{};
  Strong() = default;
  explicit Strong(T v) : value(std::move(v)) {}
  auto operator<=>(const Strong&) const = default;
};

// The id of a virtual cluster, never its name: a tenant deleted and created again under the same name gets another
// id, so that no old key, certificate or token reaches the new one. [a-z0-9]+, at most 16 characters.
using ClusterId = Strong<struct ClusterIdTag, std::string>;

// A position in a shard's total order of writes; `metadata.resourceVersion` on the wire. 0 = before any write.
using Revision = Strong<struct RevisionTag, uint64_t>;

using MilliCpu = Strong<struct MilliCpuTag, int64_t>;
using Bytes = Strong<struct BytesTag, int64_t>;

// The factory's own control plane, which holds Tenants, Nodes, Allocations and the rest of factory.ingot.dev.
inline const ClusterId kRootCluster{"root"};

}  // namespace ingot

template <class Tag, class T>
struct std::hash<ingot::Strong<Tag, T>> {
  size_t operator()(const ingot::Strong<Tag, T>& s) const { return std::hash<T>{}(s.value); }
};
