#include "host/git_remotes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <future>
#include <map>

#include "api/remote_url.h"
#include "base/quantity.h"
#include "host/crew.h"
#include "host/git_clones.h"
#include "host/git_worker.h"
#include "host/worker.h"

namespace ingot::host {
namespace {

using Scheme = api::RemoteUrl::Scheme;
constexpr Duration kConnect = std::chrono::seconds(15);  // and how long a remote may be silent
constexpr size_t kLongestAnswer = 16u << 20;
constexpr int kReportSeconds = 30;

// What the threads need; outlives them.
struct Shop {
  GitOptions options;
  AddressRules rules;
  env::Log& log;
  env::Blobs& blobs;
  Fd root, file_root;
  GitClones clones{std::move(root), blobs};
  std::atomic<bool> closing = false;

  Result<Fd> open_file_remote(const std::string& path) {
    const auto refuse = [&](const std::string& why) {
      return Result<Fd>(fail(env::git_error(env::kGitRefused, why)));
    };
    if (!file_root)
      return refuse(
          "file remotes are refused: the factory's operator can allow a folder with ingot up --git-root DIR");
    std::string rest = path;
    if (rest != options.file_root && !rest.starts_with(options.file_root + "/"))
      return refuse(path + " is not beneath the folder that the operator allowed");
    rest.erase(0, std::min(options.file_root.size() + 1, rest.size()));
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    Fd remote(
        int(::syscall(SYS_openat2, file_root.get(), rest.empty() ? "." : rest.c_str(), &how, sizeof how)));
    if (!remote && (errno == EXDEV || errno == ELOOP))
      return refuse(path + " leads out of the folder that the operator allowed");
    if (!remote) return refuse("cannot open " + path + ": " + std::strerror(errno));
    return remote;
  }

  Result<std::string> run(const std::string& repository, const GitJob& job,
                          std::function<Result<void>(std::string_view)> take);
  Result<env::GitSeen> look(const env::GitLook&);
  Result<env::GitSource> pack(const env::GitPack&);
  Result<void> report(const env::GitReport&);

 private:
  Result<env::GitSeen> look_within(const env::GitLook&, GitLimits);
};

Result<std::string> Shop::run(const std::string& repository, const GitJob& job,
                              std::function<Result<void>(std::string_view)> take) {
  auto own = clones.open(repository);
  if (!own) return fail(own.error());
  const auto url = api::parse_remote_url(job.look.url);
  const bool pack = job.kind == GitJob::Kind::Pack;
  if (!pack && !url) return fail(env::git_error(env::kGitRefused, "spec.url " + url.error()));
  Fd remote;
  if (job.kind == GitJob::Kind::Look && url->scheme == Scheme::File) {
    auto opened = open_file_remote(url->path);
    if (!opened) return fail(opened.error());
    remote = std::move(*opened);
  }
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return fail(env::git_error(env::kGitBroken, std::string("cannot make sockets: ") + std::strerror(errno)));
  const Fd here(pair[0]);
  Fd there(pair[1]);
  WorkerJob child{.arguments = {"git"},
                  .deadline = std::chrono::seconds(job.limits.seconds),
                  .most_output = kLongestAnswer,
                  .cancelled = &closing,
                  .input = to_text(job),
                  .files = {own->get(), there.get()},
                  .take = std::move(take)};
  if (remote) child.files.push_back(remote.get());
  if (!pack && url->scheme != Scheme::File) {
    child.asks = here.get();
    child.answer = [&, open = url->scheme == Scheme::Http] {
      return answer_connection(here.get(), rules, open, kConnect);
    };
  }
  auto answer = run_worker(child);
  if (!answer && answer.error().reason == Reason::Timeout)
    return fail(env::git_error(env::kGitTimedOut, "the remote gave no whole answer within " +
                                                      std::to_string(job.limits.seconds) + " s"));
  return answer;
}

Error no_room(const GitClones::Room& room) {
  return env::git_error(
      env::kGitNoRoom,
      room.of_tenant
          ? fmt::format("exceeded the tenant's spec.storage.limit of {}: its data and its repositories hold "
                        "{}; delete "
                        "Repositories or versions of data sets that nobody needs, or ask the operator for a "
                        "higher limit",
                        format_bytes(room.limit), format_bytes(room.held))
          : fmt::format("what is kept of the tenant's repositories would pass {}: {} are held; delete "
                        "Repositories that "
                        "nobody needs, or ask the operator for a spec.storage.limit of the tenant's own",
                        format_bytes(room.limit), format_bytes(room.held)));
}

Result<env::GitSeen> Shop::look(const env::GitLook& look) {
  // History that was rewritten stays until there is too much of it.
  if (clones.measure(look.cluster, look.repository) > 2 * options.limits.bytes)
    clones.forget(look.repository);
  // The control plane's own store lies on the same disk.
  if (const int64_t left = clones.disk_left(); left < 2 * options.limits.bytes)
    return fail(env::git_error(
        env::kGitDiskFull,
        fmt::format("the factory's disk has too little room to fetch anything: {} are left, {} are for the "
                    "factory itself; the operator can free space on it",
                    format_bytes(left), format_bytes(2 * options.limits.bytes))));
  const GitClones::Room room = clones.room(look.cluster);
  GitLimits limits = options.limits;
  limits.room = room.left;
  auto seen = look_within(look, limits);
  if (!seen && seen.error().causes.front().type == env::kGitNoRoom) seen = fail(no_room(room));
  // What was cut off is not gone on with.
  for (const std::string_view cause :
       {env::kGitTooLarge, env::kGitBroken, env::kGitTimedOut, env::kGitNoRoom, env::kGitDiskFull})
    if (!seen && seen.error().causes.front().type == cause) clones.forget(look.repository);
  if (seen) clones.measure(look.cluster, look.repository);
  return seen;
}

Result<env::GitSeen> Shop::look_within(const env::GitLook& look, GitLimits limits) {
  const GitJob job{.kind = GitJob::Kind::Look, .look = look, .limits = limits};
  const auto answer = run(look.repository, job, nullptr);
  auto seen = answer ? parse_git_seen(*answer) : Result<env::GitSeen>(fail(answer.error()));
  if (!seen && seen.error().causes.empty())
    return fail(env::git_error(env::kGitBroken, seen.error().message));
  return seen;
}

// Room may come: what the store of blobs refuses for want of it is asked again.
std::unexpected<Error> not_stored(Error error) {
  if (env::is_disk_full(error)) return fail(env::git_error(env::kGitDiskFull, error.message));
  if (error.reason == Reason::Forbidden) return fail(env::git_error(env::kGitNoRoom, error.message));
  return fail(std::move(error));
}

Result<env::GitSource> Shop::pack(const env::GitPack& pack) {
  auto upload = blobs.begin(pack.cluster);
  if (!upload) return not_stored(upload.error());
  const GitJob job{.kind = GitJob::Kind::Pack, .commit = pack.commit, .limits = options.limits};
  const auto packed =
      run(pack.repository, job, [&](std::string_view bytes) { return (*upload)->append(bytes); });
  if (!packed) {
    (*upload)->abort();
    return not_stored(packed.error());
  }
  const auto stored = (*upload)->commit(std::nullopt);
  if (!stored) return not_stored(stored.error());
  return env::GitSource{stored->digest, stored->bytes};
}

Result<void> Shop::report(const env::GitReport& report) {
  GitJob job{.kind = GitJob::Kind::Report, .report = report, .limits = options.limits};
  job.look.url = report.url;
  job.limits.seconds = kReportSeconds;
  const auto answer = run(report.repository, job, nullptr);
  return answer ? parse_git_done(*answer) : Result<void>(fail(answer.error()));
}

class GitRemotes final : public env::Git {
 public:
  GitRemotes(env::Loop& loop, std::shared_ptr<Shop> shop)
      : loop_(loop), shop_(std::move(shop)), crew_(shop_->options.workers, "git") {}
  ~GitRemotes() override {
    shop_->closing = true;
    crew_.stop();
    // The loop may be in the middle of an answer.
    std::promise<void> away;
    loop_.post([&] {
      alive_ = nullptr;
      away.set_value();
    });
    away.get_future().wait();
  }

  void look(env::GitLook look, std::move_only_function<void(Result<env::GitSeen>)> done) override {
    const ClusterId cluster = look.cluster;
    ask<env::GitSeen>(
        cluster, [look = std::move(look)](Shop& shop) { return shop.look(look); }, std::move(done));
  }
  void pack(env::GitPack pack, std::move_only_function<void(Result<env::GitSource>)> done) override {
    const ClusterId cluster = pack.cluster;
    ask<env::GitSource>(
        cluster, [pack = std::move(pack)](Shop& shop) { return shop.pack(pack); }, std::move(done));
  }
  void report(env::GitReport report, std::move_only_function<void(Result<void>)> done) override {
    const ClusterId cluster = report.cluster;
    ask<void>(
        cluster, [report = std::move(report)](Shop& shop) { return shop.report(report); }, std::move(done));
  }
  void forget(const std::string& repository) override {
    crew_.post([shop = shop_, repository] { shop->clones.forget(repository); });
  }
  void keep(std::vector<env::GitKept> repositories) override {
    crew_.post([shop = shop_, all = std::move(repositories)] { shop->clones.keep(all); });
  }

 private:
  struct Cluster {
    std::deque<env::Task> waiting;
    int working = 0;
  };

  template <class Answer, class Work>
  void ask(const ClusterId& cluster, Work work, std::move_only_function<void(Result<Answer>)> done) {
    const auto known = clusters_.find(cluster);
    if (waiting_ >= shop_->options.waiting ||
        (known != clusters_.end() && known->second.waiting.size() >= shop_->options.waiting_of_one)) {
      loop_.post([done = std::move(done)]() mutable {
        done(fail(
            env::git_error(env::kGitBusy, "too many repositories wait to be looked at; it is tried again")));
      });
      return;
    }
    ++waiting_;
    clusters_[cluster].waiting.push_back(
        [this, cluster, work = std::move(work), done = std::move(done)]() mutable {
          crew_.post([&loop = loop_, shop = shop_, alive = std::weak_ptr(alive_), cluster,
                      work = std::move(work), done = std::move(done)]() mutable {
            auto answer = std::make_shared<Result<Answer>>(work(*shop));
            loop.post([alive = std::move(alive), cluster, answer, done = std::move(done)]() mutable {
              const auto self = alive.lock();
              if (!self) return;
              (*self)->ended(cluster);
              done(std::move(*answer));
            });
          });
        });
    next();
  }

  void ended(const ClusterId& cluster) {
    --working_;
    if (auto own = clusters_.find(cluster);
        own != clusters_.end() && --own->second.working == 0 && own->second.waiting.empty())
      clusters_.erase(own);
    next();
  }

  // Cluster by cluster, after the one that was last.
  void next() {
    while (working_ < shop_->options.workers && waiting_ > 0) {
      auto from = clusters_.upper_bound(last_);
      size_t looked = 0;
      for (; looked < clusters_.size(); ++looked, ++from) {
        if (from == clusters_.end()) from = clusters_.begin();
        if (!from->second.waiting.empty() && from->second.working < shop_->options.workers_of_one) break;
      }
      if (looked == clusters_.size()) return;
      last_ = from->first;
      env::Task start = std::move(from->second.waiting.front());
      from->second.waiting.pop_front();
      --waiting_;
      ++working_;
      ++from->second.working;
      start();
    }
  }

  env::Loop& loop_;
  const std::shared_ptr<Shop> shop_;
  std::map<ClusterId, Cluster> clusters_;
  ClusterId last_;
  size_t waiting_ = 0;
  int working_ = 0;
  std::shared_ptr<GitRemotes*> alive_ = std::make_shared<GitRemotes*>(this);
  Crew crew_;  // first to go
};

Result<Fd> open_directory(const std::string& path) {
  Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) return directory;
  return fail(Reason::InternalError, "cannot open " + path + ": " + std::strerror(errno));
}

}  // namespace

Result<std::unique_ptr<env::Git>> open_git_remotes(env::Loop& loop, env::Log& log, env::Blobs& blobs,
                                                   GitOptions options) {
  if (auto made = make_directory(options.root, 0711); !made) return fail(made.error());
  auto root = open_directory(options.root);
  if (!root) return fail(root.error());
  Fd file_root;
  if (!options.file_root.empty()) {
    auto opened = open_directory(options.file_root);
    if (!opened) return fail(Reason::Invalid, "--git-root: " + opened.error().message);
    file_root = std::move(*opened);
  }
  AddressRules rules(options.allowed);
  return std::make_unique<GitRemotes>(
      loop, std::make_shared<Shop>(std::move(options), std::move(rules), log, blobs, std::move(*root),
                                   std::move(file_root)));
}

}  // namespace ingot::host
