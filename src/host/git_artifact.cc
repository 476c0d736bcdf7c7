#include "host/git_artifact.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>

#include "api/remote_url.h"
#include "host/beneath.h"
#include "host/git_connect.h"
#include "host/git_job.h"
#include "host/pod_files.h"
#include "host/worker.h"

namespace ingot::host {
namespace {

constexpr int kNetwork = 3, kQuestions = 4;
constexpr Duration kConnect = std::chrono::seconds(15);
constexpr int kSeconds = 600;
constexpr const char* kScratch = "git";
// As of the Git workers of Repositories: users that nobody on this machine is.
constexpr uid_t kFirstUser = 0x7ff00000, kUsers = 0x000f0000;

std::unexpected<Error> failed(const std::string& what) {
  return fail(Reason::InternalError, "cannot " + what + ": " + std::strerror(errno));
}

GitJob job_of(const node::ArtifactSource& s, int64_t most) {
  GitJob job{.kind = GitJob::Kind::Checkout,
             .checkout = {.revision = s.git.revision,
                          .branch = s.git.branch,
                          .fetch = s.git.fetch,
                          .single_branch = s.git.single_branch,
                          .any_host_key = s.git.any_host_key,
                          .without_submodules = s.git.without_submodules}};
  job.look.url = s.text;
  job.look.credential = {.username = s.user,
                         .password = s.password,
                         .private_key = s.git.private_key,
                         .known_hosts = s.git.known_hosts};
  job.limits.bytes = std::min(job.limits.bytes, most);
  job.limits.source_bytes = std::min(job.limits.source_bytes, most);
  job.limits.seconds = kSeconds;
  return job;
}

}  // namespace

Result<void> git_apart(const node::ArtifactSource& source, const PodPlace& place, int directory,
                       const Fd& file, int64_t most, const std::atomic<bool>* stopped) {
  const auto url = api::parse_remote_url(source.text);
  if (!url || url->scheme == api::RemoteUrl::Scheme::File)
    return fail(Reason::Invalid, "git.repo is no https://, http:// or ssh:// URL");
  const Fd network(::open(place.network.c_str(), O_RDONLY | O_CLOEXEC));
  if (!network) return fail(Reason::InternalError, "the pod has no network to fetch it through");
  remove_tree(directory, kScratch);
  if (::mkdirat(directory, kScratch, 0700) != 0) return failed("make a directory");
  const Fd scratch(::openat(directory, kScratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat about{};
  if (!scratch || ::fstat(scratch.get(), &about) != 0) return failed("open a directory");
  const uid_t user = kFirstUser + uid_t(about.st_ino % kUsers);
  if (::geteuid() == 0 && ::fchown(scratch.get(), user, user) != 0) return failed("give a directory away");
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return failed("make sockets");
  const Fd here(pair[0]);
  Fd there(pair[1]);
  const WorkerJob connector{.arguments = {"connect"},
                            .deadline = std::chrono::seconds(kSeconds + 10),
                            .most_output = 1'024,
                            .cancelled = stopped,
                            .input = api::to_text(names_of(place)),
                            .files = {network.get(), here.get()}};
  auto connecting = std::async(std::launch::async, [&] { return run_worker(connector); });
  int64_t written = 0;
  const auto fetched =
      run_worker({.arguments = {"git"},
                  .deadline = std::chrono::seconds(kSeconds),
                  .most_output = 1'024,
                  .cancelled = stopped,
                  .input = to_text(job_of(source, most)),
                  .files = {scratch.get(), there.get()},
                  .take = [&](std::string_view bytes) -> Result<void> {
                    if ((written += int64_t(bytes.size())) > most)
                      return fail(Reason::InternalError, "it is larger than there is room for");
                    if (!write_all(file.get(), bytes)) return failed("write it");
                    return {};
                  }});
  there = Fd();  // nobody asks any more
  const auto connected = connecting.get();
  remove_tree(directory, kScratch);
  if (!fetched && !connected && written == 0 && connected.error().reason != Reason::Timeout)
    return fail(connected.error());
  if (!fetched) return fail(fetched.error());
  return {};
}

int connect_worker(std::span<const char* const> arguments) {
  if (arguments.size() != 1 || arguments[0] != std::string_view("connect")) return -1;
  const auto told = api::parse_json(worker_input());
  if (!told) return worker_failed("cannot read where the pod stands");
  if (auto entered = enter_pod(kNetwork, *told); !entered) return worker_failed(entered.error().message);
  ::close(kNetwork);
  if (auto confined = confine_worker(Keep::Network); !confined)
    return worker_failed(confined.error().message);
  // What the pod may not reach, its own network keeps from it.
  const AddressRules rules({*parse_address_range("0.0.0.0/0"), *parse_address_range("::/0")});
  while (answer_connection(kQuestions, rules, false, kConnect)) continue;
  return 0;
}

}  // namespace ingot::host
