#include "apiserver/reviews.h"

#include <fmt/format.h>

#include <algorithm>

#include "apiserver/status.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using api::JsonArray;
using api::JsonObject;

Error invalid(Call& call, std::string field, std::string why) {
  Error error{.reason = Reason::Invalid,
              .message = fmt::format("{}.{} \"\" is invalid: {}: {}", call.type().kind, call.type().group,
                                     field, why)};
  error.causes.push_back({"FieldValueInvalid", std::move(field), std::move(why)});
  return error;
}

JsonObject user_info(const Identity& who) {
  JsonObject info{{"username", who.name}, {"groups", JsonArray(who.groups.begin(), who.groups.end())}};
  if (!who.uid.empty()) info["uid"] = who.uid;
  return info;
}

Outcome created(Call& call, JsonObject fields) {
  JsonObject out{
      {"kind", call.type().kind}, {"apiVersion", call.type().api_version()}, {"metadata", JsonObject{}}};
  for (auto& [name, value] : fields) out[name] = std::move(value);
  return Answer{json_reply(201, out)};
}

std::vector<std::string> texts(const Json& value, std::initializer_list<std::string_view> path) {
  std::vector<std::string> out;
  for (const Json& entry : api::array_at(value, path))
    if (entry.is_string()) out.emplace_back(entry.get_string());
  return out;
}

// "get pods", "*" and "" as upstream's SubjectAccessReview has them: an asterisk asks for everything.
Result<Outcome> review_access(Call& call, const Identity& subject) {
  const Json& body = *call.in.body;
  const Json* resource = api::find(body, {"spec", "resourceAttributes"});
  const Json* other = api::find(body, {"spec", "nonResourceAttributes"});
  if (!resource == !other)
    return fail(invalid(call, "spec.resourceAttributes",
                        "exactly one of nonResourceAttributes or resourceAttributes must be specified"));
  const auto text = [](const Json& at, std::string_view field) {
    return std::string(api::string_at(at, {field}));
  };
  bool allowed = false;
  if (resource) {
    const std::string verb = text(*resource, "verb"), group = text(*resource, "group"),
                      plural = text(*resource, "resource"), sub = text(*resource, "subresource"),
                      ns = text(*resource, "namespace"), name = text(*resource, "name");
    if (call.type().kind == "LocalSubjectAccessReview" && ns != call.route().ns)
      return fail(invalid(call, "spec.resourceAttributes.namespace", "must be the namespace of the request"));
    const Attributes asked{.verb = verb,
                           .group = group,
                           .resource = plural.empty() ? std::string_view("*") : std::string_view(plural),
                           .subresource = sub,
                           .ns = ns,
                           .name = name};
    allowed = call.access->allows(subject, asked);
  } else {
    const std::string verb = text(*other, "verb"), path = text(*other, "path");
    allowed = call.access->allows(subject, {.verb = verb, .path = path});
  }
  Json spec = *api::find(body, {"spec"});
  return created(call, {{"spec", std::move(spec)}, {"status", {{"allowed", allowed}}}});
}

Result<Outcome> review_subject(Call& call) {
  const Json& body = *call.in.body;
  Identity subject{.name = std::string(api::string_at(body, {"spec", "user"})),
                   .groups = texts(body, {"spec", "groups"}),
                   .home = call.view.cluster()};
  if (subject.name.empty() && subject.groups.empty())
    return fail(invalid(call, "spec.user", "at least one of user or group must be specified"));
  if (!call.view.is_root()) std::erase(subject.groups, std::string(kOperators));
  return review_access(call, subject);
}

Result<Outcome> review_rules(Call& call) {
  const std::string ns(api::string_at(*call.in.body, {"spec", "namespace"}));
  if (ns.empty()) return fail(invalid(call, "spec.namespace", "no namespace on request"));
  JsonArray resources, others;
  call.access->rules_for(call.who, ns, [&](const PolicyRule& rule) {
    (rule.urls.empty() ? resources : others).push_back(write_rule(rule));
    return true;
  });
  return created(call, {{"spec", JsonObject{}},
                        {"status",
                         {{"resourceRules", std::move(resources)},
                          {"nonResourceRules", std::move(others)},
                          {"incomplete", false}}}});
}

Result<Outcome> review_token(Call& call) {
  const std::string token(api::string_at(*call.in.body, {"spec", "token"}));
  if (token.empty()) return fail(invalid(call, "spec.token", "Required value"));
  std::vector<std::string> wanted = texts(*call.in.body, {"spec", "audiences"});
  if (wanted.empty()) wanted.emplace_back(kIssuer);
  const auto refused = [&](std::string why) {
    return created(call,
                   {{"spec", JsonObject{}}, {"status", {{"user", JsonObject{}}, {"error", std::move(why)}}}});
  };
  const Result<ClaimsPtr> claims = call.services.authenticator.read_token(token);
  if (!claims || (*claims)->cluster != call.view.cluster())
    return refused("the token is not of this cluster");
  JsonArray audiences;
  for (const std::string& audience : wanted)
    if (std::ranges::find((*claims)->audiences, audience) != (*claims)->audiences.end())
      audiences.emplace_back(audience);
  if (audiences.empty()) return refused("the token is not for these audiences");
  const Result<Identity> who = call.factory.check_claims(call.services, **claims);
  if (!who) return refused("the token has expired or its ServiceAccount or Pod is gone");
  return created(
      call, {{"spec", JsonObject{}},
             {"status",
              {{"authenticated", true}, {"user", user_info(*who)}, {"audiences", std::move(audiences)}}}});
}

// Which pod a token is bound to; the pod must be there and use the account.
Result<void> bind_to_pod(Call& call, const Json& reference, TokenClaims& claims) {
  const std::string kind(api::string_at(reference, {"kind"})), name(api::string_at(reference, {"name"})),
      uid(api::string_at(reference, {"uid"}));
  const auto bad = [&](std::string why) {
    return fail(about({.reason = Reason::Invalid, .message = "spec.boundObjectRef: " + std::move(why)},
                      call.type(), claims.account));
  };
  if (kind != "Pod")
    return bad(fmt::format("Unsupported value: \"{}\": supported values: \"Pod\"", kind.substr(0, 40)));
  if (name.empty() || name.find('/') != name.npos) return bad("name: Required value");
  const api::ObjectPtr pod = call.view.get("pods", claims.ns, name);
  if (!pod) return fail({.reason = Reason::NotFound, .message = fmt::format("pods \"{}\" not found", name)});
  const Json value = pod->parse();
  if (api::string_at(value, {"spec", "serviceAccountName"}) != claims.account)
    return bad(fmt::format("pod {} does not use ServiceAccount {}", name, claims.account));
  if (!uid.empty() && uid != uid_of(value))
    return fail(
        conflict(call.type(), claims.account,
                 fmt::format("the UID in the bound object reference ({}) does not match the UID in record. "
                             "The object might have been deleted and then recreated",
                             uid)));
  claims.pod = name;
  claims.pod_uid = uid_of(value);
  return {};
}
}  // namespace

bool is_review(const api::Resource& type) {
  return type.group == "authorization.k8s.io" || type.group == "authentication.k8s.io";
}

Result<Outcome> answer_review(Call& call) {
  const std::string& kind = call.type().kind;
  if (kind == "SelfSubjectAccessReview") return review_access(call, call.who);
  if (kind == "SelfSubjectRulesReview") return review_rules(call);
  if (kind == "SubjectAccessReview" || kind == "LocalSubjectAccessReview") return review_subject(call);
  if (kind == "TokenReview") return review_token(call);
  if (kind == "SelfSubjectReview") return created(call, {{"status", {{"userInfo", user_info(call.who)}}}});
  return fail(not_found(call.type(), ""));
}

Result<Outcome> issue_token(Call& call) {
  constexpr int64_t kDefault = 3600, kLeast = 600, kMost = 48 * 3600;
  const Route& route = call.route();
  const api::ObjectPtr account = call.view.get("serviceaccounts", route.ns, route.name);
  if (!account) return fail(not_found(call.type(), route.name));
  const Json& body = *call.in.body;
  const int64_t asked = api::int_at(body, {"spec", "expirationSeconds"}).value_or(kDefault);
  if (asked < kLeast)
    return fail(
        about({.reason = Reason::Invalid,
               .message = fmt::format("spec.expirationSeconds: Invalid value: {}: may not specify a duration "
                                      "less than 10 minutes",
                                      asked)},
              call.type(), route.name));
  const WallTime now = call.services.env.clock.wall();
  TokenClaims claims{.cluster = call.view.cluster(),
                     .ns = route.ns,
                     .account = route.name,
                     .account_uid = uid_of(account->parse()),
                     .audiences = texts(body, {"spec", "audiences"}),
                     .not_before = now,
                     .expires = now + std::chrono::seconds(std::min(asked, kMost))};
  if (claims.audiences.empty()) claims.audiences.emplace_back(kIssuer);
  if (claims.audiences.size() > 16)
    return fail(Reason::Invalid, "spec.audiences: Too many: must have at most 16 items");
  const Json* reference = api::find(body, {"spec", "boundObjectRef"});
  if (reference && reference->is_object())
    if (const Result<void> bound = bind_to_pod(call, *reference, claims); !bound) return fail(bound.error());
  if (claims.pod.empty() && !node_of(call.who).empty())
    return fail(forbidden(call.type(), route.name,
                          "a node gets tokens only for a pod: spec.boundObjectRef is required"));

  const std::string token = call.services.authority.sign(token_claims(claims, now, call.new_uid()));
  JsonObject spec{{"audiences", JsonArray(claims.audiences.begin(), claims.audiences.end())},
                  {"expirationSeconds", std::min(asked, kMost)},
                  {"boundObjectRef", reference ? *reference : Json(nullptr)}};
  return Answer{
      json_reply(201, JsonObject{{"kind", "TokenRequest"},
                                 {"apiVersion", "authentication.k8s.io/v1"},
                                 {"metadata", {{"name", route.name}, {"namespace", route.ns}}},
                                 {"spec", std::move(spec)},
                                 {"status",
                                  {{"token", token}, {"expirationTimestamp", to_rfc3339(claims.expires)}}}}),
      account->revision};
}

}  // namespace ingot::apiserver
