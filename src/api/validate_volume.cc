#include <set>

#include "api/names.h"
#include "api/validate.h"
#include "base/quantity.h"

namespace ingot::api {
namespace {

void mode(const Json& source, std::string_view name, std::string_view path, FieldErrors& errors) {
  const std::optional<int64_t> value = int_at(source, {name});
  if (value && (*value < 0 || *value > 0777))
    errors.invalid(child(path, name), *value, "must be a number between 0 and 0777 (octal), both inclusive");
}

void relative(std::string_view value, std::string path, FieldErrors& errors) {
  if (value.empty()) return errors.required(std::move(path));
  if (value.starts_with('/')) errors.invalid(path, Json(std::string(value)), "must be a relative path");
  std::string_view rest = value;
  for (bool first = true; !rest.empty(); first = false) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part == "..")
      errors.invalid(path, Json(std::string(value)), "must not contain '..'");
    else if (first && part.starts_with(".."))
      errors.invalid(path, Json(std::string(value)), "must not start with '..'");
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
}

// `items` of a configMap, secret or projection: key → path.
void items(const Json& source, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(source, {"items"});
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(child(path, "items"), i);
    if (string_at(list[i], {"key"}).empty()) errors.required(child(at, "key"));
    relative(string_at(list[i], {"path"}), child(at, "path"), errors);
    mode(list[i], "mode", at, errors);
  }
}

void downward(const Json& source, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(source, {"items"});
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(child(path, "items"), i);
    relative(string_at(list[i], {"path"}), child(at, "path"), errors);
    const bool field = find(list[i], {"fieldRef"}), resource = find(list[i], {"resourceFieldRef"});
    if (!field && !resource) errors.required(at, "one of fieldRef and resourceFieldRef is required");
    if (field && resource)
      errors.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    mode(list[i], "mode", at, errors);
  }
}

void projected(const Json& source, std::string_view path, FieldErrors& errors) {
  mode(source, "defaultMode", path, errors);
  const JsonArray& list = array_at(source, {"sources"});
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(child(path, "sources"), i);
    if (object_of(list[i]).size() > 1) errors.forbidden(at, "may not specify more than 1 volume type");
    for (std::string_view name : {"configMap", "secret"})
      if (const Json* one = find(list[i], {name})) {
        if (string_at(*one, {"name"}).empty()) errors.required(child(child(at, name), "name"));
        items(*one, child(at, name), errors);
      }
    if (const Json* one = find(list[i], {"downwardAPI"})) downward(*one, child(at, "downwardAPI"), errors);
    if (const Json* token = find(list[i], {"serviceAccountToken"})) {
      const std::string here = child(at, "serviceAccountToken");
      const int64_t seconds = int_at(*token, {"expirationSeconds"}).value_or(3600);
      if (seconds < 600)
        errors.invalid(child(here, "expirationSeconds"), seconds,
                       "may not specify a duration less than 10 minutes");
      if (seconds > (int64_t(1) << 32))
        errors.invalid(child(here, "expirationSeconds"), seconds,
                       "may not specify a duration larger than 2^32 seconds");
      relative(string_at(*token, {"path"}), child(here, "path"), errors);
    }
  }
}

void source(std::string_view type, const Json& value, const std::string& path, FieldErrors& errors) {
  if (type == "configMap") {
    if (string_at(value, {"name"}).empty()) errors.required(child(path, "name"));
    mode(value, "defaultMode", path, errors);
    items(value, path, errors);
  } else if (type == "secret") {
    if (string_at(value, {"secretName"}).empty()) errors.required(child(path, "secretName"));
    mode(value, "defaultMode", path, errors);
    items(value, path, errors);
  } else if (type == "downwardAPI") {
    mode(value, "defaultMode", path, errors);
    downward(value, path, errors);
  } else if (type == "projected") {
    projected(value, path, errors);
  } else if (type == "hostPath") {
    const std::string_view at = string_at(value, {"path"});
    if (at.empty()) errors.required(child(path, "path"));
    if (at == ".." || at.find("../") != at.npos || at.ends_with("/.."))
      errors.invalid(child(path, "path"), Json(std::string(at)), "must not contain '..'");
  } else if (type == "emptyDir") {
    if (const auto q = Quantity::parse(string_at(value, {"sizeLimit"})); q && q->milli < 0)
      errors.forbidden(child(path, "sizeLimit"), "SizeLimit field must be a valid resource quantity");
  } else if (type == "persistentVolumeClaim") {
    if (string_at(value, {"claimName"}).empty()) errors.required(child(path, "claimName"));
  }
}

}  // namespace

void validate_volumes(const Json& spec, std::string_view path, FieldErrors& errors) {
  const JsonArray& list = array_at(spec, {"volumes"});
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = item(child(path, "volumes"), i);
    const std::string_view name = string_at(list[i], {"name"});
    if (name.empty())
      errors.required(child(at, "name"));
    else
      errors.check(child(at, "name"), name, dns_label_fault(name));
    if (!name.empty() && !names.emplace(name).second)
      errors.duplicate(child(at, "name"), Json(std::string(name)));
    int sources = 0;
    for (const auto& [key, value] : object_of(list[i])) {
      const std::string_view type(key.data(), key.size());
      if (type == "name") continue;
      if (++sources > 1)
        errors.forbidden(child(at, type), "may not specify more than 1 volume type");
      else
        source(type, value, child(at, type), errors);
    }
    if (sources == 0) errors.required(at, "must specify a volume type");
  }
}

}  // namespace ingot::api
