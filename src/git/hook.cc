#include "git/hook.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "api/json.h"
#include "base/encoding.h"

namespace ingot::git {
namespace {

struct Provider {
  std::string_view name, signature, prefix, event, push, ping, delivery;
  bool hashed;
};
constexpr Provider kProviders[] = {
    {"forgejo", "x-forgejo-signature", "", "x-forgejo-event", "push", "ping", "x-forgejo-delivery", true},
    {"gitea", "x-gitea-signature", "", "x-gitea-event", "push", "ping", "x-gitea-delivery", true},
    {"github", "x-hub-signature-256", "sha256=", "x-github-event", "push", "ping", "x-github-delivery", true},
    {"gitlab", "x-gitlab-token", "", "x-gitlab-event", "Push Hook", "", "x-gitlab-event-uuid", false},
};
constexpr std::string_view kBranches = "refs/heads/";
constexpr size_t kLongestBranch = 1'024, kLongestDelivery = 128;

const Provider* find(std::string_view name) {
  const auto found = std::ranges::find(kProviders, name, &Provider::name);
  return found == std::end(kProviders) ? nullptr : found;
}

std::string_view header(const HookHeaders& headers, std::string_view name) {
  const auto found =
      std::ranges::find(headers, name, [](const auto& h) -> std::string_view { return h.first; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::string keyed_hash(std::string_view key, std::string_view bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!HMAC(EVP_sha256(), key.data(), int(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
            bytes.size(), out, &size))
    return {};
  return std::string(reinterpret_cast<const char*>(out), size);
}

bool is_commit(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

bool is_hook_header(std::string_view name) {
  return std::ranges::any_of(kProviders, [&](const Provider& p) {
    return name == p.signature || name == p.event || name == p.delivery;
  });
}

bool hook_is_signed(std::string_view provider, std::string_view secret, const HookHeaders& headers,
                    std::string_view body) {
  const Provider* p = find(provider);
  // Nobody's secret costs what somebody's does.
  const std::string_view key = secret.empty() ? std::string_view("none") : secret;
  const Provider& rules = p ? *p : kProviders[2];
  const std::string_view said = header(headers, rules.signature);
  const std::string hash = std::string(rules.prefix) + hex(keyed_hash(key, body));
  const std::string wanted = rules.hashed ? hash : std::string(key);
  // Hashed, so that neither length nor content shows.
  const bool same = equal_constant_time(sha256(said), sha256(wanted));
  return same && p && !secret.empty();
}

Result<HookEvent> read_hook(std::string_view provider, const HookHeaders& headers, std::string_view body) {
  const Provider* p = find(provider);
  if (!p) return fail(Reason::BadRequest, "no such provider of webhooks");
  HookEvent event{.delivery = std::string(header(headers, p->delivery).substr(0, kLongestDelivery))};
  const std::string_view kind = header(headers, p->event);
  if (!p->ping.empty() && kind == p->ping) {
    event.kind = HookEvent::Kind::Ping;
    return event;
  }
  if (kind != p->push) return event;
  const auto json = api::parse_json(body);
  if (!json)
    return fail(Reason::BadRequest, "the body of a webhook must be JSON (content type application/json): " +
                                        json.error().message);
  const std::string_view ref = api::string_at(*json, {"ref"}), after = api::string_at(*json, {"after"});
  if (ref.empty() || !is_commit(after))
    return fail(Reason::BadRequest, "a push must say \"ref\" and, in hexadecimal digits, \"after\"");
  event.kind = HookEvent::Kind::Push;
  if (!ref.starts_with(kBranches) || ref.size() > kLongestBranch) return event;
  event.branch = ref.substr(kBranches.size());
  if (after.find_first_not_of('0') != after.npos) event.commit = after;
  return event;
}

}  // namespace ingot::git
