// node::Api over a plainer transport: calls pass through; a watch becomes list, then watch from the list's revision,
// again after every break. Shared by the real and the simulated in-process clients.
// Thread rule: the loop. Invariant: a sink sees a reset before any event, and after a break either the events from
// where it stopped or another reset; nothing in between is missed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "env/env.h"
#include "node/api.h"

namespace ingot::node {

struct Transport {
  virtual ~Transport() = default;
  virtual void call(Call, std::move_only_function<void(Result<Answer>)>) = 0;
  // A GET answered line by line. `closed` once at the end, with the HTTP code when it was not 200, or an error when
  // there was no answer. Destroying the handle stops both.
  virtual std::unique_ptr<Watch> stream(std::string path, std::function<void(std::string_view line)> line,
                                        std::function<void(Result<int> code)> closed) = 0;
};

class ListWatchApi final : public Api {
 public:
  ListWatchApi(env::Env& env, Transport& transport) : env_(env), transport_(transport) {}
  void call(Call c, std::move_only_function<void(Result<Answer>)> done) override {
    transport_.call(std::move(c), std::move(done));
  }
  std::unique_ptr<Watch> watch(std::string path, std::shared_ptr<Sink>) override;

 private:
  env::Env& env_;
  Transport& transport_;
};

}  // namespace ingot::node
