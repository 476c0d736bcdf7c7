// What search looks at: for each key that somebody filtered or ordered by, one value of every run, side by side. A column is
// made when it is first asked for, from the runs, and kept up to date from then on; those not used for longest go first.
//
// Thread rule: one thread at a time. Invariants: a column that is here says what the runs say; at most kMost of them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "registry/texts.h"

namespace ingot::registry {

struct Run;

enum class Of : uint8_t { Metric, Param, Tag };

// A NaN no client can log: what a run without the metric has.
inline constexpr uint64_t kAbsentBits = 0x7ff4'0000'0000'1d01;
inline double absent() { return std::bit_cast<double>(kAbsentBits); }
inline bool is_absent(double value) { return std::bit_cast<uint64_t>(value) == kAbsentBits; }

class Columns {
 public:
  static constexpr size_t kMost = 64;

  explicit Columns(Texts& texts) : texts_(texts) {}
  ~Columns();

  // Good until the next call.
  const std::vector<double>& metric(const std::vector<Run>&, TextId key);
  const std::vector<TextId>& text(const std::vector<Run>&, Of, TextId key);
  // What every search looks at.
  const std::vector<int64_t>& started(const std::vector<Run>&);
  const std::vector<uint32_t>& places(const std::vector<Run>&);  // experiment * 2 + deleted

  // A run was added or changed.
  void show(const std::vector<Run>&, uint32_t row);
  void show_metric(const std::vector<Run>&, uint32_t row, TextId key, double value);
  void show_text(const std::vector<Run>&, uint32_t row, Of, TextId key, TextId value);
  size_t bytes() const;

 private:
  struct Column {
    std::vector<double> numbers;
    std::vector<TextId> texts;
    uint64_t used = 0;
  };
  Column& use(const std::vector<Run>&, Of, TextId key);
  Column* find(Of, TextId key);

  Texts& texts_;
  std::map<std::pair<Of, TextId>, Column> all_;  // each holds its key
  std::vector<int64_t> started_;
  std::vector<uint32_t> places_;
  bool basic_ = false;
  uint64_t uses_ = 0;
};

}  // namespace ingot::registry
