// DELETE of one object and of a collection.
#include <fmt/format.h>

#include <algorithm>

#include "apiserver/admission.h"
#include "apiserver/encode.h"
#include "apiserver/read.h"
#include "apiserver/status.h"
#include "apiserver/write.h"

namespace ingot::apiserver {
namespace {
using api::Json;

// Types whose strategy hands back the deleted object instead of a Status.
bool returns_object(std::string_view resource) { return resource == "pods" || resource == "serviceaccounts"; }

Result<api::Propagation> read_propagation(Call& call, const Json& options) {
  std::string_view text = call.route().query.get("propagationPolicy");
  if (text.empty()) text = api::string_at(options, {"propagationPolicy"});
  if (text == "Foreground") return api::Propagation::Foreground;
  if (text == "Orphan") return api::Propagation::Orphan;
  if (text == "Background") return api::Propagation::Background;
  if (!text.empty())
    return fail(Reason::Invalid, fmt::format("DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: "
                                             "Unsupported value: \"{}\": supported values: \"Foreground\", "
                                             "\"Background\", \"Orphan\", \"nil\"",
                                             text.substr(0, 40)));
  const Json* orphan = api::find(options, {"orphanDependents"});
  if (call.route().query.has("orphanDependents") ? call.route().query.flag("orphanDependents")
                                                 : orphan && orphan->is_bool() && orphan->get_bool())
    return api::Propagation::Orphan;
  if (call.type().resource() == "jobs.batch" && !orphan) {
    call.warnings.emplace_back(
        "child pods are preserved by default when jobs are deleted; set "
        "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to "
        "suppress this warning");
    return api::Propagation::Orphan;
  }
  return api::Propagation::Background;
}

Result<void> check_preconditions(Call& call, const Json& object, const DeleteOptions& options) {
  const auto differs = [&](std::string_view what, std::string_view wanted,
                           std::string_view field) -> Result<void> {
    const std::string_view has = api::string_at(object, {"metadata", field});
    if (wanted.empty() || wanted == has) return {};
    return fail(conflict(call.type(), api::string_at(object, {"metadata", "name"}),
                         fmt::format("Precondition failed: {} in precondition: {}, {} in object meta: {}",
                                     what, wanted, what, has)));
  };
  if (const Result<void> uid = differs("UID", options.uid, "uid"); !uid) return uid;
  return differs("ResourceVersion", options.resource_version, "resourceVersion");
}
}  // namespace

Result<DeleteOptions> read_delete_options(Call& call, const Json* body) {
  static const Json kNone = api::JsonObject();
  const Json& options = body ? *body : kNone;
  DeleteOptions out;
  const Query& query = call.route().query;
  if (query.has("gracePeriodSeconds")) {
    const Result<int64_t> grace = query.number("gracePeriodSeconds", 0, INT32_MAX);
    if (!grace) return fail(grace.error());
    out.how.grace_s = *grace;
  } else {
    out.how.grace_s = api::int_at(options, {"gracePeriodSeconds"});
  }
  if (out.how.grace_s && *out.how.grace_s < 0)
    return fail(Reason::Invalid, "gracePeriodSeconds: Invalid value: must be greater than or equal to 0");
  const Result<api::Propagation> propagation = read_propagation(call, options);
  if (!propagation) return fail(propagation.error());
  out.how.propagation = *propagation;
  out.uid = api::string_at(options, {"preconditions", "uid"});
  out.resource_version = api::string_at(options, {"preconditions", "resourceVersion"});
  for (const Json& entry : api::array_at(options, {"dryRun"}))
    if (entry.is_string() && entry.get_string() == "All") call.in.dry_run = true;
  return out;
}

Result<Removed> remove_object(Call& call, const api::ObjectPtr& stored, const DeleteOptions& options) {
  const std::string resource(stored->key.resource());
  const std::string ns(stored->key.ns()), name(stored->key.name());
  if (const Result<void> admitted = admit_delete(call, stored); !admitted) return fail(admitted.error());
  const Json before = stored->parse();
  if (const Result<void> met = check_preconditions(call, before, options); !met) return fail(met.error());

  Json marked = before;
  const bool now = api::begin_deletion(marked, options.how, call.services.env.clock.wall());
  if (resource == "namespaces" || resource == Factory::kTenants)
    api::set(marked, {"status", "phase"}, "Terminating");
  if (call.in.dry_run || (!now && api::same(marked, before))) return Removed{stored, now};
  const Result<api::ObjectPtr> written =
      now ? call.view.erase(resource, ns, name) : call.view.put(resource, ns, name, std::move(marked));
  if (!written) return fail(about(written.error(), call.type(), name));
  call.wrote = (*written)->revision;
  if (now)
    if (const Result<void> gone = after_erase(call, *written); !gone) return fail(gone.error());
  return Removed{*written, now};
}

Result<Outcome> delete_object(Call& call) {
  const Route& route = call.route();
  if (const Result<void> writable = check_writable(call, route.name); !writable)
    return fail(writable.error());
  const api::ObjectPtr stored = call.view.get(call.type().resource(), route.ns, route.name);
  if (!stored) return fail(not_found(call.type(), route.name));
  const Result<DeleteOptions> options = read_delete_options(call, call.in.body ? &*call.in.body : nullptr);
  if (!options) return fail(options.error());
  const Result<Removed> removed = remove_object(call, stored, *options);
  if (!removed) return fail(removed.error());
  if (!removed->gone || returns_object(call.type().resource())) return show(call, 200, removed->object);
  return Answer{json_reply(200, success_status(call.type(), route.name, uid_of(removed->object->parse()))),
                removed->object->revision};
}

Result<Outcome> delete_collection(Call& call) {
  if (const Result<void> writable = check_writable(call, ""); !writable) return fail(writable.error());
  const Result<Selection> selection = read_selection(call.type(), call.route());
  if (!selection) return fail(selection.error());
  const Result<DeleteOptions> options = read_delete_options(call, call.in.body ? &*call.in.body : nullptr);
  if (!options) return fail(options.error());
  std::vector<api::ObjectPtr> chosen;
  call.view.range(call.type().resource(), call.route().ns, "", [&](const api::ObjectPtr& object) {
    if (selection->matches(object)) chosen.push_back(object);
    return true;
  });
  std::vector<api::ObjectPtr> shown;
  for (const api::ObjectPtr& object : chosen) {
    const Result<Removed> removed = remove_object(call, object, *options);
    if (!removed) return fail(removed.error());
    shown.push_back(removed->object);
  }
  return Answer{encode_list(call.in.wanted, call.type(), shown, {.revision = call.view.revision()},
                            call.services.env.clock.wall()),
                call.view.revision()};
}

}  // namespace ingot::apiserver
