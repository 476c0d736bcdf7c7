// The pipelines' way to the API server: as service accounts, without sockets. Thread rule: the loop.
#pragma once

#include "apiserver/server.h"
#include "env/env.h"
#include "pipelines/requests.h"

namespace ingot {

class AccountRequests final : public pipelines::Requests {
 public:
  AccountRequests(env::Loop& loop, apiserver::Server& server) : loop_(loop), server_(server) {}
  void send(pipelines::Ask, std::move_only_function<void(Result<pipelines::Told>)>) override;

 private:
  env::Loop& loop_;
  apiserver::Server& server_;
};

}  // namespace ingot
