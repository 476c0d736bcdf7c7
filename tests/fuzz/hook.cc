// What anybody may send to a webhook, and what a remote may bring: bodies, globs, URLs, signatures, known_hosts is host's.
#include <string>
#include <vector>

#include "api/remote_url.h"
#include "api/webhook.h"
#include "base/assert.h"
#include "git/globs.h"
#include "git/hook.h"
#include "git/signature.h"

using namespace ingot;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t half = text.find('\n') == text.npos ? text.size() / 2 : text.find('\n');
  const std::string first(text.substr(0, half)), second(text.substr(half));
  switch (data[0] % 5) {
    case 0:
      for (const char* provider : {"github", "gitlab", "gitea", "forgejo", "other"}) {
        const git::HookHeaders headers{{"x-github-event", "push"},     {"x-gitlab-event", "Push Hook"},
                                       {"x-gitea-event", "push"},      {"x-forgejo-event", "push"},
                                       {"x-hub-signature-256", first}, {"x-gitlab-token", first},
                                       {"x-gitea-signature", first},   {"x-forgejo-signature", first}};
        (void)git::hook_is_signed(provider, "secret", headers, second);
        const auto event = git::read_hook(provider, headers, text);
        if (event && !event->commit.empty())
          ASSERT(event->commit.find_first_not_of("0123456789abcdef") == std::string::npos);
      }
      break;
    case 1:
      (void)git::glob_matches(std::string_view(first).substr(0, 256),
                              std::string_view(second).substr(0, 4'096));
      break;
    case 2:
      if (const auto url = api::parse_remote_url(text)) ASSERT(url->host.empty() || url->host.front() != '-');
      if (const auto url = api::parse_webhook_url(text)) {
        ASSERT(!url->host.empty() && url->target.front() == '/');
        for (const std::string& part : {url->host, url->authority, url->target})
          ASSERT(part.find_first_of(" \r\n\t\\") == part.npos);
        ASSERT(url->authority.find('@') == std::string::npos);
      }
      break;
    case 3:
      (void)git::signed_by(std::vector{first}, second, text);
      break;
    case 4: {
      std::string armored = "-----BEGIN SSH SIGNATURE-----\n" + first + "\n-----END SSH SIGNATURE-----\n";
      (void)git::signed_by(std::vector{second}, armored, text);
    }
  }
  return 0;
}
