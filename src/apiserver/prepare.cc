#include "apiserver/prepare.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/managed_fields.h"
#include "apiserver/blobs.h"
#include "apiserver/mlflow.h"
#include "apiserver/status.h"
#include "apiserver/workflows.h"

namespace ingot::apiserver {
namespace {
using api::Json;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Splits at `separator`, trimmed; the rest stays in `text`.
std::string_view next_part(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view part = trim(text.substr(0, at));
  text = at == text.npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

Result<PatchKind> patch_kind(std::string_view content_type) {
  std::string_view rest = content_type;
  const std::string_view type = next_part(rest, ';');
  if (type == "application/json-patch+json") return PatchKind::Json;
  if (type == "application/merge-patch+json") return PatchKind::Merge;
  if (type == "application/strategic-merge-patch+json") return PatchKind::Strategic;
  if (type == "application/apply-patch+yaml")
    return fail(Reason::UnsupportedMediaType,
                "server-side apply is not supported: apply without --server-side, or patch");
  return fail(Reason::UnsupportedMediaType,
              fmt::format("the body of the request was in an unknown format - accepted media types include: "
                          "application/json-patch+json, application/merge-patch+json, "
                          "application/strategic-merge-patch+json (sent: \"{}\")",
                          type.substr(0, 100)));
}

// Upstream's default: the user agent up to its version (apiserver: pkg/endpoints/handlers/rest.go).
std::string manager_of(const Request& request, const Query& query) {
  const std::string_view name = query.get("fieldManager");
  return std::string(name.empty() ? api::field_manager_of(request.user_agent) : name.substr(0, 128));
}

Result<api::FieldValidation> validation_of(const Query& query) {
  const std::string_view text = query.get("fieldValidation");
  if (text.empty() || text == "Warn") return api::FieldValidation::Warn;
  if (text == "Ignore") return api::FieldValidation::Ignore;
  if (text == "Strict") return api::FieldValidation::Strict;
  return fail(Reason::Invalid,
              fmt::format("fieldValidation: Unsupported value: \"{}\": supported values: \"Ignore\", "
                          "\"Strict\", \"Warn\"",
                          text.substr(0, 40)));
}

Result<bool> dry_run_of(const Query& query) {
  const std::string_view text = query.get("dryRun");
  if (text.empty()) return false;
  if (text == "All") return true;
  return fail(Reason::Invalid, fmt::format("dryRun: Unsupported value: \"{}\": supported values: \"All\"",
                                           text.substr(0, 40)));
}

Error no_such_path() {
  return {.reason = Reason::NotFound, .message = "the server could not find the requested resource"};
}

Error method_not_allowed() {
  return {.reason = Reason::MethodNotAllowed,
          .message = "the server does not allow this method on the requested resource"};
}

Error not_supported(std::string_view verb, const api::Resource& type) {
  return {.reason = Reason::MethodNotAllowed,
          .message = fmt::format("{} is not supported on resources of kind \"{}\"", verb, type.resource())};
}

// Finds the type and checks that the request makes sense for it.
Result<void> resolve_type(const PrepareInputs& inputs, Prepared& in) {
  const Route& route = in.route;
  bool named = false;
  for (const ExtraRoute& extra : inputs.extras) {
    if (!extra.path.empty() || extra.group != route.group || extra.version != route.version ||
        extra.resource != route.resource)
      continue;
    // What is told is of the whole cluster: a right in one namespace is no right to it.
    if (!route.ns.empty() || !route.name.empty()) return fail(no_such_path());
    named = true;
    if (in.request.method != extra.method) continue;
    in.extra = &extra;
    in.verb = extra.method == "GET" ? "list" : "create";
    return {};
  }
  if (named) return fail(method_not_allowed());
  const api::Resource* type = inputs.registry.find(route.group, route.version, route.resource);
  const bool reading = in.request.method == "GET" || in.request.method == "HEAD";
  if (!type) return fail(no_such_path());
  in.type = type;
  if (type->namespaced
          ? route.ns.empty() && (!route.name.empty() || (!reading && in.request.method != "DELETE"))
          : !route.ns.empty())
    return in.type = nullptr, fail(no_such_path());
  if (!route.subresource.empty() &&
      std::ranges::find(type->subresources, route.subresource) == type->subresources.end())
    return fail(no_such_path());
  if (in.verb.empty()) return fail(method_not_allowed());
  if (route.subresource.empty()) {
    if (std::ranges::find(type->verbs, in.verb) == type->verbs.end() ||
        (in.verb == "create" && !route.name.empty()))
      return fail(not_supported(in.verb, *type));
  }
  return {};
}

Result<void> read_options(Prepared& in) {
  const Query& query = in.route.query;
  const Result<api::FieldValidation> validation = validation_of(query);
  if (!validation) return fail(validation.error());
  const Result<bool> dry_run = dry_run_of(query);
  if (!dry_run) return fail(dry_run.error());
  if (query.get("fieldManager").size() > 128)
    return fail(Reason::Invalid, "fieldManager: Invalid value: may not be longer than 128 bytes");
  in.validation = *validation;
  in.dry_run = *dry_run;
  in.manager = manager_of(in.request, query);
  return {};
}

Result<void> read_body(const PrepareInputs& inputs, Prepared& in) {
  const bool is_delete = in.request.method == "DELETE";
  if (in.request.method == "PATCH") {
    const Result<PatchKind> kind = patch_kind(in.request.content_type);
    if (!kind) return fail(kind.error());
    in.patch = *kind;
    Result<Json> patch = api::parse_json(in.request.body);
    if (!patch) return fail(std::move(patch.error()));
    in.body = std::move(*patch);
    return {};
  }
  if (is_delete && trim(in.request.body).empty()) return {};
  // Bodies whose type is not the resource's own: options and requests of subresources.
  if (is_delete || (!in.route.subresource.empty() && in.verb == "create")) {
    Result<Json> value = trim(in.request.body).empty()
                             ? Json(api::JsonObject())
                             : api::parse_body(inputs.registry, in.request.content_type, in.request.body);
    if (!value) return fail(std::move(value.error()));
    if (!value->is_object()) return fail(Reason::BadRequest, "the body must be an object");
    in.body = std::move(*value);
    return {};
  }
  Result<api::Decoded> decoded =
      api::decode(inputs.registry, *in.type, in.request.content_type, in.request.body, in.validation);
  if (!decoded) return fail(std::move(decoded.error()));
  in.body = std::move(decoded->object);
  in.warnings = std::move(decoded->warnings);
  look_at_templates(in);
  if (in.verb == "create") return complete_new(*in.type, *in.body);
  api::apply_defaults(*in.type, *in.body);
  return {};
}

Result<void> fill(const PrepareInputs& inputs, Prepared& in) {
  if (in.request.body.size() > inputs.options.max_body)
    return fail(Reason::RequestEntityTooLarge,
                "Request entity too large: limit is " + std::to_string(inputs.options.max_body));
  if (in.route.endpoint == Endpoint::Unknown) {
    const auto extra = std::ranges::find(inputs.extras, in.route.path, &ExtraRoute::path);
    if (extra == inputs.extras.end() || in.route.every_cluster) return fail(no_such_path());
    in.extra = &*extra;
  }
  if (in.route.endpoint == Endpoint::Blobs) return read_blob_request(in);
  if (in.route.endpoint == Endpoint::Mlflow) return read_mlflow_request(in);
  if (in.route.endpoint != Endpoint::Resource) {
    if (in.request.method != "GET" && in.request.method != "HEAD") return fail(method_not_allowed());
    return {};
  }
  const Result<void> resolved = resolve_type(inputs, in);
  if (!resolved) return resolved;
  Result<Wanted> wanted = negotiate(in.request.accept);
  if (!wanted) return fail(std::move(wanted.error()));
  in.wanted = std::move(*wanted);
  if (const std::string_view include = in.route.query.get("includeObject"); !include.empty()) {
    const auto known = api::parse_include_object(include);
    if (!known) return fail(Reason::BadRequest, "includeObject: must be None, Metadata or Object");
    in.wanted.include = *known;
  }
  const Result<void> options = read_options(in);
  if (!options || !in.mutating || in.extra) return options;
  return read_body(inputs, in);
}
}  // namespace

Result<Wanted> negotiate(std::string_view accept) {
  if (trim(accept).empty()) return Wanted{};
  for (int clauses = 0; !accept.empty() && clauses < 32; ++clauses) {
    std::string_view clause = next_part(accept, ',');
    const std::string_view type = next_part(clause, ';');
    if (type != "application/json" && type != "*/*" && type != "application/*") continue;
    Wanted wanted;
    std::string_view as, group;
    while (!clause.empty()) {
      std::string_view value = next_part(clause, ';');
      const std::string_view name = next_part(value, '=');
      if (name == "as") as = value;
      if (name == "g") group = value;
      if (name == "v") wanted.version = value;
    }
    if (as.empty()) return Wanted{};
    if (group != "meta.k8s.io" || (wanted.version != "v1" && wanted.version != "v1beta1")) continue;
    if (as == "Table") wanted.view = View::Table;
    if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") wanted.view = View::Metadata;
    if (wanted.view != View::Plain) return wanted;
  }
  return fail(Reason::NotAcceptable,
              "only the following media types are accepted: application/json, "
              "application/json;as=Table;g=meta.k8s.io;v=v1, "
              "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
}

Result<void> complete_new(const api::Resource& type, Json& object) {
  api::apply_defaults(type, object);
  const bool generated = api::string_at(object, {"metadata", "name"}).empty() &&
                         !api::string_at(object, {"metadata", "generateName"}).empty();
  if (!generated) return api::validate(type, object, nullptr);
  api::set(object, {"metadata", "name"},
           std::string(api::string_at(object, {"metadata", "generateName"})) + "xxxxx");
  const Result<void> valid = api::validate(type, object, nullptr);
  api::erase(object, {"metadata", "name"});
  return valid;
}

std::shared_ptr<Prepared> prepare(const PrepareInputs& inputs, Request request) {
  auto in = std::make_shared<Prepared>();
  in->request = std::move(request);
  in->mutating = in->request.method != "GET" && in->request.method != "HEAD";
  in->credential = inputs.authenticator.read(in->request);
  Result<Route> route = parse_target(in->request.target);
  if (!route) {
    in->problem = std::move(route.error());
    return in;
  }
  in->route = std::move(*route);
  if (in->route.endpoint == Endpoint::Resource) in->verb = verb_of(in->request.method, in->route);
  if (in->route.endpoint == Endpoint::Blobs) in->verb = blob_verb(in->request.method, in->route);
  // Its signature comes first, and that takes a turn.
  if (in->route.endpoint == Endpoint::Hook) return in;
  // Nobody without a credential makes us read a body.
  const bool known =
      in->credential.kind == Credential::Kind::Known || in->credential.kind == Credential::Kind::Token;
  if (!known && in->route.endpoint != Endpoint::Health && in->route.endpoint != Endpoint::Version) return in;
  if (Result<void> filled = fill(inputs, *in); !filled) in->problem = std::move(filled.error());
  return in;
}

}  // namespace ingot::apiserver
