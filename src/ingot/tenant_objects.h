// What commands about a tenant's objects share. Main thread.
#pragma once

#include <string>
#include <string_view>

#include "ingot/client.h"

namespace ingot {

// The tenant that was named, or the only one there is. `what`: "data set", for the question which.
Result<std::string> tenant_of(Client&, const std::string& named, std::string_view what);
// "/clusters/T/apis/factory.ingot.dev/v1alpha1/namespaces/NS"
std::string factory_objects(const std::string& tenant, const std::string& ns);
std::string age_of(const api::Json& object);  // "5m"; "" when it does not say

}  // namespace ingot
