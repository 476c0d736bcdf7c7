// Webhooks of GitHub, GitLab, Gitea and Forgejo: who sent it, and what was pushed. Pure; any thread.
// Sources: GitHub, "Validating webhook deliveries", "Webhook events and payloads"; GitLab, "Webhooks"; Gitea, "Webhooks";
// Forgejo, "Webhooks".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace ingot::git {

// Names in lower case.
using HookHeaders = std::vector<std::pair<std::string, std::string>>;
inline constexpr size_t kLargestHook = 1u << 20;
// Of which headers we want to know.
bool is_hook_header(std::string_view lower_case_name);

// Whether the sender knows `secret`: by a keyed hash of the bytes, or (GitLab) by saying it. Takes the same time whatever
// is wrong. An unknown provider or an empty secret: never.
bool hook_is_signed(std::string_view provider, std::string_view secret, const HookHeaders&,
                    std::string_view body);

struct HookEvent {
  enum class Kind : uint8_t { Push, Ping, Other } kind = Kind::Other;
  std::string branch;  // of a push; "": to something else than a branch
  std::string commit;  // that it is at now; "": the branch is gone
  std::string
      delivery;  // what the sender calls this delivery, also when it sends it again; "": it does not say
};
// Only of what is signed. BadRequest: no such event.
Result<HookEvent> read_hook(std::string_view provider, const HookHeaders&, std::string_view body);

}  // namespace ingot::git
