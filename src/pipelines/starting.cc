#include "pipelines/starting.h"

#include "api/decode.h"
#include "api/validate.h"
#include "base/assert.h"
#include "base/encoding.h"
#include "workflow/reading.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::Key;

const api::Resource& workflow_type(const api::Registry& registry) {
  const api::Resource* type = registry.find_kind("argoproj.io", "v1alpha1", "Workflow");
  ASSERT(type);
  return *type;
}

Result<void> check_templates(const store::Turn& turn, const api::Resource& type, const Key& key,
                             const Json& object) {
  const ClusterId cluster{std::string(key.cluster())};
  const auto lookup = [&](bool of_cluster, std::string_view name) -> std::optional<Json> {
    if (name.empty() || name.find('/') != name.npos) return std::nullopt;
    const api::ObjectPtr found = turn.get(
        Key(cluster, of_cluster ? "clusterworkflowtemplates.argoproj.io" : "workflowtemplates.argoproj.io",
            of_cluster ? "" : key.ns(), name));
    return found ? std::optional(found->parse()) : std::nullopt;
  };
  if (const auto checked = workflow::check(type.kind, object, lookup); !checked)
    return fail(Reason::Invalid, checked.error());
  return {};
}

}  // namespace

Result<Json> read_pipeline(const api::Registry& registry, std::string_view yaml) {
  auto decoded =
      api::decode(registry, workflow_type(registry), "application/yaml", yaml, api::FieldValidation::Strict);
  if (!decoded) return fail(decoded.error());
  return std::move(decoded->object);
}

Result<api::ObjectPtr> create_workflow(store::Turn& turn, env::Env& env, const api::Registry& registry,
                                       const Key& key, Json object, Templates templates) {
  const ClusterId cluster{std::string(key.cluster())};
  const api::ObjectPtr ns = turn.get(Key(cluster, "namespaces", "", key.ns()));
  if (!ns || ns->marks.deleting)
    return fail(Reason::Forbidden, "namespace " + std::string(key.ns()) + " is being terminated");
  const api::Resource& type = workflow_type(registry);
  api::erase(object, {"status"});
  api::set(object, {"metadata", "namespace"}, key.ns());
  auto decoded = api::conform(registry, type, std::move(object), api::FieldValidation::Ignore);
  if (!decoded) return fail(decoded.error());
  object = std::move(decoded->object);
  api::apply_defaults(type, object);
  if (const auto valid = api::validate(type, object, nullptr); !valid) return fail(valid.error());
  if (workflow::by_reference_alone(*ns))
    if (const auto may = workflow::check_by_reference(type.kind, object); !may)
      return fail(Reason::Invalid, may.error());
  if (templates == Templates::Checked)
    if (const auto good = check_templates(turn, type, key, object); !good) return fail(good.error());
  const uint64_t high = env.entropy.next();
  api::set(object, {"metadata", "uid"}, uuid(high, env.entropy.next()));
  api::set(object, {"metadata", "creationTimestamp"}, to_rfc3339(env.clock.wall()));
  api::set(object, {"metadata", "generation"}, 1);
  return turn.put(key, std::move(object), Revision{0});
}

}  // namespace ingot::pipelines
