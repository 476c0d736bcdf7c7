#include "host/short_slices.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace ingot::host {
namespace {

constexpr uint64_t kSliceNs = 100'000;  // the least the kernel takes
constexpr int32_t kFirst = -10;         // nice
constexpr uint64_t kResetOnFork = 1;    // SCHED_FLAG_RESET_ON_FORK

// The kernel's struct sched_attr; its header cannot be included beside glibc's.
struct Attributes {
  uint32_t size = sizeof(Attributes), policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};
static_assert(sizeof(Attributes) == 48);

bool set(int32_t nice, uint64_t flags) {
  Attributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return false;
  attributes.runtime_ns = kSliceNs;
  attributes.flags |= flags;
  attributes.nice += nice;
  return ::syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

}  // namespace

void prefer_short_slices() { (void)set(0, 0); }

void go_first() {
  if (!set(kFirst, kResetOnFork)) (void)set(0, kResetOnFork);
}

}  // namespace ingot::host
