#include "api/decode.h"

#include <algorithm>

#include "api/parse.h"

namespace ingot::api {

// conform.cc
Result<Decoded> conform_noting(const Resource&, Json value, FieldValidation,
                               const std::vector<std::string>& duplicates);

namespace {

std::string media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  std::erase_if(type, [](char c) { return c == ' ' || c == '\t'; });
  std::ranges::transform(type, type.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return type;
}

Result<Parsed> from_protobuf(const Registry& registry, std::string_view body) {
  Result<Json> value = parse_body_protobuf(registry, body);
  if (!value) return fail(std::move(value.error()));
  return Parsed{.value = std::move(*value), .duplicates = {}};
}

Result<Parsed> parse(const Registry& registry, std::string_view content_type, std::string_view body) {
  const std::string type = media_type(content_type);
  if (type.empty() || type == "application/json") return parse_body_json(body);
  if (type == "application/yaml") return parse_body_yaml(body);
  if (type == "application/vnd.kubernetes.protobuf") return from_protobuf(registry, body);
  return fail(Reason::UnsupportedMediaType,
              "the body of the request was in an unknown format - accepted media types include: "
              "application/json, application/yaml, application/vnd.kubernetes.protobuf");
}

}  // namespace

Result<Decoded> decode(const Registry& registry, const Resource& resource, std::string_view content_type,
                       std::string_view body, FieldValidation mode) {
  Result<Parsed> parsed = parse(registry, content_type, body);
  if (!parsed) return fail(std::move(parsed.error()));
  return conform_noting(resource, std::move(parsed->value), mode, parsed->duplicates);
}

Result<Json> parse_body(const Registry& registry, std::string_view content_type, std::string_view body) {
  Result<Parsed> parsed = parse(registry, content_type, body);
  if (!parsed) return fail(std::move(parsed.error()));
  return std::move(parsed->value);
}

}  // namespace ingot::api
