#include "ingot/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "host/pki.h"
#include "host/status.h"

namespace ingot {
namespace {

constexpr std::string_view kOperators = "ingot:operators";
constexpr int64_t kLongestTtl_s = 366 * 24 * 3600;

struct Wish {
  std::string tenant, user;
  std::vector<std::string> groups;
  int64_t ttl_s = 0;
};

std::unexpected<Error> invalid(std::string message) { return fail(Reason::BadRequest, std::move(message)); }

bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c != 0x7f; });
}

// What `system:` names mean is the factory's to say; the one exception is a tenant's administrator.
bool is_allowed_group(std::string_view group) {
  return is_plain(group) &&
         (group == "system:masters" || !(group.starts_with("system:") || group.starts_with("ingot:")));
}

Result<Wish> read_wish(const apiserver::ExtraRequest& request) {
  Wish wish{.tenant = request.query("tenant"), .user = request.query("user")};
  if (wish.tenant.empty()) return invalid("tenant: required");
  if (!is_plain(wish.user) || wish.user.starts_with("system:"))
    return invalid(
        fmt::format("user \"{}\": at most 64 characters without spaces, and not one of system:…", wish.user));
  std::string rest = request.query("groups");
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    wish.groups.push_back(rest.substr(0, end));
    rest.erase(0, end + 1);
    if (!is_allowed_group(wish.groups.back()) || wish.groups.size() > 16)
      return invalid(
          fmt::format("group \"{}\": at most 16 groups of 64 characters, none of system:… or ingot:… but "
                      "system:masters",
                      wish.groups.back()));
  }
  if (wish.groups.empty()) wish.groups.emplace_back("system:masters");
  const std::string ttl = request.query("ttlSeconds");
  std::from_chars(ttl.data(), ttl.data() + ttl.size(), wish.ttl_s);
  if (wish.ttl_s <= 0 || wish.ttl_s > kLongestTtl_s)
    return invalid("ttl: more than nothing and at most 366 days");
  return wish;
}

Result<std::string> issue(store::Turn& turn, const Wish& wish, apiserver::Authority& authority,
                          const std::string& url) {
  const auto tenant = turn.get(api::Key(kRootCluster, "tenants.factory.ingot.dev", "", wish.tenant));
  const api::Json object = tenant ? tenant->parse() : api::Json();
  const ClusterId cluster(std::string(api::string_at(object, {"status", "cluster"})));
  if (cluster.value.empty())
    return fail(Reason::NotFound, fmt::format("tenants.factory.ingot.dev \"{}\" not found", wish.tenant));
  auto pair = authority.client_certificate({.name = wish.user, .groups = wish.groups, .home = cluster},
                                           std::chrono::seconds(wish.ttl_s));
  if (!pair) return fail(pair.error());
  return host::kubeconfig({.server = url + "/clusters/" + wish.tenant,
                           .cluster = wish.tenant,
                           .user = wish.user,
                           .ca_pem = authority.ca_pem(),
                           .certificate_pem = pair->certificate_pem,
                           .key_pem = pair->key_pem});
}

}  // namespace

apiserver::ExtraRoute credentials_route(store::Shard& shard, apiserver::Authority& authority,
                                        std::string url) {
  const auto serve = [&shard, &authority, url = std::move(url)](apiserver::ExtraRequest request,
                                                                apiserver::ExchangePtr exchange) {
    const auto& groups = request.who.groups;
    const bool is_operator = request.who.home == kRootCluster && request.cluster == kRootCluster &&
                             std::ranges::find(groups, kOperators) != groups.end();
    auto wish = is_operator
                    ? read_wish(request)
                    : fail(Reason::Forbidden, "credentials are issued to operators, at /clusters/root only");
    if (!wish) return exchange->reply(host::status_reply(wish.error()));
    auto taken = shard.submit([exchange, wish = std::move(*wish), &authority, url](store::Turn& turn) {
      auto text = issue(turn, wish, authority, url);
      if (!text) return exchange->reply(host::status_reply(text.error()));
      apiserver::Reply reply;
      reply.body.push_back(
          std::make_shared<const std::string>(api::to_text(api::JsonObject{{"kubeconfig", *text}})));
      exchange->reply(std::move(reply));
    });
    if (!taken) exchange->reply(host::status_reply(taken.error()));
  };
  return {.group = "factory.ingot.dev", .version = "v1alpha1", .resource = "credentials", .serve = serve};
}

}  // namespace ingot
