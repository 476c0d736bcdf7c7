#include "ingot/client.h"

#include <fmt/format.h>

#include "base/time.h"
#include "host/disk_file.h"

namespace ingot {
namespace {

constexpr int kPage = 500;

Error no_factory(const std::string& data) {
  return {.reason = Reason::NotFound,
          .message = fmt::format(
              "no factory is running in {}\n  start one with `ingot up`, or name its directory with "
              "--data or INGOT_DATA",
              data)};
}

}  // namespace

Error refusal(const host::HttpsClient::Response& response) {
  const auto status = api::parse_json(response.body);
  const std::string_view message = status ? api::string_at(*status, {"message"}) : "";
  Error error{.reason = Reason::InternalError,
              .message = message.empty() ? fmt::format("the factory answered {}", response.code)
                                         : std::string(message)};
  if (response.code == 404) error.reason = Reason::NotFound;
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
  if (!record) return record;
  if (!host::is_running(*record)) return fail(no_factory(data));
  return record;
}

Result<Client> Client::open(const Common& common) {
  auto record = running_factory(common.data);
  if (!record) return fail(record.error());
  auto text = host::read_file(common.data + "/operator.kubeconfig");
  if (!text) return fail(text.error());
  auto endpoint = host::parse_kubeconfig(*text);
  if (!endpoint) return fail(endpoint.error());
  Client client;
  client.endpoint_ = std::move(*endpoint);
  auto https = host::HttpsClient::make(client.endpoint_);
  if (!https) return fail(https.error());
  client.record_ = std::move(*record);
  client.https_ = std::move(*https);
  return client;
}

Result<std::unique_ptr<host::HttpsClient>> Client::connection(Duration timeout) const {
  return host::HttpsClient::make(endpoint_, timeout);
}

Result<api::Json> Client::call(const std::string& method, const std::string& path, const api::Json* body) {
  auto response = https_->request(method, path, body ? api::to_text(*body) : "",
                                  method == "PATCH" ? "application/merge-patch+json" : "application/json");
  if (!response) return fail(response.error());
  if (response->code / 100 != 2) return fail(refusal(*response));
  return api::parse_json(response->body);
}

Result<void> Client::merge(const std::string& path, const api::Json& patch) {
  auto response = https_->request("PATCH", path, api::to_text(patch), "application/merge-patch+json");
  if (!response) return fail(response.error());
  if (response->code / 100 != 2) return fail(refusal(*response));
  return {};
}

Result<std::string> Client::text(const std::string& path) {
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
  return https_->watch(path, [&](std::string_view line) {
    const auto event = api::parse_json(line);
    return event && on_event(*event);
  });
}

}  // namespace ingot
