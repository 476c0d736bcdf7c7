// What was held, row by row, for who plays it again: the ledger, and before it what is still held.
//
// Thread rule: the loop. Invariants: a page is at most kHistoryPage Allocations or rows; what is held when the first
// page is read is in one of the pages, and may be in two, as held and as booked: the booked one is later and holds.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "metering/ledger.h"

namespace ingot::metering {

struct HistoryQuery {
  std::string cluster;            // by id; "": all
  std::optional<WallTime> since;  // what ended before it is left out
  std::string next;               // as the page before said it; "": the first
};
inline constexpr int kHistoryPage = 1'000;

// {rows: [of the ledger; what is still held with `open: true` and `to` as of now], next?}. `done` is called once, on the
// loop.
void history(env::Env&, store::Shard&, store::Turn&, HistoryQuery,
             std::move_only_function<void(Result<api::Json>)> done);

}  // namespace ingot::metering
