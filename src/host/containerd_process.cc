#include "host/containerd_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host/pidfd.h"
#include "host/processors.h"

#include <cerrno>
#include <cstring>

namespace ingot::host {
namespace {

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr size_t kOutputKept = 16 << 10;

std::string errno_text() { return std::strerror(errno); }

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// The child of start_daemon between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_daemon(char* const* argv, char* const* environment, int log, int gate) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal_number = 1; signal_number < NSIG; ++signal_number) signal(signal_number, SIG_DFL);
  char go = 0;
  if (read(gate, &go, 1) != 1) _exit(126);
  int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(log, 1);
  dup2(log, 2);
  close_range(3, ~0u, 0);
  if (chdir("/") != 0) _exit(126);
  execve(argv[0], argv, environment);
  _exit(127);
}

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  size_t start = text.rfind('\n');
  return std::string(start == text.npos ? text : text.substr(start + 1));
}

}  // namespace

std::string find_program(const std::string& name) {
  for (const char* directory :
       {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    std::string path = std::string(directory) + "/" + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

Result<ProcessIdentity> identify(int pid) {
  auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return fail(Reason::NotFound, fmt::format("no process {}", pid));
  auto boot = read_file("/proc/sys/kernel/random/boot_id");
  if (!boot) return fail(boot.error());
  ProcessIdentity identity{.pid = pid, .boot_id = last_line(*boot)};
  // The command name may hold anything, so fields are counted from its closing bracket: state is field 3.
  size_t at = stat->rfind(')');
  for (int field = 2; field < 22 && at != stat->npos; ++field) at = stat->find(' ', at + 1);
  if (at == stat->npos)
    return fail(Reason::InternalError, fmt::format("/proc/{}/stat is not as expected", pid));
  identity.start_ticks = std::strtoull(stat->c_str() + at + 1, nullptr, 10);
  return identity;
}

Result<Fd> open_process(const ProcessIdentity& wanted) {
  Fd fd(pidfd_open(wanted.pid, 0));
  if (!fd) return fail(Reason::NotFound, fmt::format("no process {}", wanted.pid));
  auto found = identify(wanted.pid);  // after the pidfd: what we looked at is what we hold
  if (!found) return fail(found.error());
  if (found->start_ticks != wanted.start_ticks || found->boot_id != wanted.boot_id)
    return fail(Reason::NotFound, fmt::format("process {} is another one now", wanted.pid));
  return fd;
}

std::string command_line(int pid) {
  auto bytes = read_file(fmt::format("/proc/{}/cmdline", pid));
  if (!bytes) return "";
  while (!bytes->empty() && bytes->back() == '\0') bytes->pop_back();
  for (char& c : *bytes)
    if (c == '\0') c = ' ';
  return *bytes;
}

Result<ProcessIdentity> start_daemon(const std::vector<std::string>& argv, const std::string& log_path,
                                     const std::function<Result<void>(const ProcessIdentity&)>& record) {
  Fd log(open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log) return fail(Reason::InternalError, fmt::format("cannot open {}: {}", log_path, errno_text()));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(Reason::InternalError, "pipe: " + errno_text());
  Fd gate(ends[0]), opener(ends[1]);
  std::vector<char*> arguments = pointers(argv);
  const std::vector<std::string> environment{kPath};
  std::vector<char*> variables = pointers(environment);

  const AnyProcessor any;
  pid_t pid = fork();
  if (pid < 0) return fail(Reason::InternalError, "fork: " + errno_text());
  if (pid == 0) {
    close(opener.get());  // else the child would keep its own gate open
    become_daemon(arguments.data(), variables.data(), log.get(), gate.get());
  }

  auto identity = identify(pid);
  Result<void> recorded;
  if (identity) recorded = record(*identity);
  if (!identity || !recorded) {
    opener = Fd();  // the child reads the end of the pipe and exits
    waitpid(pid, nullptr, 0);
    return fail(!identity ? identity.error() : recorded.error());
  }
  if (write(opener.get(), "g", 1) != 1) return fail(Reason::InternalError, "pipe: " + errno_text());
  return identity;
}

Result<std::string> run_child(const std::vector<std::string>& argv, Duration deadline) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fail(Reason::InternalError, "pipe: " + errno_text());
  Fd out(ends[0]), in(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  std::vector<char*> arguments = pointers(argv);
  const std::vector<std::string> environment{kPath};
  std::vector<char*> variables = pointers(environment);
  pid_t pid = 0;
  const AnyProcessor any;
  int error = posix_spawn(&pid, argv[0].c_str(), &actions, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return fail(Reason::InternalError, fmt::format("cannot run {}: {}", argv[0], std::strerror(error)));
  in = Fd();
  Fd process(pidfd_open(pid, 0));

  using Steady = std::chrono::steady_clock;
  const auto end = Steady::now() + deadline;
  std::string output;
  bool ended = false;
  while (!ended) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now()).count();
    if (left <= 0) break;
    // Once stdout is closed only the process matters, and the other way round: both are watched until it ends.
    pollfd watched[2] = {{.fd = process.get(), .events = POLLIN}, {.fd = out.get(), .events = POLLIN}};
    if (poll(watched, 2, int(std::min<int64_t>(left, 60'000))) < 0 && errno != EINTR) break;
    char buffer[4096];
    ssize_t n = 0;
    while (out && (n = read(out.get(), buffer, sizeof buffer)) > 0) {
      output.append(buffer, size_t(n));
      if (output.size() > 2 * kOutputKept) output.erase(0, output.size() - kOutputKept);
    }
    if (out && n == 0) out = Fd();
    ended = watched[0].revents != 0;
  }
  if (!ended) kill(pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  if (!ended)
    return fail(Reason::Timeout, fmt::format("{} took longer than {} ms and was ended", argv[0],
                                             deadline / std::chrono::milliseconds(1)));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return output;
  std::string why = WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                                      : fmt::format("signal {}", WTERMSIG(status));
  return fail(Reason::InternalError, fmt::format("{}: {}: {}", argv[0], why, last_line(output)));
}

bool wait_process(int pidfd, Duration deadline) {
  pollfd watched{.fd = pidfd, .events = POLLIN};
  int timeout_ms = int(deadline / std::chrono::milliseconds(1));
  if (poll(&watched, 1, timeout_ms) <= 0) return false;
  siginfo_t info{};
  waitid(P_PIDFD, id_t(pidfd), &info, WEXITED | WNOHANG);  // ECHILD for an adopted one: its parent reaps it
  return true;
}

Result<void> write_setting(const std::string& path, std::string_view value) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || write(fd.get(), value.data(), value.size()) != ssize_t(value.size()))
    return fail(Reason::InternalError, fmt::format("cannot set {} to {}: {}", path, value, errno_text()));
  return {};
}

}  // namespace ingot::host
