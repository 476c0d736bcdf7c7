#include "apiserver/pods.h"

#include <fmt/format.h>

#include <algorithm>

#include "apiserver/status.h"
#include "apiserver/watch.h"
#include "apiserver/write.h"
#include "policy/pod_admission.h"

namespace ingot::apiserver {
namespace {
using api::Json;

Result<api::ObjectPtr> stored_pod(Call& call) {
  const api::ObjectPtr pod = call.view.get("pods", call.route().ns, call.route().name);
  if (!pod) return fail(not_found(call.type(), call.route().name));
  return pod;
}

Reply created_status() {
  return json_reply(201, api::JsonObject{{"kind", "Status"},
                                         {"apiVersion", "v1"},
                                         {"metadata", api::JsonObject{}},
                                         {"status", "Success"},
                                         {"code", 201}});
}

Error bad_request(std::string message) {
  return {.reason = Reason::BadRequest, .message = std::move(message)};
}

// Names of all containers, "a b c" as upstream lists them.
std::string names_of(const Json& pod, std::string_view list) {
  std::string names;
  for (const Json& container : api::array_at(pod, {"spec", list})) {
    if (!names.empty()) names += ' ';
    names += api::string_at(container, {"name"});
  }
  return names;
}

bool has_container(const Json& pod, std::string_view name) {
  for (std::string_view list : {"containers", "initContainers", "ephemeralContainers"})
    for (const Json& container : api::array_at(pod, {"spec", list}))
      if (api::string_at(container, {"name"}) == name) return true;
  return false;
}

Result<std::string> pick_container(Call& call, const Json& pod) {
  const std::string_view name = call.route().name;
  std::string container(call.route().query.get("container"));
  if (!container.empty()) {
    if (!has_container(pod, container))
      return fail(
          bad_request(fmt::format("container {} is not valid for pod {}", container.substr(0, 64), name)));
    return container;
  }
  const api::JsonArray& containers = api::array_at(pod, {"spec", "containers"});
  if (containers.size() == 1) return std::string(api::string_at(containers[0], {"name"}));
  const std::string_view chosen =
      api::string_at(pod, {"metadata", "annotations", "kubectl.kubernetes.io/default-container"});
  if (!chosen.empty() && has_container(pod, chosen)) return std::string(chosen);
  const std::string init = names_of(pod, "initContainers");
  return fail(bad_request(
      fmt::format("a container name must be specified for pod {}, choose one of: [{}]{}", name,
                  names_of(pod, "containers"),
                  init.empty() ? "" : fmt::format(" or one of the init containers: [{}]", init))));
}

const Json* status_of(const Json& pod, std::string_view container) {
  for (std::string_view list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"})
    for (const Json& status : api::array_at(pod, {"status", list}))
      if (api::string_at(status, {"name"}) == container) return &status;
  return nullptr;
}

// Upstream's kubelet wording (kubernetes: pkg/kubelet/kubelet_pods.go, validateContainerLogStatus).
Result<void> check_started(Call& call, const Json& pod, const std::string& container, bool previous) {
  const std::string_view name = call.route().name;
  const Json* status = status_of(pod, container);
  const Json* waiting = status ? api::find(*status, {"state", "waiting"}) : nullptr;
  const bool ended = status && api::find(*status, {"lastState", "terminated"});
  if (previous) {
    if (ended) return {};
    return fail(bad_request(
        fmt::format("previous terminated container \"{}\" in pod \"{}\" not found", container, name)));
  }
  if (status &&
      (api::find(*status, {"state", "running"}) || api::find(*status, {"state", "terminated"}) || ended))
    return {};
  std::string reason(waiting ? api::string_at(*waiting, {"reason"}) : "");
  if (reason.empty() && !waiting && status)
    return fail(bad_request(fmt::format("container \"{}\" in pod \"{}\" is not available", container, name)));
  if (reason.empty())
    reason = api::string_at(pod, {"spec", "nodeName"}).empty() ? "Pending" : "ContainerCreating";
  return fail(bad_request(
      fmt::format("container \"{}\" in pod \"{}\" is waiting to start: {}", container, name, reason)));
}

Result<void> read_window(Call& call, LogTarget& target) {
  const Query& query = call.route().query;
  const auto number = [&](std::string_view name, std::optional<int64_t>& into) -> Result<void> {
    if (!query.has(name)) return {};
    const Result<int64_t> value = query.number(name, 0, INT64_MAX);
    if (!value) return fail(value.error());
    into = *value;
    return {};
  };
  if (const auto read = number("tailLines", target.tail_lines); !read) return read;
  if (const auto read = number("sinceSeconds", target.since_seconds); !read) return read;
  if (const auto read = number("limitBytes", target.limit_bytes); !read) return read;
  const std::string_view since = query.get("sinceTime");
  if (since.empty()) return {};
  target.since_time = parse_rfc3339(since);
  if (!target.since_time) return fail(bad_request("sinceTime: Invalid value: must be an RFC 3339 time"));
  if (target.since_seconds)
    return fail(bad_request("at most one of sinceTime or sinceSeconds may be specified"));
  return {};
}
// A stream that holds a place among its tenant's watches for as long as somebody writes into it.
class Counted final : public Exchange {
 public:
  Counted(ExchangePtr to, std::shared_ptr<void> ticket) : to_(std::move(to)), ticket_(std::move(ticket)) {}
  void reply(Reply reply) override { to_->reply(std::move(reply)); }
  void begin(Reply head) override { to_->begin(std::move(head)); }
  bool write(Piece piece) override { return to_->write(std::move(piece)); }
  void end() override { to_->end(); }
  void on_close(std::move_only_function<void()> closed) override { to_->on_close(std::move(closed)); }

 private:
  const ExchangePtr to_;
  const std::shared_ptr<void> ticket_;
};
}  // namespace

Result<Outcome> read_log(Call& call) {
  const Result<api::ObjectPtr> stored = stored_pod(call);
  if (!stored) return fail(stored.error());
  const Json pod = (*stored)->parse();
  Result<std::string> container = pick_container(call, pod);
  if (!container) return fail(std::move(container.error()));
  const Query& query = call.route().query;
  LogTarget target{.pod = (*stored)->key,
                   .node = std::string(api::string_at(pod, {"spec", "nodeName"})),
                   .pod_uid = uid_of(pod),
                   .container = std::move(*container),
                   .follow = query.flag("follow"),
                   .previous = query.flag("previous"),
                   .timestamps = query.flag("timestamps")};
  if (const Result<void> window = read_window(call, target); !window) return fail(window.error());
  if (const Result<void> started = check_started(call, pod, target.container, target.previous); !started)
    return fail(started.error());
  std::shared_ptr<void> ticket;
  if (target.follow) {
    Result<std::shared_ptr<void>> entered = enter_watch(call);
    if (!entered) return fail(std::move(entered.error()));
    ticket = std::move(*entered);
  }
  return Streamed{(*stored)->revision, [&logs = call.services.logs, target = std::move(target),
                                        ticket = std::move(ticket)](ExchangePtr exchange) mutable {
                    if (ticket) exchange = std::make_shared<Counted>(std::move(exchange), std::move(ticket));
                    logs.stream(target, std::move(exchange));
                  }};
}

Result<Outcome> propose_binding(Call& call) {
  const Result<api::ObjectPtr> stored = stored_pod(call);
  if (!stored) return fail(stored.error());
  const std::string node(api::string_at(*call.in.body, {"target", "name"}));
  if (node.empty()) return fail(bad_request("target.name: Required value"));
  Json pod = (*stored)->parse();
  const std::string_view name = call.route().name;
  if (const std::string_view bound = api::string_at(pod, {"spec", "nodeName"}); !bound.empty())
    return fail(
        conflict(call.type(), name, fmt::format("pod {} is already assigned to node \"{}\"", name, bound)));
  // As far as its author can know, bound: the scheduler takes the node if the pod fits there (ARCHITECTURE.md).
  Answer answer{created_status()};
  answer.shows = (*stored)->revision;
  if (call.in.dry_run ||
      api::string_at(pod, {"metadata", "annotations", policy::kProposedNodeAnnotation}) == node)
    return answer;
  api::set(pod, {"metadata", "annotations", policy::kProposedNodeAnnotation}, node);
  if (const Result<void> valid = api::validate(call.type(), pod, nullptr); !valid) return fail(valid.error());
  const Result<api::ObjectPtr> written =
      call.view.put("pods", call.route().ns, name, std::move(pod), (*stored)->revision);
  if (!written) return fail(about(written.error(), call.type(), name));
  call.wrote = answer.shows = (*written)->revision;
  return answer;
}

Result<Outcome> evict(Call& call) {
  const Result<api::ObjectPtr> stored = stored_pod(call);
  if (!stored) return fail(stored.error());
  const Result<DeleteOptions> options =
      read_delete_options(call, api::find(*call.in.body, {"deleteOptions"}));
  if (!options) return fail(options.error());
  const Result<Removed> removed = remove_object(call, *stored, *options);
  if (!removed) return fail(removed.error());
  return Answer{created_status(), removed->object->revision};
}

}  // namespace ingot::apiserver
