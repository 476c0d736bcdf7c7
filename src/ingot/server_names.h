// The names and addresses the server's certificate is good for. Main thread.
#pragma once

#include <string>
#include <vector>

namespace ingot {

struct ServerNames {
  std::vector<std::string> dns, addresses;
};
// `listen`: an address, or 0.0.0.0 or :: for every address this machine has now. `more`: the pods' API address.
ServerNames server_names(const std::string& listen, const std::vector<std::string>& more = {});

}  // namespace ingot
