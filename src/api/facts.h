// The tables under facts/, as they lie in the program. Any thread.
#pragma once

#include <string_view>

namespace ingot::api {

std::string_view kubernetes_facts();
std::string_view factory_facts();
std::string_view argo_facts();
std::string_view column_facts();

}  // namespace ingot::api
