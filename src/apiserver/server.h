// The API server of one shard: every virtual cluster in it.
//
// prepare() does the heavy pure part of a request (path, decode, conform, defaults, validation of a create) on any
// thread; submit() hands the rest to the shard's turn. A request is authorized and audited inside the turn that
// carries it out.
#pragma once

#include <memory>
#include <string>

#include "api/registry.h"
#include "apiserver/request.h"
#include "store/shard.h"

namespace ingot::apiserver {

struct ServerOptions {
  std::string version;       // of Ingot, shown in /version as ingotVersion
  std::string external_url;  // "https://127.0.0.1:6443", for kubeconfigs
  size_t max_body = 3u << 20;
};

struct Prepared;  // opaque

class Server {
 public:
  // Writes what a fresh factory needs (root cluster, its namespaces, the default price list) if it is not there.
  Server(env::Env&, store::Shard&, std::shared_ptr<const api::Registry>, Authority&, LogSource&,
         ServerOptions);
  ~Server();

  // Any thread. Never fails: what is wrong travels inside and becomes the reply.
  std::shared_ptr<Prepared> prepare(Request) const;
  // Loop thread.
  void submit(std::shared_ptr<Prepared>, ExchangePtr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::apiserver
