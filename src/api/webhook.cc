#include "api/webhook.h"

#include <algorithm>

#include "api/remote_url.h"

namespace ingot::api {
namespace {

constexpr size_t kLongestUrl = 2'048, kLongestName = 63;
constexpr std::string_view kEvents[] = {"registered_model.created",
                                        "model_version.created",
                                        "model_version_tag.set",
                                        "model_version_tag.deleted",
                                        "model_version_alias.created",
                                        "model_version_alias.deleted",
                                        "prompt.created",
                                        "prompt_version.created",
                                        "prompt_tag.set",
                                        "prompt_tag.deleted",
                                        "prompt_version_tag.set",
                                        "prompt_version_tag.deleted",
                                        "prompt_alias.created",
                                        "prompt_alias.deleted"};

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::span<const std::string_view> webhook_events() { return kEvents; }

std::string webhook_name_fault(std::string_view name) {
  const bool good =
      !name.empty() && name.size() <= kLongestName && is_word(name.front()) && is_word(name.back()) &&
      std::ranges::all_of(name, [](char c) { return is_word(c) || c == '.' || c == '_' || c == '-'; });
  return good ? ""
              : "must be 1 to 63 lower case letters, digits, \".\", \"_\" and \"-\", and begin and end with "
                "a letter or "
                "a digit";
}

std::expected<WebhookUrl, std::string> parse_webhook_url(std::string_view text) {
  if (text.size() > kLongestUrl) return std::unexpected("is longer than 2048 characters");
  WebhookUrl url{.encrypted = text.starts_with("https://")};
  if (!url.encrypted && !text.starts_with("http://")) return std::unexpected("must begin with https://");
  const size_t begin = text.find("//") + 2, end = std::min(text.find_first_of("/?#", begin), text.size());
  url.authority = text.substr(begin, end - begin);
  if (url.authority.find('@') != url.authority.npos)
    return std::unexpected("has credentials before the host: receivers know the factory by its signature");
  const auto host = parse_remote_url(std::string(text.substr(0, end)) + "/x");
  if (!host) return std::unexpected(host.error());
  url.host = host->host;
  url.port = host->port;
  url.target = text.substr(end);
  if (url.target.find('#') != url.target.npos) return std::unexpected("must have no \"#\"");
  if (!std::ranges::all_of(url.target, [](char c) { return c > 0x20 && c < 0x7f && c != '\\' && c != '"'; }))
    return std::unexpected("has characters that no URL has; write %20 for a space");
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

}  // namespace ingot::api
