#include "policy/work_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "policy/pod_admission.h"

namespace ingot::policy {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr std::array<std::string_view, 4> kClasses{"public", "internal", "confidential", "restricted"};
constexpr size_t kDeepest = 32;  // steps within steps, written inline

bool filled_later(std::string_view text) { return text.find("{{") != text.npos; }

void add_image(Facts& facts, std::string where, std::string_view reference, const Surroundings& around) {
  if (facts.kind == WorkKind::Workflow && (reference.empty() || filled_later(reference))) return;
  if (std::ranges::any_of(facts.images, [&](const ImageUse& i) { return i.reference == reference; })) return;
  if (facts.images.size() == kMostImages) {
    facts.complete = false;
    return;
  }
  ImageUse use{.where = std::move(where), .reference = std::string(reference)};
  if (const auto normalized = normalize_reference(reference)) {
    use.name = repository_of(*normalized);
    if (const size_t at = normalized->find('@'); at != normalized->npos)
      use.by_digest = normalized->substr(at + 1);
    use.digest = around.images.digest(facts.tenant, *normalized).value_or("");
  }
  facts.images.push_back(std::move(use));
}

void add_datasets(Facts& facts, const Json& volumes, const Surroundings& around) {
  for (const Json& volume : api::array_at(volumes, {})) {
    if (string_at(volume, {"csi", "driver"}) != kDatasetDriver) continue;
    const std::string_view name = string_at(volume, {"csi", "volumeAttributes", "dataset"});
    const std::string_view version = string_at(volume, {"csi", "volumeAttributes", "version"});
    if (name.empty() || (facts.kind == WorkKind::Workflow && filled_later(name))) continue;
    if (std::ranges::any_of(facts.datasets,
                            [&](const DatasetUse& d) { return d.name == name && d.version == version; }))
      continue;
    if (facts.datasets.size() == kMostDatasets) {
      facts.complete = false;
      return;
    }
    facts.datasets.push_back(
        {std::string(name), std::string(version), around.dataset ? around.dataset(name) : std::nullopt});
  }
}

const Json& at_or_null(const Json& value, std::string_view field) {
  static const Json kNull;
  const Json* found = api::find(value, {field});
  return found ? *found : kNull;
}

void add_shape(Facts& facts, PodShape shape) {
  if (facts.shapes.size() == kMostShapes)
    facts.complete = false;
  else
    facts.shapes.push_back(std::move(shape));
}

// The pods that the templates of one Workflow would become.
class Templates {
 public:
  Templates(Facts& facts, const Json& spec, const Surroundings& around)
      : facts_(facts), spec_(spec), around_(around) {}

  void add(const Json& written, std::string_view called, size_t depth = 0) {
    const Json body = with_defaults(written);
    if (depth > kDeepest) {
      facts_.complete = false;
      return;
    }
    const std::string name(called.empty() ? string_at(body, {"name"}) : called);
    const std::string where = fmt::format("template {}", name.empty() ? "without a name" : name);
    for (const Json& group : api::array_at(body, {"steps"})) {
      if (group.is_object()) inline_of(group, name, depth);
      for (const Json& step : api::array_at(group, {})) inline_of(step, name, depth);
    }
    for (const Json& task : api::array_at(body, {"dag", "tasks"})) inline_of(task, name, depth);
    add_datasets(facts_, at_or_null(body, "volumes"), around_);
    JsonArray main;
    for (const std::string_view field : {"container", "script"})
      if (const Json* container = api::find(body, {field})) main.push_back(*container);
    for (const Json& container : api::array_at(body, {"containerSet", "containers"}))
      main.push_back(container);
    if (main.empty()) return;
    for (const Json& container : main) add_image(facts_, where, string_at(container, {"image"}), around_);
    for (const std::string_view list : {"initContainers", "sidecars"})
      for (const Json& container : api::array_at(body, {list}))
        add_image(facts_, where, string_at(container, {"image"}), around_);
    for (const Json& container : api::array_at(body, {"sidecars"})) main.push_back(container);
    if (facts_.shapes.size() == kMostShapes) {
      facts_.complete = false;
      return;
    }
    JsonObject shape{{"containers", std::move(main)},
                     {"initContainers", api::array_at(body, {"initContainers"})},
                     {"volumes", volumes(body)}};
    for (const std::string_view field :
         {"securityContext", "hostNetwork", "activeDeadlineSeconds", "nodeSelector", "affinity"})
      if (const Json* own = api::find(body, {field}); own || (own = api::find(spec_, {field})))
        shape[field] = *own;
    facts_.made.emplace_back(std::move(shape));
    add_shape(facts_, {where, &facts_.made.back(), nullptr});
  }

 private:
  // What a template does not say, the Workflow's templateDefaults do.
  Json with_defaults(const Json& written) const {
    const Json* defaults = api::find(spec_, {"templateDefaults"});
    if (!defaults || !defaults->is_object() || !written.is_object()) return written;
    JsonObject body = written.get_object();
    for (const auto& member : defaults->get_object()) {
      const std::string_view field(member.key().data(), member.key().size());
      const bool main = field == "container" || field == "script" || field == "containerSet";
      Json* own = body.if_contains(field);
      if (!own && !main) body[field] = member.value();
      if (!own || !main || !own->is_object()) continue;
      for (const auto& inner : api::object_at(member.value(), {}))
        if (!own->get_object().contains(inner.key())) own->get_object()[inner.key()] = inner.value();
    }
    return body;
  }

  void inline_of(const Json& step, const std::string& name, size_t depth) {
    if (const Json* body = api::find(step, {"inline"}))
      add(*body, fmt::format("{}.{}", name, string_at(step, {"name"})), depth + 1);
  }
  JsonArray volumes(const Json& body) const {
    JsonArray all = api::array_at(spec_, {"volumes"});
    for (const Json& volume : api::array_at(body, {"volumes"})) all.push_back(volume);
    return all;
  }

  Facts& facts_;
  const Json& spec_;
  const Surroundings& around_;
};

}  // namespace

std::optional<Clearance> parse_clearance(std::string_view text) {
  const auto found = std::ranges::find(kClasses, text);
  return found == kClasses.end() ? std::nullopt : std::optional(Clearance(found - kClasses.begin()));
}
std::string_view to_string(Clearance c) { return kClasses[size_t(c)]; }

std::string_view to_string(WorkKind kind) {
  constexpr std::array<std::string_view, 3> kNames{"Pod", "Workflow", "ModelVersion"};
  return kNames[size_t(kind)];
}

void add_pod(Facts& facts, const Json& pod, const Surroundings& around) {
  const Json& spec = at_or_null(pod, "spec");
  for (const auto& [list, noun] : {std::pair("initContainers", "init container"),
                                   {"containers", "container"},
                                   {"ephemeralContainers", "ephemeral container"}})
    for (const Json& container : api::array_at(spec, {list}))
      add_image(facts, fmt::format("{} {}", noun, string_at(container, {"name"})),
                string_at(container, {"image"}), around);
  add_datasets(facts, at_or_null(spec, "volumes"), around);
  add_shape(facts, {"", &spec, api::find(pod, {"metadata"})});
}

void add_workflow(Facts& facts, const Json& spec, const JsonObject& stored, const Surroundings& around) {
  Templates templates(facts, spec, around);
  add_datasets(facts, at_or_null(spec, "volumes"), around);
  for (const Json& body : api::array_at(spec, {"templates"})) templates.add(body, "");
  for (const auto& member : stored)
    templates.add(member.value(), std::string_view(member.key().data(), member.key().size()));
  facts.digest = Digest::of(api::to_text(spec)).text();
}

std::string subject_digest(const Facts& facts) {
  if (!facts.digest.empty() || facts.shapes.empty()) return facts.digest;
  return Digest::of(api::to_text(*facts.shapes.front().spec)).text();
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = pattern.npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace ingot::policy
