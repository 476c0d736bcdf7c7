// Which runs a search finds, and in which order. Filters are scans over columns (columns.h), one after another over a byte
// for each run, those that look at single runs last; what is asked for of the order is picked, not sorted.
// Thread rule: that of the Book. Bounded: a search may take kMostWork steps, then it is refused.
#pragma once

#include "registry/book.h"
#include "registry/filter.h"

namespace ingot::registry {

inline constexpr uint64_t kMostWork = 300'000'000;
inline constexpr size_t kMostAnswer =
    16u << 20;  // bytes of a page, whatever was asked for: the rest is on the next
// 400, since a client that is told to wait would ask the same again.
Error too_costly();

enum class Lifecycle : uint8_t { Active = 1, Deleted, All };  // MLflow's view types

struct RunQuery {
  std::vector<int64_t> experiments;
  Lifecycle lifecycle = Lifecycle::Active;
  std::vector<Clause> clauses;
  std::vector<Order> orders;  // then the youngest first, then by id
  size_t offset = 0, most = 1000;
};
struct RunPage {
  std::vector<uint32_t> rows;
  bool more = false;
};
Result<RunPage> search_runs(Book&, const RunQuery&);

}  // namespace ingot::registry
