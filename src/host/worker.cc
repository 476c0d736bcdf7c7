#include "host/worker.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "host/disk_file.h"
#include "host/pidfd.h"
#include "host/processors.h"
#include "host/thread_name.h"

namespace ingot::host {
namespace {

constexpr size_t kMostFiles = 8;
constexpr int kAside = 64;         // where they wait for their places
constexpr int kLookAgainMs = 100;  // at what may have been cancelled
constexpr int kReapMs = 2000;

struct Pipe {
  int read = -1, write = -1;
  ~Pipe() {
    for (const int fd : {read, write})
      if (fd >= 0) close(fd);
  }
  bool open() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return false;
    read = fds[0];
    write = fds[1];
    return true;
  }
  void close_write() {
    close(write);
    write = -1;
  }
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.find_last_of('\n') + 1);
}

// What goes between a child and who started it, until the child has closed its ends.
class Talk {
 public:
  Talk(const WorkerJob& job, Pipe& in, const Pipe& out, const Pipe& err)
      : job_(job),
        in_(in),
        fds_{{out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {in.write, POLLOUT, 0}, {job.asks, POLLIN, 0}} {
    if (in.write >= 0) fcntl(in.write, F_SETFL, O_NONBLOCK);
  }

  enum class End : uint8_t { Good, Late, Refused };
  End run() {
    const auto end = std::chrono::steady_clock::now() + job_.deadline;
    while (fds_[0].fd >= 0 || fds_[1].fd >= 0) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      if (left.count() <= 0 || (job_.cancelled && *job_.cancelled)) return End::Late;
      const int wait = int(left.count()) + 1;
      if (poll(fds_, 4, job_.cancelled ? std::min(wait, kLookAgainMs) : wait) < 0 && errno != EINTR)
        return End::Late;
      if (ready(0) && !read_answer()) return End::Refused;
      if (job_.most_output < answer.size()) return End::Late;
      if (ready(1)) read_complaint();
      if (ready(2)) write_input();
      if (ready(3) && !job_.answer()) fds_[3].fd = -1;
    }
    return End::Good;
  }

  std::string answer, complaint;
  Error refusal;  // of who took the answer

 private:
  bool ready(int i) const { return fds_[i].fd >= 0 && fds_[i].revents != 0; }
  // What is there now; closes the place at the end.
  std::string_view read_some(int i) {
    const ssize_t n = ::read(fds_[i].fd, buffer_, sizeof buffer_);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) fds_[i].fd = -1;
    return {buffer_, n > 0 ? size_t(n) : 0};
  }
  bool read_answer() {
    const std::string_view piece = read_some(0);
    if (!job_.take) {
      answer += piece;
      return true;
    }
    Result<void> taken = piece.empty() ? Result<void>() : job_.take(piece);
    if (!taken) refusal = std::move(taken.error());
    return taken.has_value();
  }
  void read_complaint() {
    complaint += read_some(1);
    if (complaint.size() > 4096) complaint.erase(0, complaint.size() - 4096);
  }
  void write_input() {
    const ssize_t n = ::write(in_.write, job_.input.data() + written_, job_.input.size() - written_);
    if (n > 0) written_ += size_t(n);
    if (written_ < job_.input.size() && (n >= 0 || errno == EINTR || errno == EAGAIN)) return;
    in_.close_write();
    fds_[2].fd = -1;
  }

  const WorkerJob& job_;
  Pipe& in_;
  pollfd fds_[4];
  size_t written_ = 0;
  char buffer_[16384];
};

// The child's status; 0 for one that had to be ended though it has closed its ends: what it said is whole. One that hangs in
// the kernel is left to a thread that may wait for ever.
int reap(pid_t child) {
  int status = 0;
  const Fd handle(pidfd_open(child, 0));
  pollfd ended{handle.get(), POLLIN, 0};
  const bool late = handle && poll(&ended, 1, kReapMs) == 0;
  if (late) {
    kill(-child, SIGKILL);
    if (poll(&ended, 1, kReapMs) == 0) {
      std::thread([child] {
        name_thread("reap");
        waitpid(child, nullptr, 0);
      }).detach();
      return 0;
    }
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return late ? 0 : status;
}

// No capability but CAP_SYS_ADMIN: root's files, and what a driver lets its administrator do.
bool keep_administration() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = 1u << CAP_SYS_ADMIN;
  return syscall(SYS_capset, &header, data) == 0;
}

// `in`: -1 for nothing to read.
Result<pid_t> spawn(const WorkerJob& job, int in, int out, int err) {
  ASSERT(job.files.size() <= kMostFiles);
  std::vector<std::string> arguments{"ingot", "worker"}, environment;
  arguments.insert(arguments.end(), job.arguments.begin(), job.arguments.end());
  for (const auto& [name, value] : job.environment) environment.push_back(name + "=" + value);
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const AnyProcessor any;
  const pid_t child = fork();
  if (child < 0)
    return fail(Reason::InternalError, std::string("cannot start a worker: ") + std::strerror(errno));
  if (child > 0) return child;
  // Between fork and exec: async-signal-safe calls only.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = open("/dev/null", O_RDWR);
  dup2(out, 1);
  dup2(err >= 0 ? err : null, 2);
  dup2(in >= 0 ? in : null, 0);
  // Aside first, so that no place is taken while somebody still lies in it.
  int aside[kMostFiles];
  const int count = int(job.files.size());
  for (int i = 0; i < count; ++i) aside[i] = fcntl(job.files[size_t(i)], F_DUPFD, kAside);
  for (int i = 0; i < count; ++i) dup2(aside[i], 3 + i);
  close_range(unsigned(3 + count), ~0U, 0);  // also what was not meant to be inherited
  execve("/proc/self/exe", argv.data(), envp.data());
  _exit(127);
}

}  // namespace

Result<WorkerProcess> start_worker(const WorkerJob& job) {
  Pipe in, out;
  if (!in.open() || !out.open())
    return fail(Reason::InternalError, std::string("cannot make a pipe: ") + std::strerror(errno));
  for (const int fd : {in.write, out.read}) fcntl(fd, F_SETFL, O_NONBLOCK);
  const Result<pid_t> child = spawn(job, in.read, out.write, -1);
  if (!child) return std::unexpected(child.error());
  return WorkerProcess{*child, Fd(std::exchange(in.write, -1)), Fd(std::exchange(out.read, -1))};
}

Result<std::string> run_worker(const WorkerJob& job) {
  Pipe in, out, err;
  if (!out.open() || !err.open() || (!job.input.empty() && !in.open()))
    return fail(Reason::InternalError, std::string("cannot make a pipe: ") + std::strerror(errno));
  const Result<pid_t> started = spawn(job, in.read, out.write, err.write);
  if (!started) return std::unexpected(started.error());
  const pid_t child = *started;
  out.close_write();
  err.close_write();
  Talk talk(job, in, out, err);
  const Talk::End end = talk.run();
  if (end != Talk::End::Good) kill(-child, SIGKILL);
  const int status = reap(child);
  const std::string& what = job.arguments.front();
  if (end == Talk::End::Refused) return fail(std::move(talk.refusal));
  if (end == Talk::End::Late)
    return fail(Reason::Timeout, "worker " + what + " gave no answer in time and was stopped");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::string line = last_line(talk.complaint);
    if (line.starts_with("error: ")) line.erase(0, 7);
    return fail(Reason::InternalError, line.empty() ? "worker " + what + " failed" : line);
  }
  return std::move(talk.answer);
}

Result<void> confine_worker(Keep keep, uid_t user) {
  const rlimit none{0, 0}, files{64, 64};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_NOFILE, &files);
  const bool root = geteuid() == 0;
  if (root && keep == Keep::Root && (setgroups(0, nullptr) != 0 || !keep_administration()))
    return fail(Reason::InternalError,
                std::string("a worker cannot give up capabilities: ") + std::strerror(errno));
  if (root && keep != Keep::Root &&
      (setgroups(0, nullptr) != 0 || setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0))
    return fail(Reason::InternalError, std::string("a worker cannot give up root: ") + std::strerror(errno));
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail(Reason::InternalError, "a worker cannot give up new privileges");
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (!filter) return fail(Reason::InternalError, "a worker cannot make a system call filter");
  bool ok = true;
  if (keep != Keep::Network)
    for (const int call : {SCMP_SYS(socket), SCMP_SYS(socketpair)})
      ok = ok && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0) == 0;
  for (const int call : {SCMP_SYS(execve),
                         SCMP_SYS(execveat),
                         SCMP_SYS(ptrace),
                         SCMP_SYS(mount),
                         SCMP_SYS(umount2),
                         SCMP_SYS(pivot_root),
                         SCMP_SYS(bpf),
                         SCMP_SYS(setns),
                         SCMP_SYS(unshare),
                         SCMP_SYS(fork),
                         SCMP_SYS(vfork),
                         SCMP_SYS(kill),
                         SCMP_SYS(process_vm_readv),
                         SCMP_SYS(process_vm_writev),
                         SCMP_SYS(keyctl),
                         SCMP_SYS(add_key),
                         SCMP_SYS(request_key),
                         SCMP_SYS(io_uring_setup),
                         SCMP_SYS(userfaultfd),
                         SCMP_SYS(init_module)})
    ok = ok && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0) == 0;
  ok = ok && seccomp_load(filter) == 0;
  seccomp_release(filter);
  if (!ok) return fail(Reason::InternalError, "a worker cannot load its system call filter");
  return {};
}

}  // namespace ingot::host
