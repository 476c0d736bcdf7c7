#include "ingot/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

#include "base/assert.h"

namespace ingot {
namespace {

// The one thing a handler can reach.
int signal_pipe[2] = {-1, -1};

void note(int signal) {
  const int saved = errno;
  const char byte = char(signal);
  (void)!::write(signal_pipe[1], &byte, 1);
  errno = saved;
}

}  // namespace

void catch_signals() {
  ASSERT(::pipe2(signal_pipe, O_CLOEXEC) == 0);
  struct sigaction action{};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) ::sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  for (const int signal : {SIGPIPE, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

int wait_for_signal() {
  char byte = 0;
  while (::read(signal_pipe[0], &byte, 1) != 1) {
  }
  return byte;
}

}  // namespace ingot
