// Small stateful fakes for this room's tests: an API server that holds objects and feeds watches, a runtime that
// runs nothing until a test says what happens, files in memory. Thread rule: the test's thread.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "env/testing.h"
#include "node/api.h"
#include "node/runtime.h"

namespace ingot::node {

inline api::Json parsed(std::string_view text) {
  auto value = api::parse_json(text);
  ASSERT(value);
  return *value;
}

// RFC 7386 on the few members the agent patches.
inline void merge_into(api::Json& target, const api::Json& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target.emplace_object();
  for (const auto& member : patch.get_object()) {
    if (member.value().is_null())
      target.get_object().erase(member.key());
    else
      merge_into(target.get_object()[member.key()], member.value());
  }
}

class FakeApi final : public Api {
 public:
  explicit FakeApi(env::Env& env) : env_(env) {}

  struct Answering {
    std::function<std::optional<Result<Answer>>(const Call&)> rule;
  };
  std::map<std::string, api::Json> objects;  // by path
  std::vector<Call> calls;
  // Asked before the objects are; an answer from here is final.
  std::function<std::optional<Result<Answer>>(const Call&)> intercept;
  int drop_requests = 0;  // the next calls never arrive
  int drop_answers = 0;   // the next calls take effect, but nobody hears

  void call(Call c, std::move_only_function<void(Result<Answer>)> done) override {
    calls.push_back(c);
    Result<Answer> answer = fail(Reason::Timeout, "no answer");
    if (drop_requests > 0) {
      --drop_requests;
    } else {
      auto given = intercept ? intercept(c) : std::nullopt;
      answer = given ? std::move(*given) : serve(c);
      if (drop_answers > 0) {
        --drop_answers;
        answer = fail(Reason::Timeout, "no answer");
      }
    }
    env_.loop.post(
        [done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
  }

  std::unique_ptr<Watch> watch(std::string path, std::shared_ptr<Sink> sink) override {
    struct Ended final : Watch {
      Ended(FakeApi& a, int i) : api(a), id(i) {}
      ~Ended() override { api.watches_.erase(id); }
      FakeApi& api;
      int id;
    };
    const int id = ++last_watch_;
    watches_[id] = {path, sink};
    env_.loop.post([this, id] { relist_one(id); });
    return std::make_unique<Ended>(*this, id);
  }

  // Store an object and tell the watchers of its kind.
  void put(const std::string& path, api::Json object) {
    const bool had = objects.contains(path);
    objects[path] = object;
    tell(path, had ? "MODIFIED" : "ADDED", object);
  }
  void erase(const std::string& path) {
    const auto it = objects.find(path);
    if (it == objects.end()) return;
    const api::Json last = it->second;
    objects.erase(it);
    tell(path, "DELETED", last);
  }
  void relist() {
    for (auto& [id, w] : watches_) env_.loop.post([this, id = id] { relist_one(id); });
  }
  bool muted = false;  // watches say nothing until relist()

  size_t count(std::string_view method, std::string_view part) const {
    size_t n = 0;
    for (const Call& c : calls) n += c.method == method && c.path.find(part) != std::string::npos;
    return n;
  }
  std::vector<std::string> event_reasons() const {
    std::vector<std::string> out;
    for (const Call& c : calls)
      if (c.method == "POST" && c.path.ends_with("/events"))
        out.emplace_back(api::string_at(parsed(c.body), {"reason"}));
    return out;
  }

 private:
  static bool concerns(const std::string& watch, const std::string& object) {
    const auto kind = [](const std::string& p) {
      return p.find("/allocations") != p.npos ? 1
             : p.find("/images") != p.npos    ? 2
             : p.find("/pods") != p.npos      ? 3
                                              : 0;
    };
    return kind(watch) == kind(object);
  }
  void tell(const std::string& path, std::string_view type, const api::Json& object) {
    if (muted) return;
    for (auto& [id, w] : watches_)
      if (concerns(w.path, path))
        env_.loop.post([this, id = id, type = std::string(type), object] {
          if (const auto it = watches_.find(id); it != watches_.end()) it->second.sink->event(type, object);
        });
  }
  void relist_one(int id) {
    const auto it = watches_.find(id);
    if (it == watches_.end()) return;
    api::JsonArray items;
    for (const auto& [path, object] : objects)
      if (concerns(it->second.path, path)) items.push_back(object);
    it->second.sink->reset(items);
  }
  Answer serve(const Call& c) {
    std::string path = c.path;
    if (path.ends_with("/status")) path.resize(path.size() - 7);
    const auto it = objects.find(path);
    if (c.method == "POST") {
      const std::string name(api::string_at(parsed(c.body), {"metadata", "name"}));
      objects[path + "/" + name] = parsed(c.body);
      return {201, c.body};
    }
    if (it == objects.end()) return {404, R"({"kind":"Status","message":"not found"})"};
    if (c.method == "GET") return {200, api::to_text(it->second)};
    if (c.method == "DELETE") {
      erase(path);
      return {200, "{}"};
    }
    api::Json merged = it->second;
    merge_into(merged, parsed(c.body));
    put(path, merged);
    return {200, api::to_text(merged)};
  }

  struct Watched {
    std::string path;
    std::shared_ptr<Sink> sink;
  };
  env::Env& env_;
  std::map<int, Watched> watches_;
  int last_watch_ = 0;
};

// Runs no process: containers run until exit() or stop.
class FakeRuntime final : public Runtime {
 public:
  explicit FakeRuntime(env::Env& env) : env_(env) {}

  std::map<std::string, SandboxStatus> sandboxes;  // by id
  std::vector<std::string> log;                    // "run u1.0", "create c.0", "start c.0", "stop c.0", …
  std::map<std::string, ContainerSpec> specs;      // by container id
  std::set<std::string> failing;                   // operations that fail: "run", "create", "start", "stop"
  std::vector<Duration> graces;
  int probe_code = 200, exec_code = 0;
  bool obeys_stop = true;

  void run_sandbox(const SandboxSpec& s, Callback<std::string> done) override {
    const std::string id = fmt::format("{}.{}", s.pod_uid, s.attempt);
    log.push_back("run " + id);
    if (fails("run")) return answer<std::string>(std::move(done), injected());
    sandboxes.try_emplace(id, SandboxStatus{.id = id,
                                            .pod_uid = s.pod_uid,
                                            .pod_name = s.pod_name,
                                            .pod_namespace = s.pod_namespace,
                                            .cluster = s.cluster,
                                            .attempt = s.attempt,
                                            .ready = true,
                                            .ip = "10.64.0.7"});
    answer<std::string>(std::move(done), id);
  }
  void create_container(const std::string& sandbox, const SandboxSpec&, const ContainerSpec& c,
                        Callback<std::string> done) override {
    const std::string id = fmt::format("{}/{}.{}", sandbox, c.name, c.attempt);
    log.push_back(fmt::format("create {}.{}", c.name, c.attempt));
    if (fails("create")) return answer<std::string>(std::move(done), injected());
    if (!find(id))
      sandboxes.at(sandbox).containers.push_back({.id = id,
                                                  .name = c.name,
                                                  .attempt = c.attempt,
                                                  .state = ContainerState::Created,
                                                  .image_ref = c.image});
    specs[id] = c;
    answer<std::string>(std::move(done), id);
  }
  void start_container(const std::string& id, Callback<void> done) override {
    ContainerStatus* c = find(id);
    log.push_back(fmt::format("start {}.{}", c->name, c->attempt));
    if (fails("start")) return answer<void>(std::move(done), injected());
    c->state = ContainerState::Running;
    c->started_at = env_.clock.wall();
    answer<void>(std::move(done), {});
  }
  void stop_container(const std::string& id, Duration grace, Callback<void> done) override {
    graces.push_back(grace);
    if (ContainerStatus* c = find(id)) {
      log.push_back(fmt::format("stop {}.{}", c->name, c->attempt));
      if (obeys_stop) end(*c, 143);
    }
    if (fails("stop")) return answer<void>(std::move(done), injected());
    answer<void>(std::move(done), {});
  }
  void remove_container(const std::string& id, Callback<void> done) override {
    for (auto& [sid, s] : sandboxes)
      std::erase_if(s.containers, [&](const ContainerStatus& c) { return c.id == id; });
    log.push_back("remove " + id);
    answer<void>(std::move(done), {});
  }
  void stop_sandbox(const std::string& id, Callback<void> done) override {
    log.push_back("stop " + id);
    if (const auto it = sandboxes.find(id); it != sandboxes.end()) {
      it->second.ready = false;
      for (ContainerStatus& c : it->second.containers)
        if (c.state == ContainerState::Running) end(c, 137);
    }
    answer<void>(std::move(done), {});
  }
  void remove_sandbox(const std::string& id, Callback<void> done) override {
    log.push_back("remove " + id);
    sandboxes.erase(id);
    answer<void>(std::move(done), {});
  }
  void list(Callback<std::vector<SandboxStatus>> done) override {
    std::vector<SandboxStatus> all;
    for (const auto& [id, s] : sandboxes) all.push_back(s);
    answer<std::vector<SandboxStatus>>(std::move(done), std::move(all));
  }
  void exec(const std::string&, const std::vector<std::string>& argv, Duration, Callback<int> done) override {
    log.push_back("exec " + argv.front());
    answer<int>(std::move(done), exec_code);
  }
  Result<Brought> brought = Brought{};  // its size is the asked one's; an error is an error
  std::optional<Bring> asked_to_bring;
  void bring(const Bring& what, Callback<Brought> done) override {
    log.push_back(fmt::format("bring {}", what.artifacts.size()));
    asked_to_bring = what;
    Result<Brought> all = brought;
    if (all) all->resize(what.artifacts.size(), true);
    answer<Brought>(std::move(done), std::move(all));
  }
  std::optional<HttpAsk> asked;
  Callback<HttpAnswer> answer_http;  // of what is asked, by the test
  void ask(const HttpAsk& what, Callback<HttpAnswer> done) override {
    log.push_back(fmt::format("ask {} {}", what.request.method, what.request.url));
    asked = what;
    answer_http = std::move(done);
  }
  std::optional<DatasetsWanted> asked_for_datasets;
  Result<void> datasets_made;
  void datasets(const DatasetsWanted& wanted, Callback<std::vector<std::string>> done) override {
    log.push_back(fmt::format("datasets {}", wanted.manifests.size()));
    asked_for_datasets = wanted;
    if (!datasets_made) return answer<std::vector<std::string>>(std::move(done), fail(datasets_made.error()));
    std::vector<std::string> paths;
    for (const Digest& d : wanted.manifests) paths.push_back("/datasets/" + d.hex());
    answer<std::vector<std::string>>(std::move(done), std::move(paths));
  }
  Left left_behind;
  void left(const LeftBy& by, Callback<Left> done) override {
    log.push_back("left " + by.container);
    answer<Left>(std::move(done), left_behind);
  }
  void probe(const NetProbe& p, Callback<int> done) override {
    log.push_back(fmt::format("probe {}:{}{}", p.ip, p.port, p.path));
    answer<int>(std::move(done), probe_code);
  }
  void on_change(std::function<void(const std::string&)> changed) override { changed_ = std::move(changed); }

  // The newest running container of that name ends by itself.
  void exit(const std::string& name, int32_t code) {
    for (auto& [id, s] : sandboxes)
      for (ContainerStatus& c : s.containers)
        if (c.name == name && c.state == ContainerState::Running) {
          end(c, code);
          if (changed_) changed_(s.pod_uid);
          return;
        }
    ASSERT(!"no such container runs");
  }
  bool runs(const std::string& name) const {
    for (const auto& [id, s] : sandboxes)
      for (const ContainerStatus& c : s.containers)
        if (c.name == name && c.state == ContainerState::Running) return true;
    return false;
  }
  size_t count(const std::string& line) const { return size_t(std::count(log.begin(), log.end(), line)); }

 private:
  static std::unexpected<Error> injected() { return fail(Reason::InternalError, "injected"); }
  bool fails(const std::string& what) const { return failing.contains(what); }
  ContainerStatus* find(const std::string& id) {
    for (auto& [sid, s] : sandboxes)
      for (ContainerStatus& c : s.containers)
        if (c.id == id) return &c;
    return nullptr;
  }
  void end(ContainerStatus& c, int32_t code) {
    c.state = ContainerState::Exited;
    c.exit_code = code;
    c.finished_at = env_.clock.wall();
    c.reason = code == 0 ? "Completed" : "Error";
  }
  template <class T>
  void answer(Callback<T> done, Result<T> result) {
    env_.loop.post(
        [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
  }

  env::Env& env_;
  std::function<void(const std::string&)> changed_;
};

struct FakeFiles final : Files {
  std::map<std::string, std::map<std::string, Entry>> volumes;  // by path
  std::set<std::string> removed;
  int writes = 0;

  Result<std::string> write_volume(const std::string& uid, const std::string& volume,
                                   const std::map<std::string, Entry>& content, bool) override {
    ++writes;
    const std::string path = "/pods/" + uid + "/" + volume;
    volumes[path] = content;
    return path;
  }
  Result<std::string> empty_volume(const std::string& uid, const std::string& volume, bool,
                                   int64_t) override {
    const std::string path = "/pods/" + uid + "/" + volume;
    volumes[path];
    return path;
  }
  std::string log_directory(const std::string& uid) override { return "/pods/" + uid + "/logs"; }
  std::string artifact_directory(const std::string& uid) override { return "/pods/" + uid + "/artifacts"; }
  std::string dataset_marks(const std::string& uid) override { return "/pods/" + uid + "/datasets"; }
  void remove_pod(const std::string& uid) override { removed.insert(uid); }
};

}  // namespace ingot::node
