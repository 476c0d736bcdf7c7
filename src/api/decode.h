// From a client's bytes to an object we would store, and back from what is wrong to a Status. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/registry.h"

namespace ingot::api {

enum class FieldValidation : uint8_t { Ignore, Warn, Strict };  // ?fieldValidation=; the default is Warn

struct Decoded {
  Json object;
  std::vector<std::string> warnings;  // for `Warning: 299 - "…"` headers: unknown and duplicate fields
};

// JSON, YAML or protobuf by `content_type` ("" = JSON). Unknown fields are pruned (Warn, Ignore) or refused (Strict,
// 400); a value of a wrong type is 400 naming the field; apiVersion and kind must be the resource's (absent:
// filled in). Unsupported content types are 415. Applies no defaults.
Result<Decoded> decode(const Registry&, const Resource&, std::string_view content_type, std::string_view body,
                       FieldValidation);
// The same for a value already parsed (the result of a patch).
Result<Decoded> conform(const Registry&, const Resource&, Json value, FieldValidation);

// The JSON of a body that is not of its resource's type (DeleteOptions, TokenRequest, Binding), as it was sent.
Result<Json> parse_body(const Registry&, std::string_view content_type, std::string_view body);

// Writes upstream's defaults into `object` (field defaults from the facts, then the rules the facts cannot
// say: a Job's selector and labels excepted, which need its uid).
void apply_defaults(const Resource&, Json& object);

// Required fields, enums, names, quantities, and each kind's own rules; 422 Invalid with a cause per field.
// `before` is the stored object on update: immutable fields are compared.
Result<void> validate(const Resource&, const Json& object, const Json* before);

}  // namespace ingot::api
