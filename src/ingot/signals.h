// Waiting for the signals that end a factory. Main thread.
// A handler that writes to a pipe, not a blocked mask: a mask would be inherited by every program we start.
#pragma once

namespace ingot {

// SIGTERM, SIGINT and SIGUSR1 from now on arrive at wait_for_signal() only; SIGPIPE and SIGHUP are ignored.
void catch_signals();
int wait_for_signal();

}  // namespace ingot
