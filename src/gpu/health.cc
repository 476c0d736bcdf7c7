#include "gpu/health.h"

#include <algorithm>
#include <utility>

namespace ingot::gpu {
namespace {

struct Xid {
  uint64_t number;
  bool fault;
  std::string_view what;
};
constexpr Xid kXids[] = {
    {13, false, "graphics engine exception"},
    {31, false, "GPU memory page fault"},
    {43, false, "GPU stopped processing"},
    {45, false, "preemptive cleanup"},
    {48, true, "double bit ECC error"},
    {61, true, "internal microcontroller breakpoint"},
    {62, true, "internal microcontroller halt"},
    {63, false, "ECC page retirement or row remapping recorded"},
    {64, true, "ECC page retirement or row remapping failed"},
    {68, false, "video processor exception"},
    {69, false, "graphics engine class error"},
    {74, true, "NVLink error"},
    {79, true, "GPU has fallen off the bus"},
    {92, false, "high rate of single bit ECC errors"},
    {94, true, "contained ECC error"},
    {95, true, "uncontained ECC error"},
    {109, false, "context switch timeout"},
    {119, true, "GSP RPC timeout"},
    {120, true, "GSP error"},
    {140, true, "unrecovered ECC error"},
};

const Xid* find(uint64_t number) {
  for (const Xid& xid : kXids)
    if (xid.number == number) return &xid;
  return nullptr;
}

// "": none.
std::string fault_of(const Sample* sample) {
  if (!sample) return "the driver does not list it any more";
  if (!sample->lost.empty()) return sample->lost;
  for (const uint64_t xid : sample->xids)
    if (xid_is_fault(xid)) return xid_text(xid);
  if (sample->ecc_errors.value_or(0) > 0)
    return "uncorrected ECC errors: " + std::to_string(*sample->ecc_errors);
  return "";
}

}  // namespace

bool xid_is_fault(uint64_t number) {
  const Xid* xid = find(number);
  return !xid || xid->fault;
}

std::string xid_text(uint64_t number) {
  const Xid* xid = find(number);
  return "XID " + std::to_string(number) + (xid ? ": " + std::string(xid->what) : "");
}

bool Health::take(std::span<const Sample> samples, Inventory& inventory, Instant now) {
  // What the boards were found with when the node started is as good as seen now.
  if (!std::exchange(started_, true))
    for (const gpu::Board& board : inventory.boards)
      if (!board.healthy) boards_[board.uuid] = {now, 1, board.fault};
  bool changed = false;
  for (gpu::Board& board : inventory.boards) {
    const auto seen = std::ranges::find(samples, board.uuid, &Sample::uuid);
    std::string fault = fault_of(seen == samples.end() ? nullptr : &*seen);
    const auto known = boards_.find(board.uuid);
    if (!board.healthy && (known == boards_.end() || known->second.said != board.fault))
      continue;  // cordoned by somebody else, who will say when that ends
    if (!fault.empty()) {
      Board& failing = boards_[board.uuid];
      if (board.healthy) failing.faults = now - failing.last_fault > policy_.forgets ? 1 : failing.faults + 1;
      failing.last_fault = now;
      changed |= board.healthy || board.fault != fault;
      board.healthy = false;
      board.fault = failing.said = std::move(fault);
    } else if (!board.healthy && now - known->second.last_fault >= wait(known->second)) {
      board.healthy = changed = true;
      board.fault.clear();
    }
  }
  return changed;
}

Duration Health::wait(const Board& board) const {
  return std::min(policy_.longest, policy_.clean * (int64_t(1) << std::clamp(board.faults - 1, 0, 20)));
}

}  // namespace ingot::gpu
