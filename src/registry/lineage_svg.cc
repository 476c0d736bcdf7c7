#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "registry/lineage_forms.h"
#include "registry/lineage_names.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::string_at;

constexpr int kWide = 230, kHigh = 48, kColumn = 310, kRow = 66, kEdge = 20;
constexpr size_t kLetters = 32;

std::string_view first_name(const Json& node, std::string_view list) {
  const api::JsonArray& all = api::array_at(node, {list});
  return all.empty() || !all.front().is_string() ? std::string_view()
                                                 : std::string_view(all.front().get_string());
}

std::string short_digest(std::string_view digest) {
  const size_t colon = digest.find(':');
  return std::string(digest.substr(colon == digest.npos ? 0 : colon + 1).substr(0, 12));
}

// What XML takes, without control characters; no longer than fits.
std::string escaped(std::string_view text, size_t most) {
  std::string out;
  size_t letters = 0;
  for (const char c : text) {
    const bool begins = (uint8_t(c) & 0xc0) != 0x80;
    if (begins && letters++ == most) return out + "…";
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += uint8_t(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

struct Placed {
  const Json* node;
  int column = 0;
  double wish = 0;
  int x = 0, y = 0;
};
using Places = std::map<std::string_view, Placed>;
using Edges = std::vector<std::pair<std::string_view, std::string_view>>;

// A node is right of all that it was made from; in a circle, which only forged history has, somewhere.
void choose_columns(Places& places, const Edges& edges) {
  for (size_t round = 0; round < places.size() && round < 64; ++round) {
    bool moved = false;
    for (const auto& [from, to] : edges) {
      const int wanted = places.at(from).column + 1;
      if (int& column = places.at(to).column; column < wanted && wanted < 64) {
        column = wanted;
        moved = true;
      }
    }
    if (!moved) break;
  }
  // What is only used stands right before its first use.
  for (auto& [id, place] : places) {
    int first = -1;
    for (const auto& [from, to] : edges)
      if (from == id) first = first < 0 ? places.at(to).column : std::min(first, places.at(to).column);
    if (first > 0 && std::ranges::none_of(edges, [&](const auto& e) { return e.second == id; }))
      place.column = first - 1;
  }
}

int choose_rows(Places& places, const Edges& edges) {
  std::map<int, std::vector<Placed*>> columns;
  for (auto& [id, place] : places) columns[place.column].push_back(&place);
  int highest = 0;
  for (auto& [column, all] : columns) {
    for (Placed* one : all) {
      double sum = 0;
      int count = 0;
      for (const auto& [from, to] : edges)
        if (&places.at(to) == one) {
          sum += places.at(from).y;
          ++count;
        }
      one->wish = count ? sum / count : 0;
    }
    std::ranges::sort(all, {},
                      [](const Placed* one) { return std::pair(one->wish, string_at(*one->node, {"id"})); });
    int row = 0;
    for (Placed* one : all) {
      one->x = kEdge + column * kColumn;
      one->y = kEdge + row++ * kRow;
    }
    highest = std::max(highest, row);
  }
  return highest;
}

std::string_view color_of(std::string_view kind) {
  if (kind == "version") return "#d7e8d4";
  if (kind == "run") return "#d6e4f2";
  if (kind == "data") return "#f5e6c8";
  if (kind == "commit") return "#e6dcf0";
  return kind == "image" ? "#e8e8e8" : "#f2d8d8";
}

}  // namespace

NodeLabel label_of(const Json& node) {
  const std::string_view kind = string_at(node, {"kind"}), id = name_of(string_at(node, {"id"}));
  if (kind == "version")
    return {
        fmt::format("{} v{}", string_at(node, {"model"}), api::int_at(node, {"version"}).value_or(0)),
        fmt::format("{}{}", string_at(node, {"keyId"}).empty() ? "" : "signed ", string_at(node, {"phase"}))};
  if (kind == "run")
    return {std::string(string_at(node, {"name"}).empty() ? id : string_at(node, {"name"})),
            fmt::format("{} {}", string_at(node, {"run"}), string_at(node, {"phase"}))};
  if (kind == "data") {
    const std::string_view name = first_name(node, "names");
    return {std::string(name.empty() ? id : name),
            fmt::format("{} {}", short_digest(id), string_at(node, {"classification"}))};
  }
  if (kind == "commit") return {std::string(id.substr(0, 12)), std::string(string_at(node, {"repository"}))};
  if (kind == "image") {
    const std::string_view name = first_name(node, "references");
    return {std::string(name.empty() ? "image" : name), short_digest(id)};
  }
  return {std::string(id), ""};
}

std::string lineage_svg(const Json& answer) {
  Places places;
  Edges edges;
  for (const Json& node : api::array_at(answer, {"nodes"})) places[string_at(node, {"id"})].node = &node;
  for (const Json& edge : api::array_at(answer, {"edges"})) {
    const std::string_view from = string_at(edge, {"from"}), to = string_at(edge, {"to"});
    if (places.contains(from) && places.contains(to)) edges.emplace_back(from, to);
  }
  choose_columns(places, edges);
  const int rows = choose_rows(places, edges);
  int columns = 0;
  for (const auto& [id, place] : places) columns = std::max(columns, place.column + 1);
  const int width = 2 * kEdge + columns * kColumn - (kColumn - kWide),
            height = 2 * kEdge + rows * kRow - (kRow - kHigh);
  std::string out = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" font-family="sans-serif" font-size="12">)"
      "\n<title>Lineage of {2}</title>\n<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
      std::max(width, 100), std::max(height, 60), escaped(string_at(answer, {"of"}), 200));
  for (const auto& [from, to] : edges) {
    const Placed &a = places.at(from), &b = places.at(to);
    const int x1 = a.x + kWide, y1 = a.y + kHigh / 2, x2 = b.x, y2 = b.y + kHigh / 2, middle = (x1 + x2) / 2;
    out += fmt::format(R"(<path d="M{},{} C{},{} {},{} {},{}" fill="none" stroke="#888888"/>)"
                       "\n",
                       x1, y1, middle, y1, middle, y2, x2, y2);
  }
  for (const auto& [id, place] : places) {
    const NodeLabel label = label_of(*place.node);
    const bool gone = api::bool_at(*place.node, {"gone"}), asked = id == string_at(answer, {"of"});
    out += fmt::format(
        R"(<g><title>{}{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="5" fill="{}" stroke="{}"{}/>)",
        escaped(id, 200), gone ? " (deleted)" : "", place.x, place.y, kWide, kHigh,
        color_of(string_at(*place.node, {"kind"})), asked ? "#000000" : "#888888",
        gone ? R"( stroke-dasharray="5 3")" : "");
    out += fmt::format(
        R"(<text x="{}" y="{}" font-weight="bold">{}</text><text x="{}" y="{}" fill="#555555">{}</text></g>)"
        "\n",
        place.x + 10, place.y + 20, escaped(label.name, kLetters), place.x + 10, place.y + 37,
        escaped(label.about, kLetters));
  }
  return out + "</svg>\n";
}

}  // namespace ingot::registry
