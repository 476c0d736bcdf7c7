// ingot runs list|show|logs|outputs|retry|stop
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "ingot/output.h"
#include "ingot/run.h"
#include "workflow/again.h"
#include "workflow/one_step.h"

namespace ingot {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kLongestCommand = 60;

std::string clipped(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  if (text.size() > kLongestCommand) text = text.substr(0, kLongestCommand - 3) + "…";
  return text;
}

// With the run's own parameters in their places.
std::string filled(std::string text, const Json& workflow) {
  for (const Json& p : api::array_at(workflow, {"spec", "arguments", "parameters"})) {
    const std::string hole = fmt::format("{{{{workflow.parameters.{}}}}}", string_at(p, {"name"}));
    const std::string_view value = string_at(p, {"value"});
    for (size_t at = 0; (at = text.find(hole, at)) != text.npos; at += value.size())
      text.replace(at, hole.size(), value);
  }
  return text;
}

const JsonArray& templates_of(const Json& workflow) {
  const Json* kept = api::find(workflow, {"status", "storedWorkflowTemplateSpec"});
  return kept ? api::array_at(*kept, {"templates"}) : api::array_at(workflow, {"spec", "templates"});
}

// What it does, in a few words: its command, or how many steps of how many are done.
std::string what_it_does(const Json& workflow) {
  if (const auto said = string_at(workflow, {"metadata", "annotations", workflow::kCommandAnnotation});
      !said.empty())
    return clipped(std::string(said));
  const JsonArray& templates = templates_of(workflow);
  if (templates.size() == 1) {
    std::vector<std::string> words;
    for (const std::string_view list : {"command", "args"})
      for (const Json& word : api::array_at(templates[0], {"container", list}))
        words.push_back(filled(std::string(string_at(word, {})), workflow));
    if (!words.empty()) return clipped(workflow::typed(words));
  }
  std::string_view of = string_at(workflow, {"spec", "workflowTemplateRef", "name"});
  if (of.empty()) of = string_at(workflow, {"spec", "entrypoint"});
  const std::string_view progress = string_at(workflow, {"status", "progress"});
  return clipped(fmt::format("{}{}{}", of, progress.empty() ? "" : " ", progress));
}

// Of a run of one container.
std::string gpus_of(const Json& workflow) {
  const JsonArray& templates = templates_of(workflow);
  if (templates.size() != 1) return "";
  const Json* limits = api::find(templates[0], {"container", "resources", "limits"});
  if (!limits) return "";
  const Json* count = api::find(*limits, {"nvidia.com/gpu"});
  if (!count) return "";
  return count->is_string() ? std::string(count->get_string()) : api::to_text(*count);
}

struct Found {
  Client client;
  Place place;
};
Result<Found> open(const Common& common, const RunsOptions& options) {
  auto client = Client::open(common);
  if (!client) return fail(client.error());
  auto place = place_of(*client, options.tenant, options.ns, "runs");
  if (!place) return fail(place.error());
  return Found{std::move(*client), std::move(*place)};
}

Result<Json> get(Found& found, const std::string& name) {
  auto workflow = found.client.get(found.place.path(kWorkflowApi, "workflows") + "/" + query_value(name));
  if (!workflow && workflow.error().kind == "workflows")
    return fail(Reason::NotFound,
                fmt::format("tenant {} has no run {} in namespace {}\n  `ingot runs list` shows what "
                            "there is",
                            found.place.tenant, name, found.place.ns));
  return workflow;
}

// Nodes as a tree: each below what it is a part of, in the order in which they began.
void print_nodes(const Json& workflow) {
  const JsonObject& nodes = api::object_at(workflow, {"status", "nodes"});
  std::map<std::string, std::vector<const Json*>> below;
  for (const auto& [id, node] : nodes) {
    const std::string_view type = string_at(node, {"type"});
    if (type == "StepGroup" || type == "TaskGroup") continue;
    below[std::string(string_at(node, {"boundaryID"}))].push_back(&node);
  }
  Table table({"NODE", "STATUS", "DURATION", "ON", "MESSAGE"});
  const auto add = [&](const auto& self, const std::string& of, size_t depth) -> void {
    if (!below.contains(of) || depth > 64) return;
    auto& list = below[of];
    std::ranges::sort(list, {}, [](const Json* n) {
      return std::pair(string_at(*n, {"startedAt"}), string_at(*n, {"name"}));
    });
    for (const Json* n : list) {
      const auto from = parse_rfc3339(string_at(*n, {"startedAt"})),
                 to = parse_rfc3339(string_at(*n, {"finishedAt"}));
      table.row({std::string(2 * depth, ' ') + std::string(string_at(*n, {"displayName"})),
                 std::string(string_at(*n, {"phase"})), from && to ? human_duration(*to - *from) : "",
                 std::string(string_at(*n, {"hostNodeName"})),
                 clipped(std::string(string_at(*n, {"message"})))});
      if (const std::string id(string_at(*n, {"id"})); !id.empty() && id != of) self(self, id, depth + 1);
    }
  };
  add(add, "", 0);
  table.print();
}

// What a node gives, its run often gives again: each line once.
void print_values(std::string_view what, const JsonArray& parameters, std::set<std::string>& said) {
  for (const Json& p : parameters) {
    const Json* value = api::find(p, {"value"});
    if (!value) continue;
    std::string line =
        fmt::format("  {:<9} {}={}\n", what, string_at(p, {"name"}),
                    clipped(value->is_string() ? std::string(value->get_string()) : api::to_text(*value)));
    if (const auto [at, fresh] = said.insert(std::move(line)); fresh) fmt::print("{}", *at);
  }
}

// "$ 0.02, 1.5 GPU-hours", "$ 0.0037, 6 GPU-seconds" of its pods; "" where the books say nothing of them.
std::string cost_of(Found& found, const Json& workflow) {
  const auto made = parse_rfc3339(string_at(workflow, {"metadata", "creationTimestamp"}));
  if (!made) return "";
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - *made);
  auto told = found.client.get(
      fmt::format("/clusters/{}/apis/factory.ingot.dev/v1alpha1/usage?pods=true&sinceSeconds={}",
                  query_value(found.place.tenant), std::max<int64_t>(age.count(), 0) + 60));
  if (!told) return "";
  std::set<std::string> own;
  for (const RunNode& node : pods_of(workflow)) own.insert(node.pod);
  std::map<std::string, double> costs;  // by currency
  double gpu_seconds = 0;
  for (const Json& tenant : api::array_at(*told, {"tenants"}))
    for (const Json& pod : api::array_at(tenant, {"pods"})) {
      if (string_at(pod, {"namespace"}) != found.place.ns ||
          !own.contains(std::string(string_at(pod, {"pod"}))))
        continue;
      costs[std::string(string_at(tenant, {"currency"}))] +=
          std::atof(std::string(string_at(pod, {"cost"})).c_str());
      if (const Json* seconds = api::find(pod, {"gpuSeconds"}); seconds && seconds->is_number())
        gpu_seconds += seconds->to_number<double>();
    }
  std::string out;
  for (const auto& [currency, cost] : costs)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", currency == "USD" ? "$" : currency,
                       shown_cost(fmt::format("{:.6f}", cost)));
  if (gpu_seconds > 0)
    out += gpu_seconds < 360 ? fmt::format(", {:.0f} GPU-seconds", gpu_seconds)
                             : fmt::format(", {:.1f} GPU-hours", gpu_seconds / 3600);
  return out;
}

// Lines of several sources, each told apart.
class Lines {
 public:
  Lines(std::string prefix, bool told) : prefix_(told ? "[" + std::move(prefix) + "] " : "") {}
  ~Lines() {
    if (!prefix_.empty() && !fresh_) (void)write("\n");
  }
  bool add(std::string_view piece) {
    if (prefix_.empty()) return write(piece) && std::fflush(stdout) == 0;
    while (!piece.empty()) {
      if (std::exchange(fresh_, false) && !write(prefix_)) return false;
      const size_t end = piece.find('\n');
      const std::string_view line = piece.substr(0, end == piece.npos ? end : end + 1);
      fresh_ = line.ends_with('\n');
      if (!write(line)) return false;
      piece.remove_prefix(line.size());
    }
    return std::fflush(stdout) == 0;
  }

 private:
  static bool write(std::string_view bytes) {
    return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
  }
  const std::string prefix_;
  bool fresh_ = true;
};

bool is_called(const RunNode& node, std::string_view name) {
  return name == node.shown || name == node.name || name == node.id;
}

// "each" of "each(0:1)" and all others of that loop.
bool is_of_loop(const RunNode& node, std::string_view name) {
  return node.shown.starts_with(std::string(name) + "(");
}

Result<void> print_log(Found& found, RunFollower& follower, const RunNode& node, bool told, bool follow) {
  auto pod = found.client.get(found.place.path("v1", "pods") + "/" + query_value(node.pod));
  if (!pod) {
    if (pod.error().reason != Reason::NotFound) return fail(pod.error());
    fmt::print(stderr, "{} has no pod any more, and no log\n", node.shown);
    return {};
  }
  const JsonArray& containers = api::array_at(*pod, {"spec", "containers"});
  for (const Json& c : containers) {
    const std::string name(string_at(c, {"name"}));
    Lines lines(containers.size() > 1 ? node.shown + "/" + name : node.shown, told || containers.size() > 1);
    auto done =
        follower.log(node.pod, name, follow, [&](std::string_view piece) { return lines.add(piece); });
    if (!done) return done;
  }
  return {};
}

}  // namespace

int runs_list(const Common& common, const RunsOptions& options) {
  auto found = open(common, options);
  if (!found) return failed(found.error());
  auto runs = found->client.list(found->place.path(kWorkflowApi, "workflows"));
  if (!runs) return failed(runs.error());
  std::ranges::sort(*runs, [](const Json& a, const Json& b) {
    const auto order = [](const Json& w) {
      return std::pair(string_at(w, {"metadata", "creationTimestamp"}), string_at(w, {"metadata", "name"}));
    };
    return order(a) > order(b);
  });
  if (common.json) {
    print_json(*runs);
    return kOk;
  }
  Table table({"NAME", "STATUS", "AGE", "DURATION", "GPUS", "COMMAND"});
  table.right(4);
  for (const Json& run : *runs)
    table.row({std::string(string_at(run, {"metadata", "name"})), status_text(run), age_of(run),
               duration_text(run), gpus_of(run), what_it_does(run)});
  table.print(fmt::format("no run in namespace {} of {} yet", found->place.ns, found->place.tenant));
  return kOk;
}

int runs_show(const Common& common, const RunsOptions& options) {
  auto found = open(common, options);
  if (!found) return failed(found.error());
  auto run = get(*found, options.name);
  if (!run) return failed(run.error());
  if (common.json) {
    print_json(*run);
    return kOk;
  }
  fmt::print("{}   {}{}{}\n", options.name, status_text(*run), duration_text(*run).empty() ? "" : " ",
             duration_text(*run));
  fmt::print("  {:<9} {}\n", "runs", what_it_does(*run));
  if (const auto why = string_at(*run, {"status", "message"}); !why.empty())
    fmt::print("  {:<9} {}\n", "message", why);
  if (const auto gpus = gpus_of(*run); !gpus.empty()) fmt::print("  {:<9} {}\n", "GPUs", gpus);
  if (const std::string cost = cost_of(*found, *run); !cost.empty()) fmt::print("  {:<9} {}\n", "cost", cost);
  std::set<std::string> said;
  print_values("parameter", api::array_at(*run, {"spec", "arguments", "parameters"}), said);
  print_values("output", api::array_at(*run, {"status", "outputs", "parameters"}), said);
  for (const auto& [id, node] : api::object_at(*run, {"status", "nodes"})) {
    print_values("output", api::array_at(node, {"outputs", "parameters"}), said);
    for (const Json& artifact : api::array_at(node, {"outputs", "artifacts"}))
      fmt::print("  {:<9} {} ({})\n", "artifact", string_at(artifact, {"name"}),
                 string_at(artifact, {"s3", "key"}).substr(0, 19));
  }
  print_nodes(*run);
  return kOk;
}

int runs_logs(const Common& common, const RunsOptions& options) {
  auto found = open(common, options);
  if (!found) return failed(found.error());
  auto run = get(*found, options.name);
  if (!run) return failed(run.error());
  RunFollower follower(common, found->place, options.name);
  std::map<std::string, bool> told;  // by the node's id
  bool named = false;
  Json last = *run;
  while (true) {
    const std::vector<RunNode> pods = pods_of(last);
    const bool single = templates_of(last).size() == 1 && pods.size() == 1;
    for (const RunNode& node : pods) {
      if (!options.node.empty() && !is_called(node, options.node) && !is_of_loop(node, options.node)) {
        told.emplace(node.id, true);
        continue;
      }
      named = true;
      if ((!node.began() && !options.follow) || !told.emplace(node.id, true).second) continue;
      if (options.follow)
        if (auto waited = follower.until_it_runs(node.pod, [](const std::string&) {}); !waited)
          return failed(waited.error());
      if (auto done =
              print_log(*found, follower, node, !single && !is_called(node, options.node), options.follow);
          !done)
        return failed(done.error());
    }
    if (!options.follow || is_over(last)) break;
    const auto news = [&](const Json& workflow) {
      last = workflow;
      const auto now = pods_of(workflow);
      const auto fresh = [&](const RunNode& n) { return !told.contains(n.id); };
      return !is_over(workflow) && std::ranges::none_of(now, fresh);
    };
    if (auto waited = follower.watch(news); !waited) return failed(waited.error());
  }
  if (!options.node.empty() && !named)
    return failed(fmt::format("run {} has no part {}\n  `ingot runs show {}` names them", options.name,
                              options.node, options.name));
  return kOk;
}

int runs_outputs(const Common& common, const RunsOptions& options) {
  auto found = open(common, options);
  if (!found) return failed(found.error());
  auto run = get(*found, options.name);
  if (!run) return failed(run.error());
  auto outputs = bring_outputs(common, found->place, *run, common.json);
  if (!outputs) return failed(outputs.error());
  if (common.json)
    print_json(*outputs);
  else if (outputs->empty() || api::int_at(*outputs, {"files"}).value_or(0) == 0)
    fmt::print("run {} left no outputs\n", options.name);
  return kOk;
}

int runs_retry(const Common& common, const RunsOptions& options) {
  auto found = open(common, options);
  if (!found) return failed(found.error());
  auto run = get(*found, options.name);
  if (!run) return failed(run.error());
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  auto again = workflow::begin_again(*run, now);
  if (!again) return failed(again.error());
  // Their pods first: what a pod says is believed.
  size_t count = 0;
  const Json at_once = JsonObject{{"gracePeriodSeconds", 0}};
  for (const RunNode& node : pods_of(*run)) {
    if (std::ranges::find(again->nodes, node.id) == again->nodes.end()) continue;
    ++count;
    auto gone =
        found->client.call("DELETE", found->place.path("v1", "pods") + "/" + query_value(node.pod), &at_once);
    if (!gone && gone.error().reason != Reason::NotFound) return failed(gone.error());
  }
  auto written = found->client.call(
      "PUT", found->place.path(kWorkflowApi, "workflows") + "/" + query_value(options.name),
      &again->workflow);
  if (!written) return failed(written.error());
  if (common.json)
    print_json(*written);
  else
    fmt::print("run {} goes on: {} of its parts again\n", options.name, count);
  return kOk;
}

int runs_stop(const Common& common, const RunsOptions& options) {
  auto found = open(common, options);
  if (!found) return failed(found.error());
  auto run = get(*found, options.name);
  if (!run) return failed(run.error());
  if (is_over(*run)) return failed(fmt::format("run {} is over: {}", options.name, status_text(*run)));
  const Json patch = JsonObject{{"spec", JsonObject{{"shutdown", options.now ? "Terminate" : "Stop"}}}};
  if (auto done = found->client.merge(RunFollower(common, found->place, options.name).path(), patch); !done)
    return failed(done.error());
  if (common.json)
    print_json(JsonObject{{"name", options.name}, {"status", "Stopping"}});
  else
    fmt::print("run {} is being stopped\n", options.name);
  return kOk;
}

}  // namespace ingot
