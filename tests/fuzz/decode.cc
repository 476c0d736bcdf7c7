// Bytes of a client through everything a create does to them. The first byte picks the kind and the format.
#include <cstdlib>

#include "api/decode.h"
#include "api/managed_fields.h"
#include "api/table.h"

using namespace ingot;
using namespace ingot::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const Registry> registry = Registry::builtin();
  if (size == 0) return 0;
  const Resource& resource = registry->resources()[(data[0] >> 1) % registry->resources().size()];
  const std::string_view type = data[0] & 1 ? "application/yaml" : "application/json";
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  Result<Decoded> decoded = decode(*registry, resource, type, body, FieldValidation::Warn);
  if (!decoded) return 0;
  Json object = std::move(decoded->object);
  apply_defaults(resource, object);
  const Json before = object;
  (void)validate(resource, object, nullptr);
  (void)validate(resource, object, &before);
  record_fields(*resource.schema, nullptr, object, {.manager = "fuzz", .at = WallTime{}});
  (void)table_row(resource, object, IncludeObject::Metadata, WallTime{});
  // What we would store must read back, whole and without a warning.
  Result<Decoded> again = decode(*registry, resource, "", to_text(object), FieldValidation::Strict);
  if (!again || again->object != object) std::abort();
  return 0;
}
