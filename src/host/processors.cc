#include "host/processors.h"

#include <unistd.h>

namespace ingot::host {
namespace {

// Those of the process; false: they cannot be read.
bool of_process(cpu_set_t& all) { return ::sched_getaffinity(::getpid(), sizeof all, &all) == 0; }

// One of several, another for each factory on a machine; -1: there is but one.
int one_of(const cpu_set_t& all) {
  const int count = CPU_COUNT(&all);
  if (count < 2) return -1;
  int left = int(::getpid()) % count;
  for (int at = 0; at < CPU_SETSIZE; ++at)
    if (CPU_ISSET(at, &all) && left-- == 0) return at;
  return -1;
}

}  // namespace

void keep_one_processor() {
  cpu_set_t all, one;
  if (!of_process(all)) return;
  const int home = one_of(all);
  if (home < 0) return;
  CPU_ZERO(&one);
  CPU_SET(home, &one);
  (void)::sched_setaffinity(0, sizeof one, &one);
}

void leave_that_processor() {
  cpu_set_t all;
  if (!of_process(all)) return;
  const int home = one_of(all);
  if (home < 0) return;
  CPU_CLR(home, &all);
  (void)::sched_setaffinity(0, sizeof all, &all);
}

AnyProcessor::AnyProcessor() {
  cpu_set_t all;
  bound_ = ::sched_getaffinity(0, sizeof own_, &own_) == 0 && of_process(all) && !CPU_EQUAL(&own_, &all) &&
           ::sched_setaffinity(0, sizeof all, &all) == 0;
}
AnyProcessor::~AnyProcessor() {
  if (bound_) (void)::sched_setaffinity(0, sizeof own_, &own_);
}

}  // namespace ingot::host
