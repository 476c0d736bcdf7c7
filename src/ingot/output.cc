#include "ingot/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "base/time.h"
#include "ingot/commands.h"

namespace ingot {
namespace {

// Columns are counted in characters, not bytes: a name may hold any UTF-8.
size_t width(std::string_view text) {
  return size_t(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

void append_pretty(std::string& out, const api::Json& value, size_t depth) {
  const std::string indent(2 * (depth + 1), ' ');
  const auto separate = [&](bool first) {
    out += first ? "\n" : ",\n";
    out += indent;
  };
  const auto close = [&](char bracket) {
    out += '\n';
    out.append(2 * depth, ' ');
    out += bracket;
  };
  if (const auto* object = value.if_object(); object && !object->empty()) {
    out += '{';
    bool first = true;
    for (const auto& [name, member] : *object) {
      if (name == "managedFields" && member.is_array()) continue;
      separate(std::exchange(first, false));
      out += api::to_text(api::Json(name)) + ": ";
      append_pretty(out, member, depth + 1);
    }
    close('}');
  } else if (const auto* array = value.if_array(); array && !array->empty()) {
    out += '[';
    bool first = true;
    for (const api::Json& member : *array) {
      separate(std::exchange(first, false));
      append_pretty(out, member, depth + 1);
    }
    close(']');
  } else {
    out += api::to_text(value);
  }
}

}  // namespace

Table& Table::right(size_t column) {
  right_.push_back(column);
  return *this;
}

void Table::print(std::string_view none) const {
  if (rows_.size() == 1 && !none.empty()) {
    fmt::print(stderr, "{}\n", none);
    return;
  }
  std::vector<size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - width(row[i]), ' ');
      line += std::ranges::find(right_, i) != right_.end() ? pad + row[i] : row[i] + pad;
      if (i + 1 < row.size()) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  }
}

void print_json(const api::Json& value) {
  std::string out;
  append_pretty(out, value, 0);
  fmt::print("{}\n", out);
}

int failed(const Error& error) { return failed(error.message); }

int failed(std::string_view message) {
  std::fflush(stdout);
  fmt::print(stderr, "error: {}\n", message);
  return kFailed;
}

std::string memory_text(int64_t bytes) {
  constexpr int64_t kGib = int64_t(1) << 30;
  return bytes % kGib == 0 ? fmt::format("{} GiB", bytes / kGib)
                           : fmt::format("{:.1f} GiB", double(bytes) / double(kGib));
}

std::string size_text(int64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = double(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string clock_text(std::string_view rfc3339) {
  const auto at = parse_rfc3339(rfc3339);
  if (!at) return std::string(rfc3339);
  const std::time_t then =
      std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(
          std::chrono::system_clock::time_point(at->time_since_epoch())));
  const std::time_t now = std::time(nullptr);
  std::tm local{}, today{};
  localtime_r(&then, &local);
  localtime_r(&now, &today);
  char out[32];
  const bool same = local.tm_yday == today.tm_yday && local.tm_year == today.tm_year;
  std::strftime(out, sizeof out, same ? "%H:%M" : "%b %e %H:%M", &local);
  return out;
}

std::string count_text(int64_t count) {
  std::string text = std::to_string(count);
  for (int at = int(text.size()) - 3; at > 0; at -= 3) text.insert(size_t(at), ",");
  return text;
}

// Cents, unless that would hide that something was paid.
std::string shown_cost(const std::string& cost) {
  const double value = std::strtod(cost.c_str(), nullptr);
  return value > 0 && value < 0.1 ? fmt::format("{:.4f}", value) : fmt::format("{:.2f}", value);
}

std::string query_value(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~')
      out += char(c);
    else
      fmt::format_to(std::back_inserter(out), "%{:02X}", c);
  }
  return out;
}

}  // namespace ingot
