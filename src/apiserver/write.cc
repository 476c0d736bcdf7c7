#include "apiserver/write.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/model_names.h"
#include "api/patch.h"
#include "apiserver/admission.h"
#include "apiserver/encode.h"
#include "apiserver/managers.h"
#include "apiserver/model_naming.h"
#include "apiserver/models.h"
#include "apiserver/prepare.h"
#include "apiserver/source.h"
#include "apiserver/status.h"
#include "apiserver/workflows.h"
#include "base/encoding.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using api::JsonObject;

constexpr std::string_view kModified =
    "the object has been modified; please apply your changes to the latest version and try again";

constexpr std::string_view kOutputsAnnotation = "workflows.argoproj.io/outputs";

bool has_spec(const api::Resource& type) { return type.schema && type.schema->find("spec"); }
bool has_status(const api::Resource& type) {
  return std::ranges::find(type.subresources, "status") != type.subresources.end();
}
// Types whose strategy counts generations upstream: those with a spec, but for a few of the oldest.
bool counts_generations(const api::Resource& type) {
  const std::string resource = type.resource();
  return (has_spec(type) && resource != "namespaces" && resource != "nodes" &&
          resource != "leases.coordination.k8s.io") ||
         resource == kPriorityClasses;
}
bool creates_on_update(const api::Resource& type) {
  const std::string resource = type.resource();
  return resource == "events" || resource == "leases.coordination.k8s.io" || is_rbac(resource);
}

Result<void> check_place(Call& call, const Json& object) {
  const std::string_view ns = api::string_at(object, {"metadata", "namespace"});
  if (!call.type().namespaced || ns.empty() || ns == call.route().ns) return {};
  return fail(Reason::BadRequest,
              fmt::format("the namespace of the provided object does not match the namespace sent "
                          "on the request (\"{}\", \"{}\")",
                          ns, call.route().ns));
}

// Fills in what only the server writes.
void stamp_new(Call& call, Json& object) {
  api::set(object, {"metadata", "uid"}, call.new_uid());
  api::set(object, {"metadata", "creationTimestamp"}, to_rfc3339(call.services.env.clock.wall()));
  if (call.type().namespaced) api::set(object, {"metadata", "namespace"}, call.route().ns);
  for (const std::string_view field :
       {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"})
    api::erase(object, {"metadata", field});
  if (counts_generations(call.type())) api::set(object, {"metadata", "generation"}, 1);
  const std::string resource = call.type().resource();
  if (has_status(call.type()) && resource != "nodes" && resource != "pods" && resource != "namespaces")
    api::erase(object, {"status"});
}

Result<std::string> pick_name(Call& call, Json& object) {
  std::string name(api::string_at(object, {"metadata", "name"}));
  if (!name.empty()) return name;
  const std::string base(api::string_at(object, {"metadata", "generateName"}).substr(0, 58));
  for (int attempt = 0; attempt < 8; ++attempt) {
    name = base + name_suffix(call.services.env.entropy.next(), 5);
    if (call.view.get(call.type().resource(), call.route().ns, name)) continue;
    api::set(object, {"metadata", "name"}, name);
    return name;
  }
  Error error = already_exists(call.type(), name);
  error.message += ", the server was not able to generate a unique name for the object";
  return fail(std::move(error));
}

Outcome show_value(Call& call, int code, const Json& value) {
  return show(call, code,
              std::make_shared<const api::Object>(
                  api::Object{api::Key(call.view.cluster(), call.type().resource(), call.route().ns,
                                       api::string_at(value, {"metadata", "name"})),
                              Revision{0}, api::to_text(value)}));
}

Result<Outcome> store_new(Call& call, Json object) {
  if (const Result<void> place = check_place(call, object); !place) return fail(place.error());
  if (!api::string_at(object, {"metadata", "resourceVersion"}).empty())
    return fail(Reason::BadRequest, "resourceVersion should not be set on objects to be created");
  api::erase(object, {"metadata", "resourceVersion"});
  if (call.type().resource() == api::kModelVersions)
    if (const Result<void> numbered = number_version(call, object); !numbered) return fail(numbered.error());
  if (call.type().resource() == api::kModels)
    if (const Result<void> named = name_model(call, object); !named) return fail(named.error());
  const Result<std::string> name = pick_name(call, object);
  if (!name) return fail(name.error());
  if (const Result<void> writable = check_writable(call, *name); !writable) return fail(writable.error());
  const std::string resource = call.type().resource();
  if (Source(call, call.type()).get(call.route().ns, *name)) return fail(already_exists(call.type(), *name));
  stamp_new(call, object);
  if (const Result<void> admitted = admit_create(call, object); !admitted) return fail(admitted.error());
  record_manager(call, nullptr, object);
  if (call.in.dry_run) return show_value(call, 201, object);
  const Result<api::ObjectPtr> stored =
      call.view.put(resource, call.route().ns, *name, std::move(object), Revision{0});
  if (!stored) return fail(about(stored.error(), call.type(), *name));
  call.wrote = (*stored)->revision;
  if (const Result<void> more = after_create(call, *stored); !more) return fail(more.error());
  return show(call, 201, *stored);
}

// Metadata that an update may not change comes from what is stored.
void keep_server_fields(const Json& before, Json& after) {
  for (const std::string_view field :
       {"uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds",
        "selfLink", "resourceVersion", "generateName", "managedFields"}) {
    const Json* kept = api::find(before, {"metadata", field});
    if (kept) {
      api::set(after, {"metadata", field}, *kept);
    } else {
      api::erase(after, {"metadata", field});
    }
  }
}

Result<void> check_same_object(Call& call, const Json& before, const Json& after) {
  const std::string_view name = api::string_at(after, {"metadata", "name"});
  if (!name.empty() && name != call.route().name)
    return fail(Reason::BadRequest,
                fmt::format("the name of the object ({}) does not match the name on the URL ({})", name,
                            call.route().name));
  if (const Result<void> place = check_place(call, after); !place) return place;
  const std::string_view uid = api::string_at(after, {"metadata", "uid"});
  const std::string_view uid_before = api::string_at(before, {"metadata", "uid"});
  if (!uid.empty() && uid != uid_before)
    return fail(conflict(call.type(), call.route().name,
                         fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                     uid, uid_before)));
  const std::string_view revision = api::string_at(after, {"metadata", "resourceVersion"});
  if (!revision.empty() && revision != "0" &&
      revision != api::string_at(before, {"metadata", "resourceVersion"}) &&
      !call.services.env.faults.fires("apiserver.update.ignore_revision"))
    return fail(conflict(call.type(), call.route().name, kModified));
  return {};
}

// What a patch may see: of /status, that and who it is. The rest of a large object would be copied and looked at for
// nothing, but a JSON Patch may test it.
Json patched_part(Call& call, const Json& before) {
  if (call.route().subresource != "status" || call.in.patch == PatchKind::Json || !before.is_object())
    return Json(before, before.storage());
  JsonObject part(before.storage()), metadata(before.storage());
  for (const std::string_view field : {"apiVersion", "kind", "status"})
    if (const Json* value = api::find(before, {field})) part[field] = *value;
  for (const auto& [name, value] : api::object_at(before, {"metadata"}))
    if (name != "managedFields") metadata[name] = value;
  part["metadata"] = std::move(metadata);
  return part;
}

// What a subresource may change of the whole: /status the status, /finalize a namespace's finalizers.
Json limited_to(const Route& route, const api::Resource& type, const Json& before, Json after) {
  const auto take = [](Json& to, std::string_view field, const Json& from) {
    if (const Json* value = api::find(from, {field}))
      api::set(to, {field}, *value);
    else
      api::erase(to, {field});
  };
  if (route.subresource.empty()) {
    if (has_status(type)) take(after, "status", before);
    return after;
  }
  Json limited(before, before.storage());
  if (route.subresource == "aliases") {
    const Json* spec = api::find(after, {"spec"});
    const Json none = api::JsonObject();
    Json own = api::object_at(before, {"spec"});
    take(own, "aliases", spec ? *spec : none);
    api::set(limited, {"spec"}, std::move(own));
    return limited;
  }
  // What a step of a workflow left is told with its last status.
  if (const Json* outputs = api::find(after, {"metadata", "annotations", kOutputsAnnotation});
      outputs && type.kind == "Pod")
    api::set(limited, {"metadata", "annotations", kOutputsAnnotation}, *outputs);
  take(limited, route.subresource == "finalize" ? "spec" : "status", after);
  return limited;
}

Result<Json> apply_patch(Call& call, Json before) {
  switch (call.in.patch) {
    case PatchKind::Json:
      return api::json_patch(before, *call.in.body);
    case PatchKind::Merge:
      return api::merge_patch(std::move(before), *call.in.body);
    case PatchKind::Strategic:
      return api::strategic_merge_patch(*call.type().schema, before, *call.in.body);
    default:
      return fail(Reason::UnsupportedMediaType,
                  "server-side apply is not served yet: use kubectl apply without --server-side");
  }
}
api::ObjectPtr seen_by_clients(Call& call, const api::ObjectPtr& stored) {
  return is_workflow(call.type()) ? whole_workflow(call.view, stored) : stored;
}
}  // namespace

Outcome show(Call& call, int code, const api::ObjectPtr& object) {
  api::ObjectPtr shown = object;
  if (is_workflow(call.type()) && call.in.wanted.view == View::Plain) {
    WorkflowParts parts = workflow_parts(call.view, object);
    if (parts.nodes.size() <= kManyNodes)
      shown = whole_workflow(parts);
    else if (auto later = show_later(call, code, std::move(parts)))
      return std::move(*later);
    // Else without its nodes: it is written, whatever else is on its way to who wrote it.
  }
  Answer answer{.shows = object->revision};
  answer.reply.body.push_back(
      encode_object(call.in.wanted, call.type(), shown, call.services.env.clock.wall()));
  answer.reply.code = code;
  return answer;
}

Result<Outcome> create_object(Call& call) { return store_new(call, std::move(*call.in.body)); }

Result<Outcome> replace_object(Call& call, const api::ObjectPtr& stored, const Json& seen, Json after,
                               bool with_nodes) {
  NodeEdits nodes;
  if (is_workflow(call.type()) && with_nodes) nodes = take_nodes(call.view, stored, after);
  const Json before = is_workflow(call.type()) ? stored->parse() : seen;
  after = limited_to(call.route(), call.type(), before, std::move(after));
  if (call.route().subresource.empty()) keep_server_fields(before, after);
  api::set(after, {"metadata", "name"}, std::string(stored->key.name()));
  if (call.type().namespaced) api::set(after, {"metadata", "namespace"}, std::string(stored->key.ns()));
  if (const Result<void> valid = api::validate(call.type(), after, &before); !valid)
    return fail(about(valid.error(), call.type(), stored->key.name()));
  if (const Result<void> admitted = admit_update(call, before, after); !admitted)
    return fail(admitted.error());
  if (nodes.empty() && api::same(after, before)) return show(call, 200, stored);
  if (counts_generations(call.type())) {
    const Json* spec_before = api::find(before, {"spec"});
    const Json* spec_after = api::find(after, {"spec"});
    const bool changed =
        !spec_before != !spec_after || (spec_before && !api::same(*spec_before, *spec_after));
    if (changed)
      api::set(after, {"metadata", "generation"},
               api::int_at(before, {"metadata", "generation"}).value_or(0) + 1);
  }
  record_manager(call, &before, after);
  if (call.in.dry_run) return show_value(call, 200, after);

  const std::string resource = call.type().resource();
  const bool released = api::deletion_complete(after);
  if (const Result<void> more = after_update(call, before, after); !more) return fail(more.error());
  Result<api::ObjectPtr> written =
      call.view.put(resource, stored->key.ns(), stored->key.name(), std::move(after), stored->revision);
  if (written && released) written = call.view.erase(resource, stored->key.ns(), stored->key.name());
  if (!written) return fail(about(written.error(), call.type(), stored->key.name()));
  if (released)
    if (const Result<void> gone = after_erase(call, *written); !gone) return fail(gone.error());
  if (const Result<void> kept = write_nodes(call.view, std::move(nodes)); !kept) return fail(kept.error());
  call.wrote = (*written)->revision;
  return show(call, 200, *written);
}

Result<Outcome> update_object(Call& call) {
  const Route& route = call.route();
  if (const Result<void> writable = check_writable(call, route.name); !writable)
    return fail(writable.error());
  const api::ObjectPtr stored = call.view.get(call.type().resource(), route.ns, route.name);
  Json after = std::move(*call.in.body);
  if (!stored) {
    if (!route.subresource.empty() || !creates_on_update(call.type()))
      return fail(not_found(call.type(), route.name));
    if (!call.allowed({.verb = "create", .group = route.group, .resource = route.resource, .ns = route.ns}) &&
        node_of(call.who).empty())
      return fail(not_found(call.type(), route.name));
    api::set(after, {"metadata", "name"}, route.name);
    if (const Result<void> complete = complete_new(call.type(), after); !complete)
      return fail(complete.error());
    return store_new(call, std::move(after));
  }
  const Json before = seen_by_clients(call, stored)->parse();
  if (const Result<void> same = check_same_object(call, before, after); !same) return fail(same.error());
  return replace_object(call, stored, before, std::move(after));
}

Result<Outcome> patch_object(Call& call) {
  const Route& route = call.route();
  if (const Result<void> writable = check_writable(call, route.name); !writable)
    return fail(writable.error());
  const api::ObjectPtr stored = call.view.get(call.type().resource(), route.ns, route.name);
  if (!stored) return fail(not_found(call.type(), route.name));
  const bool with_nodes = is_workflow(call.type()) && speaks_of_nodes(call.in.patch, *call.in.body);
  const Json before = (with_nodes ? whole_workflow(call.view, stored) : stored)->parse();
  Result<Json> patched = apply_patch(call, patched_part(call, before));
  if (!patched) return fail(about(patched.error(), call.type(), route.name));
  Result<api::Decoded> decoded =
      api::conform(*call.services.registry, call.type(), std::move(*patched), call.in.validation);
  if (!decoded) return fail(about(decoded.error(), call.type(), route.name));
  std::ranges::move(decoded->warnings, std::back_inserter(call.warnings));
  Json after = std::move(decoded->object);
  api::apply_defaults(call.type(), after);
  if (const Result<void> same = check_same_object(call, before, after); !same) return fail(same.error());
  return replace_object(call, stored, before, std::move(after), with_nodes);
}

}  // namespace ingot::apiserver
