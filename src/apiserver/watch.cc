#include "apiserver/watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "apiserver/encode.h"
#include "apiserver/source.h"
#include "apiserver/status.h"
#include "apiserver/workflow_events.h"
#include "apiserver/workflows.h"

namespace ingot::apiserver {
namespace {
using namespace std::chrono_literals;
constexpr Duration kBookmarkEvery = 60s;

// `object` appends it, in about so many bytes.
template <class Append>
Piece event_of(std::string_view type, size_t bytes, Append object) {
  constexpr size_t kMore = 256;  // what is said beside it
  std::string text;
  text.reserve(bytes + kMore);
  ((text += R"({"type":")") += type) += R"(","object":)";
  object(text);
  text += "}\n";
  return piece(std::move(text));
}
Piece event_text(std::string_view type, std::string_view object) {
  return event_of(type, object.size(), [&](std::string& text) { text += object; });
}

class Session final : public store::Watcher,
                      public WorkflowEvents::Listener,
                      public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Services> services, WatchPlan plan, ExchangePtr exchange,
          std::shared_ptr<void> ticket)
      : keep_(std::move(services)),
        services_(*keep_),
        plan_(std::move(plan)),
        exchange_(std::move(exchange)),
        ticket_(std::move(ticket)) {
    if (plan_.with_nodes) runs_ = std::make_shared<WorkflowEvents>(keep_, *this, plan_.tenant);
  }
  ~Session() {
    if (runs_) runs_->drop();
  }

  void start() {
    exchange_->begin({.headers = {{"Cache-Control", "no-cache, private"}}});
    const std::weak_ptr<Session> weak = weak_from_this();
    exchange_->on_close([weak] {
      if (const auto self = weak.lock()) self->stop();
    });
    for (const api::ObjectPtr& object : plan_.builtin)
      if (!send_change({.object = object})) return stop();
    const Result<uint64_t> id = services_.shard.watch(plan_.scope, plan_.from, shared_from_this());
    if (!id) return fail_with(id.error());
    id_ = *id;
    last_bookmark_ = services_.env.clock.now();
    timer_ = services_.env.loop.at(last_bookmark_ + plan_.timeout, [weak] {
      if (const auto self = weak.lock()) self->time_is_over();
    });
  }

  bool on_change(const store::Change& change) override {
    if (!exchange_) return false;
    seen_ = change.revision();
    return send_change(change);
  }

  void on_revision(Revision revision) override {
    if (!exchange_) return;
    seen_ = revision;
    if (runs_ && !runs_->idle()) return;  // told once what came before is
    if (plan_.mark_initial) {
      plan_.mark_initial = false;
      return bookmark(true);
    }
    if (plan_.bookmarks && services_.env.clock.now() - last_bookmark_ >= kBookmarkEvery) bookmark(false);
  }

  void on_end(const Error& error) override {
    id_.reset();
    fail_with(error);
  }

  bool tell(std::string_view type, const api::ObjectPtr& object) override {
    const auto keep = shared_from_this();
    if (exchange_ && write(type, object)) return true;
    stop();
    return false;
  }
  void failed(const Error& error) override { fail_with(error); }
  void told_all() override { on_revision(seen_); }

 private:
  bool send(std::string_view type, const api::ObjectPtr& object) {
    if (!runs_) return write(type, object);
    return runs_->add(type, object) && exchange_;
  }

  bool write(std::string_view type, const api::ObjectPtr& object) {
    const bool first = !std::exchange(told_, true);  // a Table's columns are told once
    EventEncoder& encoder = *services_.events;
    if (!plan_.every_cluster)
      return exchange_->write(encoder.event(type, *plan_.type, plan_.wanted, object, first));
    if (plan_.wanted.view == View::Plain) return exchange_->write(encoder.event_with_cluster(type, object));
    return exchange_->write(encoder.event(type, *plan_.type, plan_.wanted, with_cluster(object), first));
  }

  bool send_change(const store::Change& change) {
    EventEncoder& encoder = *services_.events;
    const auto shown = [&] { return plan_.projected ? encoder.projected(change.object) : change.object; };
    if (plan_.selection.everything())
      return send(change.deleted ? "DELETED" : change.before ? "MODIFIED" : "ADDED", shown());

    const auto selected = [&](const api::ObjectPtr& object) {
      return plan_.selection.matches(
          object, [&](const api::ObjectPtr& o) -> const api::Json& { return encoder.parsed(o); });
    };
    const bool now = selected(change.object);
    if (change.deleted) return !now || send("DELETED", shown());
    const bool before = change.before && selected(change.before);
    if (now) return send(before ? "MODIFIED" : "ADDED", shown());
    if (!before) return true;
    // It left the selection: its last state in it, at the revision that took it out.
    api::Json last = change.before->parse();
    api::set(last, {"metadata", "resourceVersion"}, std::to_string(change.revision().value));
    return send("DELETED", std::make_shared<const api::Object>(
                               api::Object{change.object->key, change.revision(), api::to_text(last)}));
  }

  void bookmark(bool initial_end) {
    last_bookmark_ = services_.env.clock.now();
    api::JsonObject metadata{{"resourceVersion", std::to_string(seen_.value)}};
    if (initial_end) metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
    const api::JsonObject object{{"kind", plan_.type->kind},
                                 {"apiVersion", plan_.type->api_version()},
                                 {"metadata", std::move(metadata)}};
    if (!exchange_->write(event_text("BOOKMARK", api::to_text(object)))) stop();
  }

  void time_is_over() {
    if (!exchange_) return;
    timer_ = 0;
    if (plan_.bookmarks && seen_.value && (!runs_ || runs_->idle())) bookmark(false);
    finish();
  }

  void fail_with(const Error& error) {
    if (!exchange_) return;
    Error shown = error;
    if (error.reason == Reason::Expired)
      shown.message =
          fmt::format("too old resource version: {} ({})", std::max(seen_, plan_.from).value, error.message);
    exchange_->write(event_text("ERROR", api::to_text(status_object(shown))));
    finish();
  }

  void finish() {
    const ExchangePtr exchange = exchange_;
    stop();
    if (exchange) exchange->end();
  }

  void stop() {
    const auto keep = shared_from_this();
    if (timer_) services_.env.loop.cancel(std::exchange(timer_, 0));
    if (id_) services_.shard.unwatch(*std::exchange(id_, std::nullopt));
    if (runs_) runs_->drop();
    exchange_.reset();
    ticket_.reset();
  }

  const std::shared_ptr<Services> keep_;  // a watch may outlive the Server
  Services& services_;
  WatchPlan plan_;
  ExchangePtr exchange_;  // null once over
  std::shared_ptr<void> ticket_;
  std::optional<uint64_t> id_;
  env::TimerId timer_ = 0;
  bool told_ = false;
  std::shared_ptr<WorkflowEvents> runs_;
  Revision seen_{};
  Instant last_bookmark_{};
};

Result<Duration> read_timeout(Call& call) {
  constexpr int64_t kDefault = 1800, kMost = 24 * 3600;
  const Result<int64_t> asked = call.route().query.number("timeoutSeconds", 0, INT32_MAX);
  if (!asked) return fail(asked.error());
  const int64_t random = kDefault + int64_t(call.services.env.entropy.next() % kDefault);
  return std::chrono::seconds(*asked == 0 ? random : std::min(*asked, kMost));
}
}  // namespace

const api::Json& EventEncoder::parsed(const api::ObjectPtr& object) {
  if (parsed_object_ == object) return parsed_value_;
  if (parsed_before_ == object) return parsed_before_value_;
  parsed_before_ = std::exchange(parsed_object_, object);
  parsed_before_value_ = std::exchange(parsed_value_, object->parse());
  return parsed_value_;
}

Piece EventEncoder::event(std::string_view type, const api::Resource& resource, const Wanted& wanted,
                          const api::ObjectPtr& object, bool definitions) {
  if (wanted.view != View::Plain)
    return event_text(type,
                      *encode_object(wanted, resource, object, services_.env.clock.wall(), definitions));
  if (last_.object != object || last_.type != type) last_ = {object, type, event_text(type, object->json)};
  return last_.piece;
}

Piece EventEncoder::event_with_cluster(std::string_view type, const api::ObjectPtr& object) {
  if (clustered_.object != object || clustered_.type != type)
    clustered_ = {object, type, event_of(type, object->json.size(), [&](std::string& text) {
                    append_with_cluster(text, *object);
                  })};
  return clustered_.piece;
}
api::ObjectPtr EventEncoder::projected(const api::ObjectPtr& object) { return project(services_, object); }

void start_watch(std::shared_ptr<Services> services, WatchPlan plan, ExchangePtr exchange,
                 std::shared_ptr<void> ticket) {
  std::make_shared<Session>(std::move(services), std::move(plan), std::move(exchange), std::move(ticket))
      ->start();
}

Result<std::shared_ptr<void>> enter_watch(Call& call) {
  const bool root = call.who.home == kRootCluster;
  const size_t limit = call.services.options.watches * (root ? 10 : 1);
  std::shared_ptr<void> ticket = call.services.watches.enter(call.who.home.value, limit);
  if (ticket) return ticket;
  return fail({.reason = Reason::TooManyRequests,
               .message = fmt::format("too many watches and followed logs are open for this control plane "
                                      "(limit {}), please try again later",
                                      limit),
               .retry_after_s = 1});
}

Result<Outcome> watch_objects(Call& call) {
  const api::Resource& type = call.type();
  const Query& query = call.route().query;
  const Result<int64_t> revision = query.number("resourceVersion", 0, INT64_MAX);
  if (!revision) return fail(revision.error());
  Result<Selection> selection = read_selection(type, call.route());
  if (!selection) return fail(selection.error());
  const Result<Duration> timeout = read_timeout(call);
  if (!timeout) return fail(timeout.error());

  const Source source(call, type);
  WatchPlan plan{.selection = std::move(*selection), .wanted = call.in.wanted, .type = &type};
  plan.scope = {.cluster = source.projected() ? kRootCluster.value : call.view.cluster().value,
                .resource = type.resource(),
                .ns = call.route().ns};
  if (call.route().every_cluster) plan.scope.cluster.clear();
  plan.scope.node = plan.selection.node;
  plan.every_cluster = call.route().every_cluster;
  plan.projected = source.projected();
  plan.with_nodes = is_workflow(type) && plan.wanted.view == View::Plain;
  plan.tenant = call.who.home.value;
  plan.bookmarks = query.flag("allowWatchBookmarks");
  plan.timeout = *timeout;

  const bool initial_asked = query.has("sendInitialEvents"), initial = query.flag("sendInitialEvents");
  if (initial_asked && query.get("resourceVersionMatch") != "NotOlderThan")
    return fail(Reason::Invalid,
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting "
                "resourceVersionMatch to NotOlderThan");
  plan.from = Revision{uint64_t(*revision)};
  if (initial) plan.from = Revision{0}, plan.mark_initial = plan.bookmarks;
  if (initial_asked && !initial && *revision == 0) plan.from = call.view.revision();
  if (plan.from.value == 0) plan.builtin = source.builtin();

  Result<std::shared_ptr<void>> ticket = enter_watch(call);
  if (!ticket) return fail(std::move(ticket.error()));
  const Revision shows = plan.from.value ? std::min(plan.from, call.view.revision()) : Revision{0};
  return Streamed{shows, [services = call.services.shared_from_this(), plan = std::move(plan),
                          ticket = std::move(*ticket)](ExchangePtr exchange) mutable {
                    start_watch(services, std::move(plan), std::move(exchange), std::move(ticket));
                  }};
}

}  // namespace ingot::apiserver
