// gRPC to containerd's socket, as bytes in and bytes out: the one place that includes gRPC.
// Thread rule: call, subscribe and the destructor on the loop's thread; callbacks are posted to the loop and never run
// after the destructor. A call made while containerd is away waits for it up to its deadline.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "env/env.h"

namespace ingot::host {

class ContainerdRpc {
 public:
  // A path beneath 108 bytes, as Unix sockets want it.
  ContainerdRpc(env::Loop&, const std::string& socket_path);
  ~ContainerdRpc();
  ContainerdRpc(const ContainerdRpc&) = delete;

  // `method`: "/runtime.v1.RuntimeService/Version". Error reasons: NotFound, AlreadyExists, Timeout (deadline),
  // ServiceUnavailable (containerd is away), Invalid, else InternalError with containerd's message.
  void call(const char* method, std::string request, Duration timeout,
            std::move_only_function<void(Result<std::string>)>);

  // A server stream: `message` for each, `ended` once. At most one message is in flight.
  struct Stream {
    virtual ~Stream() = default;  // destroying it ends the stream; nothing is called after
  };
  std::unique_ptr<Stream> subscribe(const char* method, std::string request,
                                    std::function<void(std::string)> message,
                                    std::function<void(Error)> ended);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::host
