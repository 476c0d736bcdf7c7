#include "gpu/health.h"

#include <algorithm>

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
  bool changed = false;
  for (gpu::Board& board : inventory.boards) {
    const auto seen = std::ranges::find(samples, board.uuid, &Sample::uuid);
    std::string fault = fault_of(seen == samples.end() ? nullptr : &*seen);
    const auto known = boards_.find(board.uuid);
    if (!fault.empty()) {
      Board& failing = known == boards_.end() ? boards_[board.uuid] : known->second;
      if (board.healthy || failing.faults == 0)
        failing.faults = now - failing.last_fault > policy_.forgets ? 1 : failing.faults + 1;
      failing.last_fault = now;
      changed |= board.healthy || board.fault != fault;
      board.healthy = false;
      board.fault = std::move(fault);
    } else if (!board.healthy) {
      // Found failing when the node started: counted from this first clean look.
      Board& failing =
          known == boards_.end() ? boards_.emplace(board.uuid, Board{now, 1}).first->second : known->second;
      const Duration wait =
          std::min(policy_.longest, policy_.clean * (int64_t(1) << std::clamp(failing.faults - 1, 0, 20)));
      if (now - failing.last_fault < wait) continue;
      board.healthy = changed = true;
      board.fault.clear();
    }
  }
  return changed;
}

}  // namespace ingot::gpu
