#include "apiserver/authn.h"

#include <fmt/format.h>

#include <algorithm>

#include "apiserver/rbac.h"
#include "base/encoding.h"

namespace ingot::apiserver {
namespace {
using api::Json;

constexpr size_t kMostToken = 16 * 1024;

WallTime seconds(std::optional<int64_t> value) {
  constexpr int64_t kMost = 1'000'000'000'000;  // far beyond any date, still safe to multiply
  return WallTime(std::chrono::seconds(std::clamp(value.value_or(0), int64_t{0}, kMost)));
}

bool is_cluster_id(std::string_view id) {
  return !id.empty() && id.size() <= 16 &&
         std::ranges::all_of(id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

// A name in a key's part; the token is ours, this guards against a mistake in signing, not against a client.
bool is_part(std::string_view text) { return !text.empty() && text.find('/') == text.npos; }

Result<ClaimsPtr> read_claims(const Json& value) {
  auto claims = std::make_shared<TokenClaims>();
  claims->cluster = ClusterId(std::string(api::string_at(value, {"ingot.dev/cluster"})));
  claims->ns = api::string_at(value, {"kubernetes.io", "namespace"});
  claims->account = api::string_at(value, {"kubernetes.io", "serviceaccount", "name"});
  claims->account_uid = api::string_at(value, {"kubernetes.io", "serviceaccount", "uid"});
  claims->pod = api::string_at(value, {"kubernetes.io", "pod", "name"});
  claims->pod_uid = api::string_at(value, {"kubernetes.io", "pod", "uid"});
  for (const Json& audience : api::array_at(value, {"aud"}))
    if (audience.is_string()) claims->audiences.emplace_back(audience.get_string());
  claims->not_before = seconds(api::int_at(value, {"nbf"}));
  claims->expires = seconds(api::int_at(value, {"exp"}));
  const bool whole = api::string_at(value, {"iss"}) == kIssuer && is_cluster_id(claims->cluster.value) &&
                     is_part(claims->ns) && is_part(claims->account) && !claims->account_uid.empty() &&
                     (claims->pod.empty() || (is_part(claims->pod) && !claims->pod_uid.empty()));
  if (!whole) return fail(unauthorized());
  return claims;
}

// Groups that mean something only when the control plane `root` issued them.
void strip_reserved(Identity& who) {
  if (who.home == kRootCluster) return;
  std::erase_if(who.groups, [](const std::string& group) { return group == kOperators || group == kNodes; });
}
}  // namespace

Error unauthorized() { return {.reason = Reason::Unauthorized, .message = "Unauthorized"}; }
std::string uid_of(const Json& object) { return std::string(api::string_at(object, {"metadata", "uid"})); }

Credential Authenticator::read(const Request& request) {
  Credential credential;
  if (request.identity) {
    credential.identity = *request.identity;
    const bool whole = !credential.identity.name.empty() && is_cluster_id(credential.identity.home.value);
    credential.kind = whole ? Credential::Kind::Known : Credential::Kind::Bad;
  } else if (request.certificate) {
    const PeerCertificate& peer = *request.certificate;
    credential.identity = {
        .name = peer.common_name, .groups = peer.organizations, .home = ClusterId(peer.unit)};
    const bool whole = !peer.common_name.empty() && is_cluster_id(peer.unit);
    credential.kind = whole ? Credential::Kind::Known : Credential::Kind::Bad;
  } else if (!request.authorization.empty()) {
    std::string_view value = request.authorization;
    const bool bearer = value.size() > 7 && (value.starts_with("Bearer ") || value.starts_with("bearer "));
    Result<ClaimsPtr> claims = bearer ? read_token(std::string(value.substr(7))) : fail(unauthorized());
    if (claims) credential.claims = std::move(*claims);
    credential.kind = credential.claims ? Credential::Kind::Token : Credential::Kind::Bad;
  }
  return credential;
}

Result<ClaimsPtr> Authenticator::read_token(const std::string& token) {
  if (token.size() > kMostToken) return fail(unauthorized());
  const std::string digest = sha256(token);
  {
    const std::lock_guard lock(mutex_);
    if (ClaimsPtr* known = verified_.find(digest)) return *known;
  }
  const Result<Json> value = authority_.verify(token);
  if (!value) return fail(unauthorized());
  Result<ClaimsPtr> claims = read_claims(*value);
  if (claims) {
    const std::lock_guard lock(mutex_);
    verified_.put(digest, *claims);
  }
  return claims;
}

bool Authenticator::exists(const store::Turn& turn, const api::Key& key, std::string_view uid) {
  const api::ObjectPtr object = turn.get(key);
  return object && uids_.of(object, uid_of) == uid;
}

Result<Identity> Authenticator::check_claims(const TokenClaims& claims, const store::Turn& turn,
                                             WallTime now) {
  if (now < claims.not_before || now >= claims.expires) return fail(unauthorized());
  if (!exists(turn, api::Key(claims.cluster, "serviceaccounts", claims.ns, claims.account),
              claims.account_uid))
    return fail(unauthorized());
  if (!claims.pod.empty() &&
      !exists(turn, api::Key(claims.cluster, "pods", claims.ns, claims.pod), claims.pod_uid))
    return fail(unauthorized());
  return Identity{.name = fmt::format("system:serviceaccount:{}:{}", claims.ns, claims.account),
                  .groups = {"system:serviceaccounts", fmt::format("system:serviceaccounts:{}", claims.ns),
                             std::string(kAuthenticated)},
                  .uid = claims.account_uid,
                  .home = claims.cluster};
}

Result<Identity> Authenticator::authenticate(const Credential& credential, const store::Turn& turn,
                                             WallTime now) {
  if (credential.kind == Credential::Kind::Token) {
    if (std::ranges::find(credential.claims->audiences, kIssuer) == credential.claims->audiences.end())
      return fail(unauthorized());
    return check_claims(*credential.claims, turn, now);
  }
  if (credential.kind != Credential::Kind::Known) return fail(unauthorized());
  Identity who = credential.identity;
  strip_reserved(who);
  if (!in_group(who, kAuthenticated)) who.groups.emplace_back(kAuthenticated);
  return who;
}

api::JsonObject token_claims(const TokenClaims& claims, WallTime issued, const std::string& id) {
  const auto unix_seconds = [](WallTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  api::JsonObject bound{{"namespace", claims.ns},
                        {"serviceaccount", {{"name", claims.account}, {"uid", claims.account_uid}}}};
  if (!claims.pod.empty()) bound["pod"] = {{"name", claims.pod}, {"uid", claims.pod_uid}};
  return {{"aud", api::JsonArray(claims.audiences.begin(), claims.audiences.end())},
          {"exp", unix_seconds(claims.expires)},
          {"iat", unix_seconds(issued)},
          {"nbf", unix_seconds(claims.not_before)},
          {"iss", kIssuer},
          {"jti", id},
          {"sub", fmt::format("system:serviceaccount:{}:{}", claims.ns, claims.account)},
          {"ingot.dev/cluster", claims.cluster.value},
          {"kubernetes.io", std::move(bound)}};
}

}  // namespace ingot::apiserver
