// Container logs from the nodes' files, beneath ROOT/NODE/pods/UID/logs/CONTAINER/ATTEMPT.log.
//
// One thread reads for all streams, no faster than their peers take it, and waits in inotify for files that grow.
// Thread rule: stream() on the loop. Invariant: no name in a target leads out of ROOT, nor through a link.
#pragma once

#include <memory>
#include <string>

#include "apiserver/request.h"
#include "env/env.h"

namespace ingot::host {

// Knows when containers end.
struct ContainerEnds {
  virtual ~ContainerEnds() = default;
  // Posts `ended` once the container's present run has ended, or at once if it does not run. Dropping the handle
  // cancels.
  virtual std::shared_ptr<void> when_ended(const apiserver::LogTarget&, env::Task ended) = 0;
};

class FileLogs final : public apiserver::LogSource {
 public:
  FileLogs(env::Clock&, env::Loop&, ContainerEnds&, std::string root);
  ~FileLogs() override;  // ends all streams

  void stream(const apiserver::LogTarget&, apiserver::ExchangePtr) override;

 private:
  class Reader;
  env::Clock& clock_;
  env::Loop& loop_;
  ContainerEnds& ends_;
  std::shared_ptr<Reader> reader_;
  uint64_t last_ = 0;
};

}  // namespace ingot::host
