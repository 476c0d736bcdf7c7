// Whose, and where in its cluster: what `--tenant` and `--namespace` say. Main thread.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "ingot/client.h"

namespace ingot {

struct Place {
  std::string tenant, ns;
  // "/clusters/T/apis/GROUP/VERSION/namespaces/NS/RESOURCE"; "v1" is below /api.
  std::string path(std::string_view api_version, std::string_view resource) const;
};

// Without a name the only tenant there is; an error asks for one, in the words of `what` ("data set").
Result<Place> place_of(Client&, const std::string& tenant, const std::string& ns, std::string_view what);

std::string age_of(const api::Json& object);  // "3m4s"; "" of what has no creationTimestamp

}  // namespace ingot
