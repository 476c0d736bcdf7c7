#include <cmath>
#include <limits>

#include "api/decode.h"
#include "api/field_errors.h"
#include "api/json_edit.h"
#include "base/encoding.h"
#include "base/quantity.h"
#include "base/time.h"

namespace ingot::api {
namespace {

constexpr size_t kMaxProblems = 100;  // apimachinery: strict errors reported at most
constexpr size_t kMaxProblemBytes = 512, kMaxMessageBytes = 2048;

// Where we are, without allocating: frames lie on the stack of the walk.
struct At {
  const At* above = nullptr;
  std::string_view name;
  int64_t index = -1;
};

std::string path_of(const At* at, bool indexes) {
  if (!at) return {};
  std::string text = path_of(at->above, indexes);
  if (at->index >= 0) return indexes ? text + "[" + std::to_string(at->index) + "]" : text;
  if (!text.empty()) text += '.';
  return text += at->name;
}

std::string_view last_two(std::string_view schema_name) {  // "io.k8s.api.core.v1.Pod" → "v1.Pod"
  size_t dot = schema_name.rfind('.');
  if (dot != schema_name.npos) dot = schema_name.rfind('.', dot - 1);
  return dot == schema_name.npos ? schema_name : schema_name.substr(dot + 1);
}
std::string_view last(std::string_view schema_name) { return schema_name.substr(schema_name.rfind('.') + 1); }

std::string go_type(const Field& field, Wrap wrap) {
  if (wrap == Wrap::List) return "[]" + go_type(field, Wrap::One);
  if (wrap == Wrap::Map) return "map[string]" + go_type(field, Wrap::One);
  switch (field.shape) {
    case Shape::Bool:
      return "bool";
    case Shape::Int32:
      return "int32";
    case Shape::Int64:
      return "int64";
    case Shape::Number:
      return "float64";
    case Shape::Object:
      return std::string(last_two(field.schema->name));
    case Shape::Strings:
      return "[]string";
    case Shape::Bytes:
      return "[]uint8";
    case Shape::Quantity:
      return "resource.Quantity";
    case Shape::IntOrString:
      return "intstr.IntOrString";
    case Shape::Time:
      return "v1.Time";
    case Shape::MicroTime:
      return "v1.MicroTime";
    case Shape::String:
    case Shape::Any:
      break;
  }
  return "string";
}

std::string json_type(const Json& value) {
  switch (value.kind()) {
    case boost::json::kind::object:
      return "object";
    case boost::json::kind::array:
      return "array";
    case boost::json::kind::string:
      return "string";
    case boost::json::kind::bool_:
      return "bool";
    case boost::json::kind::null:
      return "null";
    default:
      return "number";
  }
}

bool finite(const Json& value) {
  if (value.is_double()) return std::isfinite(value.get_double());
  if (const JsonObject* object = value.if_object())
    for (const auto& member : *object)
      if (!finite(member.value())) return false;
  if (const JsonArray* array = value.if_array())
    for (const Json& item : *array)
      if (!finite(item)) return false;
  return true;
}

std::string_view view(const Json& value) { return {value.get_string().data(), value.get_string().size()}; }

class Conformer {
 public:
  explicit Conformer(FieldValidation mode) : mode_(mode) {}

  // False: error() says why. Recursion is bounded by the depth the parsers allow.
  bool object(const Schema& schema, JsonObject& object, const At* at) {
    bool good = true;
    erase_if(object, [&](std::string_view name, Json& value) {
      if (!good) return false;
      const Field* field = schema.find(name);
      const At here{at, name};
      if (!field) unknown(here);
      if (!field || value.is_null()) return true;
      good = wrapped(schema, *field, value, &here);
      return false;
    });
    return good;
  }

  void duplicate(const std::string& path) { problem("duplicate field \"" + path + "\""); }
  Error take_error() { return std::move(error_); }
  std::vector<std::string> take_problems() { return std::move(problems_); }

 private:
  bool wrapped(const Schema& schema, const Field& field, Json& value, const At* at) {
    if (field.wrap == Wrap::One) return one(schema, field, value, at);
    if (field.wrap == Wrap::List) {
      JsonArray* array = value.if_array();
      if (!array) return wrong_type(schema, field, field.wrap, value, at);
      for (size_t i = 0; i < array->size(); ++i) {
        const At item{at, {}, int64_t(i)};
        Json& element = (*array)[i];
        if (element.is_null()) element = zero(field);
        if (!one(schema, field, element, &item)) return false;
      }
      return true;
    }
    JsonObject* map = value.if_object();
    if (!map) return wrong_type(schema, field, field.wrap, value, at);
    for (auto& member : *map) {
      const At item{at, {member.key().data(), member.key().size()}};
      if (member.value().is_null()) member.value() = zero(field);
      if (!one(schema, field, member.value(), &item)) return false;
    }
    return true;
  }

  // What Go makes of a null in a list or map.
  static Json zero(const Field& field) {
    switch (field.shape) {
      case Shape::Bool:
        return false;
      case Shape::Int32:
      case Shape::Int64:
      case Shape::Number:
        return 0;
      case Shape::Object:
        return JsonObject();
      case Shape::Strings:
        return JsonArray();
      case Shape::Quantity:
        return "0";
      case Shape::Any:
        return nullptr;
      default:
        return "";
    }
  }

  bool one(const Schema& schema, const Field& field, Json& value, const At* at) {
    auto wrong = [&] { return wrong_type(schema, field, Wrap::One, value, at); };
    switch (field.shape) {
      case Shape::String:
        return value.is_string() || wrong();
      case Shape::Bool:
        return value.is_bool() || wrong();
      case Shape::Int32:
        return integer(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()) ||
               wrong();
      case Shape::Int64:
        return integer(value, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()) ||
               wrong();
      case Shape::Number:
        return (value.is_number() && finite(value)) || wrong();
      case Shape::IntOrString:
        if (value.is_string()) return true;
        return integer(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()) ||
               wrong();
      case Shape::Quantity:
        return quantity(value, at) || (error_.message.empty() && wrong());
      case Shape::Time:
      case Shape::MicroTime:
        return value.is_string() ? time(field.shape, value, at) : wrong();
      case Shape::Bytes:
        return value.is_string() ? bytes(value, at) : wrong();
      case Shape::Object: {
        JsonObject* child = value.if_object();
        return child ? object(*field.schema, *child, at) : wrong();
      }
      case Shape::Strings: {
        const JsonArray* array = value.if_array();
        if (!array) return wrong();
        for (const Json& item : *array)
          if (!item.is_string()) return wrong();
        return true;
      }
      case Shape::Any:
        return finite(value) || bad(at, "a number is out of range");
    }
    return false;
  }

  static bool integer(const Json& value, int64_t low, int64_t high) {
    const int64_t* i = value.if_int64();
    return i && *i >= low && *i <= high;
  }

  bool quantity(Json& value, const At* at) {
    if (value.is_number()) {  // upstream reads a bare number as its text
      if (!finite(value)) return bad(at, "a number is out of range");
      value = to_text(value);
    }
    if (!value.is_string()) return false;
    return Quantity::parse(view(value)) || bad(at,
                                               "quantities must match the regular expression "
                                               "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  }

  bool time(Shape shape, Json& value, const At* at) {
    if (view(value).empty() && shape == Shape::Time)
      return bad(at, "parsing time \"\" as RFC 3339: it is empty");
    std::optional<WallTime> parsed = parse_rfc3339(view(value));
    if (!parsed)
      return bad(at, "parsing time " + shorten(to_text(value), 64) +
                         " as \"2006-01-02T15:04:05Z07:00\": cannot parse it");
    value = shape == Shape::Time ? to_rfc3339(*parsed) : to_rfc3339_micro(*parsed);
    return true;
  }

  bool bytes(Json& value, const At* at) {
    if (parse_base64(view(value))) return true;
    std::string text(view(value));  // Go's decoder skips line ends
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
    if (!parse_base64(text)) return bad(at, "illegal base64 data");
    value = text;
    return true;
  }

  bool wrong_type(const Schema& schema, const Field& field, Wrap wrap, const Json& value, const At* at) {
    std::string what = json_type(value);
    if (value.is_number()) what += " " + to_text(value);
    error_.message = "json: cannot unmarshal " + what + " into Go struct field " +
                     std::string(last(schema.name)) + "." + path_of(at, false) + " of type " +
                     go_type(field, wrap);
    error_.message = shorten(std::move(error_.message), kMaxMessageBytes);
    error_.causes = {{"FieldValueTypeInvalid", shorten(path_of(at, true), kMaxProblemBytes),
                      "Invalid value: must be " + go_type(field, wrap)}};
    return false;
  }
  bool bad(const At* at, std::string_view why) {
    const std::string path = shorten(path_of(at, true), kMaxProblemBytes);
    error_.message = path + ": " + std::string(why);
    error_.causes = {{"FieldValueInvalid", path, std::string(why)}};
    return false;
  }

  void unknown(const At& at) {
    if (mode_ != FieldValidation::Ignore) problem("unknown field \"" + path_of(&at, true) + "\"");
  }
  void problem(std::string text) {
    if (mode_ != FieldValidation::Ignore && problems_.size() < kMaxProblems)
      problems_.push_back(shorten(std::move(text), kMaxProblemBytes));
  }

  FieldValidation mode_;
  Error error_;
  std::vector<std::string> problems_;
};

std::string cannot(const Resource& resource) {
  return resource.kind + " in version \"" + resource.version + "\" cannot be handled as a " + resource.kind +
         ": ";
}

// apiVersion and kind: the resource's, or absent.
Result<void> same_type(const Resource& resource, JsonObject& object) {
  const std::string version = resource.api_version();
  const Json* given = object.if_contains("apiVersion");
  if (given && given->is_string() && !view(*given).empty() && view(*given) != version)
    return fail(Reason::BadRequest, "the API version in the data (" + std::string(view(*given)) +
                                        ") does not match the expected API version (" + version + ")");
  const Json* kind = object.if_contains("kind");
  if (kind && kind->is_string() && !view(*kind).empty() && view(*kind) != resource.kind)
    return fail(Reason::BadRequest, std::string(view(*kind)) + " in version \"" + resource.version +
                                        "\" cannot be handled as a " + resource.kind +
                                        ": the kind in the data (" + std::string(view(*kind)) +
                                        ") does not match the expected kind");
  return {};
}

}  // namespace

Result<Decoded> conform_noting(const Resource& resource, Json value, FieldValidation mode,
                               const std::vector<std::string>& duplicates) {
  JsonObject* object = value.if_object();
  if (!object)
    return fail(Reason::BadRequest, cannot(resource) + "json: cannot unmarshal " + json_type(value) +
                                        " into Go value of type " +
                                        std::string(last_two(resource.schema->name)));
  if (Result<void> same = same_type(resource, *object); !same) return fail(std::move(same.error()));
  Conformer conformer(mode);
  for (const std::string& path : duplicates) conformer.duplicate(path);
  if (!conformer.object(*resource.schema, *object, nullptr)) {
    Error error = conformer.take_error();
    error.reason = Reason::BadRequest;
    error.message = cannot(resource) + error.message;
    return fail(std::move(error));
  }
  std::vector<std::string> problems = conformer.take_problems();
  if (mode == FieldValidation::Strict && !problems.empty()) {
    std::string all;
    for (const std::string& problem : problems) (all.empty() ? all : all += ", ") += problem;
    return fail(Reason::BadRequest, cannot(resource) + "strict decoding error: " + all);
  }
  (*object)["apiVersion"] = resource.api_version();
  (*object)["kind"] = resource.kind;
  return Decoded{std::move(value), std::move(problems)};
}

Result<Decoded> conform(const Registry&, const Resource& resource, Json value, FieldValidation mode) {
  return conform_noting(resource, std::move(value), mode, {});
}

}  // namespace ingot::api
