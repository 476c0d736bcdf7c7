// The formats of names, labels and keys. Each function gives "" for a good value, or the sentence Kubernetes
// says about a bad one (apimachinery: pkg/api/validate/content, pkg/util/validation). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ingot::api {

std::string dns_label_fault(std::string_view);      // RFC 1123 label, ≤ 63
std::string dns_subdomain_fault(std::string_view);  // RFC 1123 subdomain, ≤ 253
std::string path_segment_fault(std::string_view,
                               bool prefix = false);  // RBAC names: no '/', no '%', not "." or ".."
std::string qualified_name_fault(
    std::string_view);  // "example.com/name": label and annotation keys, finalizers
std::string label_value_fault(std::string_view);
std::string config_key_fault(std::string_view);  // keys of ConfigMaps and Secrets
std::string env_name_fault(std::string_view);
std::string port_name_fault(std::string_view);      // IANA_SVC_NAME, ≤ 15
std::string resource_name_fault(std::string_view);  // "cpu", "nvidia.com/gpu"

}  // namespace ingot::api
