// Requests in protobuf, which Go clients of 1.32 and later send by default. The tags are facts of the registry; the
// messages of the few scalar types and of runtime.Unknown are written out here (apimachinery: generated.proto of
// pkg/runtime, pkg/apis/meta/v1, pkg/api/resource and pkg/util/intstr).
#include <bit>
#include <chrono>
#include <cstring>

#include "api/parse.h"
#include "base/encoding.h"
#include "base/time.h"

namespace ingot::api {
namespace {

constexpr std::string_view kMagic{"k8s\0", 4};
constexpr int kMaxDepth = 64;
constexpr int64_t kFirstSecond = -62135596800, kLastSecond = 253402300799;  // the years 1 to 9999

enum class WireType : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

struct Item {
  uint32_t tag = 0;
  WireType type = WireType::Varint;
  uint64_t number = 0;     // Varint, Fixed64, Fixed32
  std::string_view bytes;  // Bytes
};

struct Refused {
  std::string why;
};

uint64_t take_varint(std::string_view& rest) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest.empty()) throw Refused{"it ends within a number"};
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw Refused{"a number is too long"};
}

std::string_view take_bytes(std::string_view& rest, uint64_t size) {
  if (size > rest.size()) throw Refused{"a field is longer than its message"};
  const std::string_view bytes = rest.substr(0, size);
  rest.remove_prefix(size);
  return bytes;
}

uint64_t take_fixed(std::string_view& rest, size_t size) {
  static_assert(std::endian::native == std::endian::little);
  uint64_t value = 0;
  std::memcpy(&value, take_bytes(rest, size).data(), size);
  return value;
}

Item take_item(std::string_view& rest) {
  const uint64_t key = take_varint(rest);
  Item item{.tag = uint32_t(key >> 3), .type = WireType(key & 7)};
  if (key >> 32 || item.tag == 0) throw Refused{"a field has no valid number"};
  switch (item.type) {
    case WireType::Varint:
      item.number = take_varint(rest);
      return item;
    case WireType::Fixed64:
      item.number = take_fixed(rest, 8);
      return item;
    case WireType::Fixed32:
      item.number = take_fixed(rest, 4);
      return item;
    case WireType::Bytes:
      item.bytes = take_bytes(rest, take_varint(rest));
      return item;
  }
  throw Refused{"a field has a type that is not in use"};
}

std::string text_of(std::string_view bytes) {
  if (!is_utf8(bytes)) throw Refused{"a string is not UTF-8"};
  return std::string(bytes);
}

// The fields of a small message, handed over one by one.
template <class Take>
void each_item(std::string_view bytes, Take take) {
  while (!bytes.empty()) take(take_item(bytes));
}

Json quantity(std::string_view bytes) {  // Quantity: 1 string
  std::string text;
  each_item(bytes, [&](const Item& item) {
    if (item.tag == 1) text = text_of(item.bytes);
  });
  return Json(text.empty() ? "0" : text);
}

Json int_or_string(std::string_view bytes) {  // IntOrString: 1 type (1 = string), 2 intVal, 3 strVal
  bool is_string = false;
  int32_t number = 0;
  std::string text;
  each_item(bytes, [&](const Item& item) {
    if (item.tag == 1) is_string = item.number == 1;
    if (item.tag == 2) number = int32_t(item.number);
    if (item.tag == 3) text = text_of(item.bytes);
  });
  return is_string ? Json(text) : Json(number);
}

Json timestamp(std::string_view bytes,
               bool micro) {  // Time, MicroTime: 1 seconds, 2 nanos; both 0 is no time
  int64_t seconds = 0, nanos = 0;
  each_item(bytes, [&](const Item& item) {
    if (item.tag == 1) seconds = int64_t(item.number);
    if (item.tag == 2) nanos = int32_t(item.number);
  });
  if (seconds == 0 && nanos == 0) return nullptr;
  if (seconds < kFirstSecond || seconds > kLastSecond || nanos < 0 || nanos > 999'999'999)
    throw Refused{"a time is out of range"};
  const WallTime time{std::chrono::seconds(seconds) + std::chrono::microseconds(nanos / 1000)};
  return Json(micro ? to_rfc3339_micro(time) : to_rfc3339(time));
}

Json raw_json(std::string_view bytes) {  // RawExtension, FieldsV1: 1 JSON text
  std::string_view text;
  each_item(bytes, [&](const Item& item) {
    if (item.tag == 1) text = item.bytes;
  });
  if (text.empty()) return nullptr;
  Result<Json> value = parse_json(text);
  if (!value) throw Refused{std::move(value.error().message)};
  return std::move(*value);
}

Json strings(std::string_view bytes) {  // ExtraValue: 1 repeated string
  JsonArray out;
  each_item(bytes, [&](const Item& item) {
    if (item.tag == 1) out.emplace_back(text_of(item.bytes));
  });
  return out;
}

void message(const Schema& schema, uint32_t within, std::string_view bytes, JsonObject& out, int depth);

bool is_number(Shape shape) {
  return shape == Shape::Bool || shape == Shape::Int32 || shape == Shape::Int64 || shape == Shape::Number;
}

Json number_of(Shape shape, uint64_t value) {
  if (shape == Shape::Bool) return value != 0;
  if (shape == Shape::Number) return std::bit_cast<double>(value);
  return shape == Shape::Int32 ? Json(int32_t(value)) : Json(int64_t(value));
}

// `before`: what the field held already; messages given twice are merged.
Json one(const Field& field, const Item& item, Json* before, int depth) {
  const WireType expected = !is_number(field.shape)        ? WireType::Bytes
                            : field.shape == Shape::Number ? WireType::Fixed64
                                                           : WireType::Varint;
  if (item.type != expected) throw Refused{"field \"" + field.name + "\" is of another type"};
  switch (field.shape) {
    case Shape::Object: {
      Json object = before && before->is_object() ? std::move(*before) : Json(JsonObject());
      message(*field.schema, 0, item.bytes, object.get_object(), depth + 1);
      return object;
    }
    case Shape::Quantity:
      return quantity(item.bytes);
    case Shape::IntOrString:
      return int_or_string(item.bytes);
    case Shape::Time:
      return timestamp(item.bytes, false);
    case Shape::MicroTime:
      return timestamp(item.bytes, true);
    case Shape::Any:
      return raw_json(item.bytes);
    case Shape::Strings:
      return strings(item.bytes);
    case Shape::Bytes:
      return Json(base64(item.bytes));
    case Shape::String:
      return Json(text_of(item.bytes));
    default:
      return number_of(field.shape, item.number);
  }
}

void list(const Field& field, const Item& item, JsonArray& out, int depth) {
  if (item.type != WireType::Bytes || !is_number(field.shape)) {
    out.push_back(one(field, item, nullptr, depth));
    return;
  }
  for (std::string_view rest = item.bytes; !rest.empty();)  // packed
    out.push_back(
        number_of(field.shape, field.shape == Shape::Number ? take_fixed(rest, 8) : take_varint(rest)));
}

void map_entry(const Field& field, const Item& item, JsonObject& out, int depth) {
  if (item.type != WireType::Bytes) throw Refused{"field \"" + field.name + "\" is of another type"};
  std::string key;
  Item value{.type = is_number(field.shape) ? WireType::Varint : WireType::Bytes};
  if (field.shape == Shape::Number) value.type = WireType::Fixed64;
  each_item(item.bytes, [&](const Item& part) {
    if (part.tag == 1) key = text_of(part.bytes);
    if (part.tag == 2) value = part;
  });
  out[key] = one(field, value, nullptr, depth);
}

// What Go's encoder leaves out of JSON although it is in protobuf.
bool is_left_out(const Field& field, const Json& value) {
  if (value.is_null()) return true;
  if (field.pointer || field.required) return false;
  return (value.is_string() && value.get_string().empty()) || (value.is_bool() && !value.get_bool()) ||
         (value.is_int64() && value.get_int64() == 0) || (value.is_double() && value.get_double() == 0);
}

void put(const Field& field, const Item& item, JsonObject& out, int depth) {
  Json* before = out.if_contains(field.name);
  if (field.wrap == Wrap::One) {
    Json value = one(field, item, before, depth);
    if (is_left_out(field, value))
      out.erase(field.name);
    else
      out[field.name] = std::move(value);
    return;
  }
  if (!before)
    before = &out.emplace(field.name, field.wrap == Wrap::List ? Json(JsonArray()) : Json(JsonObject()))
                  .first->value();
  if (field.wrap == Wrap::List)
    list(field, item, before->get_array(), depth);
  else
    map_entry(field, item, before->get_object(), depth);
}

// The fields of `schema` that lie in its embedded message `within` (0: in itself) go into `out`.
void message(const Schema& schema, uint32_t within, std::string_view bytes, JsonObject& out, int depth) {
  if (depth > kMaxDepth) throw Refused{"it is nested too deeply"};
  each_item(bytes, [&](const Item& item) {
    for (const Field& field : schema.fields) {
      if (field.tag == item.tag && field.within == within) return put(field, item, out, depth);
      if (within == 0 && field.within == item.tag && item.type == WireType::Bytes)
        return message(schema, item.tag, item.bytes, out, depth + 1);
    }
  });
}

// "rbac.authorization.k8s.io/v1" and "Role" → io.k8s.api.rbac.v1.Role, whether or not it is a resource.
const Schema* schema_of(const Registry& registry, std::string_view api_version, std::string_view kind) {
  if (kind == "DeleteOptions") return registry.schema("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions");
  const size_t slash = api_version.find('/');
  const std::string group(slash == api_version.npos ? "core"
                                                    : api_version.substr(0, api_version.find_first_of("./")));
  const std::string version(slash == api_version.npos ? api_version : api_version.substr(slash + 1));
  return registry.schema("io.k8s.api." + group + "." + version + "." + std::string(kind));
}

Json envelope(const Registry& registry, std::string_view bytes) {
  std::string api_version, kind, encoding;
  std::string_view raw;
  each_item(bytes, [&](const Item& item) {  // Unknown: 1 typeMeta, 2 raw, 3 contentEncoding
    if (item.tag == 1) {
      each_item(item.bytes, [&](const Item& part) {
        if (part.tag == 1) api_version = text_of(part.bytes);
        if (part.tag == 2) kind = text_of(part.bytes);
      });
    }
    if (item.tag == 2) raw = item.bytes;
    if (item.tag == 3) encoding = text_of(item.bytes);
  });
  if (!encoding.empty()) throw Refused{"its content encoding is not supported"};
  const Schema* schema = schema_of(registry, api_version, kind);
  if (!schema)
    throw Refused{"no kind \"" + kind.substr(0, 63) + "\" of version \"" + api_version.substr(0, 127) +
                  "\" is known in protobuf"};
  JsonObject object;
  message(*schema, 0, raw, object, 1);
  object["apiVersion"] = api_version;
  object["kind"] = kind;
  return object;
}

}  // namespace

Result<Json> parse_body_protobuf(const Registry& registry, std::string_view bytes) {
  try {
    if (!bytes.starts_with(kMagic)) throw Refused{"it does not begin with the bytes of that format"};
    return envelope(registry, bytes.substr(kMagic.size()));
  } catch (const Refused& refused) {
    return fail(Reason::BadRequest, "the body is not a Kubernetes message in protobuf: " + refused.why);
  }
}

}  // namespace ingot::api
