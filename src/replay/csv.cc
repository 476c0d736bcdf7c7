#include "replay/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ingot::replay {
namespace {

constexpr size_t kMaxColumns = 64;

// Reads the cells of one row; `at` stands behind its line end afterwards. False: a quote is never closed.
bool read_row(std::string_view text, size_t& at, uint32_t& line, std::vector<std::string>& cells) {
  cells.assign(1, "");
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"')
        cells.back() += c;
      else if (at + 1 < text.size() && text[at + 1] == '"')
        cells.back() += text[++at];
      else
        quoted = false;
    } else if (c == '"' && cells.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      cells.emplace_back();
    } else if (c == '\n') {
      ++at;
      return true;
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return !quoted;
}

std::string shown(std::string_view cell) {
  return "\"" + std::string(cell.substr(0, 40)) + (cell.size() > 40 ? "..." : "") + "\"";
}

}  // namespace

std::expected<Csv, std::string> Csv::parse(std::string file, std::string_view text,
                                           const std::vector<std::string_view>& needed) {
  Csv out;
  out.file_ = std::move(file);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  size_t at = 0;
  uint32_t line = 1;
  if (text.empty()) return std::unexpected(out.file_ + " is empty: it needs a header line");
  if (!read_row(text, at, line, out.header_) || out.header_.size() > kMaxColumns)
    return std::unexpected(out.file_ + ", line 1: no header of at most 64 columns");
  out.width_ = out.header_.size();
  for (const std::string_view column : needed)
    if (!out.has(column))
      return std::unexpected(out.file_ + " has no column " + std::string(column) + "; its header is line 1");
  std::vector<std::string> cells;
  while (at < text.size()) {
    const uint32_t begins = line;
    if (!read_row(text, at, line, cells))
      return std::unexpected(out.file_ + ", line " + std::to_string(begins) + ": a quote is not closed");
    if (cells.size() == 1 && cells[0].empty()) continue;
    if (cells.size() != out.width_)
      return std::unexpected(out.file_ + ", line " + std::to_string(begins) + " has " +
                             std::to_string(cells.size()) + " cells where the header has " +
                             std::to_string(out.width_));
    if (out.lines_.size() >= kMaxRows)
      return std::unexpected(out.file_ + " has more than " + std::to_string(kMaxRows) + " rows");
    out.lines_.push_back(begins);
    std::ranges::move(cells, std::back_inserter(out.cells_));
  }
  return out;
}

int Csv::index(std::string_view column) const {
  const auto found = std::ranges::find(header_, column);
  return found == header_.end() ? -1 : int(found - header_.begin());
}

std::string_view Csv::text(size_t row, std::string_view column) const {
  const int i = index(column);
  return i < 0 ? std::string_view{} : std::string_view(cells_[row * width_ + size_t(i)]);
}

std::string Csv::at(size_t row, std::string_view column) const {
  return file_ + ", line " + std::to_string(lines_[row]) + ", column " + std::string(column);
}

std::expected<double, std::string> Csv::number(size_t row, std::string_view column, double least) const {
  const std::string_view cell = text(row, column);
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value))
    return std::unexpected(at(row, column) + ": " + shown(cell) + " is not a number");
  if (value < least || value > 1e15)
    return std::unexpected(at(row, column) + ": " + shown(cell) +
                           (value < least ? " is too small" : " is too large"));
  return value;
}

std::expected<int64_t, std::string> Csv::integer(size_t row, std::string_view column, int64_t least) const {
  const auto value = number(row, column, double(least));
  if (!value) return std::unexpected(value.error());
  if (*value != std::floor(*value))
    return std::unexpected(at(row, column) + ": " + shown(text(row, column)) + " is not a whole number");
  return int64_t(*value);
}

}  // namespace ingot::replay
