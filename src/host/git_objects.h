// Owners for libgit2's values, and its errors as ours. Worker process; its one thread.
#pragma once

#include <git2.h>

#include <memory>
#include <string>

#include "base/deleter.h"
#include "env/git.h"
#include "host/git_job.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace ingot::host {

using GitRepositoryPtr = std::unique_ptr<git_repository, Deleter<git_repository_free>>;
using GitRemotePtr = std::unique_ptr<git_remote, Deleter<git_remote_free>>;
using GitCommitPtr = std::unique_ptr<git_commit, Deleter<git_commit_free>>;
using GitTreePtr = std::unique_ptr<git_tree, Deleter<git_tree_free>>;
using GitEntryPtr = std::unique_ptr<git_tree_entry, Deleter<git_tree_entry_free>>;
using GitBlobPtr = std::unique_ptr<git_blob, Deleter<git_blob_free>>;
using GitDiffPtr = std::unique_ptr<git_diff, Deleter<git_diff_free>>;

inline std::string git_text(const git_oid& id) { return git_oid_tostr_s(&id); }
inline std::string git_complaint() {
  const git_error* error = git_error_last();
  return error && error->message ? error->message : "no reason given";
}
// Text for JSON: what is no UTF-8 becomes '?'.
std::string git_shown(std::string_view bytes, size_t most);

Result<GitCommitPtr> git_find_commit(git_repository*, const std::string& commit);

// A remote's branches, and what is new of them (git_fetch.cc).
Result<env::GitSeen> git_look(git_repository*, const GitJob&, const std::string& url);
// Fetches what a Checkout wants; its commit.
Result<std::string> git_checkout(git_repository*, const GitJob&);
// Fills in what a commit says (git_read.cc). `base`: what a new branch is compared with; "": nothing.
void git_read_change(git_repository*, const env::GitLook&, const std::string& base, env::GitChange&);
// The commit's tree as a tar.gz to `out` (git_tar.cc). Invalid: a tree that no directory can be, or past a limit.
Result<void> git_pack(git_repository*, const std::string& commit, const GitLimits&, int out);

// Tells a Git host about a commit (git_report.cc); `trust`: whom to believe (worker_line.h).
Result<void> git_report(const env::GitReport&, ssl_ctx_st* trust, int connections);

// Makes libgit2 ask for connections by `handle`, and take no more than `bytes` in all (git_stream.cc).
void git_connect_by(int handle, int64_t bytes);
// Why a connection was refused, or that it sent too much; no cause: neither.
const Error& git_connection_fault();

}  // namespace ingot::host
