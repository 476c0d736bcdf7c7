// Paths of artifacts: relative, of parts between single slashes, none of them ".", ".." or anything that decodes to one, how
// often however. What is no such path is nowhere. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot::registry {

inline constexpr size_t kMostPath = 1000;

// `path` itself, once it is known to be good; "" only where `empty_too`.
Result<std::string> check_path(std::string_view path, bool empty_too = false);
// `under` below `root`, both good.
std::string joined(std::string_view root, std::string_view under);
// "mlflow-artifacts:/1/RUN/artifacts", also with a host, → "1/RUN/artifacts".
Result<std::string> path_of_uri(std::string_view uri);

}  // namespace ingot::registry
