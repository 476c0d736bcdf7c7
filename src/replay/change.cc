#include "replay/change.h"

#include <algorithm>
#include <charconv>

#include "api/parse.h"
#include "scheduler/objects_queues.h"

namespace ingot::replay {
namespace {

using Changed = std::expected<void, std::string>;

constexpr int64_t kMost = 100'000;

std::unexpected<std::string> wrong(const std::string& change, const std::string& why) {
  return std::unexpected("--and " + change + ": " + why);
}

std::optional<int64_t> number(std::string_view text) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size() || n < 0 || n > kMost) return std::nullopt;
  return n;
}

// More nodes like those that the cluster has most of.
void add_nodes(std::vector<TraceNode>& nodes, int64_t n) {
  const auto same = [](const TraceNode& a, const TraceNode& b) {
    return a.gpus == b.gpus && a.model == b.model && a.cpu_milli == b.cpu_milli &&
           a.memory_mib == b.memory_mib;
  };
  std::vector<std::pair<int64_t, TraceNode>> kinds;
  for (const TraceNode& node : nodes) {
    const auto kind = std::ranges::find_if(kinds, [&](const auto& k) { return same(k.second, node); });
    if (kind == kinds.end())
      kinds.emplace_back(1, node);
    else
      ++kind->first;
  }
  TraceNode like = std::ranges::max_element(kinds, {}, [](const auto& kind) { return kind.first; })->second;
  for (int64_t i = 1; i <= n; ++i) {
    like.name = "more-" + std::to_string(i);
    nodes.push_back(like);
  }
}

std::expected<std::vector<TraceNode>, std::string> read_nodes(const std::string& path, const ReadFile& read) {
  const auto text = read(path);
  if (!text) return std::unexpected(text.error());
  auto nodes = openb_nodes(path, *text);
  if (nodes && nodes->empty()) return std::unexpected(path + " has no node with GPUs");
  return nodes;
}

Changed change_nodes(Scenario& s, const std::string& change, char how, const std::string& value,
                     const ReadFile& read) {
  const auto n = number(value);
  if (how == '+' && n && *n > 0) {
    add_nodes(s.nodes, *n);
    s.title = "+" + value + (*n == 1 ? " NODE" : " NODES");
    return {};
  }
  if (n) return wrong(change, "nodes are added, as in nodes+2, or a file's, as in nodes=nodes.csv");
  auto nodes = read_nodes(value, read);
  if (!nodes) return wrong(change, nodes.error());
  if (how == '=') s.nodes.clear();
  for (TraceNode& node : *nodes) {
    if (std::ranges::find(s.nodes, node.name, &TraceNode::name) != s.nodes.end()) node.name += "-more";
    s.nodes.push_back(std::move(node));
  }
  return {};
}

scheduler::Queue& queue(ReplayOptions& options, const std::string& name) {
  const auto found = std::ranges::find(options.queues, name, &scheduler::Queue::name);
  if (found != options.queues.end()) return *found;
  return options.queues.emplace_back(scheduler::Queue{.name = name});
}

// queue:NAME.FIELD=N
Changed change_queue(Scenario& s, const std::string& change) {
  const size_t equals = change.find('='), dot = change.rfind('.', equals);
  constexpr std::string_view kQueue = "queue:";
  if (equals == change.npos || dot == change.npos || dot <= kQueue.size())
    return wrong(change, "a queue is changed as in queue:vision.limit=8; limit, guarantee or weight");
  const std::string name = change.substr(kQueue.size(), dot - kQueue.size());
  const std::string field = change.substr(dot + 1, equals - dot - 1);
  const auto n = number(std::string_view(change).substr(equals + 1));
  if (!n) return wrong(change, "\"" + change.substr(equals + 1) + "\" is not a number from 0 to 100000");
  scheduler::Queue& q = queue(s.options, name);
  if (field == "limit")
    q.limit.gpu_milli = *n * 1000;
  else if (field == "guarantee")
    q.guarantee.gpu_milli = *n * 1000;
  else if (field == "weight" && *n > 0)
    q.weight = *n;
  else
    return wrong(change, "a queue has a limit and a guarantee in GPUs, and a weight of at least 1");
  return {};
}

Changed change_quotas(Scenario& s, const std::string& change, const std::string& path, const ReadFile& read) {
  const auto text = read(path);
  if (!text) return wrong(change, text.error());
  auto queues = queues_from(path, *text);
  if (!queues) return wrong(change, queues.error());
  s.options.queues = std::move(*queues);
  return {};
}

Changed apply(Scenario& s, const std::string& change, const ReadFile& read) {
  if (change.starts_with("queue:")) return change_queue(s, change);
  if (change == "known-runtimes") {
    s.options.known_runtimes = true;
    return {};
  }
  const size_t at = change.find_first_of("+=");
  const std::string what = change.substr(0, at), value = at == change.npos ? "" : change.substr(at + 1);
  if (what == "nodes" && !value.empty()) return change_nodes(s, change, change[at], value, read);
  if (what == "quotas" && !value.empty()) return change_quotas(s, change, value, read);
  if (what == "gpus" && change[at] == '=') {
    const auto n = number(value);
    if (!n || *n == 0) return wrong(change, "a number of GPUs, as in gpus=128");
    s.nodes = plain_nodes(*n);
    return {};
  }
  if (what == "policy" && change[at] == '=') {
    s.options.policy = replay_policy(value);
    if (s.options.policy != nullptr) return {};
    std::string names;
    for (const ReplayPolicy& p : replay_policies()) (names += names.empty() ? "" : ", ") += p.name;
    return wrong(change, "the policies are " + names);
  }
  return wrong(change,
               "not a change; as in nodes+2, nodes=F.csv, gpus=128, policy=fifo, known-runtimes, "
               "queue:NAME.limit=8, quotas=F.yaml");
}

}  // namespace

std::expected<Scenario, std::string> changed(Scenario today, const std::string& change,
                                             const ReadFile& read) {
  today.title.clear();
  if (auto done = apply(today, change, read); !done) return std::unexpected(done.error());
  if (today.title.empty()) {
    today.title = change.substr(0, 32);
    std::ranges::transform(today.title, today.title.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
  }
  return today;
}

std::expected<std::vector<scheduler::Queue>, std::string> queues_from(const std::string& file,
                                                                      std::string_view yaml) {
  std::vector<scheduler::Queue> out;
  size_t line = 1;
  while (!yaml.empty()) {
    const size_t end = yaml.find("\n---");
    std::string_view document = yaml.substr(0, end);
    yaml = end == yaml.npos ? std::string_view{} : yaml.substr(end + 1);
    const std::string at = file + ", from line " + std::to_string(line);
    line += size_t(std::ranges::count(document, '\n')) + 1;
    if (document.find_first_not_of("-\n\r \t") == document.npos) continue;
    const auto parsed = api::parse_body_yaml(document);
    if (!parsed) return std::unexpected(at + ": " + parsed.error().message);
    const api::Json& object = parsed->value;
    if (api::string_at(object, {"kind"}) != "Queue")
      return std::unexpected(at + ": not a Queue, but kind \"" +
                             std::string(api::string_at(object, {"kind"})) + "\"");
    // GPUs of all models alike: traces name models of their own.
    scheduler::Queue queue =
        scheduler::queue_from(object, [](std::string_view) { return scheduler::ModelId{}; }).queue;
    if (queue.name.empty()) return std::unexpected(at + ": the Queue has no metadata.name");
    queue.guarantee.models.clear();
    queue.limit.models.clear();
    if (std::ranges::find(out, queue.name, &scheduler::Queue::name) != out.end())
      return std::unexpected(at + ": a second Queue of the name " + queue.name);
    out.push_back(std::move(queue));
  }
  if (out.empty()) return std::unexpected(file + " has no Queue");
  return out;
}

}  // namespace ingot::replay
