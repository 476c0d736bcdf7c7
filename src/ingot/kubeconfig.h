// What KUBECONFIG, or ~/.kube/config, says of a factory. Main thread.
#pragma once

#include <string>

#include "host/https_client.h"

namespace ingot {

struct OwnConfig {
  host::Endpoint endpoint;
  std::string cluster;  // "vision"; "root" of an operator
};

// Of several files the first that is there. NotFound: there is none. Another error says why it is of no use.
Result<OwnConfig> own_config();

}  // namespace ingot
