// The composition root: builds a factory out of the rooms and their ports, and takes it down in the opposite order.
// Thread rule: the main thread; it builds and destroys what belongs to the loop on the loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace ingot {

struct FactoryOptions {
  std::string data;
  std::string listen_address;  // a literal address
  uint16_t listen_port = 0;
  std::string gpus, hollow;  // as given to `ingot up`
  Duration gpu_return_after =
      std::chrono::minutes(5);  // a faulty GPU that was clean for so long serves again
  std::string git_root;         // beneath which file:// remotes may lie; "": nowhere
  std::vector<std::string>
      git_allow;  // ranges of addresses that tenants' remotes may have besides public ones
  std::vector<std::string> webhook_allow;  // and their webhooks
  std::string webhook_ca;                  // a file of authorities trusted besides the machine's; "": none
  bool log_to_file = false;                // DATA/ingot.log instead of standard error
};

class Factory {
 public:
  // Errors are for a person: what is in the way and what to do.
  static Result<std::unique_ptr<Factory>> start(const FactoryOptions&);
  ~Factory();  // stop(true)

  std::string address() const;   // "127.0.0.1:6443"
  std::string describe() const;  // "2 nodes, 16 GPUs (simulated)"
  // Answers no more, stops pods unless they are to be kept, removes what the machine was given.
  void stop(bool keep_pods);

 private:
  struct Impl;
  explicit Factory(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
