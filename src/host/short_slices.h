// For the threads that every request passes: they run for a fraction of a millisecond and everything waits for them.
// With short time slices the kernel lets the calling thread interrupt longer runners when it wakes (Linux 6.12;
// earlier ones ignore the wish). Its share of the processor stays what it was. Thread rule: any; of the caller alone.
#pragma once

namespace ingot::host {

void prefer_short_slices();

// The same, and a larger share than what else runs on this machine, pods and the disk's thread with it, where the
// process may ask for that (CAP_SYS_NICE). What the thread starts does not inherit it.
void go_first();

}  // namespace ingot::host
