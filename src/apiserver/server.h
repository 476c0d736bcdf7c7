// The API server of one shard: every virtual cluster in it.
//
// prepare() does the heavy pure part of a request (path, decode, conform, defaults, validation of a create) on any
// thread; submit() hands the rest to the shard's turn. A request is authorized and audited inside the turn that
// carries it out.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/registry.h"
#include "apiserver/cluster_view.h"
#include "apiserver/request.h"
#include "store/shard.h"

namespace ingot::apiserver {

struct ServerOptions {
  std::string version;       // of Ingot, shown in /version as ingotVersion
  std::string external_url;  // "https://127.0.0.1:6443", for kubeconfigs
  size_t max_body = 3u << 20;
  // Requests in flight per tenant (the factory's own control plane is charged as one more tenant, ten times larger):
  // beyond them 429, so that one tenant cannot starve another.
  size_t mutating_in_flight = 200, reading_in_flight = 400, watches = 2'000;
};

struct Prepared;  // opaque

// A GET (or a POST of no body, authorized as `create`) that another room answers: below /apis/GROUP/VERSION/RESOURCE ("usage" of the ledger), authorized as verb
// `list` on that resource; or of a path ("/metrics"), authorized as verb `get` on that nonResourceURL. Also below
// /clusters/NAME/, for that cluster alone. Audited like every request.
struct ExtraRequest {
  Identity who;
  ClusterId cluster;
  std::string tenant;                                  // the cluster's name
  std::function<std::string(std::string_view)> query;  // a query parameter's value, "" when absent
  // One that is a number; 0 when absent, BadRequest when it is none up to `most`.
  std::function<Result<int64_t>(std::string_view, int64_t most)> number;
};
struct ExtraRoute {
  std::string group, version, resource;
  std::string path;  // "": a resource
  std::string method = "GET";
  // On the loop, after the turn; must reply once, now or later.
  std::function<void(ExtraRequest, ExchangePtr)> serve;
};

// What somebody who asks to create a Pod or a Job may expect, in words for the Warning header: "starts about 14:20
// UTC, about $3.10"; "": nothing. `prices`: the factory's PriceList, or null. Loop thread, within the turn; must be quick.
using Expectation =
    std::function<std::string(const ClusterView&, const api::Json& object, const api::ObjectPtr& prices)>;

class Server {
 public:
  // Writes what a fresh factory needs (root cluster, its namespaces, the default price list) if it is not there.
  Server(env::Env&, store::Shard&, std::shared_ptr<const api::Registry>, Authority&, LogSource&,
         ServerOptions);
  ~Server();

  // Before the first request.
  void mount(ExtraRoute);
  void expect_by(Expectation);
  void keep_blobs_in(BlobSource&);  // which outlives the server
  void track_in(MlflowSource&);     // as well
  void write_by(env::Worker&);      // what takes long; as well

  // Whether the body of such a request is taken as it comes, once the request is authorized. Any thread.
  static bool takes_stream(std::string_view method, std::string_view target);

  // Any thread. Never fails: what is wrong travels inside and becomes the reply.
  std::shared_ptr<Prepared> prepare(Request) const;
  // Loop thread.
  void submit(std::shared_ptr<Prepared>, ExchangePtr);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // also held by requests on their way
};

}  // namespace ingot::apiserver
