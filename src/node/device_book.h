// Whose data may lie in the node's GPUs: the last tenant of each memory unit of each board, what is held now, boards
// that may not be given, and what was scrubbed for whom. Written down before a device is given, so that it survives
// whatever happens next.
// Pure; any thread. Invariants: what was never recorded counts as anybody's data; at most kMaxScrubs scrubs are kept.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/time.h"
#include "gpu/mig.h"

namespace ingot::node {

inline constexpr gpu::UnitMask kWholeBoard = 0xff;

// Which units of a board a profile at a start takes; the whole board without a profile, or when it is unknown.
gpu::UnitMask units_of(std::string_view model, std::string_view profile, int start);

struct Scrub {
  WallTime at{};
  std::string device, before,
      tenant;       // `before`: whose data it may have held; `tenant`: for whom, "" = nobody yet
  std::string how;  // "81559 of 81559 MiB zeroed", or why it failed
  bool failed = false;
};

class DeviceBook {
 public:
  static constexpr size_t kMaxScrubs = 1024;

  bool clean_for(const std::string& board, gpu::UnitMask, std::string_view tenant) const;
  std::string last_tenants(const std::string& board,
                           gpu::UnitMask) const;  // "a, b"; "unknown" where not recorded
  void clean(const std::string& board, gpu::UnitMask);
  void give(const std::string& pod, const std::string& board, gpu::UnitMask, const std::string& tenant);
  void take_back(const std::string& pod) { given_.erase(pod); }
  template <class F>
  void keep_pods(F keep) {
    std::erase_if(given_, [&](const auto& entry) { return !keep(entry.first); });
  }
  // Whether this pod was given the board (and so runs on it, whatever became of the board since).
  bool gave(const std::string& pod, const std::string& board) const;

  void cordon(const std::string& board, std::string why) { cordons_[board] = std::move(why); }
  bool uncordon(const std::string& board) { return cordons_.erase(board) > 0; }
  const std::map<std::string, std::string>& cordons() const { return cordons_; }

  void record(Scrub);
  // The last scrub of each device, for whoever audits: {"GPU-…": {"at": …, "before": …, "for": …, "how": …}}.
  api::JsonObject last_scrubs() const;

  std::string to_text() const;
  static Result<DeviceBook> parse(const std::string& text);  // "" is an empty one

 private:
  using Units = std::array<std::string, 8>;                // "": not recorded, "-": zeroed since
  std::map<std::string, Units> last_;                      // by board
  std::map<std::string, std::vector<std::string>> given_;  // pod uid → boards
  std::map<std::string, std::string> cordons_;
  std::deque<Scrub> scrubs_;
};

}  // namespace ingot::node
