// ingot up
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "host/disk_file.h"
#include "ingot/client.h"
#include "ingot/factory.h"
#include "ingot/output.h"
#include "ingot/signals.h"

namespace ingot {
namespace {

using Clock = std::chrono::steady_clock;

struct Endpoint {
  std::string address;
  uint16_t port = 0;
};

// ADDR:PORT, [ADDR]:PORT, :PORT or localhost:PORT.
Result<Endpoint> parse_listen(const std::string& text) {
  const auto refuse = [&] {
    return fail(Reason::Invalid,
                fmt::format("--listen \"{}\" is not ADDRESS:PORT, such as 127.0.0.1:6443", text));
  };
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return refuse();
  Endpoint endpoint{.address = text.substr(0, colon)};
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, endpoint.port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return refuse();
  if (endpoint.address.starts_with('[') && endpoint.address.ends_with(']'))
    endpoint.address = endpoint.address.substr(1, endpoint.address.size() - 2);
  if (endpoint.address.empty()) endpoint.address = "0.0.0.0";
  if (endpoint.address == "localhost") endpoint.address = "127.0.0.1";
  in6_addr literal{};
  if (inet_pton(AF_INET, endpoint.address.c_str(), &literal) != 1 &&
      inet_pton(AF_INET6, endpoint.address.c_str(), &literal) != 1)
    return refuse();
  return endpoint;
}

void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string ready_line(const std::string& address, const std::string& description, const std::string& data,
                       Clock::time_point started) {
  const std::chrono::duration<double> took = Clock::now() - started;
  return fmt::format("factory ready in {:.1f} s      https://{}     {}     data {}\n", took.count(), address,
                     description, data);
}

// Over the socket, as anybody would ask.
Result<void> check_ready(const Common& common) {
  auto client = Client::open(common);
  if (!client) return fail(client.error());
  auto endpoint = client->text("/readyz");
  if (!endpoint) return fail(endpoint.error());
  return {};
}

// Tells the parent that detached us, as one line "+" or "-" and a text.
void tell_parent(int fd, char verdict, const std::string& text) {
  if (fd < 0) return;
  const std::string message = verdict + text;
  (void)!::write(fd, message.data(), message.size());
  ::close(fd);
}

int run(const Common& common, const UpOptions& options, const Endpoint& listen, Duration return_after,
        Clock::time_point started) {
  catch_signals();
  allow_many_files();
  auto factory = Factory::start({.data = common.data,
                                 .listen_address = listen.address,
                                 .listen_port = listen.port,
                                 .gpus = options.gpus,
                                 .hollow = options.hollow,
                                 .gpu_return_after = return_after,
                                 .git_root = options.git_root,
                                 .git_allow = options.git_allow,
                                 .webhook_allow = options.webhook_allow,
                                 .webhook_ca = options.webhook_ca,
                                 .log_to_file = options.ready_fd >= 0});
  Result<void> good = factory ? check_ready(common) : Result<void>(std::unexpected(factory.error()));
  if (!good) {
    tell_parent(options.ready_fd, '-', good.error().message);
    return options.ready_fd < 0 ? failed(good.error()) : kFailed;
  }
  const std::string line = ready_line((*factory)->address(), (*factory)->describe(), common.data, started);
  if (options.ready_fd < 0) {
    fmt::print("{}", line);
    std::fflush(stdout);
  }
  tell_parent(options.ready_fd, '+', fmt::format("{}\n{}", (*factory)->address(), (*factory)->describe()));
  const int signal = wait_for_signal();
  (*factory)->stop(signal == SIGUSR1);
  return kOk;
}

std::string last_lines(const std::string& path, int count) {
  const auto text = host::read_file(path, size_t(1) << 30);
  if (!text) return "";
  size_t at = text->size();
  for (int i = 0; i <= count && at != text->npos && at > 0; ++i) at = text->rfind('\n', at - 1);
  return text->substr(at == text->npos ? 0 : at + 1);
}

// The program once more, in a session of its own, its output in the log.
[[noreturn]] void exec_detached(const Common& common, const UpOptions& options, int ready_fd) {
  ::setsid();
  const std::string log_path = common.data + "/ingot.log";
  const int log = ::open(log_path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  const std::string fd = std::to_string(ready_fd);
  std::vector<const char*> argv{"ingot",
                                "up",
                                "--data",
                                common.data.c_str(),
                                "--listen",
                                options.listen.c_str(),
                                "--gpus",
                                options.gpus.c_str(),
                                "--gpu-return-after",
                                options.gpu_return_after.c_str(),
                                "--ready-fd",
                                fd.c_str()};
  if (!options.hollow.empty()) argv.insert(argv.end(), {"--hollow", options.hollow.c_str()});
  if (!options.git_root.empty()) argv.insert(argv.end(), {"--git-root", options.git_root.c_str()});
  for (const std::string& range : options.git_allow) argv.insert(argv.end(), {"--git-allow", range.c_str()});
  for (const std::string& range : options.webhook_allow)
    argv.insert(argv.end(), {"--webhook-allow", range.c_str()});
  if (!options.webhook_ca.empty()) argv.insert(argv.end(), {"--webhook-ca", options.webhook_ca.c_str()});
  argv.push_back(nullptr);
  ::execv("/proc/self/exe", const_cast<char* const*>(argv.data()));
  ::_exit(127);
}

int detach(const Common& common, const UpOptions& options, Clock::time_point started) {
  if (auto made = host::make_directory(common.data, 0700); !made) return failed(made.error());
  int pipe[2];
  if (::pipe(pipe) != 0) return failed(fmt::format("cannot make a pipe: {}", strerror(errno)));
  ::fcntl(pipe[0], F_SETFD, FD_CLOEXEC);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return failed(fmt::format("cannot start a process: {}", strerror(errno)));
  if (child == 0) exec_detached(common, options, pipe[1]);
  ::close(pipe[1]);
  std::string message;
  char block[4096];
  for (ssize_t n; (n = ::read(pipe[0], block, sizeof block)) > 0;) message.append(block, size_t(n));
  ::close(pipe[0]);
  if (message.starts_with('+')) {
    const size_t end = message.find('\n');
    fmt::print("{}", ready_line(message.substr(1, end - 1), message.substr(end + 1), common.data, started));
    return kOk;
  }
  ::waitpid(child, nullptr, 0);
  if (message.starts_with('-')) return failed(message.substr(1));
  return failed(fmt::format("the factory ended while starting; its last words in {}/ingot.log:\n{}",
                            common.data, last_lines(common.data + "/ingot.log", 5)));
}

}  // namespace

int up(const Common& common, const UpOptions& given) {
  const auto started = Clock::now();
  UpOptions options = given;
  if (!options.git_root.empty()) {
    char* real = ::realpath(options.git_root.c_str(), nullptr);
    if (!real) return failed(fmt::format("--git-root {}: {}", options.git_root, strerror(errno)));
    options.git_root = real;
    ::free(real);
  }
  auto listen = parse_listen(options.listen);
  if (!listen) return failed(listen.error());
  const auto return_after = parse_duration(options.gpu_return_after);
  if (!return_after || *return_after < Duration::zero())
    return failed(fmt::format("--gpu-return-after \"{}\" is not a duration such as 5m or 1h",
                              options.gpu_return_after));
  if ((options.gpus != "none") && ::geteuid() != 0)
    return failed(
        "ingot up runs containers and needs root: use sudo, or --gpus none for a control plane without "
        "nodes");
  return options.detach ? detach(common, options, started)
                        : run(common, options, *listen, *return_after, started);
}

}  // namespace ingot
