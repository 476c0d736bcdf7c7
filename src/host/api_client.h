// How the nodes of this process reach the API server: as any client, but without sockets.
// Thread rule: the loop. Calls are authorized and audited as user system:node:NAME; answers are posted.
#pragma once

#include <memory>
#include <string>

#include "apiserver/server.h"
#include "env/env.h"
#include "node/list_watch.h"

namespace ingot::host {

class InProcessTransport final : public node::Transport {
 public:
  // `remote`: how the audit names this way in.
  InProcessTransport(env::Loop& loop, apiserver::Server& server, apiserver::Identity who,
                     std::string remote = "in-process")
      : loop_(loop), server_(server), who_(std::move(who)), remote_(std::move(remote)) {}

  void call(node::Call, std::move_only_function<void(Result<node::Answer>)>) override;
  std::unique_ptr<node::Watch> stream(std::string path, std::function<void(std::string_view)> line,
                                      std::function<void(Result<int>)> closed) override;

 private:
  apiserver::Request request(std::string method, std::string path) const;

  env::Loop& loop_;
  apiserver::Server& server_;
  const apiserver::Identity who_;
  const std::string remote_;
};

// user system:node:NAME, group system:nodes, of the factory's own control plane.
apiserver::Identity node_identity(const std::string& node);

}  // namespace ingot::host
