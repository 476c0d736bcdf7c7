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

}  // namespace

Result<Decoded> decode(const Registry&, const Resource& resource, std::string_view content_type,
                       std::string_view body, FieldValidation mode) {
  const std::string type = media_type(content_type);
  const bool json = type.empty() || type == "application/json";
  if (!json && type != "application/yaml")
    return fail(Reason::UnsupportedMediaType,
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json, application/yaml");
  Result<Parsed> parsed = json ? parse_body_json(body) : parse_body_yaml(body);
  if (!parsed) return fail(std::move(parsed.error()));
  return conform_noting(resource, std::move(parsed->value), mode, parsed->duplicates);
}

}  // namespace ingot::api
