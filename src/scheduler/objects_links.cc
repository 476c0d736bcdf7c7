#include "scheduler/objects_links.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace ingot::scheduler {
namespace {

using api::Json;

std::vector<int64_t> numbers(std::string_view text) {
  std::vector<int64_t> out;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + comma, n);
    if (error == std::errc{} && end == text.data() + comma) out.push_back(n);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

}  // namespace

gpu::Links links_from(const Json& slice) {
  gpu::Links links;
  std::map<int64_t, int> positions;  // by index on the node
  std::vector<const Json*> boards;
  for (const Json& d : api::array_at(slice, {"spec", "devices"})) {
    if (api::string_at(d, {"attributes", "uuid", "string"}).empty()) continue;
    const std::string_view type = api::string_at(d, {"attributes", "type", "string"});
    if (!type.empty() && type != "gpu") continue;
    if (boards.size() == size_t(gpu::kMaxBoards)) break;
    const int position = int(boards.size());
    positions.emplace(api::int_at(d, {"attributes", "index", "int"}).value_or(position), position);
    boards.push_back(&d);
  }
  links.boards = int(boards.size());
  const auto island = [&](int i) {
    return api::int_at(*boards[size_t(i)], {"attributes", "nvlinkIsland", "int"});
  };
  for (int i = 0; i < links.boards; ++i) {
    const Json& d = *boards[size_t(i)];
    const int64_t numa = api::int_at(d, {"attributes", "numaNode", "int"}).value_or(-1);
    links.numa[size_t(i)] = int8_t(std::clamp<int64_t>(numa, -1, 127));
    gpu::BoardMask& peers = links.peers[size_t(i)];
    if (const auto listed = api::string_at(d, {"attributes", "nvlinkPeers", "string"}); !listed.empty()) {
      for (const int64_t index : numbers(listed))
        if (const auto at = positions.find(index); at != positions.end() && at->second != i)
          peers |= gpu::BoardMask(1u << at->second);
    } else if (island(i)) {
      for (int j = 0; j < links.boards; ++j)
        if (j != i && island(j) == island(i)) peers |= gpu::BoardMask(1u << j);
    }
  }
  return links;
}

}  // namespace ingot::scheduler
