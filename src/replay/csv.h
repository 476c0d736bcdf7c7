// Tables as text: a header and rows of as many cells, RFC 4180 with either line ending. Pure; any thread.
// Bounds: kMaxRows rows, 64 columns. Errors name file, line and column.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::replay {

inline constexpr size_t kMaxRows = 2'000'000;

class Csv {
 public:
  // `file` is for messages. Every column in `needed` must be there.
  static std::expected<Csv, std::string> parse(std::string file, std::string_view text,
                                               const std::vector<std::string_view>& needed);

  size_t rows() const { return cells_.size() / width_; }
  bool has(std::string_view column) const { return index(column) >= 0; }
  std::string_view text(size_t row, std::string_view column) const;  // "" where the column is absent
  // A number of at least `least`.
  std::expected<int64_t, std::string> integer(size_t row, std::string_view column, int64_t least) const;
  std::expected<double, std::string> number(size_t row, std::string_view column, double least) const;
  uint32_t line(size_t row) const { return lines_[row]; }
  std::string at(size_t row, std::string_view column) const;  // "pods.csv, line 7, column num_gpu"

 private:
  int index(std::string_view column) const;

  std::string file_;
  size_t width_ = 1;
  std::vector<std::string> header_, cells_;
  std::vector<uint32_t> lines_;  // of each row
};

}  // namespace ingot::replay
