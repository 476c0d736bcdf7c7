#include "ingot/lineage_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "ingot/output.h"
#include "registry/lineage_names.h"

namespace ingot {
namespace {

using api::Json;
using api::JsonArray;
using api::string_at;
using registry::kind_of;
using registry::name_of;

constexpr size_t kDeepest = 32, kMostPods = 20, kMostLines = 2'000, kShort = 12, kLongestPairs = 100;

class Tree {
 public:
  Tree(const Json& answer, WallTime now) : now_(now) {
    for (const Json& node : api::array_at(answer, {"nodes"})) nodes_[string_at(node, {"id"})] = &node;
    for (const Json& edge : api::array_at(answer, {"edges"})) {
      const std::string_view from = string_at(edge, {"from"}), to = string_at(edge, {"to"});
      if (!nodes_.contains(from) || !nodes_.contains(to)) continue;
      if (api::bool_at(edge, {"said"})) said_.insert({from, to});
      into_[to].push_back(from);
      from_[from].push_back(to);
    }
    for (auto* edges : {&into_, &from_})
      for (auto& [node, all] : *edges)
        std::ranges::sort(all, {}, [](std::string_view id) { return std::pair(order_of(kind_of(id)), id); });
  }

  std::string text(const Json& answer) {
    const std::string_view of = string_at(answer, {"of"});
    if (!nodes_.contains(of)) return "";
    line(0, head(of));
    details(of, 1);
    shown_.insert(of);
    below(into_, of, 1);
    if (const auto& led = from_[of]; !led.empty()) {
      line(0, "led to");
      below(from_, of, 1);
    }
    for (const Json& why : api::array_at(answer, {"cut"}))
      if (why.is_string()) line(0, fmt::format("not all of it: {}", std::string_view(why.get_string())));
    return std::move(out_);
  }

 private:
  using Edges = std::map<std::string_view, std::vector<std::string_view>>;

  static int order_of(std::string_view kind) {
    constexpr std::string_view kOrder[] = {"run", "commit", "data", "image", "version"};
    return int(std::ranges::find(kOrder, kind) - std::begin(kOrder));
  }

  void below(Edges& edges, std::string_view node, size_t depth) {
    if (depth > kDeepest) return;
    for (const std::string_view near : edges[node]) {
      const bool again = !shown_.insert(near).second;
      const bool said = said_.contains({node, near}) || said_.contains({near, node});
      line(depth, fmt::format("{:<9} {}{}{}", label(near), head(near), said ? "   (as the data says)" : "",
                              again ? "   (above)" : ""));
      if (again) continue;
      details(near, depth + 1);
      below(edges, near, depth + 1);
    }
  }

  void line(size_t depth, std::string_view text) {
    if (++lines_ == kMostLines) out_ += "…\n";
    if (lines_ >= kMostLines) return;
    out_.append(2 * depth, ' ');
    // What tenants wrote must not speak to the terminal.
    for (const char c : text) out_ += uint8_t(c) < 0x20 || c == 0x7f ? '?' : c;
    while (out_.ends_with(' ')) out_.pop_back();
    out_ += '\n';
  }
  void fact(size_t depth, std::string_view name, std::string_view text) {
    if (!text.empty()) line(depth, fmt::format("{:<9} {}", name, text));
  }

  static std::string_view label(std::string_view id) {
    const std::string_view kind = kind_of(id);
    return kind == "version" ? "model" : kind;
  }
  std::string ago(std::string_view time) const {
    const auto at = parse_rfc3339(time);
    return at ? human_duration(std::max<Duration>(now_ - *at, Duration(0))) + " ago" : std::string(time);
  }
  static std::string short_digest(std::string_view digest) {
    const size_t colon = digest.find(':');
    return colon == digest.npos ? std::string(digest) : std::string(digest.substr(0, colon + 1 + kShort));
  }
  static std::string cost_of(const Json& of) {
    const std::string cost(string_at(of, {"cost"})), currency(string_at(of, {"currency"}));
    if (cost.empty()) return "";
    return (currency == "USD" ? "$ " : currency + " ") + shown_cost(cost);
  }
  static std::string first(const Json& node, std::string_view list) {
    const JsonArray& all = api::array_at(node, {list});
    if (all.empty() || !all.front().is_string()) return "";
    std::string text(all.front().get_string());
    if (all.size() > 1) text += fmt::format(" and {} more", all.size() - 1);
    return text;
  }
  // "hidden=64 epochs=3"
  static std::string pairs(const Json& node, std::string_view field) {
    std::string text;
    // What a push says of itself is told of the commit.
    constexpr std::string_view kOfPush[] = {"repository", "branch", "ref",
                                            "commit",     "before", "changed-paths"};
    const bool pushed = !string_at(node, {"commit"}).empty();
    for (const auto& member : api::object_at(node, {field})) {
      const std::string_view name(member.key().data(), member.key().size());
      if (pushed && std::ranges::find(kOfPush, name) != std::end(kOfPush)) continue;
      const std::string value = member.value().is_string() ? std::string(member.value().get_string())
                                                           : api::to_text(member.value());
      if (!text.empty()) text += ' ';
      text += fmt::format("{}={}", name, value);
      if (text.size() > kLongestPairs) return text + " …";
    }
    return text;
  }
  static std::string_view name_of_model(const Json& node) {
    const std::string_view called = string_at(node, {"called"});
    return called.empty() ? string_at(node, {"model"}) : called;
  }
  static std::string spaced(std::initializer_list<std::string> parts) {
    std::string text;
    for (const std::string& part : parts)
      if (!part.empty()) text += (text.empty() ? "" : "   ") + part;
    return text;
  }

  std::string head(std::string_view id) const {
    const Json& node = *nodes_.at(id);
    const std::string_view kind = kind_of(id);
    std::string gone = api::bool_at(node, {"gone"}) ? "deleted" : "";
    if (const std::string_view at = string_at(node, {"deleted"}); !at.empty()) gone = "deleted " + ago(at);
    if (const JsonArray& all = api::array_at(node, {"deleted"}); !all.empty() && !gone.empty())
      gone = "deleted " + ago(string_at(all.back(), {"at"}));
    if (kind == "version") {
      const std::string_view key = string_at(node, {"keyId"}), by = string_at(node, {"by"}),
                             phase = string_at(node, {"phase"});
      return spaced({fmt::format("{} v{}", name_of_model(node), api::int_at(node, {"version"}).value_or(0)),
                     !key.empty() ? fmt::format("signed {}", key.substr(0, kShort))
                     : string_at(node, {"origin"}) == "import" ? std::string("unsigned origin")
                                                               : std::string(phase),
                     string_at(node, {"registered"}).empty()
                         ? ""
                         : fmt::format("registered {}{}{}", ago(string_at(node, {"registered"})),
                                       by.empty() ? "" : " by ", by),
                     pairs(node, "metrics"), gone});
    }
    if (kind == "run") {
      const std::string_view finished = string_at(node, {"finished"});
      return spaced(
          {std::string(string_at(node, {"name"}).empty() ? name_of(id) : string_at(node, {"name"})),
           fmt::format("{}{}{}", string_at(node, {"run"}), string_at(node, {"phase"}).empty() ? "" : " ",
                       string_at(node, {"phase"})),
           string_at(node, {"job"}).empty() ? "" : fmt::format("of Job {}", string_at(node, {"job"})),
           finished.empty() ? "" : ago(finished), cost_of(node), gone});
    }
    if (kind == "data") {
      const int64_t files = api::int_at(node, {"files"}).value_or(0);
      std::string about = files == 0 ? ""
                                     : fmt::format("{} file{}, {}", count_text(files), files == 1 ? "" : "s",
                                                   size_text(api::int_at(node, {"bytes"}).value_or(0)));
      for (const std::string_view field : {"classification", "region"})
        if (const std::string_view value = string_at(node, {field}); !value.empty())
          about += fmt::format("{}{}", about.empty() ? "" : ", ", value);
      return spaced({first(node, "names"), short_digest(name_of(id)), about, gone});
    }
    if (kind == "commit")
      return spaced({std::string(name_of(id).substr(0, kShort)), std::string(string_at(node, {"repository"})),
                     std::string(string_at(node, {"url"}))});
    if (kind == "image") {
      const std::string name = first(node, "references");
      return spaced({name.substr(0, name.find('@')), short_digest(name_of(id))});
    }
    return std::string(name_of(id));
  }

  void details(std::string_view id, size_t depth) {
    const Json& node = *nodes_.at(id);
    fact(depth, "params", pairs(node, "parameters"));
    if (kind_of(id) != "commit") fact(depth, "message", string_at(node, {"message"}));
    size_t count = 0;
    for (const Json& pod : api::array_at(node, {"pods"})) {
      if (++count > kMostPods) {
        line(depth, fmt::format("… and {} pods more", api::array_at(node, {"pods"}).size() - kMostPods));
        break;
      }
      show_pod(pod, depth);
    }
    if (api::bool_at(node, {"morePods"})) line(depth, "… and pods that are not listed, nor is their cost");
    for (const Json& move : api::array_at(node, {"aliases"})) {
      const auto other = api::int_at(move, {"other"});
      const std::string_view event = string_at(move, {"event"}), by = string_at(move, {"by"});
      std::string what(event == "replaced" ? "gave way" : event == "back" ? "back again" : event);
      if (other) what += fmt::format("{} v{}", event == "replaced" ? " to" : " after", *other);
      fact(depth, "alias",
           spaced({std::string(string_at(move, {"alias"})), what,
                   fmt::format("{}{}{}", ago(string_at(move, {"at"})), by.empty() ? "" : " by ", by)}));
    }
    for (const Json& verdict : api::array_at(node, {"verdicts"})) {
      std::string gates;
      for (const Json& gate : api::array_at(verdict, {"gates"}))
        if (gate.is_string()) gates += (gates.empty() ? "" : ", ") + std::string(gate.get_string());
      fact(depth, "gates",
           spaced({gates, std::string(string_at(verdict, {"result"})),
                   fmt::format("{} {}", string_at(verdict, {"kind"}), string_at(verdict, {"name"})),
                   ago(string_at(verdict, {"at"})), std::string(string_at(verdict, {"text"}))}));
    }
  }

  void show_pod(const Json& pod, size_t depth) {
    std::string gpus;
    for (const Json& gpu : api::array_at(pod, {"gpus"})) {
      const std::string_view part = string_at(gpu, {"part"});
      gpus += fmt::format("{}{} {}{}{}{}", gpus.empty() ? "" : ", ", string_at(gpu, {"model"}),
                          string_at(gpu, {"uuid"}).substr(0, 12), part.empty() ? "" : " ", part,
                          api::bool_at(gpu, {"simulated"}) ? " (simulated)" : "");
    }
    const auto held = api::int_at(pod, {"held"});
    fact(depth, "pod",
         spaced({std::string(string_at(pod, {"pod"})), std::string(string_at(pod, {"phase"})),
                 string_at(pod, {"node"}).empty() ? "" : fmt::format("on {}", string_at(pod, {"node"})), gpus,
                 held ? "held " + human_duration(std::chrono::microseconds(*held)) : "", cost_of(pod)}));
  }

  const WallTime now_;
  std::map<std::string_view, const Json*> nodes_;
  Edges into_, from_;
  std::set<std::pair<std::string_view, std::string_view>> said_;
  std::set<std::string_view> shown_;
  std::string out_;
  size_t lines_ = 0;
};

}  // namespace

std::string lineage_text(const Json& answer, WallTime now) { return Tree(answer, now).text(answer); }

}  // namespace ingot
