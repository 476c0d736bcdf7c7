// The rules of validate(), a file for each kind; validate.cc's table chooses. Pure; any thread.
// Every rule gets the object after conform() and apply_defaults() (types are right, names may be absent) and,
// on update, the stored one; it notes what is wrong and never stops early.
#pragma once

#include "api/decode.h"
#include "api/field_errors.h"

namespace ingot::api {

struct Subject {
  const Resource& resource;
  const Json& object;
  const Json* before;  // nullptr on create
  FieldErrors& errors;
};

std::string_view text(const Json& value);  // "" when it is no string
std::string_view text_at(const JsonObject&, std::string_view name);
const JsonObject& object_of(const Json&);  // a shared empty one when it is none
bool is_absent(const Json* value);         // nullptr, null, "", [] or {}
// 422 "field is immutable" when the values at `path` differ.
void immutable(const Subject&, std::initializer_list<std::string_view> path);
void labels(const Json& map, std::string_view path, FieldErrors&);
void label_selector(const Json& selector, std::string_view path, FieldErrors&);
void quantities(const Json& map, std::string_view path, FieldErrors&);  // non-negative resource lists

void validate_metadata(const Subject&);  // validate_metadata.cc
void validate_pod(const Subject&);       // validate_pod.cc
void validate_pod_spec(const Json& spec, std::string_view path, FieldErrors&);
void validate_containers(const Json& spec, std::string_view path, FieldErrors&);  // validate_container.cc
void validate_volumes(const Json& spec, std::string_view path, FieldErrors&);     // validate_volume.cc
void validate_resources(const Json& resources, std::string_view path, FieldErrors&);
void port(const Json* value, std::string path, FieldErrors&);  // 1…65535
void at_least(const Json& object, std::string_view name, int64_t least, std::string_view path, FieldErrors&);
bool same(const Json* a,
          const Json* b);           // equal, an absent member being the same as an empty list, map or text
void validate_job(const Subject&);  // validate_job.cc
void validate_config_map(const Subject&);  // validate_config.cc
void validate_secret(const Subject&);
void validate_role(const Subject&);  // validate_rbac.cc
void validate_binding(const Subject&);
void validate_namespace(const Subject&);  // validate_cluster.cc
void validate_node(const Subject&);
void validate_lease(const Subject&);
void validate_priority_class(const Subject&);
void validate_event(const Subject&);
void validate_device_class(const Subject&);  // validate_device.cc
void validate_resource_claim(const Subject&);
void validate_resource_claim_template(const Subject&);
void validate_pod_claims(const Json& spec, std::string_view path, FieldErrors& errors);
void validate_tenant(const Subject&);   // validate_factory.cc
void validate_dataset(const Subject&);  // validate_dataset.cc
void validate_dataset_version(const Subject&);
void validate_model(const Subject&);  // validate_model.cc
void validate_model_version(const Subject&);
void validate_repository(const Subject&);  // validate_repository.cc
void validate_webhook(const Subject&);     // validate_webhook.cc
void validate_image(const Subject&);       // validate_factory.cc
void validate_price_list(const Subject&);
bool is_price(std::string_view);  // digits, perhaps with a fraction; money is never binary
void validate_allocation(const Subject&);
void validate_budget(const Subject&);  // validate_budget.cc
void validate_gate(const Subject&);    // validate_gate.cc
void validate_gate_exception(const Subject&);
void validate_image_scan(const Subject&);
void validate_queue(const Subject&);  // validate_queue.cc
void validate_pool(const Subject&);
void validate_pod_group(const Subject&);

}  // namespace ingot::api
