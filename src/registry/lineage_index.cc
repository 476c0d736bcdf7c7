#include "registry/lineage_index.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace ingot::registry {
namespace {

constexpr size_t kFresh = 512;  // looked at one by one

uint64_t hash_of(std::string_view cluster, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ uint8_t(c)) * 0x100000001b3;
  };
  add(cluster);
  add(std::string_view("\0", 1));
  add(name);
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

}  // namespace

void LineageIndex::add(std::string_view cluster, std::string_view name, uint64_t row) {
  fresh_.push_back({hash_of(cluster, name), row});
  if (fresh_.size() >= kFresh) settle();
}

void LineageIndex::settle() {
  std::ranges::sort(fresh_);
  pieces_.push_back(std::exchange(fresh_, {}));
  while (pieces_.size() > 1 && pieces_[pieces_.size() - 2].size() < 2 * pieces_.back().size()) {
    Piece merged(pieces_.back().size() + pieces_[pieces_.size() - 2].size());
    std::ranges::merge(pieces_[pieces_.size() - 2], pieces_.back(), merged.begin());
    pieces_.pop_back();
    pieces_.back() = std::move(merged);
  }
  if (size() > most_) shed();
}

// Half of them go, so that it is seldom done.
void LineageIndex::shed() {
  std::vector<uint64_t> rows;
  rows.reserve(size());
  for (const Piece& piece : pieces_)
    for (const Entry& entry : piece) rows.push_back(entry.row);
  const auto middle = rows.begin() + std::ptrdiff_t(rows.size() / 2);
  std::ranges::nth_element(rows, middle);
  from_ = *middle;
  for (Piece& piece : pieces_) {
    std::erase_if(piece, [this](const Entry& entry) { return entry.row < from_; });
    piece.shrink_to_fit();
  }
  std::erase_if(pieces_, [](const Piece& piece) { return piece.empty(); });
}

std::vector<uint64_t> LineageIndex::find(std::string_view cluster, std::string_view name, size_t most) const {
  const uint64_t hash = hash_of(cluster, name);
  std::vector<uint64_t> rows;
  for (const Piece& piece : pieces_) {
    auto end = std::ranges::upper_bound(piece, Entry{hash, UINT64_MAX});
    for (size_t n = 0; n <= most && end != piece.begin() && (end - 1)->hash == hash; ++n)
      rows.push_back((--end)->row);
  }
  for (const Entry& entry : fresh_)
    if (entry.hash == hash) rows.push_back(entry.row);
  std::ranges::sort(rows, std::greater{});
  rows.erase(std::ranges::unique(rows).begin(), rows.end());
  if (rows.size() > most + 1) rows.resize(most + 1);
  return rows;
}

size_t LineageIndex::size() const {
  size_t all = fresh_.size();
  for (const Piece& piece : pieces_) all += piece.size();
  return all;
}

}  // namespace ingot::registry
