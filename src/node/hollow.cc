#include "node/hollow.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json.h"

namespace ingot::node {
namespace {
constexpr int64_t kMaxRunSeconds = 10LL * 365 * 24 * 3600;
}

namespace {
HttpAnswer answer_of(const api::Json& json) {
  HttpAnswer out{
      .status = int(std::clamp<int64_t>(api::int_at(json, {"statusCode"}).value_or(200), 100, 599)),
      .body = std::string(api::string_at(json, {"body"}))};
  for (const auto& [name, value] : api::object_at(json, {"headers"}))
    out.headers.emplace_back(std::string_view(name), api::string_at(value, {}));
  return out;
}
}  // namespace

HollowRuntime::~HollowRuntime() {
  for (auto& [id, c] : containers_) env_.loop.cancel(c.timer);
}

template <class T>
void HollowRuntime::answer(Callback<T> done, Result<T> result) {
  env_.loop.post([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

HollowRuntime::Script HollowRuntime::parse_script(const SandboxSpec& spec) {
  Script script;
  const auto it = spec.annotations.find("ingot.dev/hollow");
  if (it == spec.annotations.end()) return script;
  const auto json = api::parse_json(it->second);
  if (!json || !json->is_object()) {
    script.error = "annotation ingot.dev/hollow is not a JSON object";
    return script;
  }
  for (const auto& member : json->get_object()) {
    const std::string_view key = member.key();
    const auto number = api::int_at(member.value(), {});
    const auto within = [&](int64_t least, int64_t most) {
      return number && *number >= least && *number <= most;
    };
    if (key == "runSeconds" && within(0, kMaxRunSeconds))
      script.run_for = std::chrono::seconds(*number);
    else if (key == "exitCode" && within(0, 255))
      script.exit_code = int32_t(*number);
    else if (key == "gpuUtil" && within(0, 100))
      script.gpu_utilisation = int(*number);
    else if (key == "stdout" && member.value().is_string())
      script.out = api::string_at(member.value(), {});
    else if (key == "files" && member.value().is_object())
      for (const auto& [path, text] : member.value().get_object())
        script.files[std::string(path)] = api::string_at(text, {});
    else if (key == "answer" && member.value().is_object())
      script.answer = answer_of(member.value());
    else if (key == "runSeconds" || key == "exitCode" || key == "gpuUtil")
      script.error = fmt::format("annotation ingot.dev/hollow: {} is not a number that makes sense", key);
    else
      script.error = fmt::format(
          "annotation ingot.dev/hollow: unknown field \"{}\"; runSeconds, exitCode, gpuUtil, stdout, "
          "files and answer are known",
          key);
  }
  return script;
}

void HollowRuntime::run_sandbox(const SandboxSpec& spec, Callback<std::string> done) {
  const std::string id = fmt::format("{}.{}", spec.pod_uid, spec.attempt);
  if (sandboxes_.contains(id)) return answer<std::string>(std::move(done), id);
  if (env_.faults.fires("node.sandbox.fail"))
    return answer<std::string>(std::move(done),
                               fail(Reason::InternalError, "injected: the sandbox could not be made"));
  const uint32_t n = next_address_++;
  SandboxStatus status{.id = id,
                       .pod_uid = spec.pod_uid,
                       .pod_name = spec.pod_name,
                       .pod_namespace = spec.pod_namespace,
                       .cluster = spec.cluster,
                       .attempt = spec.attempt,
                       .ready = true,
                       .ip = fmt::format("10.{}.{}.{}", 240 + ((n >> 16) & 15), (n >> 8) & 255, n & 255),
                       .created_at = env_.clock.wall()};
  sandboxes_.emplace(id, Sandbox{std::move(status), parse_script(spec), {}});
  answer<std::string>(std::move(done), id);
}

void HollowRuntime::create_container(const std::string& sandbox, const SandboxSpec&,
                                     const ContainerSpec& spec, Callback<std::string> done) {
  const std::string id = fmt::format("{}/{}/{}", sandbox, spec.name, spec.attempt);
  const auto it = sandboxes_.find(sandbox);
  if (it == sandboxes_.end() || !it->second.status.ready)
    return answer<std::string>(std::move(done),
                               fail(Reason::NotFound, fmt::format("sandbox \"{}\" does not run", sandbox)));
  if (!containers_.contains(id)) {
    Container c;
    c.sandbox = sandbox;
    c.init = spec.init;
    c.status = {.id = id,
                .name = spec.name,
                .attempt = spec.attempt,
                .state = ContainerState::Created,
                .image_ref = spec.image,
                .created_at = env_.clock.wall()};
    containers_.emplace(id, std::move(c));
    it->second.containers.push_back(id);
  }
  answer<std::string>(std::move(done), id);
}

void HollowRuntime::finish(Container& c, int32_t code, std::string reason, std::string message) {
  env_.loop.cancel(c.timer);
  c.timer = 0;
  c.status.state = ContainerState::Exited;
  c.status.finished_at = env_.clock.wall();
  c.status.exit_code = code;
  c.status.reason = std::move(reason);
  c.status.message = std::move(message);
  const std::string uid = sandboxes_.at(c.sandbox).status.pod_uid;
  env_.loop.post([this, uid, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && changed_) changed_(uid);
  });
}

void HollowRuntime::start_container(const std::string& id, Callback<void> done) {
  const auto it = containers_.find(id);
  if (it == containers_.end())
    return answer<void>(std::move(done),
                        fail(Reason::NotFound, fmt::format("container \"{}\" not found", id)));
  Container& c = it->second;
  answer<void>(std::move(done), {});
  if (c.status.state != ContainerState::Created) return;
  const Script& script = sandboxes_.at(c.sandbox).script;
  c.status.state = ContainerState::Running;
  c.status.started_at = env_.clock.wall();
  if (!script.error.empty()) return finish(c, 128, "StartError", script.error);
  if (c.init) return finish(c, 0, "Completed", "");
  const bool fails = env_.faults.fires("node.container.fail");
  if (!fails && !script.run_for) return;
  const Duration whole = script.run_for.value_or(std::chrono::seconds(2));
  const int32_t code = fails ? 137 : script.exit_code;
  c.timer = env_.loop.at(env_.clock.now() + (fails ? whole / 2 : whole), [this, id, code] {
    Container& c = containers_.at(id);
    c.timer = 0;
    finish(c, code, code == 0 ? "Completed" : "Error", "");
  });
}

void HollowRuntime::left(const LeftBy& by, Callback<Left> done) {
  Left left;
  const auto container = containers_.find(by.container);
  const auto sandbox =
      container == containers_.end() ? sandboxes_.end() : sandboxes_.find(container->second.sandbox);
  if (sandbox != sandboxes_.end()) {
    const Script& script = sandbox->second.script;
    left.out = script.out;
    for (const std::string& path : by.files)
      if (const auto file = script.files.find(path); file != script.files.end())
        left.files.emplace(path, file->second);
  }
  if (by.artifacts.empty() || sandbox == sandboxes_.end())
    return answer<Left>(std::move(done), std::move(left));
  keep(std::make_shared<Left>(std::move(left)), by.cluster, by.artifacts, sandbox->second.script.files,
       std::move(done));
}

// One after another: the last one first.
void HollowRuntime::keep(std::shared_ptr<Left> left, std::string cluster, std::vector<ArtifactOut> rest,
                         std::map<std::string, std::string> files, Callback<Left> done) {
  if (rest.empty()) return answer<Left>(std::move(done), std::move(*left));
  const ArtifactOut next = std::move(rest.back());
  rest.pop_back();
  ArtifactStore::Files own;
  for (const auto& [path, bytes] : files)
    if (path == next.path || path.starts_with(next.path + "/")) own.emplace(path, bytes);
  auto then = [this, left, cluster, rest = std::move(rest), files = std::move(files), name = next.name,
               done = std::move(done), alive = std::weak_ptr<bool>(alive_)](Result<Kept> kept) mutable {
    if (alive.expired()) return;
    left->artifacts.emplace(name, std::move(kept));
    keep(left, cluster, std::move(rest), std::move(files), std::move(done));
  };
  if (own.empty()) return then(fail(Reason::NotFound, "no such file or directory"));
  if (!store_) return then(fail(Reason::InternalError, "this node keeps no artifacts"));
  store_->keep(cluster, next, std::move(own), std::move(then));
}

void HollowRuntime::datasets(const DatasetsWanted& wanted, Callback<std::vector<std::string>> done) {
  answer<std::vector<std::string>>(std::move(done), std::vector<std::string>(wanted.manifests.size()));
}

// What is kept here must be here; what comes from elsewhere is taken to be there.
void HollowRuntime::bring(const Bring& what, Callback<Brought> done) {
  look_for(std::make_shared<Brought>(what.artifacts.size(), true), what.cluster, what.artifacts, 0,
           std::move(done));
}

void HollowRuntime::ask(const HttpAsk& what, Callback<HttpAnswer> done) {
  const auto sandbox = sandboxes_.find(what.sandbox);
  if (sandbox == sandboxes_.end() || !sandbox->second.status.ready)
    return answer<HttpAnswer>(
        std::move(done), fail(Reason::NotFound, fmt::format("sandbox \"{}\" does not run", what.sandbox)));
  const Script& script = sandbox->second.script;
  if (!script.error.empty()) return answer<HttpAnswer>(std::move(done), fail(Reason::Invalid, script.error));
  if (env_.faults.fires("node.container.fail"))
    return answer<HttpAnswer>(std::move(done), fail(Reason::InternalError, "injected: no answer"));
  answer<HttpAnswer>(std::move(done), HttpAnswer(script.answer));
}

void HollowRuntime::look_for(std::shared_ptr<Brought> there, std::string cluster, std::vector<ArtifactIn> all,
                             size_t next, Callback<Brought> done) {
  while (next < all.size() && (!store_ || !all[next].source.digest)) ++next;
  if (next == all.size()) return answer<Brought>(std::move(done), std::move(*there));
  const ArtifactIn a = all[next];
  store_->find(cluster, *a.source.digest,
               [this, there, cluster, all = std::move(all), next, a, done = std::move(done),
                alive = std::weak_ptr<bool>(alive_)](Result<Kept> found) mutable {
                 if (alive.expired()) return;
                 if (!found && !(a.optional && found.error().reason == Reason::NotFound))
                   return done(fail(found.error().reason,
                                    fmt::format("artifact {}: {}", a.name, found.error().message)));
                 (*there)[next] = bool(found);
                 look_for(there, cluster, std::move(all), next + 1, std::move(done));
               });
}

void HollowRuntime::stop_container(const std::string& id, Duration, Callback<void> done) {
  // Hollow processes obey SIGTERM at once.
  if (const auto it = containers_.find(id);
      it != containers_.end() && it->second.status.state != ContainerState::Exited)
    finish(it->second, 143, "Error", "");
  answer<void>(std::move(done), {});
}

void HollowRuntime::remove_container(const std::string& id, Callback<void> done) {
  if (const auto it = containers_.find(id); it != containers_.end()) {
    env_.loop.cancel(it->second.timer);
    std::erase(sandboxes_.at(it->second.sandbox).containers, id);
    containers_.erase(it);
  }
  answer<void>(std::move(done), {});
}

void HollowRuntime::end_all(Sandbox& sandbox) {
  for (const std::string& id : sandbox.containers)
    if (Container& c = containers_.at(id); c.status.state != ContainerState::Exited)
      finish(c, 137, "Error", "");
}

void HollowRuntime::stop_sandbox(const std::string& id, Callback<void> done) {
  if (const auto it = sandboxes_.find(id); it != sandboxes_.end()) {
    end_all(it->second);
    it->second.status.ready = false;
  }
  answer<void>(std::move(done), {});
}

void HollowRuntime::remove_sandbox(const std::string& id, Callback<void> done) {
  if (const auto it = sandboxes_.find(id); it != sandboxes_.end()) {
    end_all(it->second);
    for (const std::string& c : it->second.containers) containers_.erase(c);
    sandboxes_.erase(it);
  }
  answer<void>(std::move(done), {});
}

SandboxStatus HollowRuntime::snapshot(const Sandbox& sandbox) const {
  SandboxStatus status = sandbox.status;
  for (const std::string& id : sandbox.containers) status.containers.push_back(containers_.at(id).status);
  return status;
}

void HollowRuntime::list(Callback<std::vector<SandboxStatus>> done) {
  std::vector<SandboxStatus> all;
  for (const auto& [id, sandbox] : sandboxes_) all.push_back(snapshot(sandbox));
  answer<std::vector<SandboxStatus>>(std::move(done), std::move(all));
}

void HollowRuntime::inspect(const std::string& pod_uid, Callback<std::vector<SandboxStatus>> done) {
  std::vector<SandboxStatus> found;
  const std::string prefix = pod_uid + ".";
  for (auto it = sandboxes_.lower_bound(prefix); it != sandboxes_.end() && it->first.starts_with(prefix);
       ++it)
    found.push_back(snapshot(it->second));
  answer<std::vector<SandboxStatus>>(std::move(done), std::move(found));
}

void HollowRuntime::exec(const std::string& container, const std::vector<std::string>&, Duration,
                         Callback<int> done) {
  const auto it = containers_.find(container);
  if (it == containers_.end() || it->second.status.state != ContainerState::Running)
    return answer<int>(std::move(done),
                       fail(Reason::NotFound, fmt::format("container \"{}\" does not run", container)));
  answer<int>(std::move(done), 0);
}

void HollowRuntime::probe(const NetProbe&, Callback<int> done) { answer<int>(std::move(done), 200); }

void HollowRuntime::power_off() {
  for (auto& [id, c] : containers_) env_.loop.cancel(c.timer);
  containers_.clear();
  sandboxes_.clear();
}

int HollowRuntime::gpu_utilisation(const std::string& pod_uid) const {
  for (auto it = sandboxes_.lower_bound(pod_uid + ".");
       it != sandboxes_.end() && it->second.status.pod_uid == pod_uid; ++it)
    for (const std::string& id : it->second.containers)
      if (containers_.at(id).status.state == ContainerState::Running)
        return it->second.script.gpu_utilisation;
  return 0;
}

}  // namespace ingot::node
