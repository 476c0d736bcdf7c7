// Dataset and DatasetVersion. A version is added, and never changed.
#include <set>

#include "api/names.h"
#include "api/validate.h"
#include "base/digest.h"

namespace ingot::api {
namespace {

constexpr size_t kLongestDataset =
    60;  // it is also a label's value, and "-v" and a number follow in versions' names
constexpr size_t kLongestText = 1'024, kMostPipelines = 20;

void short_text(const Json& spec, std::string_view name, FieldErrors& errors) {
  if (string_at(spec, {name}).size() > kLongestText) errors.too_long(child("spec", name), kLongestText);
}

}  // namespace

void validate_dataset(const Subject& s) {
  const std::string_view name = string_at(s.object, {"metadata", "name"});
  if (name.size() > kLongestDataset) s.errors.too_long("metadata.name", kLongestDataset);
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  if (const std::string_view region = string_at(*spec, {"region"}); !region.empty())
    s.errors.check("spec.region", region, label_value_fault(region));
  const JsonArray& pipelines = array_at(*spec, {"pipelines"});
  if (pipelines.size() > kMostPipelines)
    s.errors.invalid("spec.pipelines", int64_t(pipelines.size()),
                     "at most " + std::to_string(kMostPipelines) + " start with a version");
  std::set<std::string_view> names;
  for (size_t i = 0; i < pipelines.size() && i < kMostPipelines; ++i) {
    const std::string at = item("spec.pipelines", i);
    const std::string_view of = string_at(pipelines[i], {"workflowTemplateRef", "name"}),
                           own = string_at(pipelines[i], {"name"}), called = own.empty() ? of : own;
    if (of.empty()) s.errors.required(child(at, "workflowTemplateRef.name"));
    if (!called.empty()) s.errors.check(child(at, "name"), called, dns_subdomain_fault(called));
    if (!called.empty() && !names.insert(called).second)
      s.errors.duplicate(child(at, "name"), Json(std::string(called)));
  }
}

void validate_dataset_version(const Subject& s) {
  const Json* spec = find(s.object, {"spec"});
  if (!spec) return;
  if (s.before && !same(spec, find(*s.before, {"spec"}))) {
    s.errors.forbidden("spec", "a version of a data set never changes: add another");
    return;
  }
  const std::string_view dataset = string_at(*spec, {"dataset"}),
                         name = string_at(s.object, {"metadata", "name"});
  s.errors.check("spec.dataset", dataset, dns_subdomain_fault(dataset));
  at_least(*spec, "version", 1, "spec", s.errors);
  at_least(*spec, "files", 0, "spec", s.errors);
  at_least(*spec, "bytes", 0, "spec", s.errors);
  const std::string wanted =
      std::string(dataset) + "-v" + std::to_string(int_at(*spec, {"version"}).value_or(0));
  if (name != wanted)
    s.errors.invalid("metadata.name", Json(std::string(name)),
                     "must be \"" + wanted + "\", as its spec says");
  const std::string_view manifest = string_at(*spec, {"manifest"});
  if (!manifest.empty() && !Digest::parse(manifest))
    s.errors.invalid("spec.manifest", Json(std::string(manifest)),
                     "must be \"sha256:\" and 64 lower case hexadecimal digits");
  short_text(*spec, "message", s.errors);
  short_text(*spec, "source", s.errors);
}

}  // namespace ingot::api
