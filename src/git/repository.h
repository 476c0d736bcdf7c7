// A Repository object, read; and what its status says. Pure; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/time.h"
#include "env/git.h"

namespace ingot::git {

inline constexpr std::string_view kRepositories = "repositories.factory.ingot.dev";
// Whoever sets it to another value wants the remote looked at now; status.syncedFor says for which it was.
inline constexpr std::string_view kSyncAnnotation = "factory.ingot.dev/sync";

struct Repository {
  std::string name, uid, url;
  std::vector<std::string> branches, paths, signers;
  std::string pipeline, service_account, secret, asked;
  int64_t generation = 0;
  Duration interval{};
  bool suspended = false, signed_only = false;
};
Repository read_repository(const api::Json&);

struct Branch {
  std::string commit, workflow, message;
  std::optional<WallTime> seen;
};
struct Started {
  std::string workflow, branch, commit;
};
struct RepositoryState {
  std::string url;  // of which the rest tells; "": nothing was ever seen
  std::string head, synced_for;
  std::optional<WallTime> synced;
  std::map<std::string, Branch> branches;
  std::vector<Started>
      unreported;  // what branches ran before, while the Git host may not know yet how that went
};
inline constexpr size_t kMostUnreported = 50;  // the newest
RepositoryState read_state(const api::Json&);

// Whether the repository has started the workflow for the commit, and may still speak for it.
bool speaks_for(const RepositoryState&, std::string_view workflow, std::string_view commit);
// Writes all of the state that differs; whether anything does.
bool write_state(api::Json& object, const RepositoryState&, const std::optional<Started>& newest,
                 WallTime now);
// Condition `type`, and status.lastError, what the conditions say that is wrong; whether anything is another now. `message` is cut short.
bool write_condition(api::Json& object, std::string_view type, bool good, std::string_view reason,
                     std::string_view message, WallTime now);

// Of a Secret's data: basic auth, a token, or a key of ssh and its known_hosts.
env::GitCredential credential_of(const api::Json& secret);
// One entry of a Secret, decoded; "" where there is none.
std::string secret_value(const api::Json& secret, std::string_view key);

}  // namespace ingot::git
