// Model and ModelVersion. Of a version only its description, tags and stage ever change.
#include "api/model_names.h"
#include "api/names.h"
#include "api/validate.h"
#include "base/digest.h"

namespace ingot::api {
namespace {

constexpr size_t kLongestText = 8'000, kLongestSource = 4'096, kLongestKey = 250, kMostTags = 500,
                 kMostAliases = 100, kMostAttestations = 16, kMostFacts = 1'000, kLongestId = 64;

void texts(const Json& of, std::string_view name, std::string_view path, size_t most, FieldErrors& errors) {
  const JsonObject& map = object_at(of, {name});
  const std::string at = child(path, name);
  if (map.size() > most) return errors.too_many(at, map.size(), most);
  for (const auto& member : map) {
    const std::string_view key(member.key().data(), member.key().size());
    if (key.empty() || key.size() > kLongestKey)
      errors.invalid(at, Json(shorten(std::string(key), 64)),
                     "a key has 1 to " + std::to_string(kLongestKey) + " bytes");
    if (text(member.value()).size() > kLongestText) errors.too_long(entry(at, key), kLongestText);
  }
}

void digest(const Json& of, std::string_view name, std::string_view path, FieldErrors& errors) {
  const std::string_view value = string_at(of, {name});
  if (!value.empty() && !Digest::parse(value))
    errors.invalid(child(path, name), Json(std::string(value)),
                   "must be \"sha256:\" and 64 lower case hexadecimal digits");
}

void short_text(const Json& of, std::string_view name, std::string_view path, size_t most,
                FieldErrors& errors) {
  if (string_at(of, {name}).size() > most) errors.too_long(child(path, name), most);
}

void made(const Json& spec, FieldErrors& errors) {
  const Json* of = find(spec, {"provenanceOf"});
  if (!of) return;
  const std::string at = "spec.provenanceOf";
  texts(*of, "parameters", at, kMostFacts, errors);
  texts(*of, "metrics", at, kMostFacts, errors);
  const JsonArray& datasets = array_at(*of, {"datasets"});
  if (datasets.size() > kMostFacts)
    return errors.too_many(child(at, "datasets"), datasets.size(), kMostFacts);
  for (size_t i = 0; i < datasets.size(); ++i)
    digest(datasets[i], "digest", item(child(at, "datasets"), i), errors);
}

// What may change goes out before the rest is compared.
Json unchanging(const Json& spec) {
  Json kept = spec;
  if (!kept.is_object()) return kept;
  for (const std::string_view field : {"description", "tags", "stage"}) kept.get_object().erase(field);
  return kept;
}

}  // namespace

void validate_model(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  const std::string_view name = string_at(s.object, {"metadata", "name"}), said = string_at(*spec, {"name"}),
                         called = said.empty() ? name : said;
  if (const std::string fault = model_name_fault(called); !fault.empty())
    s.errors.invalid("spec.name", Json(shorten(std::string(called), 100)), fault);
  if (name.size() > kLongestModelObject) s.errors.too_long("metadata.name", kLongestModelObject);
  short_text(*spec, "description", "spec", kLongestText, s.errors);
  texts(*spec, "tags", "spec", kMostTags, s.errors);
  const JsonObject& aliases = object_at(*spec, {"aliases"});
  if (aliases.size() > kMostAliases) return s.errors.too_many("spec.aliases", aliases.size(), kMostAliases);
  for (const auto& member : aliases) {
    const std::string_view alias(member.key().data(), member.key().size());
    if (const std::string fault = alias_fault(alias); !fault.empty())
      s.errors.invalid("spec.aliases", Json(shorten(std::string(alias), 100)), fault);
    if (!member.value().is_int64() || member.value().get_int64() < 1)
      s.errors.invalid(entry("spec.aliases", alias), member.value(), "must be the number of a version");
  }
}

void validate_model_version(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  if (s.before) {
    const Json* before = find(*s.before, {"spec"});
    const Json was = before ? unchanging(*before) : Json(JsonObject()), is = unchanging(*spec);
    if (!same(&is, &was)) {
      s.errors.forbidden("spec",
                         "a version never changes, but for its description, tags and stage: add another");
      return;
    }
  }
  const std::string_view model = string_at(*spec, {"model"});
  if (!model.empty()) s.errors.check("spec.model", model, dns_subdomain_fault(model));
  at_least(*spec, "version", 0, "spec", s.errors);
  at_least(*spec, "files", 0, "spec", s.errors);
  at_least(*spec, "bytes", 0, "spec", s.errors);
  digest(*spec, "manifest", "spec", s.errors);
  short_text(*spec, "description", "spec", kLongestText, s.errors);
  short_text(*spec, "source", "spec", kLongestSource, s.errors);
  short_text(*spec, "runId", "spec", kLongestId, s.errors);
  texts(*spec, "tags", "spec", kMostTags, s.errors);
  made(*spec, s.errors);
  const JsonArray& attestations = array_at(*spec, {"attestations"});
  if (attestations.size() > kMostAttestations)
    return s.errors.too_many("spec.attestations", attestations.size(), kMostAttestations);
  for (size_t i = 0; i < attestations.size(); ++i) {
    const std::string at = item("spec.attestations", i);
    digest(attestations[i], "digest", at, s.errors);
    short_text(attestations[i], "mediaType", at, kLongestKey, s.errors);
    short_text(attestations[i], "predicateType", at, kLongestKey, s.errors);
  }
}

}  // namespace ingot::api
