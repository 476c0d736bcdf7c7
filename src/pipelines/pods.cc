#include "pipelines/pods.h"

#include "api/decode.h"
#include "api/deletion.h"
#include "api/reserved.h"
#include "api/validate.h"
#include "base/encoding.h"
#include "policy/pod_admission.h"
#include "workflow/pod.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::Key;
using Found = policy::AdmissionFacts::Found;

constexpr std::string_view kPriorityClasses = "priorityclasses.scheduling.k8s.io";

Found parsed(const api::ObjectPtr& object) {
  return object ? std::make_shared<const Json>(object->parse()) : nullptr;
}

std::string run_node(std::string_view run_uid, std::string_view node) {
  return std::string(run_uid) + "/" + std::string(node);
}

}  // namespace

Result<void> create_pod(store::Turn& turn, env::Env& env, const api::Registry& registry, const Key& key,
                        Json pod) {
  const ClusterId cluster{std::string(key.cluster())};
  const auto get = [&](std::string_view resource, std::string_view ns, std::string_view name) {
    const bool named = !name.empty() && name.find('/') == name.npos;
    return named ? parsed(turn.get(Key(cluster, resource, ns, name))) : nullptr;
  };
  const Found ns = get("namespaces", "", key.ns());
  if (!ns || api::is_deleting(*ns))
    return fail(Reason::Forbidden, "namespace " + std::string(key.ns()) + " is being terminated");
  const api::Resource& type = *registry.find_key("pods");
  auto decoded = api::conform(registry, type, std::move(pod), api::FieldValidation::Ignore);
  if (!decoded) return fail(decoded.error());
  pod = std::move(decoded->object);
  api::apply_defaults(type, pod);
  const policy::AdmissionFacts facts{
      .service_account = [&](std::string_view name) { return get("serviceaccounts", key.ns(), name); },
      .priority_class = [&](std::string_view name) { return get(kPriorityClasses, "", name); },
      .default_priority_class =
          [&] {
            Found found;
            turn.range(api::type_prefix(cluster, kPriorityClasses), "", [&](const api::ObjectPtr& o) {
              if (Found value = parsed(o); api::bool_at(*value, {"globalDefault"})) found = std::move(value);
              return !found;
            });
            return found;
          },
      .newest_version =
          [&](std::string_view dataset) {
            policy::NewestVersion newest(dataset);
            const Key prefix(cluster, "datasetversions.factory.ingot.dev", key.ns(), newest.prefix());
            turn.range(prefix.text(), "", [&](const api::ObjectPtr& o) { return newest.see(o->key.name()); });
            return newest.found();
          },
      .namespace_object = *ns,
      .random = env.entropy.next()};
  if (const auto admitted = policy::admit_pod(pod, facts); !admitted) return fail(admitted.error());
  if (const auto valid = api::validate(type, pod, nullptr); !valid) return fail(valid.error());
  // As workflow/pod.h wrote them; from here on nobody else can.
  const auto said = [&](std::string_view what) {
    return api::string_at(pod, {"metadata", "annotations", what});
  };
  api::set(pod, {"metadata", "annotations", api::kRunNodeAnnotation},
           run_node(said(workflow::kRunUidAnnotation), said(workflow::kNodeIdAnnotation)));
  api::set(pod, {"metadata", "uid"}, uuid(env.entropy.next(), env.entropy.next()));
  api::set(pod, {"metadata", "creationTimestamp"}, to_rfc3339(env.clock.wall()));
  if (const auto stored = turn.put(key, std::move(pod), Revision{0}); !stored) return fail(stored.error());
  return {};
}

bool is_pod_of(const store::Turn& turn, const Key& key, std::string_view run_uid, std::string_view node) {
  const api::ObjectPtr pod = turn.get(key);
  return pod && api::string_at(pod->parse(), {"metadata", "annotations", api::kRunNodeAnnotation}) ==
                    run_node(run_uid, node);
}

void delete_object(store::Turn& turn, const Key& key, WallTime now) {
  const api::ObjectPtr object = turn.get(key);
  if (!object) return;
  Json json = object->parse();
  if (api::begin_deletion(json, {}, now))
    (void)turn.erase(key, object->revision);
  else if (!object->marks.deleting)
    (void)turn.put(key, std::move(json), object->revision);
}

void stop_pod(store::Turn& turn, const Key& key, WallTime now) {
  const api::ObjectPtr object = turn.get(key);
  if (!object || object->marks.ended || object->marks.deleting) return;
  if (object->node.empty()) return delete_object(turn, key, now);
  Json json = object->parse();
  if (api::int_at(json, {"spec", "activeDeadlineSeconds"}) == 1) return;
  api::set(json, {"spec", "activeDeadlineSeconds"}, 1);
  (void)turn.put(key, std::move(json), object->revision);
}

}  // namespace ingot::pipelines
