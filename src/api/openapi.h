// OpenAPI documents of what is served, made from the registry: what kubectl needs to validate, explain and patch.
// No descriptions. Made once by whoever serves them. `root` as in discovery.h. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/json.h"
#include "api/registry.h"

namespace ingot::api {

// /openapi/v3. `prefix` comes before each document's path ("/clusters/vision"); the hash in it changes with the content.
Json openapi_v3_index(const Registry&, bool root, std::string_view prefix);
// /openapi/v3/api/v1, /openapi/v3/apis/GROUP/VERSION. nullopt: not served.
std::optional<Json> openapi_v3(const Registry&, bool root, std::string_view group, std::string_view version);

// /openapi/v2.
Json openapi_v2(const Registry&, bool root);
// The same document in gnostic's protobuf form (openapi.v2.Document), all that old kubectl asks for.
std::string openapi_v2_protobuf(const Json& document);
// It is asked for with '@' and answered without: the former is no media type, and clients refuse it in an answer.
inline constexpr std::string_view kOpenApiV2Accept =
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
inline constexpr std::string_view kOpenApiV2ContentType =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

}  // namespace ingot::api
