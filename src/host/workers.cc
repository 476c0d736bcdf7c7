#include "host/workers.h"

#include <cstdio>

#include "host/fetch.h"
#include "host/git_artifact.h"
#include "host/git_worker.h"
#include "host/gpu_worker.h"
#include "host/http_ask.h"
#include "host/unpack_worker.h"
#include "host/webhook_worker.h"

namespace ingot::host {

int run_as_worker(std::span<const char* const> arguments) {
  for (const auto worker :
       {gpu_worker, git_worker, unpack_worker, fetch_worker, http_worker, connect_worker, webhook_worker})
    if (const int code = worker(arguments); code >= 0) {
      std::fflush(nullptr);
      return code;
    }
  return -1;
}

}  // namespace ingot::host
