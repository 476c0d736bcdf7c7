// Points of metrics as the bytes of a row: what a commit appended for a run (each metric's name and its points), and a
// chunk of one metric. Pure; any thread. Bytes that are cut short or say too much give what was whole before.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "store/tracking_file.h"

namespace ingot::store {

void append_points(std::string& out, std::string_view key, const std::vector<TrackedPoint>&);
void each_points(std::string_view row,
                 const std::function<void(std::string_view key, std::string_view points)>&);

std::string encode_points(const std::vector<TrackedPoint>&);
void decode_points(std::string_view bytes, std::vector<TrackedPoint>& out);  // appends

}  // namespace ingot::store
