// Where the threads run that every request passes. The loop and the I/O threads, both nearly always awake under load, are put on
// one processor by the kernel as often as not, and wait for each other while another one has time. So the loop stays on one
// processor and the I/O threads stay off it. Everything else runs where it may. With one processor nothing is done.
// Thread rule: any; of the caller alone. The process' own processors are those of its main thread, which is never moved.
#pragma once

#include <sched.h>

namespace ingot::host {

void keep_one_processor();    // the loop's thread
void leave_that_processor();  // an I/O thread

// What the thread starts while this lives, a thread or a process, does not inherit where it has to be.
class AnyProcessor {
 public:
  AnyProcessor();
  ~AnyProcessor();
  AnyProcessor(const AnyProcessor&) = delete;

 private:
  cpu_set_t own_;
  bool bound_ = false;
};

}  // namespace ingot::host
