#include "ingot/run_follow.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/time.h"
#include "ingot/output.h"

namespace ingot {
namespace {

using api::Json;
using api::string_at;

constexpr int kTries = 200;  // of five seconds at most each
constexpr auto kShortest = std::chrono::milliseconds(100), kLongest = std::chrono::milliseconds(5'000);
constexpr Duration kSilence = std::chrono::minutes(10);  // of a log

// Why a pod does not run yet, as far as that is worth a word.
std::string why_pending(const Json& pod) {
  for (const Json& c : api::array_at(pod, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "PodScheduled" && string_at(c, {"status"}) == "False")
      return std::string(string_at(c, {"message"}));
  for (const std::string_view list : {"initContainerStatuses", "containerStatuses"})
    for (const Json& c : api::array_at(pod, {"status", list})) {
      const std::string_view reason = string_at(c, {"state", "waiting", "reason"}),
                             message = string_at(c, {"state", "waiting", "message"});
      if (reason.empty() || reason == "ContainerCreating" || reason == "PodInitializing") continue;
      return std::string(reason) + (message.empty() ? "" : ": " + std::string(message));
    }
  return "";
}

bool is_final(std::string_view phase) {
  return phase == "Succeeded" || phase == "Failed" || phase == "Error";
}

}  // namespace

bool has_begun(const Json& pod) {
  const std::string_view phase = string_at(pod, {"status", "phase"});
  if (phase == "Running" || phase == "Succeeded") return true;
  for (const Json& c : api::array_at(pod, {"status", "containerStatuses"}))
    if (!string_at(c, {"state", "terminated", "containerID"}).empty()) return true;
  return false;
}

std::vector<RunNode> pods_of(const Json& workflow) {
  std::vector<std::pair<std::string, RunNode>> found;
  const std::string_view whole = string_at(workflow, {"metadata", "name"});
  for (const auto& [id, node] : api::object_at(workflow, {"status", "nodes"})) {
    if (string_at(node, {"type"}) != "Pod") continue;
    RunNode n{.id = std::string(id),
              .name = std::string(string_at(node, {"name"})),
              .shown = std::string(string_at(node, {"displayName"})),
              .phase = std::string(string_at(node, {"phase"})),
              .message = std::string(string_at(node, {"message"})),
              .host = std::string(string_at(node, {"hostNodeName"}))};
    // As Argo names them: the Workflow's name for its root, "WORKFLOW-TEMPLATE-HASH" for others.
    const std::string_view of = string_at(node, {"templateName"});
    n.pod = whole;
    if (n.name != whole) {
      if (!of.empty()) n.pod += "-" + std::string(of);
      n.pod.resize(std::min<size_t>(n.pod.size(), 253 - 10 - 1));
      n.pod += "-" + n.id.substr(n.id.rfind('-') + 1);
    }
    found.emplace_back(string_at(node, {"startedAt"}), std::move(n));
  }
  std::ranges::sort(found, {}, [](const auto& f) { return std::pair(f.first, f.second.name); });
  std::vector<RunNode> out;
  for (auto& [started, node] : found) out.push_back(std::move(node));
  return out;
}

bool is_over(const Json& workflow) {
  // The run is told to be over only once its label says so: an exit handler may still run.
  return is_final(string_at(workflow, {"status", "phase"})) &&
         !string_at(workflow, {"status", "finishedAt"}).empty();
}

std::string status_text(const Json& workflow) {
  const std::string_view phase = string_at(workflow, {"status", "phase"});
  const std::string_view shutdown = string_at(workflow, {"spec", "shutdown"});
  if (is_over(workflow) && !shutdown.empty() && phase != "Succeeded") return "Stopped";
  if (!is_over(workflow) && !shutdown.empty()) return "Stopping";
  if (!is_over(workflow) && api::bool_at(workflow, {"spec", "suspend"})) return "Suspended";
  if (phase.empty()) return "Pending";
  const auto pods = pods_of(workflow);
  const bool waits = !is_over(workflow) && !pods.empty() &&
                     std::ranges::all_of(pods, [](const RunNode& n) { return n.over() || !n.began(); }) &&
                     std::ranges::any_of(pods, [](const RunNode& n) { return !n.began(); });
  return waits ? "Pending" : std::string(phase);
}

std::string duration_text(const Json& workflow) {
  const auto from = parse_rfc3339(string_at(workflow, {"status", "startedAt"}));
  const auto to = parse_rfc3339(string_at(workflow, {"status", "finishedAt"}));
  if (!from) return "";
  const WallTime end =
      to && is_over(workflow)
          ? *to
          : std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  return human_duration(std::max(end - *from, WallTime::duration(0)));
}

std::string RunFollower::path() const {
  return place_.path(kWorkflowApi, "workflows") + "/" + query_value(name_);
}

Result<void> RunFollower::patience(const Error& error) {
  if (++tries_ > kTries) return fail(error);
  if (tries_ == 3)
    std::fputs("the factory does not answer: the run is followed again when it does\n", stderr);
  std::this_thread::sleep_for(std::min(kShortest * (1 << std::min(tries_, 6)), kLongest));
  return {};
}

Result<void> RunFollower::watch_one(std::string_view api_version, std::string_view resource,
                                    const std::string& name, const Look& look) {
  const std::string all = place_.path(api_version, resource), own = all + "/" + query_value(name);
  const std::string changes =
      all + "?watch=true&allowWatchBookmarks=true&fieldSelector=metadata.name%3D" + query_value(name);
  while (true) {
    auto client = Client::open(common_);
    Result<void> done = client ? Result<void>{} : fail(client.error());
    bool wanted = true, gone = false;
    if (client) {
      // A watch of one that is gone says nothing.
      if (auto there = client->get(own); !there) {
        if (there.error().reason == Reason::NotFound) return fail(there.error());
        done = fail(there.error());
      } else {
        tries_ = 0;
        if (!look(*there)) return {};
      }
    }
    if (done)
      done = client->watch(changes, [&](const Json& event) {
        tries_ = 0;
        const std::string_view type = string_at(event, {"type"});
        if (type == "BOOKMARK") return true;
        const Json* object = api::find(event, {"object"});
        if (!object || type == "ERROR") return false;
        gone = type == "DELETED";
        wanted = !gone && look(*object);
        return wanted;
      });
    if (gone) return fail(Reason::NotFound, fmt::format("{} was deleted", name));
    if (!wanted) return {};
    if (auto again = patience(done ? Error{.message = "the factory ends every watch"} : done.error()); !again)
      return again;
  }
}

Result<void> RunFollower::watch(const Look& look) {
  return watch_one(kWorkflowApi, "workflows", name_, look);
}

Result<void> RunFollower::watch_pod(const std::string& pod, const Look& look) {
  auto done = watch_one("v1", "pods", pod, look);
  return !done && done.error().reason == Reason::NotFound ? Result<void>{} : done;
}

Result<void> RunFollower::until_it_runs(const std::string& pod,
                                        const std::function<void(const std::string&)>& waits) {
  std::string told;
  return watch_pod(pod, [&](const Json& seen) {
    const std::string_view phase = string_at(seen, {"status", "phase"});
    if (!phase.empty() && phase != "Pending") return false;
    const std::string why = why_pending(seen);
    if (!why.empty() && why != told) waits(why);
    told = why;
    return true;
  });
}

Result<void> RunFollower::log(const std::string& pod, const std::string& container, bool follow,
                              const Take& take) {
  const std::string path =
      fmt::format("{}/{}/log?container={}{}", place_.path("v1", "pods"), query_value(pod),
                  query_value(container), follow ? "&follow=true" : "");
  size_t shown = 0;
  while (true) {
    auto client = Client::open(common_);
    auto connection = client ? client->connection(kSilence)
                             : Result<std::unique_ptr<host::HttpsClient>>(std::unexpected(client.error()));
    bool wanted = true;
    Error error;
    if (connection) {
      size_t at = 0;
      auto answer = (*connection)->fetch(path, [&](std::string_view piece) -> Result<void> {
        tries_ = 0;
        const size_t known = std::min(piece.size(), shown - std::min(shown, at));
        at += piece.size();
        piece.remove_prefix(known);
        shown += piece.size();
        if (!piece.empty()) wanted = take(piece);
        return wanted ? Result<void>{} : fail(Reason::Conflict, "");
      });
      if (!wanted) return {};
      if (answer && answer->code == 200) return {};
      if (answer && answer->code / 100 == 4 && answer->code != 429) return fail(refusal(*answer));
      error = answer ? refusal(*answer) : answer.error();
    } else {
      error = connection.error();
    }
    if (auto again = patience(error); !again) return again;
  }
}

Result<void> RunFollower::stop() {
  auto client = Client::open(common_);
  if (!client) return fail(client.error());
  return client->merge(path(), api::JsonObject{{"spec", api::JsonObject{{"shutdown", "Stop"}}}});
}

}  // namespace ingot
