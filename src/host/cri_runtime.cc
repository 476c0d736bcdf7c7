#include "host/cri_runtime.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "host/cgroup.h"
#include "host/cri_convert.h"
#include "host/cri_probe.h"
#include "host/cri_steps.h"
#include "host/left_behind.h"

namespace ingot::host {
namespace {
using namespace std::chrono_literals;
namespace v1 = runtime::v1;
constexpr Duration kQuick = 30s, kStart = 2min;  // list, status, remove; sandbox and container creation
constexpr Duration kSettleFirst = 5ms, kSettleMost = 1s;
constexpr int kSettleTries = 30;

// A node's pods, or one of them.
template <class Filter>
void narrow(Filter* filter, const std::string& node, const std::string& pod_uid) {
  (*filter->mutable_label_selector())[kNodeLabel] = node;
  if (!pod_uid.empty()) (*filter->mutable_label_selector())[kUidLabel] = pod_uid;
}

class CriRuntime final : public node::Runtime {
 public:
  CriRuntime(env::Env& env, Containerd& containerd, PodNetwork& network, PodStores stores, std::string node)
      : env_(env),
        containerd_(containerd),
        network_(network),
        stores_(stores),
        node_(std::move(node)),
        prober_(env.loop) {
    observer_ = containerd_.add_observer([this](const Containerd::Event& event) { happened(event); });
  }
  ~CriRuntime() override { containerd_.remove_observer(observer_); }

  void run_sandbox(const node::SandboxSpec&, node::Callback<std::string>) override;
  void create_container(const std::string& sandbox, const node::SandboxSpec&, const node::ContainerSpec&,
                        node::Callback<std::string>) override;
  void start_container(const std::string& id, node::Callback<void>) override;
  void stop_container(const std::string& id, Duration grace, node::Callback<void>) override;
  void remove_container(const std::string& id, node::Callback<void>) override;
  void stop_sandbox(const std::string& id, node::Callback<void>) override;
  void remove_sandbox(const std::string& id, node::Callback<void>) override;
  void list(node::Callback<std::vector<node::SandboxStatus>> done) override { look("", std::move(done)); }
  void inspect(const std::string& pod_uid, node::Callback<std::vector<node::SandboxStatus>> done) override {
    look(pod_uid, std::move(done));
  }
  void exec(const std::string& container, const std::vector<std::string>& argv, Duration timeout,
            node::Callback<int> f) override {
    exec_in(containerd_.rpc(), container, argv, timeout, std::move(f));
  }
  void probe(const NetProbe& what, node::Callback<int> callback) override {
    prober_.probe(what, std::move(callback));
  }
  void bring(const node::Bring& what, node::Callback<node::Brought> f) override {
    bring_to(containerd_.rpc(), containerd_.options().paths, stores_.artifacts, what, std::move(f));
  }
  void ask(const node::HttpAsk& what, node::Callback<node::HttpAnswer> f) override {
    ask_from(containerd_.rpc(), containerd_.options().paths, stores_.artifacts, what, std::move(f));
  }
  void datasets(const node::DatasetsWanted& w, node::Callback<std::vector<std::string>> f) override {
    stores_.datasets.prepare(w, std::move(f));
  }
  void left(const node::LeftBy& by, node::Callback<node::Left> f) override {
    ask_left(containerd_.rpc(), stores_.artifacts, by, std::move(f));
  }
  void on_change(std::function<void(const std::string&)> changed) override { changed_ = std::move(changed); }

 private:
  struct Known {
    std::string pod_uid, cluster;
    bool sandbox = false;
  };
  struct Listing {
    std::string pod_uid;  // "" = every pod of the node
    node::Callback<std::vector<node::SandboxStatus>> callback;
    std::vector<node::SandboxStatus> sandboxes;
    int open = 0;  // answers still to come
    std::optional<Error> failed;
  };

  template <class Reply, class Request>
  void call(const char* method, const Request& request, Duration timeout,
            std::move_only_function<void(Result<Reply>)> then) {
    containerd_.rpc().call(
        method, request.SerializeAsString(), timeout,
        [weak = std::weak_ptr(alive_), then = std::move(then)](Result<std::string> answer) mutable {
          if (weak.expired()) return;
          if (!answer) return then(fail(answer.error()));
          Reply reply;
          if (!reply.ParseFromString(*answer))
            return then(fail(Reason::InternalError, "containerd: malformed answer"));
          then(std::move(reply));
        });
  }
  template <class Reply, class Request>
  void call_gone_is_fine(const char* method, const Request& request, Duration timeout,
                         node::Callback<void> then) {
    call<Reply>(method, request, timeout, [then = std::move(then)](Result<Reply> reply) mutable {
      if (!reply && reply.error().reason != Reason::NotFound) return then(fail(reply.error()));
      then({});
    });
  }

  void find_sandbox(const node::SandboxSpec&, Error otherwise, node::Callback<std::string>);
  void find_container(const std::string& sandbox, const node::ContainerSpec&, Error otherwise,
                      node::Callback<std::string>);
  void learn_address(const std::string& sandbox, node::Callback<std::string>);
  void create(const std::string& sandbox, const node::SandboxSpec&, node::ContainerSpec,
              node::Callback<std::string>);

  void look(const std::string& pod_uid, node::Callback<std::vector<node::SandboxStatus>>);
  void listed_sandboxes(std::shared_ptr<Listing>, Result<v1::ListPodSandboxResponse>);
  void listed_containers(std::shared_ptr<Listing>, Result<v1::ListContainersResponse>);
  void add_container(const std::shared_ptr<Listing>&, size_t sandbox, const v1::Container&);
  void finish(const std::shared_ptr<Listing>&);

  void happened(const Containerd::Event&);
  void settle(const std::string& id, int tries, Duration wait);
  void again(const std::string& id, int tries, Duration wait);
  void report(const std::string& id);
  env::Env& env_;
  Containerd& containerd_;
  PodNetwork& network_;
  const PodStores stores_;
  std::string node_;
  Prober prober_;
  uint64_t observer_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::function<void(const std::string&)> changed_;
  std::map<std::string, Known> known_;                     // by CRI id
  std::map<std::string, std::string> addresses_;           // by sandbox id; they do not change
  std::map<std::string, node::ContainerStatus> statuses_;  // by container id, while the state is the same
  int listings_ = 0;
  std::set<std::string> early_exits_;  // seen during a listing, of ids it may yet bring
};

void CriRuntime::run_sandbox(const node::SandboxSpec& spec, node::Callback<std::string> callback) {
  auto config = sandbox_config(containerd_.options().names, node_, spec);
  if (!config) {
    return env_.loop.post(
        [callback = std::move(callback), error = config.error()]() mutable { callback(fail(error)); });
  }
  std::error_code error;
  if (!spec.log_directory.empty()) std::filesystem::create_directories(spec.log_directory, error);
  v1::RunPodSandboxRequest request;
  *request.mutable_config() = std::move(*config);
  auto ready = [this, spec, callback = std::move(callback)](Result<std::string> id) mutable {
    if (!id) return callback(fail(id.error()));
    known_[*id] = {.pod_uid = spec.pod_uid, .cluster = spec.cluster, .sandbox = true};
    learn_address(*id, [id = *id, callback = std::move(callback)](Result<std::string> ip) mutable {
      if (!ip) return callback(fail(ip.error()));
      callback(id);
    });
  };
  call<v1::RunPodSandboxResponse>(
      "/runtime.v1.RuntimeService/RunPodSandbox", request, kStart,
      [this, spec, ready = std::move(ready)](Result<v1::RunPodSandboxResponse> reply) mutable {
        if (!reply) return find_sandbox(spec, reply.error(), std::move(ready));
        ready(reply->pod_sandbox_id());
      });
}

// A name that is taken is a sandbox of an earlier attempt to run it: that one is returned, where it is listed.
void CriRuntime::find_sandbox(const node::SandboxSpec& spec, Error otherwise,
                              node::Callback<std::string> then) {
  if (otherwise.message.find("is reserved for") == std::string::npos) return then(fail(std::move(otherwise)));
  v1::ListPodSandboxRequest request;
  (*request.mutable_filter()->mutable_label_selector())[kUidLabel] = spec.pod_uid;
  call<v1::ListPodSandboxResponse>(
      "/runtime.v1.RuntimeService/ListPodSandbox", request, kQuick,
      [attempt = spec.attempt, otherwise = std::move(otherwise),
       then = std::move(then)](Result<v1::ListPodSandboxResponse> reply) mutable {
        if (!reply) return then(fail(reply.error()));
        for (const auto& sandbox : reply->items())
          if (sandbox.metadata().attempt() == attempt) return then(sandbox.id());
        then(fail(std::move(otherwise)));
      });
}

void CriRuntime::learn_address(const std::string& sandbox, node::Callback<std::string> then) {
  v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(sandbox);
  call<v1::PodSandboxStatusResponse>(
      "/runtime.v1.RuntimeService/PodSandboxStatus", request, kQuick,
      [this, sandbox, then = std::move(then)](Result<v1::PodSandboxStatusResponse> reply) mutable {
        if (!reply) return then(fail(reply.error()));
        const std::string& ip = reply->status().network().ip();
        if (reply->status().state() != v1::SANDBOX_READY || ip.empty()) return then(ip);
        if (auto sealed = network_.seal(ip); !sealed) return then(fail(sealed.error()));
        addresses_[sandbox] = ip;
        then(ip);
      });
}

void CriRuntime::create_container(const std::string& sandbox, const node::SandboxSpec& pod,
                                  const node::ContainerSpec& spec, node::Callback<std::string> callback) {
  node::ContainerSpec with_hosts = spec;
  bool own_hosts = std::any_of(spec.mounts.begin(), spec.mounts.end(),
                               [](const node::Mount& mount) { return mount.container_path == "/etc/hosts"; });
  if (own_hosts) return create(sandbox, pod, std::move(with_hosts), std::move(callback));
  learn_address(sandbox, [this, sandbox, pod, spec = std::move(with_hosts),
                          callback = std::move(callback)](Result<std::string> ip) mutable {
    if (!ip) return callback(fail(ip.error()));
    const std::string directory = containerd_.options().paths.pods(node_) + "/" + pod.pod_uid;
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    auto written = write_file(directory + "/hosts",
                              hosts_file(*ip, pod.hostname.empty() ? pod.pod_name : pod.hostname), 0644);
    if (!written) return callback(fail(written.error()));
    spec.mounts.push_back({.host_path = directory + "/hosts", .container_path = "/etc/hosts"});
    create(sandbox, pod, std::move(spec), std::move(callback));
  });
}

void CriRuntime::create(const std::string& sandbox, const node::SandboxSpec& pod, node::ContainerSpec spec,
                        node::Callback<std::string> callback) {
  auto config = sandbox_config(containerd_.options().names, node_, pod);
  if (!config) return callback(fail(config.error()));
  if (!spec.log_path.empty()) {
    std::error_code error;
    std::filesystem::create_directories(
        std::filesystem::path(pod.log_directory + "/" + spec.log_path).parent_path(), error);
  }
  v1::CreateContainerRequest request;
  request.set_pod_sandbox_id(sandbox);
  *request.mutable_config() = container_config(node_, pod, spec);
  *request.mutable_sandbox_config() = std::move(*config);
  auto created = [this, known = Known{.pod_uid = pod.pod_uid, .cluster = pod.cluster},
                  callback = std::move(callback)](Result<std::string> id) mutable {
    if (id) known_[*id] = known;
    callback(std::move(id));
  };
  call<v1::CreateContainerResponse>(
      "/runtime.v1.RuntimeService/CreateContainer", request, kStart,
      [this, sandbox, spec, created = std::move(created)](Result<v1::CreateContainerResponse> reply) mutable {
        if (!reply) return find_container(sandbox, spec, reply.error(), std::move(created));
        created(reply->container_id());
      });
}

void CriRuntime::find_container(const std::string& sandbox, const node::ContainerSpec& spec, Error otherwise,
                                node::Callback<std::string> then) {
  if (otherwise.message.find("is reserved for") == std::string::npos) return then(fail(std::move(otherwise)));
  v1::ListContainersRequest request;
  request.mutable_filter()->set_pod_sandbox_id(sandbox);
  call<v1::ListContainersResponse>(
      "/runtime.v1.RuntimeService/ListContainers", request, kQuick,
      [name = spec.name, attempt = spec.attempt, otherwise = std::move(otherwise),
       then = std::move(then)](Result<v1::ListContainersResponse> reply) mutable {
        if (!reply) return then(fail(reply.error()));
        for (const auto& container : reply->containers())
          if (container.metadata().name() == name && container.metadata().attempt() == attempt)
            return then(container.id());
        then(fail(std::move(otherwise)));
      });
}

void CriRuntime::start_container(const std::string& id, node::Callback<void> callback) {
  v1::StartContainerRequest request;
  request.set_container_id(id);
  call<v1::StartContainerResponse>(
      "/runtime.v1.RuntimeService/StartContainer", request, kStart,
      [this, id, callback = std::move(callback)](Result<v1::StartContainerResponse> reply) mutable {
        if (reply) return callback({});
        // Started before, running or ended: as asked.
        v1::ContainerStatusRequest ask;
        ask.set_container_id(id);
        call<v1::ContainerStatusResponse>("/runtime.v1.RuntimeService/ContainerStatus", ask, kQuick,
                                          [error = reply.error(), callback = std::move(callback)](
                                              Result<v1::ContainerStatusResponse> status) mutable {
                                            if (status && status->status().started_at() > 0)
                                              return callback({});
                                            callback(fail(error));
                                          });
      });
}

void CriRuntime::stop_container(const std::string& id, Duration grace, node::Callback<void> callback) {
  v1::StopContainerRequest request;
  request.set_container_id(id);
  request.set_timeout((grace + 1s - 1ns) / 1s);
  call_gone_is_fine<v1::StopContainerResponse>("/runtime.v1.RuntimeService/StopContainer", request,
                                               grace + kStart, std::move(callback));
}

void CriRuntime::remove_container(const std::string& id, node::Callback<void> callback) {
  v1::RemoveContainerRequest request;
  request.set_container_id(id);
  call_gone_is_fine<v1::RemoveContainerResponse>(
      "/runtime.v1.RuntimeService/RemoveContainer", request, kStart,
      [this, id, callback = std::move(callback)](Result<void> done) mutable {
        if (done) {
          known_.erase(id);
          statuses_.erase(id);
        }
        callback(std::move(done));
      });
}

void CriRuntime::stop_sandbox(const std::string& id, node::Callback<void> callback) {
  v1::StopPodSandboxRequest request;
  request.set_pod_sandbox_id(id);
  call_gone_is_fine<v1::StopPodSandboxResponse>(
      "/runtime.v1.RuntimeService/StopPodSandbox", request, kStart,
      [this, id, callback = std::move(callback)](Result<void> done) mutable {
        if (done) addresses_.erase(id);
        callback(std::move(done));
      });
}

void CriRuntime::remove_sandbox(const std::string& id, node::Callback<void> callback) {
  // The CRI removes only what is stopped, and stopping again is free.
  stop_sandbox(id, [this, id, callback = std::move(callback)](Result<void> stopped) mutable {
    if (!stopped) return callback(std::move(stopped));
    v1::RemovePodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    call_gone_is_fine<v1::RemovePodSandboxResponse>(
        "/runtime.v1.RuntimeService/RemovePodSandbox", request, kStart,
        [this, id, callback = std::move(callback)](Result<void> done) mutable {
          auto known = known_.find(id);
          if (done && known != known_.end()) {
            remove_cgroup(
                pod_cgroup(containerd_.options().names, known->second.cluster, known->second.pod_uid));
            known_.erase(known);
          }
          callback(std::move(done));
        });
  });
}

void CriRuntime::look(const std::string& pod_uid, node::Callback<std::vector<node::SandboxStatus>> callback) {
  auto listing = std::make_shared<Listing>();
  listing->pod_uid = pod_uid;
  listing->callback = std::move(callback);
  ++listings_;
  v1::ListPodSandboxRequest request;
  narrow(request.mutable_filter(), node_, listing->pod_uid);
  call<v1::ListPodSandboxResponse>(
      "/runtime.v1.RuntimeService/ListPodSandbox", request, kQuick,
      [this, listing](auto reply) { listed_sandboxes(listing, std::move(reply)); });
}

void CriRuntime::listed_sandboxes(std::shared_ptr<Listing> listing,
                                  Result<v1::ListPodSandboxResponse> reply) {
  if (!reply) {
    listing->failed = reply.error();
    return finish(listing);
  }
  for (const auto& sandbox : reply->items()) listing->sandboxes.push_back(sandbox_status(sandbox));
  std::sort(listing->sandboxes.begin(), listing->sandboxes.end(), [](const auto& a, const auto& b) {
    return std::tie(a.pod_uid, a.attempt) < std::tie(b.pod_uid, b.attempt);
  });
  v1::ListContainersRequest request;
  narrow(request.mutable_filter(), node_, listing->pod_uid);
  call<v1::ListContainersResponse>(
      "/runtime.v1.RuntimeService/ListContainers", request, kQuick,
      [this, listing](auto containers) { listed_containers(listing, std::move(containers)); });
}

void CriRuntime::listed_containers(std::shared_ptr<Listing> listing,
                                   Result<v1::ListContainersResponse> reply) {
  if (!reply) {
    listing->failed = reply.error();
    return finish(listing);
  }
  listing->open = 1;  // this function itself
  std::map<std::string, size_t> at;
  for (size_t i = 0; i < listing->sandboxes.size(); ++i) {
    node::SandboxStatus& sandbox = listing->sandboxes[i];
    at[sandbox.id] = i;
    known_[sandbox.id] = {.pod_uid = sandbox.pod_uid, .cluster = sandbox.cluster, .sandbox = true};
    auto address = addresses_.find(sandbox.id);
    if (address != addresses_.end()) {
      sandbox.ip = address->second;
    } else if (sandbox.ready) {
      ++listing->open;
      learn_address(sandbox.id, [this, listing, i](Result<std::string> ip) {
        if (ip)
          listing->sandboxes[i].ip = *ip;
        else if (ip.error().reason != Reason::NotFound)
          listing->failed = ip.error();
        finish(listing);
      });
    }
  }
  for (const auto& container : reply->containers())
    if (auto it = at.find(container.pod_sandbox_id()); it != at.end())
      add_container(listing, it->second, container);
  finish(listing);
}

void CriRuntime::add_container(const std::shared_ptr<Listing>& listing, size_t sandbox,
                               const v1::Container& container) {
  known_[container.id()] = {.pod_uid = listing->sandboxes[sandbox].pod_uid,
                            .cluster = listing->sandboxes[sandbox].cluster};
  v1::ContainerStatus as_listed;
  as_listed.set_state(container.state());
  auto cached = statuses_.find(container.id());
  if (cached != statuses_.end() && cached->second.state == container_status(as_listed).state) {
    listing->sandboxes[sandbox].containers.push_back(cached->second);
    return;
  }
  ++listing->open;
  v1::ContainerStatusRequest request;
  request.set_container_id(container.id());
  call<v1::ContainerStatusResponse>("/runtime.v1.RuntimeService/ContainerStatus", request, kQuick,
                                    [this, listing, sandbox](Result<v1::ContainerStatusResponse> reply) {
                                      if (reply) {
                                        auto status = container_status(reply->status());
                                        statuses_[status.id] = status;
                                        listing->sandboxes[sandbox].containers.push_back(std::move(status));
                                      } else if (reply.error().reason != Reason::NotFound) {
                                        listing->failed = reply.error();
                                      }
                                      finish(listing);
                                    });
}

void CriRuntime::finish(const std::shared_ptr<Listing>& listing) {
  if (listing->open > 0 && --listing->open > 0) return;
  if (--listings_ == 0)
    for (const std::string& id : std::exchange(early_exits_, {}))
      if (known_.contains(id)) settle(id, kSettleTries, kSettleFirst);
  if (listing->failed) return listing->callback(fail(*listing->failed));
  for (auto& sandbox : listing->sandboxes)
    std::sort(sandbox.containers.begin(), sandbox.containers.end(), [](const auto& a, const auto& b) {
      return std::tie(a.name, a.attempt) < std::tie(b.name, b.attempt);
    });
  listing->callback(std::move(listing->sandboxes));
}

void CriRuntime::happened(const Containerd::Event& event) {
  if (event.kind == Containerd::Event::Kind::Restarted) {
    statuses_.clear();
    if (changed_) changed_("");
    return;
  }
  if (event.kind == Containerd::Event::Kind::Oom) {
    statuses_.erase(event.container);  // its reason changes; the exit is told by itself
    return;
  }
  if (known_.contains(event.container)) return settle(event.container, kSettleTries, kSettleFirst);
  if (listings_ > 0) early_exits_.insert(event.container);
}

// containerd tells us of an exit when it tells its CRI: we report it once the CRI's own state shows it, so that the
// listing which follows does, too.
void CriRuntime::settle(const std::string& id, int tries, Duration wait) {
  auto known = known_.find(id);
  if (known == known_.end()) return;
  if (known->second.sandbox) {
    v1::PodSandboxStatusRequest request;
    request.set_pod_sandbox_id(id);
    return call<v1::PodSandboxStatusResponse>(
        "/runtime.v1.RuntimeService/PodSandboxStatus", request, kQuick,
        [=, this](Result<v1::PodSandboxStatusResponse> reply) {
          if (reply && reply->status().state() == v1::SANDBOX_READY && tries > 0)
            return again(id, tries, wait);
          report(id);
        });
  }
  v1::ContainerStatusRequest request;
  request.set_container_id(id);
  call<v1::ContainerStatusResponse>(
      "/runtime.v1.RuntimeService/ContainerStatus", request, kQuick,
      [=, this](Result<v1::ContainerStatusResponse> reply) {
        if (reply && reply->status().state() == v1::CONTAINER_RUNNING && tries > 0)
          return again(id, tries, wait);
        if (reply) statuses_[id] = container_status(reply->status());
        report(id);
      });
}

void CriRuntime::again(const std::string& id, int tries, Duration wait) {
  env_.loop.at(env_.clock.now() + wait, [=, this, weak = std::weak_ptr(alive_)] {
    if (!weak.expired()) settle(id, tries - 1, std::min(wait * 2, kSettleMost));
  });
}

void CriRuntime::report(const std::string& id) {
  auto known = known_.find(id);
  if (known != known_.end() && changed_) changed_(std::string(known->second.pod_uid));
}

}  // namespace

std::unique_ptr<node::Runtime> make_cri_runtime(env::Env& env, Containerd& containerd, PodNetwork& network,
                                                PodStores stores, std::string node_name) {
  return std::make_unique<CriRuntime>(env, containerd, network, stores, std::move(node_name));
}

}  // namespace ingot::host
