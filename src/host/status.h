// An Error as Kubernetes' `Status` object, for refusals that never reach the API server. Any thread.
#pragma once

#include <string>

#include "apiserver/request.h"
#include "base/error.h"

namespace ingot::host {

std::string status_json(const Error&);
apiserver::Reply status_reply(const Error&);

}  // namespace ingot::host
