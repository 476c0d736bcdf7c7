// The port to Git remotes: which commits their branches are at, and what is in those commits.
//
// Thread rule: the loop; answers are posted to it, one for each question, never inline. Invariants: an answer comes within
// a bounded time; what a remote sends is bounded in bytes, objects and depth, and so is what is kept of all remotes of a cluster;
// nothing of one repository is seen by the questions about another.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"

namespace ingot::env {

struct GitCredential {
  std::string username, password;
  std::string private_key, passphrase, known_hosts;  // of ssh
};

// Why a question has no answer: the Error's first cause has one of these as its type.
inline constexpr std::string_view kGitRefused = "RemoteRefused", kGitUnreachable = "Unreachable",
                                  kGitDenied = "AuthenticationFailed", kGitTooLarge = "TooLarge",
                                  kGitTimedOut = "TimedOut", kGitBroken = "NotUnderstood", kGitBusy = "Busy",
                                  kGitNoRoom = "StorageExceeded", kGitDiskFull = "DiskFull";

struct GitLook {
  ClusterId cluster;
  std::string repository;  // the object's uid
  std::string url;
  GitCredential credential;
  std::vector<std::string> branches, paths;  // globs; none: all
  std::map<std::string, std::string> seen;   // branch → the commit it was at
  std::string pipeline;                      // the file to read
  bool first = false;  // nothing was ever seen: only the remote's own branch is a change
};

struct GitChange {
  std::string branch, commit, before;  // before: "" when the branch is new
  bool rewritten = false;              // `before` is not among the ancestors
  std::vector<std::string> paths;      // that differ from `before`, sorted
  bool more_paths = false;             // than are told
  bool relevant = true;                // one of them is meant by the question's globs
  std::string pipeline;                // the file's text
  std::string problem;                 // why there is none
  std::string signature, signed_text;  // of the commit; "": none
  std::string subject, author;
};

struct GitSeen {
  std::string head;                         // the remote's own branch; "" where it has none
  std::map<std::string, std::string> tips;  // of the branches that match
  std::vector<GitChange> changes;  // of the tips that are not as seen: some of them, if there are many
  bool more = false;               // changes than are told
};

struct GitPack {
  ClusterId cluster;
  std::string repository, commit;  // which a look has told of
};
struct GitSource {
  Digest digest;  // of a tar.gz in the cluster's store of blobs
  int64_t bytes = 0;
};

struct GitKept {
  ClusterId cluster;
  std::string repository;
};

// What a Git host shows beside a commit.
struct GitReport {
  ClusterId cluster;
  std::string repository, url;
  std::string provider;  // github, gitlab, gitea, forgejo
  std::string token;
  std::string commit, name;        // `name`: which of several checks, "ingot/digits"
  std::string state, description;  // pending, success, failure, error
};

struct Git {
  virtual ~Git() = default;
  virtual void look(GitLook, std::move_only_function<void(Result<GitSeen>)>) = 0;
  virtual void pack(GitPack, std::move_only_function<void(Result<GitSource>)>) = 0;
  virtual void report(GitReport, std::move_only_function<void(Result<void>)>) = 0;
  // What is kept of a repository, or of all but these, is needed no more.
  virtual void forget(const std::string& repository) = 0;
  virtual void keep(std::vector<GitKept> repositories) = 0;
};

inline Error git_error(std::string_view cause, std::string message) {
  Error error{.reason = Reason::ServiceUnavailable, .message = message};
  error.causes.push_back({std::string(cause), "", std::move(message)});
  return error;
}

}  // namespace ingot::env
