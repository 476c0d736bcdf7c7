#include "pipelines/reaction.h"

#include "git/signature.h"
#include "git/start.h"
#include "pipelines/starting.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::Key;
using git::Repository;

constexpr WallTime::duration kToldEvery = std::chrono::minutes(10);  // that nothing is new
constexpr std::string_view kReady = "Ready", kStarted = "Started";

git::Push push_of(const Repository& repository, const env::GitChange& change) {
  return {.repository = repository.name,
          .uid = repository.uid,
          .url = repository.url,
          .branch = change.branch,
          .commit = change.commit,
          .before = change.before,
          .paths = change.paths,
          .service_account = repository.service_account};
}

Reaction& refuse(Reaction& reaction, std::string_view reason, std::string message) {
  reaction.pipeline.reset();
  reaction.reason = reason;
  reaction.message = std::move(message);
  return reaction;
}

// Creates the run; its name, or "" when the reaction says why there is none.
std::string start(store::Turn& turn, env::Env& env, const api::Registry& registry, const Key& repository_key,
                  const Repository& repository, Reaction& reaction) {
  if (!reaction.pipeline) return "";
  const git::Push push = push_of(repository, reaction.change);
  auto run =
      git::make_run(*std::move(reaction.pipeline), push, reaction.source ? &*reaction.source : nullptr);
  const Key key(ClusterId{std::string(repository_key.cluster())}, "workflows.argoproj.io",
                repository_key.ns(), git::run_name(push));
  const auto made =
      run ? create_workflow(turn, env, registry, key, *std::move(run)) : fail(std::move(run.error()));
  if (made || made.error().reason == Reason::AlreadyExists) return std::string(key.name());
  refuse(reaction, "PipelineRefused", repository.pipeline + ": " + made.error().message);
  return "";
}

// Whether the Git host may not know yet how it went.
bool untold(const store::Turn& turn, const Key& repository, const std::string& workflow) {
  if (workflow.empty()) return false;
  const api::ObjectPtr run = turn.get(
      Key(ClusterId{std::string(repository.cluster())}, "workflows.argoproj.io", repository.ns(), workflow));
  return run && !run->mentions(git::kReportedAnnotation);
}

}  // namespace

Reaction judge(const api::Registry& registry, const Repository& repository, env::GitChange change) {
  Reaction reaction{.change = std::move(change)};
  if (!reaction.change.relevant) return refuse(reaction, "", "nothing changed that spec.paths means");
  if (repository.signed_only)
    if (const auto who =
            git::signed_by(repository.signers, reaction.change.signature, reaction.change.signed_text);
        !who)
      return refuse(reaction, "NotSigned", who.error());
  if (!reaction.change.problem.empty()) return refuse(reaction, "NoPipeline", reaction.change.problem);
  auto pipeline = read_pipeline(registry, reaction.change.pipeline);
  if (!pipeline)
    return refuse(reaction, "PipelineRefused", repository.pipeline + ": " + pipeline.error().message);
  reaction.needs_source = git::wants_source(*pipeline);
  reaction.pipeline = *std::move(pipeline);
  return reaction;
}

Result<Settled> settle(store::Turn& turn, env::Env& env, const api::Registry& registry,
                       const api::ObjectPtr& stored, const env::GitSeen& seen,
                       std::vector<Reaction> reactions, const std::string& asked) {
  Json object = stored->parse();
  const WallTime now = env.clock.wall();
  const Repository repository = git::read_repository(object);
  git::RepositoryState before = git::read_state(object);
  const bool first = before.url != repository.url;
  if (first) before = {};
  git::RepositoryState after{
      .url = repository.url, .head = seen.head, .synced_for = asked, .synced = before.synced};
  for (const auto& [branch, commit] : seen.tips) {
    const auto known = before.branches.find(branch);
    if (known != before.branches.end())
      after.branches[branch] = known->second;
    else if (first && branch != seen.head)
      after.branches[branch] = {.commit = commit, .message = "was there when the repository was first seen"};
  }
  const bool tells = api::find(object, {"spec", "statusTokenRef"}) != nullptr;
  if (tells) after.unreported = std::move(before.unreported);
  const auto superseded = [&](const std::pair<const std::string, git::Branch>& was) {
    if (tells && untold(turn, stored->key, was.second.workflow))
      after.unreported.push_back({was.second.workflow, was.first, was.second.commit});
  };
  for (const auto& branch : before.branches)
    if (!seen.tips.contains(branch.first)) superseded(branch);
  Settled out;
  const Reaction* wrong = nullptr;
  for (Reaction& reaction : reactions) {
    const std::string workflow = start(turn, env, registry, stored->key, repository, reaction);
    if (const auto was = before.branches.find(reaction.change.branch);
        was != before.branches.end() && was->second.workflow != workflow)
      superseded(*was);
    after.branches[reaction.change.branch] = {
        .commit = reaction.change.commit, .workflow = workflow, .message = reaction.message, .seen = now};
    if (!reaction.reason.empty()) wrong = &reaction;
    if (workflow.empty()) continue;
    out.newest = git::Started{workflow, reaction.change.branch, reaction.change.commit};
    ++out.started;
  }
  if (!after.synced || !reactions.empty() || now - *after.synced >= kToldEvery || asked != before.synced_for)
    after.synced = now;
  bool changed = git::write_condition(object, kReady, true, "Synced", "the remote was read", now);
  if (wrong)
    changed |= git::write_condition(object, kStarted, false, wrong->reason,
                                    "branch " + wrong->change.branch + ": " + wrong->message, now);
  else if (out.newest)
    changed |=
        git::write_condition(object, kStarted, true, "Started",
                             "workflow " + out.newest->workflow + " runs branch " + out.newest->branch, now);
  changed |= git::write_state(object, after, out.newest, now);
  if (!changed) return out;
  if (auto put = turn.put(stored->key, std::move(object), stored->revision); !put) return fail(put.error());
  return out;
}

Result<void> settle_failed(store::Turn& turn, const api::ObjectPtr& stored, const Error& error,
                           const std::string& asked, WallTime now) {
  Json object = stored->parse();
  const std::string reason =
      error.causes.empty() || error.causes.front().type.empty() ? "Failed" : error.causes.front().type;
  bool changed = git::write_condition(object, kReady, false, reason, error.message, now);
  if (!asked.empty() && api::string_at(object, {"status", "syncedFor"}) != asked) {
    api::set(object, {"status", "syncedFor"}, asked);
    changed = true;
  }
  if (!changed) return {};
  if (auto put = turn.put(stored->key, std::move(object), stored->revision); !put) return fail(put.error());
  return {};
}

}  // namespace ingot::pipelines
