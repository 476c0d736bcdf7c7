// What crosses between clients and the store of blobs: bodies into it, blobs out of it, each no faster than the other
// side takes it. A few threads of its own do the waiting; bytes pass the loop by reference at most.
//
// Thread rule: serve() on the loop; destroyed by any thread but the loop's and its own, once no more requests come.
// Bounds: so many transfers at once, of one cluster and of all (429 beyond), each with StreamedExchange::kMost in memory.
#pragma once

#include <memory>

#include "apiserver/request.h"
#include "env/blobs.h"
#include "env/env.h"

namespace ingot::host {

struct BlobServiceOptions {
  int threads = 16;  // most of them wait for syncs
  int transfers = 256, transfers_of_one = 64;
};

class BlobService final : public apiserver::BlobSource {
 public:
  BlobService(env::Loop&, env::Blobs&, BlobServiceOptions = {});
  ~BlobService() override;
  void serve(apiserver::BlobTarget, apiserver::ExchangePtr) override;
  // Takes the body of a request as a blob, whatever its digest is (of the target, cluster and body matter). `stored` is
  // called on the loop and answers the request.
  using Stored = std::move_only_function<void(Result<env::BlobInfo>)>;
  void take(apiserver::BlobTarget, apiserver::ExchangePtr, Stored stored);

 private:
  struct Shared;
  class Incoming;
  class Outgoing;
  std::shared_ptr<Shared> shared_;
};

}  // namespace ingot::host
