#include "apiserver/server.h"

#include <fmt/format.h>

#include <deque>

#include "apiserver/audit.h"
#include "apiserver/blobs.h"
#include "apiserver/dispatch.h"
#include "apiserver/hooks.h"
#include "apiserver/mlflow.h"
#include "apiserver/node_authorizer.h"
#include "apiserver/prepare.h"
#include "apiserver/reviews.h"
#include "apiserver/status.h"
#include "apiserver/tenants.h"
#include "apiserver/watch.h"

namespace ingot::apiserver {
namespace {
constexpr size_t kMostWarnings = 32;

// A request on its way: what it holds until it is answered.
struct Flight {
  std::shared_ptr<Prepared> in;
  ExchangePtr exchange;
  std::shared_ptr<void> ticket;  // its place among its tenant's requests in flight
};

// In the words of whoever asks.
Reply reply_of(const Prepared& in, const Error& error) {
  return is_mlflow(in.request.target) ? mlflow_error_reply(error) : error_reply(error);
}

Error too_many() {
  return {.reason = Reason::TooManyRequests,
          .message = "too many requests, please try again later.",
          .retry_after_s = 1};
}

api::Json default_price_list(Services& services) {
  const uint64_t high = services.env.entropy.next();
  return api::JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                         {"kind", "PriceList"},
                         {"metadata",
                          {{"name", "default"},
                           {"uid", uuid(high, services.env.entropy.next())},
                           {"generation", 1},
                           {"creationTimestamp", to_rfc3339(services.env.clock.wall())}}},
                         {"spec",
                          {{"currency", "USD"},
                           {"gpuHour", {{"default", "2.00"}}},
                           {"cpuHour", "0.04"},
                           {"memoryGiBHour", "0.005"}}}};
}

void found_factory(store::Turn& turn, Services& services) {
  ClusterView root(turn, kRootCluster);
  if (!root.get("namespaces", "", "default")) (void)make_cluster(root, services);
  if (!root.get(Factory::kPriceLists, "", "default"))
    (void)root.put(Factory::kPriceLists, "", "default", default_price_list(services), Revision{0});
}
}  // namespace

namespace {
void reply_later(Services& services, Flight flight, Reply reply, std::function<void(Reply&)> later) {
  const auto both = std::make_shared<std::pair<Flight, Reply>>(std::move(flight), std::move(reply));
  const auto done = [both] { both->first.exchange->reply(std::move(both->second)); };
  if (services.writer)
    return services.writer->run([both, later = std::move(later)] { later(both->second); }, done);
  later(both->second);
  done();
}
}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  explicit Impl(std::shared_ptr<Services> s)
      : services(std::move(s)), audit(*services), hooks(*services, audit) {}

  void handle(store::Turn&, Flight);
  Result<Identity> authenticate(const store::Turn&, const Prepared&);
  struct Place {
    ClusterId cluster;
    std::string tenant;
  };
  Result<Place> locate(const store::Turn&, const Prepared&, const Identity&);
  Result<void> authorize(Call&);
  Result<Outcome> run(Call&);
  void answer(store::Turn&, Flight, Outcome, const std::vector<std::string>& warnings);
  void refuse(Flight, const Error&);

  const std::shared_ptr<Services> services;
  Audit audit;
  Hooks hooks;
  std::deque<ExtraRoute> extras;
  std::vector<std::unique_ptr<Subscription>> rules;
  bool closed = false;
};

Server::Server(env::Env& env, store::Shard& shard, std::shared_ptr<const api::Registry> registry,
               Authority& authority, LogSource& logs, ServerOptions options) {
  auto services =
      std::make_shared<Services>(env, shard, std::move(registry), authority, logs, std::move(options));
  services->holdings = std::make_shared<Holdings>(env, shard);
  services->tenants = std::make_shared<TenantKeeper>(*services);
  (void)shard.submit([services](store::Turn& turn) { found_factory(turn, *services); });
  impl_ = std::make_shared<Impl>(std::move(services));
  // Whoever changes access rules, also another room: what was compiled from them goes.
  Rbac& rbac = impl_->services->rbac;
  for (const std::string_view resource : {kRoles, kRoleBindings, kClusterRoles, kClusterRoleBindings})
    impl_->rules.push_back(std::make_unique<Subscription>(
        env, shard, store::Scope{.resource = std::string(resource)}, false,
        Subscription::Hooks{.reset = [&rbac] { rbac.forget_all(); },
                            .change =
                                [&rbac](const store::Change& change) {
                                  rbac.changed(std::string(change.object->key.cluster()));
                                }}));
}

Server::~Server() {
  // Requests on their way and open watches may outlive the server; its own eyes on the shard do not.
  impl_->closed = true;
  impl_->rules.clear();
  impl_->services->tenants.reset();
  impl_->services->holdings.reset();
}

void Server::mount(ExtraRoute route) { impl_->extras.push_back(std::move(route)); }

void Server::expect_by(Expectation expectation) { impl_->services->expectation = std::move(expectation); }

void Server::keep_blobs_in(BlobSource& blobs) { impl_->services->blobs = &blobs; }

void Server::track_in(MlflowSource& mlflow) { impl_->services->mlflow = &mlflow; }

void Server::write_by(env::Worker& writer) { impl_->services->writer = &writer; }

bool Server::takes_stream(std::string_view method, std::string_view target) {
  return is_blob_stream(method, target) || is_mlflow_stream(method, target);
}

std::shared_ptr<Prepared> Server::prepare(Request request) const {
  const PrepareInputs inputs{*impl_->services->registry, impl_->services->authenticator,
                             impl_->services->options, impl_->extras};
  return apiserver::prepare(inputs, std::move(request));
}

void Server::submit(std::shared_ptr<Prepared> in, ExchangePtr exchange) {
  Services& services = *impl_->services;
  if (in->route.endpoint == Endpoint::Health && !in->problem) return exchange->reply(text_reply(200, "ok"));
  if (in->route.endpoint == Endpoint::Version && !in->problem)
    return exchange->reply(version_reply(services.options));
  if (in->route.endpoint == Endpoint::Hook && !in->problem) {
    const auto ticket = impl_->hooks.admit(*in);
    if (!ticket) return impl_->refuse({std::move(in), std::move(exchange)}, ticket.error());
    const ExchangePtr way_back = exchange;
    const Result<void> taken = services.shard.submit(
        [impl = impl_,
         flight = Flight{std::move(in), std::move(exchange), *ticket}](store::Turn& turn) mutable {
          if (impl->closed) return;
          Answer answer = impl->hooks.handle(turn, *flight.in);
          impl->answer(turn, std::move(flight), std::move(answer), {});
        },
        store::Shard::Kind::Writes);
    if (!taken) way_back->reply(error_reply(taken.error()));
    return;
  }
  const Credential::Kind kind = in->credential.kind;
  Flight flight{std::move(in), std::move(exchange)};
  if (kind != Credential::Kind::Known && kind != Credential::Kind::Token)
    return impl_->refuse(std::move(flight), unauthorized());

  const std::string& home = flight.in->credential.home();
  const size_t scale = home == kRootCluster.value ? 10 : 1;
  InFlight& counter = flight.in->mutating ? services.mutating : services.reading;
  const size_t limit =
      flight.in->mutating ? services.options.mutating_in_flight : services.options.reading_in_flight;
  flight.ticket = counter.enter(home, limit * scale);
  if (!flight.ticket) return impl_->refuse(std::move(flight), too_many());
  const ExchangePtr way_back = flight.exchange;
  const bool mlflow = is_mlflow(flight.in->request.target);
  const store::Shard::Kind does =
      flight.in->mutating ? store::Shard::Kind::Writes : store::Shard::Kind::Reads;
  const Result<void> taken = services.shard.submit(
      [impl = impl_, flight = std::move(flight)](store::Turn& turn) mutable {
        if (impl->closed) return;
        impl->handle(turn, std::move(flight));
      },
      does);
  if (!taken) way_back->reply(mlflow ? mlflow_error_reply(taken.error()) : error_reply(taken.error()));
}

// A refusal that shows no state: it need not wait for anything.
void Server::Impl::refuse(Flight flight, const Error& error) {
  Reply reply = reply_of(*flight.in, error);
  services->env.loop.post([flight = std::move(flight), reply = std::move(reply)]() mutable {
    flight.exchange->reply(std::move(reply));
  });
}

Result<Server::Impl::Place> Server::Impl::locate(const store::Turn& turn, const Prepared& in,
                                                 const Identity& who) {
  const std::string& name = in.route.cluster;
  if (name.empty()) {
    // The credential's own control plane, while it exists.
    if (!turn.get(api::Key(who.home, "namespaces", "", "kube-system"))) return fail(unauthorized());
    const TenantKeeper::Known* known = services->tenants->find(who.home);
    return Place{who.home, who.home == kRootCluster ? "root" : known ? known->name : who.home.value};
  }
  const bool everywhere = is_operator(who) || !node_of(who).empty();
  if (in.route.every_cluster) {
    if (everywhere) return Place{kRootCluster, "*"};
    return fail(Reason::Forbidden, "only the factory's nodes and operators see every cluster");
  }
  ClusterId cluster = kRootCluster;
  if (name != "root") {
    const api::ObjectPtr tenant = turn.get(api::Key(kRootCluster, Factory::kTenants, "", name));
    if (!tenant) {
      if (!everywhere) return fail(unauthorized());
      Error error{.reason = Reason::NotFound,
                  .message = fmt::format("{} \"{}\" not found", Factory::kTenants, name)};
      error.group = "factory.ingot.dev";
      error.kind = "tenants";
      error.name = name;
      return fail(std::move(error));
    }
    cluster = ClusterId(services->tenant_clusters.of(
        tenant, [](const api::Json& v) { return std::string(api::string_at(v, {"status", "cluster"})); }));
  }
  // A credential is good in the cluster that issued it, and nowhere else.
  if (cluster.value.empty() || (cluster != who.home && !everywhere)) return fail(unauthorized());
  return Place{cluster, name};
}

Result<void> Server::Impl::authorize(Call& call) {
  const Route& route = call.route();
  const bool is_resource = route.endpoint == Endpoint::Resource || route.endpoint == Endpoint::Blobs ||
                           route.endpoint == Endpoint::Mlflow;
  const std::string_view node = node_of(call.who);
  if (!node.empty() && route.endpoint == Endpoint::Resource && node_may(call, node)) return {};
  Attributes asked{.verb = call.in.verb, .path = route.path};
  if (is_resource) {
    asked.group = route.group;
    asked.resource = route.resource;
    asked.subresource = route.subresource;
    asked.ns = route.ns;
    asked.name = route.name;
    if (route.resource == "namespaces" && route.group.empty()) asked.ns = route.name;
  } else {
    asked.verb = "get";
  }
  if (call.allowed(asked)) return {};
  if (!is_resource)
    return fail(Reason::Forbidden,
                fmt::format("forbidden: User \"{}\" cannot get path \"{}\"", call.who.name, route.path));
  std::string what = route.resource;
  if (!route.subresource.empty()) (what += '/') += route.subresource;
  const std::string scope =
      route.ns.empty() ? "at the cluster scope" : fmt::format("in the namespace \"{}\"", route.ns);
  const std::string subject =
      route.group.empty() ? route.resource : fmt::format("{}.{}", route.resource, route.group);
  Error error{
      .reason = Reason::Forbidden,
      .message = fmt::format("{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}",
                             route.name.empty() ? subject : fmt::format("{} \"{}\"", subject, route.name),
                             call.who.name, call.in.verb, what, route.group, scope)};
  error.group = route.group;
  error.kind = route.resource;
  error.name = route.name;
  return fail(std::move(error));
}

Result<Outcome> Server::Impl::run(Call& call) {
  if (call.in.problem) return fail(*call.in.problem);
  if (call.in.type && call.in.type->root_only && !call.view.is_root())
    return fail(Reason::NotFound, "the server could not find the requested resource");
  return dispatch(call);
}

void Server::Impl::handle(store::Turn& turn, Flight flight) {
  Prepared& in = *flight.in;
  AuditEntry entry{.verb = in.verb};
  Result<Identity> who =
      services->authenticator.authenticate(in.credential, turn, services->env.clock.wall());
  if (!who) {
    entry.who = {.name = "", .home = ClusterId(in.credential.home())};
    entry.allowed = false, entry.code = 401;
    audit.later(in, entry);
    return refuse(std::move(flight), who.error());
  }
  entry.who = *who;
  const Result<Place> place = locate(turn, in, *who);
  if (!place) {
    entry.allowed = false, entry.code = http_code(place.error().reason);
    audit.later(in, entry);
    return refuse(std::move(flight), place.error());
  }
  entry.cluster = place->cluster.value;
  entry.tenant = place->tenant;

  ClusterView view(turn, place->cluster);
  Call call{*services, in, std::move(*who), view, Factory(turn), place->tenant, services->rbac.index(view)};
  if (const Result<void> allowed = authorize(call); !allowed) {
    entry.allowed = false, entry.code = 403;
    audit.later(in, entry);
    return refuse(std::move(flight), allowed.error());
  }
  Result<Outcome> outcome = run(call);
  if (call.wrote.value && is_rbac(call.type().resource())) services->rbac.changed(place->cluster.value);

  const bool stores = in.mutating && !(in.type && is_review(*in.type));
  const bool visits = call.who.home != place->cluster && node_of(call.who).empty();
  Answer* plain = outcome ? std::get_if<Answer>(&*outcome) : nullptr;
  entry.code = !outcome ? http_code(outcome.error().reason) : plain ? plain->reply.code : 200;
  entry.allowed = entry.code != 403;
  entry.wrote = call.wrote;
  if (call.wrote.value || (stores && outcome && !in.dry_run)) {
    audit.with_change(turn, in, entry);
  } else if (stores || visits || !entry.allowed) {
    audit.later(in, entry);
  }
  std::vector<std::string> warnings = std::move(in.warnings);
  std::ranges::move(call.warnings, std::back_inserter(warnings));
  answer(turn, std::move(flight),
         outcome ? std::move(*outcome) : Answer{reply_of(in, outcome.error()), turn.revision()}, warnings);
}

void Server::Impl::answer(store::Turn& turn, Flight flight, Outcome outcome,
                          const std::vector<std::string>& warnings) {
  if (Streamed* streamed = std::get_if<Streamed>(&outcome)) {
    turn.then(streamed->shows, [flight = std::move(flight),
                                open = std::move(streamed->open)](const Result<void>& durable) mutable {
      if (!durable) return flight.exchange->reply(reply_of(*flight.in, durable.error()));
      open(std::move(flight.exchange));
    });
    return;
  }
  Answer& plain = std::get<Answer>(outcome);
  for (size_t i = 0; i < warnings.size() && i < kMostWarnings; ++i)
    plain.reply.headers.push_back(warning_header(warnings[i]));
  turn.then(plain.shows, [services = services, flight = std::move(flight), reply = std::move(plain.reply),
                          later = std::move(plain.later)](const Result<void>& durable) mutable {
    if (durable && later)
      return reply_later(*services, std::move(flight), std::move(reply), std::move(later));
    if (durable) return flight.exchange->reply(std::move(reply));
    services->rbac.forget_all();  // it may have been compiled from what is now forgotten
    flight.exchange->reply(reply_of(*flight.in, durable.error()));
  });
}

}  // namespace ingot::apiserver
