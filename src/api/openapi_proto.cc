// openapi.v2.Document in protobuf (github.com/google/gnostic-models: openapiv2/OpenAPIv2.proto): the messages and
// fields that openapi_v2() uses, written by hand. Unknown members of the document are a mistake of ours.
#include "api/openapi.h"
#include "base/assert.h"

namespace ingot::api {
namespace {

// A message being written. Fields go out in the order of the calls; readers do not care.
class Message {
 public:
  void text(uint32_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  void message(uint32_t field, const Message& value) { text(field, value.bytes_); }
  void boolean(uint32_t field, bool value) {
    varint(field << 3);
    bytes_ += char(value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += char(value | 0x80);
    bytes_ += char(value);
  }
  std::string bytes_;
};

std::string_view view(const Json& value) {
  ASSERT(value.is_string());
  return {value.get_string().data(), value.get_string().size()};
}
std::string_view view(boost::json::string_view s) { return {s.data(), s.size()}; }

Message named(std::string_view name, const Message& value) {
  Message out;
  out.text(1, name);
  out.message(2, value);
  return out;
}

// NamedAny: an extension's value as YAML, of which JSON is a part.
Message extension(std::string_view name, const Json& value) {
  Message any;
  any.text(2, to_text(value) + "\n");
  return named(name, any);
}

Message schema(const Json& value);

Message named_schemas(const Json& map) {
  Message out;
  for (const auto& member : map.as_object())
    out.message(1, named(view(member.key()), schema(member.value())));
  return out;
}

Message schema(const Json& value) {
  Message out;
  for (const auto& [key, member] : value.as_object()) {
    const std::string_view name = view(key);
    if (name == "$ref")
      out.text(1, view(member));
    else if (name == "format")
      out.text(2, view(member));
    else if (name == "required")
      for (const Json& one : member.as_array()) out.text(19, view(one));
    else if (name == "additionalProperties") {
      Message item;
      item.message(1, schema(member));
      out.message(21, item);
    } else if (name == "type") {
      Message item;
      item.text(1, view(member));
      out.message(22, item);
    } else if (name == "items") {
      Message item;
      item.message(1, schema(member));
      out.message(23, item);
    } else if (name == "properties") {
      out.message(25, named_schemas(member));
    } else {
      ASSERT(name.starts_with("x-"));
      out.message(31, extension(name, member));
    }
  }
  return out;
}

// ParametersItem > Parameter > NonBodyParameter > Query- or PathParameterSubSchema.
Message parameter(const Json& value) {
  const bool in_path = string_at(value, {"in"}) == "path";
  Message sub, non_body, parameter, item;
  if (in_path) sub.boolean(1, true);
  sub.text(2, string_at(value, {"in"}));
  sub.text(4, string_at(value, {"name"}));
  sub.text(in_path ? 5 : 6, string_at(value, {"type"}));
  non_body.message(in_path ? 4 : 3, sub);
  parameter.message(2, non_body);
  item.message(1, parameter);
  return item;
}

Message operation(const Json& value) {
  Message out, responses;
  out.text(5, string_at(value, {"operationId"}));
  for (const Json& one : array_at(value, {"parameters"})) out.message(8, parameter(one));
  for (const auto& [code, response] : object_at(value, {"responses"})) {
    Message item, body, response_value;
    item.message(1, schema(*find(response, {"schema"})));
    body.text(1, string_at(response, {"description"}));
    body.message(2, item);
    response_value.message(1, body);
    responses.message(1, named(view(code), response_value));
  }
  out.message(9, responses);
  for (const auto& [key, member] : value.as_object())
    if (view(key).starts_with("x-")) out.message(13, extension(view(key), member));
  return out;
}

Message path_item(const Json& value) {
  Message out;
  constexpr std::pair<std::string_view, uint32_t> kMethods[] = {
      {"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
  for (auto [method, field] : kMethods)
    if (const Json* one = find(value, {method})) out.message(field, operation(*one));
  for (const Json& one : array_at(value, {"parameters"})) out.message(9, parameter(one));
  return out;
}

}  // namespace

std::string openapi_v2_protobuf(const Json& document) {
  Message out, info, paths;
  out.text(1, string_at(document, {"swagger"}));
  info.text(1, string_at(document, {"info", "title"}));
  info.text(2, string_at(document, {"info", "version"}));
  out.message(2, info);
  for (const auto& [path, item] : object_at(document, {"paths"}))
    paths.message(2, named(view(path), path_item(item)));
  out.message(8, paths);
  out.message(9, named_schemas(*find(document, {"definitions"})));
  return out.take();
}

}  // namespace ingot::api
