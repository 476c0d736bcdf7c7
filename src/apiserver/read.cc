#include "apiserver/read.h"

#include <fmt/format.h>

#include <charconv>

#include "apiserver/encode.h"
#include "apiserver/source.h"
#include "apiserver/status.h"
#include "apiserver/workflows.h"

namespace ingot::apiserver {
namespace {
constexpr int64_t kMostLimit = 1'000'000;

// What a list asks for: which state, from where, how much of it.
struct ListPlan {
  std::optional<Revision> at;  // absent: the state of this turn
  std::string after;
  size_t limit = 0;  // 0 = no limit
};

Error too_new(Revision asked, Revision current) {
  Error error{
      .reason = Reason::Timeout,
      .message = fmt::format("Too large resource version: {}, current: {}", asked.value, current.value)};
  error.causes.push_back({"ResourceVersionTooLarge", "", "Too large resource version"});
  error.retry_after_s = 1;
  return error;
}

Result<std::optional<Revision>> read_revision(const Query& query) {
  const std::string_view text = query.get("resourceVersion");
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return fail(Reason::BadRequest,
                fmt::format("Invalid value: \"{}\": strconv.ParseUint: parsing \"{}\": invalid "
                            "syntax",
                            text.substr(0, 40), text.substr(0, 40)));
  return Revision{value};
}

Result<ListPlan> plan_list(const Query& query, Revision current) {
  ListPlan plan;
  const Result<int64_t> limit = query.number("limit", 0, INT64_MAX);
  if (!limit) return fail(limit.error());
  plan.limit = size_t(std::min(*limit, kMostLimit));
  const Result<std::optional<Revision>> revision = read_revision(query);
  if (!revision) return fail(revision.error());
  const std::string_view match = query.get("resourceVersionMatch");
  const std::string_view token = query.get("continue");
  if (!match.empty() && !*revision)
    return fail(Reason::Invalid,
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless "
                "resourceVersion is provided");
  if (!match.empty() && match != "Exact" && match != "NotOlderThan")
    return fail(Reason::Invalid,
                fmt::format("resourceVersionMatch: Unsupported value: \"{}\": supported values: "
                            "\"Exact\", \"NotOlderThan\"",
                            match.substr(0, 40)));
  if (!token.empty()) {
    if (*revision && (*revision)->value != 0)
      return fail(Reason::BadRequest, "specifying resource version is not allowed when using continue");
    Result<Continue> place = decode_continue(token);
    if (!place) return fail(std::move(place.error()));
    if (place->revision > current)
      return fail(Reason::BadRequest, "continue key is not valid: list again from the start");
    plan.at = place->revision;
    plan.after = std::move(place->after);
    return plan;
  }
  if (!*revision) return plan;
  if (**revision > current) return fail(too_new(**revision, current));
  if (match == "Exact") {
    if ((*revision)->value == 0)
      return fail(Reason::Invalid,
                  "resourceVersionMatch: Forbidden: resourceVersionMatch \"Exact\" is forbidden for "
                  "resourceVersion \"0\"");
    if (**revision != current) plan.at = **revision;
  }
  return plan;
}

Error expired(bool continued) {
  return {
      .reason = Reason::Expired,
      .message = continued
                     ? "The provided continue parameter is too old to display a consistent list result. You "
                       "can start a new list without the continue parameter."
                     : "The resourceVersion for the provided list is too old."};
}

// The planted bug of the simulation: the object of the same name in another cluster.
api::ObjectPtr leaked(Call& call) {
  api::ObjectPtr found;
  call.factory.range_every_cluster(call.type().resource(), [&](const api::ObjectPtr& object) {
    const bool other =
        object->key.cluster() != call.view.cluster().value && object->key.ns() == call.route().ns;
    if (other) found = object;
    return !found;
  });
  return found;
}
}  // namespace

Result<Outcome> get_object(Call& call) {
  const Source source(call, call.type());
  api::ObjectPtr object = source.get(call.route().ns, call.route().name);
  if (call.services.env.faults.fires("apiserver.read.other_cluster"))
    if (api::ObjectPtr other = leaked(call)) object = std::move(other);
  if (!object) return fail(not_found(call.type(), call.route().name));
  const Result<std::optional<Revision>> wanted = read_revision(call.route().query);
  if (!wanted) return fail(wanted.error());
  if (*wanted && **wanted > call.view.revision()) return fail(too_new(**wanted, call.view.revision()));
  Answer answer{.shows = object->revision};
  if (is_workflow(call.type()) && call.in.wanted.view == View::Plain) {
    WorkflowParts parts = workflow_parts(call.view, object);
    if (parts.nodes.size() > kManyNodes) return show_later(call, 200, std::move(parts));
    object = whole_workflow(parts);
  }
  answer.reply.body.push_back(
      encode_object(call.in.wanted, call.type(), object, call.services.env.clock.wall()));
  return answer;
}

Result<Outcome> list_objects(Call& call) {
  const api::Resource& type = call.type();
  const Result<ListPlan> plan = plan_list(call.route().query, call.view.revision());
  if (!plan) return fail(plan.error());
  const Result<Selection> selection = read_selection(type, call.route());
  if (!selection) return fail(selection.error());

  std::vector<api::ObjectPtr> items;
  std::vector<WorkflowParts> parts;  // instead
  size_t many = 0;
  const bool nodes = is_workflow(type) && call.in.wanted.view == View::Plain;
  ListMeta meta{.revision = plan->at.value_or(call.view.revision())};
  const store::Visit take = [&](const api::ObjectPtr& object) {
    if (!selection->matches(object)) return true;
    if (plan->limit && items.size() + parts.size() == plan->limit) {
      const api::Key& last = (nodes ? parts.back().workflow : items.back())->key;
      meta.next = encode_continue({meta.revision, fmt::format("{}/{}", last.ns(), last.name())});
      return false;
    }
    if (!nodes) return items.push_back(object), true;
    parts.push_back(workflow_parts(call.view, object));
    many += parts.back().nodes.size();
    return true;
  };
  if (call.route().every_cluster) {
    call.factory.range_every_cluster(type.resource(), [&](const api::ObjectPtr& object) {
      if (selection->matches(object)) items.push_back(with_cluster(object));
      return true;
    });
  } else if (const Result<void> done = Source(call, type).range(plan->at, call.route().ns, plan->after, take);
             !done) {
    return fail(done.error().reason == Reason::Expired ? expired(!plan->after.empty()) : done.error());
  }
  auto write = [wanted = call.in.wanted, &type, items = std::move(items), parts = std::move(parts), meta,
                now = call.services.env.clock.wall()]() mutable {
    for (const WorkflowParts& one : parts) items.push_back(whole_workflow(one));
    return encode_list(wanted, type, items, meta, now);
  };
  if (many > kManyNodes) return answer_later(call, meta.revision, 200, std::move(write));
  return Answer{write(), meta.revision};
}

}  // namespace ingot::apiserver
