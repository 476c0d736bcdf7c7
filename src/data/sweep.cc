#include "data/sweep.h"

#include <algorithm>

#include "base/assert.h"

namespace ingot::data {

std::vector<Digest> sweep(std::span<const Digest> reachable, std::span<const env::BlobInfo> listing,
                          WallTime now, Duration grace) {
  ASSERT(std::ranges::is_sorted(reachable));
  const WallTime before = now - std::chrono::duration_cast<std::chrono::microseconds>(grace);
  std::vector<Digest> gone;
  for (const env::BlobInfo& blob : listing)
    if (blob.renewed < before && !std::ranges::binary_search(reachable, blob.digest))
      gone.push_back(blob.digest);
  return gone;
}

}  // namespace ingot::data
