#include "ingot/client.h"

#include <fmt/format.h>

#include "base/time.h"
#include "host/disk_file.h"
#include "ingot/kubeconfig.h"

namespace ingot {
namespace {

constexpr int kPage = 500;

Error no_factory(const std::string& data) {
  return {.reason = Reason::NotFound,
          .message = fmt::format(
              "no factory is running in {}\n  start one with `ingot up`, name its directory with --data or "
              "INGOT_DATA, or a tenant's kubeconfig with KUBECONFIG",
              data)};
}

// What is missing, in the words of the command line; "" of what has none there. A message that names the object alone
// comes from the store; one that says more is kept.
std::string missing(std::string_view kind, std::string_view name) {
  struct Noun {
    std::string_view kind, noun, list;
  };
  static constexpr Noun kNouns[] = {
      {"tenants", "tenant", "tenant list"},     {"namespaces", "namespace", ""},
      {"datasets", "data set", "dataset list"}, {"repositories", "repository", "repo list"},
      {"workflows", "run", "runs list"},        {"models", "model", "model list"},
      {"budgets", "budget", "budget list"},     {"gates", "gate", "gate list"},
  };
  for (const Noun& n : kNouns)
    if (n.kind == kind)
      return fmt::format("there is no {} {}{}", n.noun, name,
                         n.list.empty() ? "" : fmt::format("\n  `ingot {}` shows what there is", n.list));
  return "";
}

}  // namespace

Error refusal(const host::HttpsClient::Response& response) {
  const auto status = api::parse_json(response.body);
  const std::string_view message = status ? api::string_at(*status, {"message"}) : "";
  Error error{.reason = Reason::InternalError,
              .message = message.empty() ? fmt::format("the factory answered {}", response.code)
                                         : std::string(message)};
  if (response.code == 401)
    error = {
        .reason = Reason::Unauthorized,
        .message =
            "the factory does not know these credentials, or not any more\n  ask its operator for new ones "
            "(`ingot tenant kubeconfig NAME`)"};
  if (response.code == 404) {
    error.reason = Reason::NotFound;
    error.kind = status ? api::string_at(*status, {"details", "kind"}) : "";
    error.name = status ? api::string_at(*status, {"details", "name"}) : "";
    if (auto said = missing(error.kind, error.name); !said.empty() && message.ends_with("\" not found"))
      error.message = std::move(said);
  }
  if (response.code == 409) error.reason = Reason::Conflict;
  return error;
}

std::expected<std::string, std::string> since_query(const std::string& since) {
  if (since.empty()) return "";
  const auto duration = parse_duration(since);
  if (!duration || *duration <= Duration::zero())
    return std::unexpected(fmt::format("--since \"{}\" is not a duration such as 24h or 7d", since));
  return fmt::format("sinceSeconds={}", std::chrono::duration_cast<std::chrono::seconds>(*duration).count());
}

Result<host::FactoryRecord> running_factory(const std::string& data) {
  auto record = host::read_record(data);
  if (!record && record.error().reason == Reason::NotFound) return fail(no_factory(data));
  if (!record)
    return fail(
        record.error().reason,
        record.error().message + "\n  ask as root, or as the tenant whose kubeconfig KUBECONFIG names");
  if (!host::is_running(*record)) return fail(no_factory(data));
  return record;
}

Result<Client> Client::open(const Common& common) {
  Client client;
  auto record = running_factory(common.data);
  auto text = record ? host::read_file(common.data + "/operator.kubeconfig") : fail(record.error());
  if (text) {
    auto endpoint = host::parse_kubeconfig(*text);
    if (!endpoint) return fail(endpoint.error());
    client.endpoint_ = std::move(*endpoint);
    client.record_ = std::move(*record);
    client.home_ = kRootCluster.value;
  } else {
    auto own = common.data_named ? fail(Reason::NotFound, "") : own_config();
    if (!own)
      return fail(text.error().reason,
                  text.error().message +
                      (own.error().reason == Reason::NotFound ? "" : "\n  and " + own.error().message));
    client.record_.address = fmt::format("{}:{}", own->endpoint.address, own->endpoint.port);
    client.endpoint_ = std::move(own->endpoint);
    client.home_ = std::move(own->cluster);
  }
  auto https = host::HttpsClient::make(client.endpoint_);
  if (!https) return fail(https.error());
  client.https_ = std::move(*https);
  return client;
}

std::string Client::own_api() const {
  return fmt::format("/clusters/{}/apis/factory.ingot.dev/v1alpha1", home_);
}

Result<void> Client::may(std::string_view path) const {
  if (is_operator() || !path.starts_with(std::string(kRoot) + "/")) return {};
  return fail(
      Reason::Forbidden,
      fmt::format("only the operator of the factory may ask for this, and KUBECONFIG is of tenant {}\n"
                  "  ask on the factory's machine, as root, or with the kubeconfig that `ingot tenant "
                  "kubeconfig root` gives",
                  home_));
}

Result<std::unique_ptr<host::HttpsClient>> Client::connection(Duration timeout) const {
  return host::HttpsClient::make(endpoint_, timeout);
}

Result<api::Json> Client::call(const std::string& method, const std::string& path, const api::Json* body) {
  if (auto fine = may(path); !fine) return fail(fine.error());
  auto response = https_->request(method, path, body ? api::to_text(*body) : "",
                                  method == "PATCH" ? "application/merge-patch+json" : "application/json");
  if (!response) return fail(response.error());
  if (response->code / 100 != 2) return fail(refusal(*response));
  return api::parse_json(response->body);
}

Result<void> Client::merge(const std::string& path, const api::Json& patch) {
  if (auto fine = may(path); !fine) return fine;
  auto response = https_->request("PATCH", path, api::to_text(patch), "application/merge-patch+json");
  if (!response) return fail(response.error());
  if (response->code / 100 != 2) return fail(refusal(*response));
  return {};
}

Result<std::string> Client::text(const std::string& path) {
  if (auto fine = may(path); !fine) return fail(fine.error());
  auto response = https_->request("GET", path);
  if (!response) return fail(response.error());
  if (response->code != 200) return fail(refusal(*response));
  return std::move(response->body);
}

Result<api::JsonArray> Client::list(const std::string& path) {
  api::JsonArray items;
  std::string next;
  do {
    const char joint = path.find('?') == path.npos ? '?' : '&';
    auto page =
        get(fmt::format("{}{}limit={}{}", path, joint, kPage, next.empty() ? "" : "&continue=" + next));
    if (!page) return fail(page.error());
    for (const api::Json& item : api::array_at(*page, {"items"})) items.push_back(item);
    next = api::string_at(*page, {"metadata", "continue"});
  } while (!next.empty());
  return items;
}

Result<void> Client::watch(const std::string& path, const std::function<bool(const api::Json&)>& on_event) {
  if (auto fine = may(path); !fine) return fine;
  return https_->watch(path, [&](std::string_view line) {
    const auto event = api::parse_json(line);
    return event && on_event(*event);
  });
}

}  // namespace ingot
