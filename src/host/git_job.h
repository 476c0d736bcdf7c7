// What the factory asks a Git worker, and what it is told, as JSON over the child's standard input and output. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "env/git.h"

namespace ingot::host {

struct GitLimits {
  int64_t bytes = 1 << 30;      // of what a remote sends, and of what is kept of it
  int64_t objects = 4'000'000;  // in a pack
  int64_t source_bytes = 1 << 30, source_files = 200'000;
  int64_t room = INT64_MAX;  // of what a remote sends, for there is no more to keep it in
  int seconds = 120;
};

// Of an artifact: fetched anew, its files are the answer.
struct GitCheckout {
  std::string revision, branch;  // a branch, a tag or a whole commit id; "": the branch; "": the remote's own
  std::vector<std::string> fetch;  // refspecs besides
  bool single_branch = false, any_host_key = false;
  bool without_submodules = false;  // else a commit that has some is refused, for they are not fetched
};

struct GitJob {
  enum class Kind : uint8_t { Look, Pack, Report, Checkout } kind = Kind::Look;
  env::GitLook look;   // of all the URL; of Checkout the credential
  std::string commit;  // of Pack
  GitCheckout checkout;
  env::GitReport report;  // of Report
  GitLimits limits;
};

std::string to_text(const GitJob&);
Result<GitJob> parse_git_job(std::string_view);

std::string to_text(const Result<env::GitSeen>&);
// What the child says; anything else is an error that says so.
Result<env::GitSeen> parse_git_seen(std::string_view);
std::string to_text(const Result<void>&);
Result<void> parse_git_done(std::string_view);

inline constexpr size_t kMostBranches = 1'000, kMostChanges = 4, kMostPaths = 1'000;
inline constexpr size_t kMostPathBytes = 64 * 1024, kLargestPipeline = 256 * 1024, kLargestSigned = 64 * 1024;

}  // namespace ingot::host
