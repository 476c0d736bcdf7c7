#include "pipelines/resource_steps.h"

#include <algorithm>

#include "base/encoding.h"

namespace ingot::pipelines {

using api::Json;
using api::Key;
using api::string_at;
using workflow::Or;
using workflow::Phase;
using workflow::PodReport;
using workflow::Run;

namespace {

constexpr size_t kAtATime = 64, kOfOne = 16;
constexpr int kMostAttempts = 10;  // without an answer
constexpr Duration kAgain = std::chrono::seconds(1), kSlowest = std::chrono::seconds(5);

std::string message_of(const Told& told) {
  const auto status = api::parse_json(told.body);
  const std::string_view text = status ? string_at(*status, {"message"}) : std::string_view();
  return text.empty() ? "the API server answered " + std::to_string(told.code) : std::string(text);
}

// The type of that name, as kubectl has it: plural, singular, kind or short, with its group or without.
const api::Resource* called(const api::Registry& registry, std::string_view word) {
  std::string name(word.substr(0, word.find('.')));
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  const std::string_view group =
      word.size() > name.size() ? word.substr(name.size() + 1) : std::string_view();
  for (const api::Resource& r : registry.resources()) {
    std::string kind = r.kind;
    std::ranges::transform(kind, kind.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    const bool same = name == r.plural || name == r.singular || name == kind ||
                      std::ranges::find(r.short_names, name) != r.short_names.end();
    if (same && (group.empty() || group == r.group || group == r.version + "." + r.group)) return &r;
  }
  return nullptr;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += c;
    else
      (out += '%') += hex({&c, 1});
  }
  return out;
}

bool passes(int code) { return code == 429 || code >= 500; }

}  // namespace

struct ResourceSteps::Step {
  std::string workflow;  // key's text
  workflow::Facts facts;
  workflow::Node node;
  Json filled;
  workflow::ResourcePlan plan;
  Ask ask;                         // who asks
  std::string collection, object;  // paths
  enum class Doing : uint8_t { Act, Look, Make, Change, Wait } doing = Doing::Act;
  int attempts = 0;
  Duration pause = kAgain;
  env::TimerId timer = 0;
  bool over = false;
};

ResourceSteps::ResourceSteps(env::Env& env, const api::Registry& registry, Requests* requests,
                             std::function<void(const std::string&)> news)
    : env_(env),
      registry_(registry),
      requests_(requests),
      news_(std::move(news)),
      self_(std::make_shared<ResourceSteps*>(this)) {}
ResourceSteps::~ResourceSteps() { clear(); }

Or<void> ResourceSteps::begin(const store::Turn& turn, const Key& workflow, const Run& run,
                              const workflow::Wanted::Pod& wanted) {
  if (!requests_) return std::unexpected("resource templates are not implemented here");
  const workflow::Node& node = run.nodes()[size_t(wanted.node)];
  const Json& filled = wanted.filled;
  Or<workflow::ResourcePlan> plan = workflow::plan_resource(filled, run.facts(), node);
  if (!plan) return std::unexpected(plan.error());
  if (!plan->type.empty()) {
    const api::Resource* named = called(registry_, plan->type);
    if (!named) return std::unexpected("resource.flags: no type \"" + plan->type.substr(0, 100) + "\"");
    plan->api_version = named->api_version();
    plan->kind = named->kind;
  }
  const size_t slash = plan->api_version.find('/');
  const bool core = slash == std::string::npos;
  const std::string group = core ? "" : plan->api_version.substr(0, slash);
  const std::string version = core ? plan->api_version : plan->api_version.substr(slash + 1);
  const api::Resource* type = registry_.find_kind(group, version, plan->kind);
  if (!type)
    return std::unexpected("resource.manifest: no kind \"" + plan->kind + "\" in \"" + plan->api_version +
                           "\"");
  std::string account(string_at(filled, {"serviceAccountName"}));
  if (account.empty()) account = string_at(wanted.shared, {"serviceAccountName"});
  if (account.empty()) account = run.facts().service_account;
  const ClusterId cluster{std::string(workflow.cluster())};
  const api::ObjectPtr known = account.find('/') == account.npos
                                   ? turn.get(Key(cluster, "serviceaccounts", workflow.ns(), account))
                                   : nullptr;
  if (!known) return std::unexpected("serviceaccount \"" + account + "\" not found");

  auto step = std::make_shared<Step>();
  step->workflow = workflow.text();
  step->facts = run.facts();
  step->node = node;
  step->filled = filled;
  step->ask = {.cluster = cluster,
               .ns = std::string(workflow.ns()),
               .account = account,
               .account_uid = std::string(string_at(known->parse(), {"metadata", "uid"}))};
  step->collection = (core ? "/api/" : "/apis/") + plan->api_version;
  if (type->namespaced) step->collection += "/namespaces/" + plan->ns;
  step->collection += "/" + type->plural;
  step->object = step->collection + "/" + plan->name;
  const bool acts = node.phase == Phase::Pending;
  step->doing = !acts                     ? Step::Doing::Wait
                : plan->action == "get"   ? Step::Doing::Wait
                : plan->action == "apply" ? Step::Doing::Look
                                          : Step::Doing::Act;
  step->plan = *std::move(plan);
  stop(workflow, node.id);
  steps_[step->workflow][node.id] = step;
  want(step);
  return {};
}

void ResourceSteps::stop(const Key& workflow, const std::string& node_id) {
  const auto of = steps_.find(workflow.text());
  if (of == steps_.end()) return;
  if (const auto at = of->second.find(node_id); at != of->second.end()) {
    at->second->over = true;
    if (at->second->timer) env_.loop.cancel(at->second->timer);
    of->second.erase(at);
  }
  if (of->second.empty()) steps_.erase(of);
}

void ResourceSteps::forget(const Key& workflow) {
  said_.erase(workflow.text());
  const auto of = steps_.find(workflow.text());
  if (of == steps_.end()) return;
  for (auto& [id, step] : of->second) {
    step->over = true;
    if (step->timer) env_.loop.cancel(step->timer);
  }
  steps_.erase(of);
}

void ResourceSteps::clear() {
  while (!steps_.empty()) forget(Key(std::string(steps_.begin()->first)));
  said_.clear();
  for (auto& [cluster, line] : lines_) line.waiting.clear();
}

std::vector<ResourceSteps::News> ResourceSteps::take(const Key& workflow) {
  const auto at = said_.find(workflow.text());
  if (at == said_.end()) return {};
  std::vector<News> out = std::move(at->second);
  said_.erase(at);
  return out;
}

void ResourceSteps::want(const StepPtr& step) {
  lines_[step->ask.cluster.value].waiting.push_back(step);
  pump();
}

// One of each cluster that has any, again and again.
void ResourceSteps::pump() {
  for (bool any = true; any && in_flight_ < kAtATime;) {
    any = false;
    for (size_t n = lines_.size(); n > 0 && in_flight_ < kAtATime; --n) {
      auto at = lines_.upper_bound(last_);
      if (at == lines_.end()) at = lines_.begin();
      last_ = at->first;
      Line& line = at->second;
      StepPtr next;
      while (line.in_flight < kOfOne && !line.waiting.empty() && !next) {
        next = line.waiting.front().lock();
        line.waiting.pop_front();
        if (next && next->over) next = nullptr;
      }
      if (line.waiting.empty() && line.in_flight == 0 && !next) lines_.erase(at);
      if (next) send(next);
      any |= next != nullptr;
    }
  }
}

// `then` while it is wanted; there is room for another once it is answered.
void ResourceSteps::dispatch(const StepPtr& step, Ask ask, std::move_only_function<void(Result<Told>)> then) {
  const std::string cluster = ask.cluster.value;
  ++in_flight_;
  ++lines_[cluster].in_flight;
  requests_->send(std::move(ask), [self = std::weak_ptr(self_), step, cluster,
                                   then = std::move(then)](Result<Told> answer) mutable {
    const auto steps = self.lock();
    if (!steps) return;
    --(*steps)->in_flight_;
    --(*steps)->lines_[cluster].in_flight;
    if (!step->over) then(std::move(answer));
    (*steps)->pump();
  });
}

void ResourceSteps::send(const StepPtr& step) {
  constexpr std::string_view kManager = "?fieldManager=ingot-workflows";
  Ask ask = step->ask;
  const std::string& action = step->plan.action;
  const auto change = [&](std::string_view method, const std::string& path, std::string_view type) {
    ask.method = method;
    ask.target = path + std::string(kManager) + step->plan.query;
    ask.content_type = type;
    ask.body = api::to_text(step->plan.manifest);
  };
  const auto doing = step->doing;
  if (doing == Step::Doing::Look || doing == Step::Doing::Wait) {
    ask.method = "GET";
    ask.target = step->object;
  } else if (doing == Step::Doing::Make || action == "create") {
    change("POST", step->collection, "application/json");
  } else if (doing == Step::Doing::Change) {
    change("PATCH", step->object, "application/merge-patch+json");
  } else if (action == "patch") {
    const std::string& part = step->plan.subresource;
    change("PATCH", step->object + (part.empty() ? "" : "/" + part), step->plan.patch_type);
  } else if (action == "replace") {
    change("PUT", step->object, "application/json");
  } else {
    const std::string& selector = step->plan.selector;
    ask.method = "DELETE";
    ask.target =
        (selector.empty() ? step->object : step->collection) + std::string(kManager) + step->plan.query;
    if (!selector.empty()) ask.target += "&labelSelector=" + percent_encoded(selector);
  }
  dispatch(step, std::move(ask), [this, step](Result<Told> answer) { told(step, std::move(answer)); });
}

void ResourceSteps::told(const StepPtr& step, Result<Told> answer) {
  if (!answer || passes(answer->code)) {
    if (++step->attempts < kMostAttempts) return later(step, kAgain * step->attempts);
    return end(step,
               {.phase = Phase::Error, .message = answer ? message_of(*answer) : answer.error().message});
  }
  step->attempts = 0;
  const bool missing = answer->code == 404;
  using Doing = Step::Doing;
  if (step->doing == Doing::Look && missing) {
    step->doing = Doing::Make;
    return want(step);
  }
  if (step->doing == Doing::Act && step->plan.action == "delete" && missing)
    return end(step, {.phase = Phase::Succeeded});
  if (step->doing == Doing::Act && step->plan.action == "create" && answer->code == 409) {
    step->doing = Doing::Change;  // of an earlier life of ours, or of somebody else: see whose it is
    Ask ask = step->ask;
    ask.method = "GET";
    ask.target = step->object;
    return dispatch(step, std::move(ask), [this, step, why = message_of(*answer)](Result<Told> found) {
      const auto object = found ? api::parse_json(found->body) : Result<Json>(fail(found.error()));
      if (object && found->code == 200 && workflow::made_by(*object, step->facts, step->node))
        acted(step, *object);
      else
        end(step, {.phase = Phase::Error, .message = why});
    });
  }
  if (answer->code >= 300) return end(step, {.phase = Phase::Error, .message = message_of(*answer)});
  if (step->doing == Doing::Look) {
    step->doing = Doing::Change;
    return want(step);
  }
  if (step->doing == Doing::Act && step->plan.action == "delete")
    return end(step, {.phase = Phase::Succeeded});
  const auto object = api::parse_json(answer->body);
  if (!object) return end(step, {.phase = Phase::Error, .message = object.error().message});
  acted(step, *object);
}

// What it was to do is done; whether it has what it waits for.
void ResourceSteps::acted(const StepPtr& step, Json object) {
  const auto verdict = workflow::judge(step->plan, object);
  if (!verdict) return end(step, {.phase = Phase::Error, .message = verdict.error()});
  if (*verdict && !**verdict)
    return end(step, {.phase = Phase::Failed,
                      .message = "Failure condition '" + step->plan.failure + "' evaluated true"});
  if (*verdict) {
    const auto outputs = workflow::resource_outputs(step->filled, object);
    if (!outputs) return end(step, {.phase = Phase::Error, .message = outputs.error()});
    return end(step, {.phase = Phase::Succeeded, .outputs = *outputs});
  }
  if (step->doing != Step::Doing::Wait || step->node.phase == Phase::Pending) {
    step->node.phase = Phase::Running;
    say(step, {.phase = Phase::Running});
  }
  step->doing = Step::Doing::Wait;
  later(step, step->pause);
  step->pause = std::min(step->pause + kAgain, kSlowest);
}

void ResourceSteps::later(const StepPtr& step, Duration pause) {
  step->timer = env_.loop.at(env_.clock.now() + pause, [self = std::weak_ptr(self_), step] {
    step->timer = 0;
    const auto steps = self.lock();
    if (steps && !step->over) (*steps)->want(step);
  });
}

void ResourceSteps::end(const StepPtr& step, PodReport report) {
  const std::string workflow = step->workflow, node = step->node.id;
  say(step, std::move(report));
  stop(Key(workflow), node);
}

void ResourceSteps::say(const StepPtr& step, PodReport report) {
  said_[step->workflow].push_back({step->node.id, std::move(report)});
  news_(step->workflow);
}

}  // namespace ingot::pipelines
