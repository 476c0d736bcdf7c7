// A remote's branches and what is new of them, with libgit2.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "api/parse.h"
#include "api/remote_url.h"
#include "base/encoding.h"
#include "git/globs.h"
#include "host/git_objects.h"
#include "host/known_hosts.h"

namespace ingot::host {
namespace {

constexpr std::string_view kHeads = "refs/heads/";
constexpr std::string_view kKept = "refs/ingot/";  // where what was fetched stays reachable
constexpr size_t kLongestBranch = 512, kMostReferences = 200'000;
constexpr std::string_view kTooMany = "too many objects";  // libgit2's, past GIT_OPT_SET_PACK_MAX_OBJECTS
constexpr int kMostTries = 2;  // of a credential: libgit2 asks again when it was no good

// What libgit2's callbacks need, and what they found.
struct Session {
  const GitJob& job;
  std::string host;
  uint16_t port = 0;
  int tries = 0;
  std::string cause, why;  // a fault of ours, which libgit2 only hears as "no"

  // Where the user wrote the credential.
  std::string secret() const {
    return job.kind == GitJob::Kind::Checkout ? "the artifact's secrets" : "spec.secretRef";
  }

  int refuse(std::string_view with_cause, std::string because) {
    cause = with_cause;
    why = std::move(because);
    git_error_set_str(GIT_ERROR_CALLBACK, why.c_str());
    return GIT_EUSER;
  }
};

bool of_host(const Session& session, const char* url) {
  const auto parsed = api::parse_remote_url(url ? url : "");
  return parsed && parsed->host == session.host && parsed->port == session.port;
}

int give_credential(git_credential** out, const char* url, const char* user_in_url, unsigned allowed,
                    void* payload) {
  Session& session = *static_cast<Session*>(payload);
  const env::GitCredential& c = session.job.look.credential;
  // Another host, to which the remote sends us, gets nothing.
  if (!of_host(session, url))
    return session.refuse(env::kGitDenied,
                          "the remote leads to another host, which asks who we are: use its own URL");
  if (++session.tries > kMostTries)
    return session.refuse(
        env::kGitDenied, c.private_key.empty()
                             ? "the remote does not take the credential of " + session.secret()
                             : "the remote does not take the key of " + session.secret() +
                                   " (RSA keys are signed with SHA-1 here, which hosts refuse: use ed25519)");
  const std::string user = !c.username.empty() ? c.username : user_in_url ? user_in_url : "git";
  if (allowed & GIT_CREDENTIAL_USERNAME) return git_credential_username_new(out, user.c_str());
  if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) && !c.password.empty())
    return git_credential_userpass_plaintext_new(out, user.c_str(), c.password.c_str());
  if ((allowed & GIT_CREDENTIAL_SSH_MEMORY) && !c.private_key.empty())
    return git_credential_ssh_key_memory_new(out, user.c_str(), nullptr, c.private_key.c_str(),
                                             c.passphrase.c_str());
  return session.refuse(env::kGitDenied, (allowed & GIT_CREDENTIAL_SSH_MEMORY) != 0
                                             ? "the remote wants a key: " + session.secret() +
                                                   " name no Secret with an ssh-privatekey"
                                             : "the remote wants to know who asks: " + session.secret() +
                                                   " name no Secret with a password or token");
}

int check_certificate(git_cert* certificate, int valid, const char* host, void* payload) {
  Session& session = *static_cast<Session*>(payload);
  if (certificate->cert_type == GIT_CERT_X509)
    return valid ? 0
                 : session.refuse(
                       env::kGitRefused,
                       std::string("the certificate of ") + host +
                           " is not valid: it is out of date, of another name, or of an authority that the "
                           "factory's machine does not trust");
  if (certificate->cert_type != GIT_CERT_HOSTKEY_LIBSSH2) return GIT_PASSTHROUGH;
  const auto* key = reinterpret_cast<const git_cert_hostkey*>(certificate);
  if (!(key->type & GIT_CERT_SSH_RAW))
    return session.refuse(env::kGitRefused, "the server shows no key of its host");
  if (session.job.checkout.any_host_key) return 0;
  switch (known_host(session.job.look.credential.known_hosts, session.host, session.port,
                     {key->hostkey, key->hostkey_len})) {
    case HostKey::Known:
      return 0;
    case HostKey::Unknown:
      return session.refuse(env::kGitRefused, "known_hosts of " + session.secret() + " says nothing of " +
                                                  session.host + ": add what ssh-keyscan " + session.host +
                                                  " prints, once checked");
    case HostKey::Other:
      return session.refuse(env::kGitRefused, session.host + " has another key than known_hosts of " +
                                                  session.secret() + " says");
    case HostKey::Revoked:
      return session.refuse(env::kGitRefused, "the key of " + session.host + " is revoked in known_hosts");
  }
  return GIT_EUSER;
}

int watch_progress(const git_indexer_progress* progress, void* payload) {
  Session& session = *static_cast<Session*>(payload);
  if (int64_t(progress->received_bytes) > session.job.limits.room)
    return session.refuse(env::kGitNoRoom, "the tenant's repositories have no room for it");
  if (int64_t(progress->received_bytes) > session.job.limits.bytes ||
      int64_t(progress->total_objects) > session.job.limits.objects)
    return session.refuse(env::kGitTooLarge, "the repository is larger than " +
                                                 std::to_string(session.job.limits.bytes >> 20) +
                                                 " MiB or has more than " +
                                                 std::to_string(session.job.limits.objects) + " objects");
  return 0;
}

// Of the last call that failed.
std::unexpected<Error> fault(const Session& session, int code, const std::string& what) {
  const Error& connection = git_connection_fault();
  if (!connection.causes.empty()) return fail(connection);
  if (!session.cause.empty()) return fail(env::git_error(session.cause, session.why));
  const std::string text = what + ": " + git_shown(git_complaint(), 400);
  if (code == GIT_EAUTH) return fail(env::git_error(env::kGitDenied, text));
  if (code == GIT_ECERTIFICATE) return fail(env::git_error(env::kGitRefused, text));
  if (text.ends_with(std::strerror(ENOSPC)))
    return fail(env::git_error(env::kGitDiskFull, "the factory's disk is full: free space on it"));
  // The pack says how many before any of them comes.
  if (text.ends_with(kTooMany)) return fail(env::git_error(env::kGitTooLarge, text));
  const int kind = git_error_last() ? git_error_last()->klass : 0;
  const bool garbage = kind == GIT_ERROR_INDEXER || kind == GIT_ERROR_ODB || kind == GIT_ERROR_ZLIB ||
                       kind == GIT_ERROR_INVALID || kind == GIT_ERROR_REPOSITORY || kind == GIT_ERROR_OBJECT;
  return fail(env::git_error(garbage ? env::kGitBroken : env::kGitUnreachable, text));
}

git_remote_callbacks callbacks_of(Session& session) {
  git_remote_callbacks callbacks = GIT_REMOTE_CALLBACKS_INIT;
  callbacks.credentials = give_credential;
  callbacks.certificate_check = check_certificate;
  callbacks.transfer_progress = watch_progress;
  callbacks.payload = &session;
  return callbacks;
}

// Which branches there are, of those that are meant.
Result<env::GitSeen> read_tips(git_remote* remote, const env::GitLook& look, Session& session) {
  const git_remote_head** heads = nullptr;
  size_t count = 0;
  if (const int code = git_remote_ls(&heads, &count, remote); code != 0)
    return fault(session, code, "cannot list the remote's branches");
  env::GitSeen seen;
  for (size_t i = 0; i < count; ++i) {
    const std::string_view name = heads[i]->name ? heads[i]->name : "";
    const std::string_view target = heads[i]->symref_target ? heads[i]->symref_target : "";
    if (name == "HEAD" && target.starts_with(kHeads)) seen.head = target.substr(kHeads.size());
    if (!name.starts_with(kHeads) || name.size() > kLongestBranch || !api::is_utf8(name)) continue;
    const std::string_view branch = name.substr(kHeads.size());
    if (!git::any_matches(look.branches, branch)) continue;
    seen.tips.emplace(branch, git_text(heads[i]->oid));
    if (seen.tips.size() > kMostBranches)
      return fail(env::git_error(env::kGitTooLarge, "the remote has more than " +
                                                        std::to_string(kMostBranches) +
                                                        " branches that spec.branches means"));
  }
  return seen;
}

void find_changes(const env::GitLook& look, env::GitSeen& seen) {
  for (const auto& [branch, commit] : seen.tips) {
    const auto known = look.seen.find(branch);
    if (known != look.seen.end() && known->second == commit) continue;
    if (look.first && branch != seen.head) continue;
    if (seen.changes.size() == kMostChanges) {
      seen.more = true;
      break;
    }
    seen.changes.push_back(
        {.branch = branch, .commit = commit, .before = known == look.seen.end() ? "" : known->second});
  }
}

// Flat and of one length, whatever a branch is called: a name with many steps would be as many directories.
std::string kept_name(const std::string& branch) { return std::string(kKept) + hex(sha256(branch)); }

// References of branches that are no more: who renames them all the time fills no disk.
void drop_others(git_repository* repository, const std::map<std::string, std::string>& tips) {
  std::set<std::string> names;
  for (const auto& [branch, commit] : tips) names.insert(kept_name(branch));
  git_strarray all{};
  if (git_reference_list(&all, repository) != 0) return;
  for (size_t i = 0; i < all.count; ++i)
    if (std::string_view(all.strings[i]).starts_with(kKept) && !names.contains(all.strings[i]))
      git_reference_remove(repository, all.strings[i]);
  git_strarray_dispose(&all);
}

Result<void> keep(git_repository* repository, const std::string& branch, const std::string& commit) {
  git_oid id;
  git_reference* made = nullptr;
  git_oid_fromstr(&id, commit.c_str());
  if (git_reference_create(&made, repository, kept_name(branch).c_str(), &id, 1, nullptr) != 0)
    return fail(env::git_error(env::kGitBroken,
                               "cannot keep branch " + branch + ": " + git_shown(git_complaint(), 200)));
  git_reference_free(made);
  return {};
}

Result<void> download(git_remote* remote, std::vector<std::string> specs, Session& session) {
  std::vector<char*> texts;
  for (std::string& spec : specs) texts.push_back(spec.data());
  const git_strarray list{texts.data(), texts.size()};
  git_fetch_options options = GIT_FETCH_OPTIONS_INIT;
  options.callbacks = callbacks_of(session);
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
  options.update_fetchhead = 0;
  if (const int code = git_remote_download(remote, &list, &options); code != 0)
    return fault(session, code, "cannot fetch");
  return {};
}

Result<void> fetch(git_repository* repository, git_remote* remote, const env::GitSeen& seen,
                   Session& session) {
  std::vector<std::string> specs;
  for (const env::GitChange& change : seen.changes)
    if (!git_find_commit(repository, change.commit))
      specs.push_back("+" + std::string(kHeads) + change.branch + ":" + kept_name(change.branch));
  if (!specs.empty())
    if (auto done = download(remote, std::move(specs), session); !done) return done;
  drop_others(repository, seen.tips);
  for (const env::GitChange& change : seen.changes) {
    if (auto found = git_find_commit(repository, change.commit); !found) return fail(found.error());
    if (auto kept = keep(repository, change.branch, change.commit); !kept) return kept;
  }
  return {};
}

// The remote's references by name.
std::map<std::string, git_oid> references_of(git_remote* remote) {
  std::map<std::string, git_oid> out;
  const git_remote_head** heads = nullptr;
  size_t count = 0;
  if (git_remote_ls(&heads, &count, remote) != 0) return out;
  for (size_t i = 0; i < count && out.size() < kMostReferences; ++i)
    if (heads[i]->name) out.emplace(heads[i]->name, heads[i]->oid);
  return out;
}

// The reference that is meant, by the names that people have for it; "": there is none.
std::string reference_for(const std::map<std::string, git_oid>& all, const GitCheckout& c) {
  if (c.revision.empty() && c.branch.empty()) return all.contains("HEAD") ? "HEAD" : "";
  const std::string& want = c.revision.empty() ? c.branch : c.revision;
  std::string_view plain = want;
  if (plain.starts_with("origin/")) plain.remove_prefix(7);
  for (const std::string_view before :
       {std::string_view(), kHeads, std::string_view("refs/tags/"), std::string_view("refs/")})
    for (const std::string_view name : {std::string_view(want), plain})
      if (const std::string whole = std::string(before) + std::string(name);
          whole.starts_with("refs/") && all.contains(whole))
        return whole;
  return "";
}

std::vector<std::string> specs_for(const std::string& reference, const GitCheckout& c) {
  const std::string kept(kKept);
  if (!reference.empty()) return {"+" + reference + ":" + kept + "one"};
  std::vector<std::string> out;
  if (c.single_branch && !c.branch.empty())
    out.push_back("+" + std::string(kHeads) + c.branch + ":" + kept + "one");
  else
    out = {"+refs/heads/*:refs/ingot/heads/*", "+refs/tags/*:refs/ingot/tags/*"};
  for (const std::string& more : c.fetch) {
    std::string from = more.substr(more.starts_with('+') ? 1 : 0);
    from = from.substr(0, from.find(':'));
    const bool many = from.ends_with("/*");
    out.push_back("+" + from + ":" + kept + "more" + std::to_string(out.size()) + (many ? "/*" : ""));
  }
  return out;
}

}  // namespace

Result<std::string> git_checkout(git_repository* repository, const GitJob& job) {
  Session session{.job = job};
  if (const auto parsed = api::parse_remote_url(job.look.url)) {
    session.host = parsed->host;
    session.port = parsed->port;
  }
  git_remote* made = nullptr;
  if (const int code = git_remote_create_anonymous(&made, repository, job.look.url.c_str()); code != 0)
    return fault(session, code, "cannot use git.repo");
  const GitRemotePtr remote(made);
  git_remote_callbacks callbacks = callbacks_of(session);
  if (const int code = git_remote_connect(remote.get(), GIT_DIRECTION_FETCH, &callbacks, nullptr, nullptr);
      code != 0)
    return fault(session, code, "cannot reach the remote");
  const auto all = references_of(remote.get());
  const GitCheckout& c = job.checkout;
  const std::string reference = reference_for(all, c);
  git_oid id{};
  if (!reference.empty())
    id = all.at(reference);
  else if (c.revision.size() != 40 || git_oid_fromstr(&id, c.revision.c_str()) != 0)
    return fail(
        env::git_error(env::kGitBroken, c.revision.empty() && c.branch.empty()
                                            ? "the remote has no branch of its own: name one"
                                            : "the remote has no \"" +
                                                  git_shown(c.revision.empty() ? c.branch : c.revision, 200) +
                                                  "\": a branch, a tag or a whole commit id"));
  if (auto done = download(remote.get(), specs_for(reference, c), session); !done) return fail(done.error());
  git_object *found = nullptr, *commit = nullptr;
  if (git_object_lookup(&found, repository, &id, GIT_OBJECT_ANY) != 0)
    return fail(env::git_error(env::kGitBroken, "the remote has not sent commit " + git_text(id)));
  const std::unique_ptr<git_object, Deleter<git_object_free>> owned(found);
  if (git_object_peel(&commit, found, GIT_OBJECT_COMMIT) != 0)
    return fail(env::git_error(env::kGitBroken, git_text(id) + " is no commit"));
  const std::unique_ptr<git_object, Deleter<git_object_free>> peeled(commit);
  const std::string text = git_text(*git_object_id(commit));
  if (c.without_submodules) return text;
  git_tree* tree = nullptr;
  if (git_commit_tree(&tree, reinterpret_cast<git_commit*>(commit)) != 0)
    return fail(env::git_error(env::kGitBroken, "commit " + text + " has no tree"));
  const GitTreePtr kept(tree);
  if (git_tree_entry_byname(tree, ".gitmodules"))
    return fail(Reason::Invalid,
                "it has submodules, which are not fetched: disableSubmodules: true takes the rest");
  return text;
}

std::string git_shown(std::string_view bytes, size_t most) {
  std::string text(bytes.substr(0, most));
  if (!api::is_utf8(text))
    for (char& c : text)
      if (c < 0) c = '?';
  for (char& c : text)
    if (c >= 0 && c < 0x20) c = ' ';
  return text;
}

Result<GitCommitPtr> git_find_commit(git_repository* repository, const std::string& commit) {
  git_oid id;
  git_commit* found = nullptr;
  if (git_oid_fromstr(&id, commit.c_str()) != 0 || git_commit_lookup(&found, repository, &id) != 0)
    return fail(env::git_error(env::kGitBroken, "the remote has not sent commit " + commit));
  return GitCommitPtr(found);
}

Result<env::GitSeen> git_look(git_repository* repository, const GitJob& job, const std::string& url) {
  Session session{.job = job};
  if (const auto parsed = api::parse_remote_url(job.look.url)) {
    session.host = parsed->host;
    session.port = parsed->port;
  }
  git_remote* made = nullptr;
  if (const int code = git_remote_create_anonymous(&made, repository, url.c_str()); code != 0)
    return fault(session, code, "cannot use spec.url");
  const GitRemotePtr remote(made);
  git_remote_callbacks callbacks = callbacks_of(session);
  if (const int code = git_remote_connect(remote.get(), GIT_DIRECTION_FETCH, &callbacks, nullptr, nullptr);
      code != 0)
    return fault(session, code, "cannot reach the remote");
  auto seen = read_tips(remote.get(), job.look, session);
  if (!seen) return seen;
  find_changes(job.look, *seen);
  if (auto fetched = fetch(repository, remote.get(), *seen, session); !fetched) return fail(fetched.error());
  const auto head = seen->tips.find(seen->head);
  for (env::GitChange& change : seen->changes)
    git_read_change(repository, job.look,
                    head != seen->tips.end() && change.branch != seen->head ? head->second : "", change);
  return seen;
}

}  // namespace ingot::host
