// DeviceClass, ResourceClaim, ResourceClaimTemplate (pkg/apis/resource/validation), and what pods say of claims
// (pkg/apis/core/validation). What a selector's expression means is judged at admission, by cel/.
#include <algorithm>
#include <set>

#include "api/names.h"
#include "api/validate.h"
#include "base/quantity.h"

namespace ingot::api {
namespace {

// Sizes: k8s.io/api resource/v1 types.go.
constexpr size_t kMaxList = 32, kMaxChoices = 8, kMaxTolerations = 16, kMaxExpression = 10 * 1024,
                 kMaxParameters = 10 * 1024, kMaxDriver = 63, kMaxDomain = 63, kMaxId = 32;

using Names = std::set<std::string, std::less<>>;

Json quoted(std::string_view value) { return Json(boost::json::string_view(value.data(), value.size())); }

void bounded(const JsonArray& list, size_t most, const std::string& path, FieldErrors& errors) {
  if (list.size() > most) errors.too_many(path, list.size(), most);
}

void unique_name(const Json& named, const std::string& at, Names& seen, FieldErrors& errors) {
  const std::string_view name = string_at(named, {"name"});
  if (name.empty()) return errors.required(child(at, "name"));
  if (!seen.emplace(name).second) errors.duplicate(child(at, "name"), quoted(name));
  errors.check(child(at, "name"), name, dns_label_fault(name));
}

void selectors(const Json& holder, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(holder, {"selectors"});
  const std::string at = child(path, "selectors");
  bounded(list, kMaxList, at, errors);
  for (size_t i = 0; i < list.size(); ++i) {
    const Json* cel = find(list[i], {"cel"});
    if (!cel) {
      errors.required(child(item(at, i), "cel"));
      continue;
    }
    if (string_at(*cel, {"expression"}).size() > kMaxExpression)
      errors.too_long(child(item(at, i), "cel.expression"), kMaxExpression);
  }
}

void device_tolerations(const Json& request, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(request, {"tolerations"});
  const std::string all = child(path, "tolerations");
  bounded(list, kMaxTolerations, all, errors);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(all, i);
    const std::string_view key = string_at(list[i], {"key"}), op = string_at(list[i], {"operator"});
    if (!key.empty()) errors.check(child(at, "key"), key, qualified_name_fault(key));
    if (key.empty() && op != "Exists")
      errors.invalid(child(at, "operator"), quoted(op), "must be `Exists` when `key` is empty");
    if (op == "Exists" && !string_at(list[i], {"value"}).empty())
      errors.invalid(child(at, "value"), quoted(string_at(list[i], {"value"})),
                     "must be empty for operator `Exists`");
  }
}

// What ExactDeviceRequest and DeviceSubRequest have in common.
void asked(const Json& request, std::string_view path, FieldErrors& errors) {
  if (const std::string_view name = string_at(request, {"deviceClassName"}); !name.empty())
    errors.check(child(path, "deviceClassName"), name, dns_subdomain_fault(name));
  selectors(request, path, errors);
  device_tolerations(request, path, errors);
  const std::string_view mode = string_at(request, {"allocationMode"});
  const int64_t count = int_at(request, {"count"}).value_or(0);
  if (mode == "ExactCount") {
    if (count <= 0) errors.invalid(child(path, "count"), count, "must be greater than zero");
  } else if (mode == "All") {
    if (count != 0)
      errors.invalid(child(path, "count"), count, "must not be specified when allocationMode is 'All'");
  } else {
    errors.unsupported(child(path, "allocationMode"), mode, {"All", "ExactCount"});
  }
}

void choices(const JsonArray& list, const std::string& path, FieldErrors& errors) {
  bounded(list, kMaxChoices, path, errors);
  Names seen;
  for (size_t i = 0; i < list.size(); ++i) {
    unique_name(list[i], item(path, i), seen, errors);
    asked(list[i], item(path, i), errors);
  }
}

void device_request(const Json& request, const std::string& path, FieldErrors& errors) {
  const Json* exactly = find(request, {"exactly"});
  const JsonArray& first = array_at(request, {"firstAvailable"});
  if (!exactly && first.empty())
    return errors.required(path, "exactly one of `exactly` or `firstAvailable` is required");
  if (exactly && !first.empty())
    return errors.invalid(
        path, nullptr,
        "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set");
  if (!exactly) return choices(first, child(path, "firstAvailable"), errors);
  asked(*exactly, child(path, "exactly"), errors);
  if (bool_at(*exactly, {"adminAccess"}))
    errors.forbidden(
        child(path, "exactly.adminAccess"),
        "a device is never given to who does not hold it; see what nodes have in their ResourceSlices");
}

// "request" or "request/choice", of every request of the claim.
Names request_names(const Json& claim) {
  Names names;
  for (const Json& request : array_at(claim, {"requests"})) {
    const std::string name(string_at(request, {"name"}));
    names.insert(name);
    for (const Json& choice : array_at(request, {"firstAvailable"}))
      names.insert(name + "/" + std::string(string_at(choice, {"name"})));
  }
  return names;
}

void request_references(const Json& holder, const Names& known, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(holder, {"requests"});
  const std::string at = child(path, "requests");
  bounded(list, kMaxList, at, errors);
  Names seen;
  for (size_t i = 0; i < list.size(); ++i) {
    if (!known.contains(text(list[i])))
      errors.invalid(item(at, i), list[i],
                     "must be the name of a request in the claim or the name of a request and a subrequest "
                     "separated by '/'");
    if (!seen.emplace(text(list[i])).second) errors.duplicate(item(at, i), list[i]);
  }
}

// "gpu.nvidia.com/model": a domain and a C identifier.
void attribute_name(std::string_view name, const std::string& path, FieldErrors& errors) {
  const size_t slash = name.find('/');
  if (slash == name.npos || name.find('/', slash + 1) != name.npos)
    return errors.invalid(path, quoted(name), "must include a domain: such as \"gpu.nvidia.com/model\"");
  const std::string_view domain = name.substr(0, slash), id = name.substr(slash + 1);
  errors.check(path, domain, dns_subdomain_fault(domain));
  if (domain.size() > kMaxDomain) errors.too_long(path, kMaxDomain);
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  if (id.empty() || id.size() > kMaxId || !letter(id.front()) || !std::ranges::all_of(id, inner))
    errors.invalid(path, quoted(id), "must be a C identifier of at most 32 characters");
}

void constraints(const Json& claim, const Names& known, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(claim, {"constraints"});
  const std::string all = child(path, "constraints");
  bounded(list, kMaxList, all, errors);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(all, i);
    request_references(list[i], known, at, errors);
    const bool match = find(list[i], {"matchAttribute"}), distinct = find(list[i], {"distinctAttribute"});
    if (match == distinct)
      errors.required(at, "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required");
    for (std::string_view field : {"matchAttribute", "distinctAttribute"})
      if (find(list[i], {field})) attribute_name(string_at(list[i], {field}), child(at, field), errors);
  }
}

void configuration(const Json& holder, const Names* known, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(holder, {"config"});
  const std::string all = child(path, "config");
  bounded(list, kMaxList, all, errors);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(all, i);
    if (known) request_references(list[i], *known, at, errors);
    const Json* opaque = find(list[i], {"opaque"});
    if (!opaque) {
      errors.required(child(at, "opaque"));
      continue;
    }
    if (const std::string_view driver = string_at(*opaque, {"driver"}); !driver.empty()) {
      errors.check(child(at, "opaque.driver"), driver, dns_subdomain_fault(driver));
      if (driver.size() > kMaxDriver) errors.too_long(child(at, "opaque.driver"), kMaxDriver);
    }
    const Json* parameters = find(*opaque, {"parameters"});
    if (parameters && !parameters->is_object())
      errors.invalid(child(at, "opaque.parameters"), *parameters, "must be a JSON object");
    if (parameters && to_text(*parameters).size() > kMaxParameters)
      errors.too_long(child(at, "opaque.parameters"), kMaxParameters);
  }
}

void claim_spec(const Json* spec, std::string_view path, FieldErrors& errors) {
  const Json* claim = spec ? find(*spec, {"devices"}) : nullptr;
  if (!claim) return;
  const std::string at = child(path, "devices"), all = child(at, "requests");
  const JsonArray& requests = array_at(*claim, {"requests"});
  bounded(requests, kMaxList, all, errors);
  Names seen;
  for (size_t i = 0; i < requests.size(); ++i) {
    unique_name(requests[i], item(all, i), seen, errors);
    device_request(requests[i], item(all, i), errors);
  }
  const Names known = request_names(*claim);
  constraints(*claim, known, at, errors);
  configuration(*claim, &known, at, errors);
}

void pod_claim(const Json& claim, const std::string& path, Names& names, FieldErrors& errors) {
  unique_name(claim, path, names, errors);
  const bool direct = find(claim, {"resourceClaimName"}), from = find(claim, {"resourceClaimTemplateName"});
  if (direct && from)
    errors.invalid(path, claim,
                   "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified");
  if (!direct && !from)
    errors.invalid(path, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
  for (std::string_view field : {"resourceClaimName", "resourceClaimTemplateName"})
    if (find(claim, {field}))
      errors.check(child(path, field), string_at(claim, {field}),
                   dns_subdomain_fault(string_at(claim, {field})));
}

void container_claims(const Json& container, const std::string& path, const Names& known,
                      FieldErrors& errors) {
  const JsonArray& list = array_at(container, {"resources", "claims"});
  const std::string all = child(path, "resources.claims");
  Names seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string name(string_at(list[i], {"name"})), at = item(all, i);
    const std::string_view request = string_at(list[i], {"request"});
    if (name.empty()) {
      errors.required(at);
      continue;
    }
    if (!request.empty()) errors.check(child(at, "request"), request, dns_label_fault(request));
    const std::string key = request.empty() ? name : name + "/" + std::string(request);
    const auto overlap = seen.lower_bound(name + "/");
    if (seen.contains(name) || !seen.insert(key).second ||
        (request.empty() && overlap != seen.end() && overlap->starts_with(name + "/")))
      errors.duplicate(at, quoted(key));
    if (!known.contains(name)) errors.not_found(at, quoted(name));
  }
}

}  // namespace

void validate_device_class(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  selectors(*spec, "spec", s.errors);
  configuration(*spec, nullptr, "spec", s.errors);
  if (const std::string_view name = string_at(*spec, {"extendedResourceName"}); !name.empty())
    s.errors.check("spec.extendedResourceName", name, resource_name_fault(name));
}

void validate_resource_claim(const Subject& s) {
  if (s.before) return immutable(s, {"spec"});
  claim_spec(find(s.object, {"spec"}), "spec", s.errors);
}

void validate_resource_claim_template(const Subject& s) {
  if (s.before) return immutable(s, {"spec"});
  claim_spec(find(s.object, {"spec", "spec"}), "spec.spec", s.errors);
}

void validate_pod_claims(const Json& spec, std::string_view path, FieldErrors& errors) {
  const JsonArray& claims = array_at(spec, {"resourceClaims"});
  Names names;
  for (size_t i = 0; i < claims.size(); ++i)
    pod_claim(claims[i], item(child(path, "resourceClaims"), i), names, errors);
  for (std::string_view list : {"containers", "initContainers"}) {
    const JsonArray& containers = array_at(spec, {list});
    for (size_t i = 0; i < containers.size(); ++i)
      container_claims(containers[i], item(child(path, list), i), names, errors);
  }
}

}  // namespace ingot::api
