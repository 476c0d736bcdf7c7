// How a Git host is told about a commit. Pure; any thread.
// Sources: GitHub REST, "Commit statuses"; GitLab REST, "Commits: set the pipeline status of a commit"; Gitea and Forgejo,
// POST /repos/{owner}/{repo}/statuses/{sha}.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "env/git.h"

namespace ingot::git {

struct ReportCall {
  bool encrypted = true;
  std::string host, port;
  std::string request;  // of HTTP/1.1, whole
};
std::expected<ReportCall, std::string> report_call(const env::GitReport&);
// The state that a Workflow's phase is.
std::string_view state_of(std::string_view phase);
// The kind of host, where the name alone says it; "" otherwise.
std::string_view provider_of(std::string_view host);

}  // namespace ingot::git
