// webhooks/…, but for webhooks/test, which waits for somebody else (courier.h).
// Facts: mlflow/protos/webhooks.proto, mlflow/server/handlers.py, mlflow/store/model_registry/sqlalchemy_store.py.
#include <fmt/format.h>

#include <algorithm>

#include "api/webhook.h"
#include "base/time.h"
#include "registry/model_ops.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr size_t kMostEvents = 32;
constexpr int64_t kMostResults = 1'000;
constexpr std::string_view kActive = "ACTIVE", kDisabled = "DISABLED";

std::string in_case(std::string_view text, int (*to)(int)) {
  std::string out(text);
  for (char& c : out) c = char(to(static_cast<unsigned char>(c)));
  return out;
}

int64_t ms(std::string_view time) {
  const auto at = parse_rfc3339(time);
  return at ? std::chrono::duration_cast<std::chrono::milliseconds>(at->time_since_epoch()).count() : 0;
}

void write_webhook(Out& out, const Json& webhook) {
  out.open('{')
      .field("webhook_id", string_at(webhook, {"metadata", "name"}))
      .field("name", string_at(webhook, {"spec", "name"}))
      .field_if("description", string_at(webhook, {"spec", "description"}))
      .field("url", string_at(webhook, {"spec", "url"}))
      .key("events")
      .open('[');
  for (const Json& event : api::array_at(webhook, {"spec", "events"})) {
    const std::string_view text = string_at(event, {});
    const size_t dot = std::min(text.find('.'), text.size());
    out.open('{')
        .field("entity", in_case(text.substr(0, dot), std::toupper))
        .field("action", in_case(text.substr(std::min(dot + 1, text.size())), std::toupper))
        .close('}');
  }
  const int64_t created = ms(string_at(webhook, {"metadata", "creationTimestamp"}));
  out.close(']')
      .field("status", api::bool_at(webhook, {"spec", "suspend"}) ? kDisabled : kActive)
      .field("creation_timestamp", created)
      .field("last_updated_timestamp", std::max(created, ms(string_at(webhook, {"status", "updated"}))))
      .close('}');
}

std::string shown(const Json& webhook) {
  Out out;
  out.open('{').key("webhook");
  write_webhook(out, webhook);
  return out.close('}').take();
}

// [{"entity": "MODEL_VERSION", "action": "CREATED"}] → ["model_version.created"]
Result<JsonArray> read_events(const Args& args) {
  const auto list = args.objects("events", kMostEvents);
  if (!list) return fail(list.error());
  JsonArray events;
  for (const JsonObject* one : *list) {
    auto event = webhook_event(Args(*one));
    if (!event) return fail(event.error());
    if (std::ranges::find(events, Json(*event)) == events.end()) events.emplace_back(*event);
  }
  return events;
}

// What the request says of it; nothing of what it does not say.
Result<JsonObject> read_spec(const Args& args) {
  JsonObject spec;
  for (const std::string_view field : {"name", "url"}) {
    const auto text = args.text(field);
    if (!text) return fail(text.error());
    if (!text->empty()) spec[field] = *text;
  }
  for (const std::string_view field : {"description", "secret"}) {
    const auto text = args.text(field);
    if (!text) return fail(text.error());
    if (args.has(field)) spec[field] = *text;
  }
  if (const std::string_view name = string_at(Json(spec), {"name"}); !name.empty())
    if (const std::string fault = api::webhook_name_fault(name); !fault.empty())
      return fail(invalid("name: " + fault));
  auto events = read_events(args);
  if (!events) return fail(events.error());
  if (!events->empty()) spec["events"] = std::move(*events);
  const auto status = args.text("status");
  if (!status) return fail(status.error());
  if (!status->empty()) {
    if (*status != kActive && *status != kDisabled)
      return fail(invalid(fmt::format("status: \"{}\" is none of ACTIVE, DISABLED", status->substr(0, 64))));
    spec["suspend"] = *status == kDisabled;
  }
  return spec;
}

Result<std::string> path_of(const Args& args) {
  const auto id = args.required("webhook_id");
  if (!id) return fail(id.error());
  const bool plain = id->size() <= 253 && std::ranges::all_of(*id, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
                     });
  if (!plain) return fail(Reason::NotFound, fmt::format("Webhook with ID {} not found.", id->substr(0, 100)));
  return "webhooks/" + std::string(*id);
}

Result<Json> asked(ModelApi& api, const Args& args, std::string_view method, const Json* body = nullptr) {
  auto path = path_of(args);
  if (!path) return fail(path.error());
  auto answer = api.call(method, *path, body);
  if (!answer && answer.error().reason == Reason::NotFound)
    return fail(Reason::NotFound, fmt::format("Webhook with ID {} not found.", *args.text("webhook_id")));
  return answer;
}

Result<std::string> create(ModelApi& api, const Args& args) {
  for (const std::string_view field : {"name", "url"})
    if (const auto there = args.required(field); !there) return fail(there.error());
  auto spec = read_spec(args);
  if (!spec) return fail(spec.error());
  if (!spec->contains("events")) return fail(missing("events"));
  const Json object = JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                                 {"kind", "Webhook"},
                                 {"metadata", JsonObject{{"generateName", "webhook-"}}},
                                 {"spec", std::move(*spec)}};
  auto made = api.call("POST", "webhooks", &object);
  return made ? Result<std::string>(shown(*made)) : fail(made.error());
}

Result<std::string> get(ModelApi& api, const Args& args) {
  auto webhook = asked(api, args, "GET");
  return webhook ? Result<std::string>(shown(*webhook)) : fail(webhook.error());
}

Result<std::string> update(ModelApi& api, const Args& args) {
  auto spec = read_spec(args);
  if (!spec) return fail(spec.error());
  const Json patch = JsonObject{{"spec", std::move(*spec)}};
  auto webhook = asked(api, args, "PATCH", &patch);
  return webhook ? Result<std::string>(shown(*webhook)) : fail(webhook.error());
}

Result<std::string> remove(ModelApi& api, const Args& args) {
  auto gone = asked(api, args, "DELETE");
  return gone ? Result<std::string>(empty_answer()) : fail(gone.error());
}

// The newest first.
Result<std::string> list(ModelApi& api, const Args& args) {
  const auto most = args.number_or("max_results", 100, 1, kMostResults);
  const auto token = args.text("page_token");
  if (!most) return fail(most.error());
  if (!token) return fail(token.error());
  const auto from = token->empty() ? Result<int64_t>(0) : read_page_token(*token);
  if (!from) return fail(from.error());
  auto all = all_of(api, "webhooks");
  if (!all) return fail(all.error());
  std::ranges::sort(*all, std::greater{}, [](const Json& webhook) {
    return std::pair(ms(string_at(webhook, {"metadata", "creationTimestamp"})),
                     string_at(webhook, {"metadata", "name"}));
  });
  Out out;
  out.open('{').key("webhooks").open('[');
  const size_t begin = std::min(size_t(*from), all->size()),
               end = std::min(begin + size_t(*most), all->size());
  for (size_t i = begin; i < end; ++i) write_webhook(out, (*all)[i]);
  out.close(']');
  if (end < all->size()) out.field("next_page_token", page_token(int64_t(end)));
  return out.close('}').take();
}

constexpr ModelOp kOps[] = {{"webhooks/create", create},
                            {"webhooks/delete", remove},
                            {"webhooks/get", get},
                            {"webhooks/list", list},
                            {"webhooks/update", update}};

}  // namespace

std::span<const ModelOp> webhook_ops() { return kOps; }

Result<std::string> webhook_event(const Args& args) {
  const auto entity = args.required("entity"), action = args.required("action");
  if (!entity) return fail(entity.error());
  if (!action) return fail(action.error());
  std::string event = in_case(*entity, std::tolower) + "." + in_case(*action, std::tolower);
  const auto known = api::webhook_events();
  if (std::ranges::find(known, event) == known.end())
    return fail(invalid(fmt::format("events: there is no \"{}\" here", event.substr(0, 100))));
  return event;
}

}  // namespace ingot::registry
