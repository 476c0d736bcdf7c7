// One request to a Git host, and whether it took it.
#include "git/report.h"
#include "host/git_connect.h"
#include "host/git_objects.h"
#include "host/worker_line.h"

namespace ingot::host {

namespace {

constexpr size_t kLongestHead = 8 * 1024;

std::string read_head(WorkerLine& line) {
  std::string head;
  char buffer[2048];
  while (head.size() < kLongestHead && head.find("\r\n") == head.npos) {
    const auto n = line.read(buffer, sizeof buffer);
    if (n <= 0) break;
    head.append(buffer, size_t(n));
  }
  return head.substr(0, head.find("\r\n"));
}

}  // namespace

Result<void> git_report(const env::GitReport& report, SSL_CTX* trust, int connections) {
  const auto call = git::report_call(report);
  if (!call) return fail(env::git_error(env::kGitRefused, call.error()));
  auto socket = ask_connection(connections, call->host, call->port);
  if (!socket) return fail(socket.error());
  auto line = WorkerLine::open(std::move(*socket), call->encrypted ? trust : nullptr, call->host);
  if (!line) return fail(env::git_error(env::kGitRefused, line.error()));
  if (!line->write(call->request)) return fail(env::git_error(env::kGitUnreachable, call->host + " hung up"));
  const std::string head = read_head(*line);
  if (head.size() < 12 || !head.starts_with("HTTP/1."))
    return fail(env::git_error(env::kGitBroken, call->host + " gave no answer of HTTP"));
  if (head[9] == '2') return {};
  const std::string code = head.substr(9, 3);
  const bool denied = code == "401" || code == "403" || code == "404";
  return fail(
      env::git_error(denied ? env::kGitDenied : env::kGitUnreachable,
                     call->host + " answered " + git_shown(code, 3) +
                         (denied ? ": may the token of spec.statusTokenRef write states of commits?" : "")));
}

}  // namespace ingot::host
