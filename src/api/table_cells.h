// The computed cells ("@ready") of table columns. Pure; any thread.
#pragma once

#include <concepts>
#include <string_view>

#include "api/json.h"
#include "base/time.h"

namespace ingot::api {

// What a cell shows: a text, a number or a bool.
struct CellValue {
  Json json;
  CellValue(std::string_view text) : json(boost::json::string_view(text.data(), text.size())) {}
  CellValue(const std::string& text) : CellValue(std::string_view(text)) {}
  CellValue(const char* text) : CellValue(std::string_view(text)) {}
  CellValue(bool value) : json(value) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  CellValue(T value) : json(int64_t(value)) {}
};

// `name` without its '@'. ASSERTs that there is such a cell.
Json computed_cell(std::string_view name, const Json& object, WallTime now);
bool is_computed_cell(std::string_view name);

// Since an RFC 3339 time, as kubectl prints ages; "<unknown>" when there is none.
std::string age_of(std::string_view timestamp, WallTime now);

CellValue pod_cell(std::string_view name, const Json& pod, WallTime now);  // "pod-status"… (table_pod.cc)

}  // namespace ingot::api
