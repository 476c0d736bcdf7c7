// How the command line speaks: aligned tables, one error form. Main thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/error.h"

namespace ingot {

// Columns as wide as their widest cell; a cell of a number is set flush right when its column says so.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  Table& right(size_t column);
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // `none` is said, on standard error, where there is no row.
  void print(std::string_view none = "") const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> right_;
};

void print_json(const api::Json&);  // indented; without managedFields, as kubectl has it
int failed(const Error&);           // "error: …" on standard error; kFailed
int failed(std::string_view message);
std::string memory_text(int64_t bytes);  // "80 GiB"
std::string size_text(int64_t bytes);    // "512 B", "1.2 MiB"
// "14:20", of another day "Jul 2 14:20"; in the reader's time zone.
std::string clock_text(std::string_view rfc3339);
std::string count_text(int64_t count);            // "1,797"
std::string shown_cost(const std::string& cost);  // "362.60", "0.0123"
std::string query_value(std::string_view text);   // percent-encoded

}  // namespace ingot
