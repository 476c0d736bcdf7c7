// A version of a data set: its files' names, digests and sizes, as a blob of its own. One list has one encoding,
//   {"files":[{"name":"a/b.csv","digest":"sha256:…","size":1}, …]}
// in the order of the names' bytes and without white space, so that equal contents have an equal digest.
//
// Pure; any thread. Invariants: names are relative POSIX paths that stay beneath where they are put, no two the same, none
// both a file and a directory; counts and sizes are bounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"

namespace ingot::data {

inline constexpr size_t kMostFiles = 1'000'000;
inline constexpr int64_t kLargestManifest = 256 << 20;
inline constexpr size_t kLongestName = 1'024;

struct ManifestFile {
  std::string name;
  Digest digest;
  int64_t bytes = 0;
};

struct Manifest {
  std::vector<ManifestFile> files;  // in name order
  int64_t bytes() const;
};

// Invalid, saying why: empty, absolute, with "", "." or ".." as a step, a step beyond 255 bytes, a control character, or
// no UTF-8.
Result<void> check_file_name(std::string_view);

// Sorts and checks.
Result<Manifest> make_manifest(std::vector<ManifestFile>);
std::string to_text(const Manifest&);
// Only what to_text() writes is read: Invalid, with the first fault, otherwise.
Result<Manifest> parse_manifest(std::string_view text);

}  // namespace ingot::data
