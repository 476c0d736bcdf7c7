// What a handler of one request holds: the prepared request, who asks, the view of one cluster, and the services of
// the server. Lives for the turn's input only. Thread rule: the loop, but Prepared, which is written on any thread
// before it is submitted.
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/decode.h"
#include "api/table.h"
#include "apiserver/authn.h"
#include "apiserver/builtin.h"
#include "apiserver/cluster_view.h"
#include "apiserver/memo.h"
#include "apiserver/path.h"
#include "apiserver/rbac.h"
#include "apiserver/server.h"
#include "base/encoding.h"
#include "policy/quota.h"

namespace ingot::apiserver {

// The form a client wants its answer in.
enum class View : uint8_t { Plain, Table, Metadata };
struct Wanted {
  View view = View::Plain;
  std::string version = "v1";                                 // of meta.k8s.io for Metadata
  api::IncludeObject include = api::IncludeObject::Metadata;  // in the rows of a Table
};

enum class PatchKind : uint8_t { None, Json, Merge, Strategic };

struct Prepared {
  Request request;
  Route route;
  Credential credential;
  std::string_view verb;  // RBAC's; "" on non-resource requests: the method in lower case is used
  const api::Resource* type = nullptr;  // of resource requests that are served
  const ExtraRoute* extra = nullptr;    // or who else serves it
  std::optional<BlobTarget> blob;       // or what it wants of the cluster's blobs
  std::optional<MlflowTarget> mlflow;   // or of MLflow's API
  bool mutating = false, dry_run = false;
  Wanted wanted;
  PatchKind patch = PatchKind::None;
  api::FieldValidation validation = api::FieldValidation::Warn;
  std::string manager;
  std::optional<api::Json> body;  // decoded; of a create also defaulted and validated
  std::vector<std::string> warnings;
  // Of a Workflow or what holds templates: what is wrong with it by itself, and whether that is all there is to check.
  std::optional<std::expected<void, std::string>> alone;
  bool stands_alone = false;
  std::optional<Error> problem;  // told only to who may ask at all
};

struct Services;
class EventEncoder;
class Holdings;
class TenantKeeper;

// Nothing to be had but these from the control plane `root`, whatever cluster a request is in.
class Factory {
 public:
  explicit Factory(store::Turn& turn) : turn_(turn), root_(turn, kRootCluster) {}
  api::ObjectPtr tenant(std::string_view name) const { return root_.get(kTenants, "", name); }
  api::ObjectPtr allocation(std::string_view pod_uid) const { return root_.get(kAllocations, "", pod_uid); }
  api::ObjectPtr prices() const { return root_.get(kPriceLists, "", "default"); }
  const ClusterView& nodes() const { return root_; }  // for the projection of Nodes and their slices only
  // Whom a verified token stands for now (authn.h).
  Result<Identity> check_claims(Services&, const TokenClaims&) const;
  // The cluster of a tenant that is being made.
  ClusterView fresh_cluster(const ClusterId&) const;
  // A type's objects in all clusters, jumping from one cluster's range to the next: for "/clusters/*" alone.
  void range_every_cluster(std::string_view resource, const store::Visit&) const;

  static constexpr std::string_view kPriceLists = "pricelists.factory.ingot.dev";
  static constexpr std::string_view kTenants = "tenants.factory.ingot.dev";
  static constexpr std::string_view kAllocations = "allocations.factory.ingot.dev";

 private:
  store::Turn& turn_;
  ClusterView root_;
};

// How many requests of each tenant are being served.
class InFlight {
 public:
  // nullptr: at the limit.
  std::shared_ptr<void> enter(const std::string& home, size_t limit);

 private:
  std::shared_ptr<std::map<std::string, size_t>> counts_ = std::make_shared<std::map<std::string, size_t>>();
};

// The server's own state and ports; one per shard.
struct Services : std::enable_shared_from_this<Services> {
  Services(env::Env&, store::Shard&, std::shared_ptr<const api::Registry>, Authority&, LogSource&,
           ServerOptions);

  env::Env& env;
  store::Shard& shard;
  std::shared_ptr<const api::Registry> registry;
  Authority& authority;
  LogSource& logs;
  ServerOptions options;
  Authenticator authenticator;
  Rbac rbac;
  std::vector<api::ObjectPtr> priority_classes, device_classes;
  Memo<api::ObjectPtr> projections{8192};               // Node, ResourceSlice → what a tenant sees of it
  Memo<std::string> tenant_clusters{4096};              // Tenant → status.cluster
  Memo<std::shared_ptr<const api::Json>> parsed{4096};  // Namespace, ServiceAccount, PriorityClass
  Memo<std::string> allocation_nodes{16'384};           // Allocation → spec.node
  Memo<policy::QuotaNode> quotas{16'384};               // Queue or Tenant → what it promises
  Memo<policy::QuotaAmounts> slice_gpus{16'384};
  Expectation expectation;         // may be empty
  BlobSource* blobs = nullptr;     // nullptr: this factory keeps none
  MlflowSource* mlflow = nullptr;  // nullptr: this factory tracks nothing
  env::Worker* writer = nullptr;   // of what takes long to write; nullptr: the loop itself
  std::map<std::string, std::shared_ptr<std::atomic<size_t>>> writing;  // how much of it, of each cluster
  std::map<std::string, size_t> telling;  // of each tenant's watchers those for which it writes
  std::shared_ptr<TenantKeeper> tenants;
  std::shared_ptr<Holdings> holdings;      // which node holds which pods
  std::map<std::string, Piece> documents;  // of discovery, made at their first use
  std::shared_ptr<EventEncoder> events;    // shared encodings of watch events
  InFlight watches, mutating, reading;
};

struct Answer {
  Reply reply;
  Revision shows{};                   // the newest revision the reply tells of
  std::function<void(Reply&)> later;  // what of it takes long to write, from what never changes; any thread
};
struct Streamed {
  Revision shows{};
  std::move_only_function<void(ExchangePtr)> open;  // on the loop, once `shows` is durable
};
using Outcome = std::variant<Answer, Streamed>;

struct Call {
  Services& services;
  Prepared& in;
  Identity who;
  ClusterView view;
  Factory factory;
  std::string tenant;  // the cluster's name; "root" for the factory's own
  std::shared_ptr<const Index> access;
  std::vector<std::string> warnings;
  Revision wrote{};  // of the object this request wrote, for the audit

  const Route& route() const { return in.route; }
  const api::Resource& type() const { return *in.type; }
  bool allowed(const Attributes& attributes) const { return access->allows(who, attributes); }
  std::string new_uid() {
    const uint64_t high = services.env.entropy.next();
    return uuid(high, services.env.entropy.next());
  }
};

}  // namespace ingot::apiserver
