#include "apiserver/hooks.h"

#include <algorithm>

#include "apiserver/status.h"
#include "git/globs.h"
#include "git/hook.h"
#include "git/repository.h"

namespace ingot::apiserver {
namespace {

using api::Json;
using git::HookEvent;

constexpr size_t kMostGoing = 64;
constexpr double kBurst = 60, kPerSecond = 10;
constexpr std::string_view kDefaultKey = "secret";

Answer say(int code, std::string_view result, Revision shows) {
  return {json_reply(code, api::JsonObject{{"result", result}}), shows};
}

std::string of_address(const std::string& remote) {
  const size_t colon = remote.rfind(':');
  const bool port = colon != remote.npos && (remote.find(':') == colon || remote[colon - 1] == ']');
  return port ? remote.substr(0, colon) : remote;
}

}  // namespace

Result<std::shared_ptr<void>> Hooks::admit(const Prepared& in) {
  if (in.request.method != "POST")
    return fail(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource");
  if (in.request.body.size() > git::kLargestHook)
    return fail(Reason::RequestEntityTooLarge, "a webhook's body may have 1 MiB");
  Error busy{.reason = Reason::TooManyRequests,
             .message = "too many webhooks, please try again later",
             .retry_after_s = 1};
  const std::string address = of_address(in.request.remote);
  const Instant now = services_.env.clock.now();
  Bucket* bucket = buckets_.find(address);
  if (!bucket) bucket = &buckets_.put(address, {.tokens = kBurst, .filled = now});
  const double seconds = std::chrono::duration<double>(now - bucket->filled).count();
  bucket->tokens = std::min(kBurst, bucket->tokens + seconds * kPerSecond);
  bucket->filled = now;
  if (bucket->tokens < 1) return fail(std::move(busy));
  bucket->tokens -= 1;
  auto ticket = going_.enter("", kMostGoing);
  if (!ticket) return fail(std::move(busy));
  return ticket;
}

Hooks::Target Hooks::find(const store::Turn& turn, const Route& route) const {
  Target target;
  const auto get = [&](const ClusterId& cluster, std::string_view resource, std::string_view ns,
                       std::string_view name) {
    const bool named = !name.empty() && name.find('/') == name.npos && ns.find('/') == ns.npos;
    return named ? turn.get(api::Key(cluster, resource, ns, name)) : nullptr;
  };
  target.cluster = kRootCluster;
  if (route.cluster != "root") {
    const api::ObjectPtr tenant = get(kRootCluster, Factory::kTenants, "", route.cluster);
    if (!tenant) return target;
    target.cluster = ClusterId{std::string(api::string_at(tenant->parse(), {"status", "cluster"}))};
  }
  const api::ObjectPtr repository = get(target.cluster, git::kRepositories, route.ns, route.name);
  if (!repository) return target;
  const Json json = repository->parse();
  const api::ObjectPtr secret = get(target.cluster, "secrets", route.ns,
                                    api::string_at(json, {"spec", "webhook", "secretRef", "name"}));
  if (!secret) return target;
  const std::string_view key = api::string_at(json, {"spec", "webhook", "secretRef", "key"});
  target.repository = repository;
  target.provider = api::string_at(json, {"spec", "webhook", "provider"});
  target.secret = git::secret_value(secret->parse(), key.empty() ? kDefaultKey : key);
  return target;
}

Answer Hooks::handle(store::Turn& turn, const Prepared& in) {
  const Target target = find(turn, in.route);
  AuditEntry entry{.who = {.name = "webhook:" + (target.provider.empty() ? "unknown" : target.provider)},
                   .verb = "create",
                   .cluster = target.cluster.value,
                   .tenant = in.route.cluster};
  if (!git::hook_is_signed(target.provider, target.secret, in.request.hook_headers, in.request.body)) {
    entry.who.name = "webhook:unknown";
    entry.allowed = false, entry.code = 404;
    audit_.later(in, entry);
    return {error_reply({.reason = Reason::NotFound,
                         .message = "there is no such webhook, or it is not signed with its secret"}),
            Revision{}};
  }
  return take(turn, in, target, std::move(entry));
}

Answer Hooks::take(store::Turn& turn, const Prepared& in, const Target& target, AuditEntry entry) {
  const auto event = git::read_hook(target.provider, in.request.hook_headers, in.request.body);
  if (!event) return {error_reply(event.error()), Revision{}};
  const Revision shows = target.repository->revision;
  if (event->kind == HookEvent::Kind::Ping) return say(200, "pong", shows);
  if (event->kind == HookEvent::Kind::Other || event->branch.empty() || event->commit.empty())
    return say(200, "ignored: no push to a branch", shows);
  Json object = target.repository->parse();
  const git::Repository repository = git::read_repository(object);
  if (repository.suspended) return say(200, "ignored: spec.suspend", shows);
  if (!git::any_matches(repository.branches, event->branch)) return say(200, "ignored: spec.branches", shows);
  const git::RepositoryState state = git::read_state(object);
  const auto branch = state.branches.find(event->branch);
  const std::string delivery = target.repository->key.text() + " " + event->delivery;
  if ((branch != state.branches.end() && branch->second.commit == event->commit) ||
      (!event->delivery.empty() && deliveries_.find(delivery)))
    return say(200, "known already", shows);
  api::set(object, {"metadata", "annotations", git::kSyncAnnotation},
           to_rfc3339_micro(services_.env.clock.wall()) + " " + event->commit.substr(0, 12));
  const auto put = turn.put(target.repository->key, std::move(object), target.repository->revision);
  if (!put) return {error_reply(put.error()), Revision{}};
  deliveries_.put(delivery, true);
  entry.code = 202;
  entry.wrote = (*put)->revision;
  audit_.with_change(turn, in, entry);
  return say(202, "the remote is looked at", (*put)->revision);
}

}  // namespace ingot::apiserver
