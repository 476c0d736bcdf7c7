// The newest look at every board of every node, in memory: what /metrics shows and idleness is judged by. Nothing of it
// is stored: a look is worth nothing once there is a newer one.
//
// Thread rule: the loop. Bounds: nodes that were added, 16 boards each.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "gpu/sample.h"

namespace ingot::gpu {

class Telemetry {
 public:
  static constexpr Duration kFresh = std::chrono::seconds(30);  // an older look says nothing about now

  // A node whose boards are looked at from time to time …
  void put(const std::string& node, std::vector<Sample>, Instant at);
  void silent(const std::string& node, std::string why);
  // … and one that answers when asked, for it computes what it says.
  using Ask = std::function<std::vector<Sample>()>;
  void set_source(const std::string& node, Ask);
  void forget(std::string_view node);

  struct Look {
    std::vector<Sample> samples;  // empty when stale
    bool stale = true;
    std::string why;  // stale
  };
  Look look(std::string_view node, Instant now) const;

 private:
  struct Node {
    std::vector<Sample> samples;
    std::optional<Instant> at;
    std::string silence;
    std::map<std::string, uint64_t> last_xid;  // by board
    Ask ask;
  };
  std::map<std::string, Node, std::less<>> nodes_;
};

}  // namespace ingot::gpu
