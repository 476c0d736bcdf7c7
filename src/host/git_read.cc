// What a commit says: its pipeline, what it changes, who signed it.
#include <cstring>

#include "api/parse.h"
#include "git/globs.h"
#include "host/git_objects.h"

namespace ingot::host {
namespace {

GitTreePtr tree_of(git_repository* repository, const std::string& commit) {
  const auto found = git_find_commit(repository, commit);
  git_tree* tree = nullptr;
  if (!found || git_commit_tree(&tree, found->get()) != 0) return nullptr;
  return GitTreePtr(tree);
}

void read_pipeline(git_repository* repository, git_tree* tree, const std::string& path,
                   env::GitChange& change) {
  git_tree_entry* entry = nullptr;
  if (git_tree_entry_bypath(&entry, tree, path.c_str()) != 0) {
    change.problem = "there is no " + path + " in this commit";
    return;
  }
  const GitEntryPtr owned(entry);
  git_blob* blob = nullptr;
  const auto mode = git_tree_entry_filemode(entry);
  if ((mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE) ||
      git_blob_lookup(&blob, repository, git_tree_entry_id(entry)) != 0) {
    change.problem = path + " is no file";
    return;
  }
  const GitBlobPtr file(blob);
  const auto size = size_t(git_blob_rawsize(blob));
  const std::string_view text(static_cast<const char*>(git_blob_rawcontent(blob)), size);
  if (size > kLargestPipeline)
    change.problem = path + " is larger than 256 KiB";
  else if (!api::is_utf8(text) || text.find('\0') != text.npos)
    change.problem = path + " is no text";
  else
    change.pipeline = text;
}

void note_path(const env::GitLook& look, const char* path, size_t& bytes, env::GitChange& change) {
  if (!path) return;
  change.relevant = change.relevant || git::any_matches(look.paths, path);
  const size_t size = std::strlen(path);
  if (change.paths.size() == kMostPaths || bytes + size > kMostPathBytes) {
    change.more_paths = true;
    return;
  }
  bytes += size;
  if (std::string shown = git_shown(path, size); change.paths.empty() || change.paths.back() != shown)
    change.paths.push_back(std::move(shown));
}

void read_paths(git_repository* repository, const env::GitLook& look, git_tree* before, git_tree* after,
                env::GitChange& change) {
  change.relevant = look.paths.empty();
  git_diff* diff = nullptr;
  git_diff_options options = GIT_DIFF_OPTIONS_INIT;
  options.flags = GIT_DIFF_SKIP_BINARY_CHECK;
  if (git_diff_tree_to_tree(&diff, repository, before, after, &options) != 0) {
    change.relevant = true;  // better once too often
    return;
  }
  const GitDiffPtr owned(diff);
  size_t bytes = 0;
  for (size_t i = 0; i < git_diff_num_deltas(diff); ++i)
    note_path(look, git_diff_get_delta(diff, i)->new_file.path, bytes, change);
}

// The commit that `change` is compared with: where the branch was, or where it left the remote's own.
std::string compared_with(git_repository* repository, const std::string& base, const env::GitChange& change) {
  if (!change.before.empty()) return git_find_commit(repository, change.before) ? change.before : "";
  git_oid one, two, common;
  if (base.empty() || git_oid_fromstr(&one, change.commit.c_str()) != 0 ||
      git_oid_fromstr(&two, base.c_str()) != 0 || git_merge_base(&common, repository, &one, &two) != 0)
    return "";
  return git_text(common);
}

bool is_rewritten(git_repository* repository, const env::GitChange& change) {
  if (change.before.empty()) return false;
  git_oid now, before;
  return git_oid_fromstr(&now, change.commit.c_str()) != 0 ||
         git_oid_fromstr(&before, change.before.c_str()) != 0 ||
         git_graph_descendant_of(repository, &now, &before) != 1;
}

void read_signature(git_repository* repository, const std::string& commit, env::GitChange& change) {
  git_oid id;
  git_buf signature = GIT_BUF_INIT, text = GIT_BUF_INIT;
  if (git_oid_fromstr(&id, commit.c_str()) == 0 &&
      git_commit_extract_signature(&signature, &text, repository, &id, nullptr) == 0 &&
      signature.size + text.size <= kLargestSigned && api::is_utf8({signature.ptr, signature.size})) {
    change.signature.assign(signature.ptr, signature.size);
    change.signed_text.assign(text.ptr, text.size);
    // It crosses over as JSON; who signs other bytes than text is not understood, which is no signature.
    if (!api::is_utf8(change.signed_text)) change.signature.clear(), change.signed_text.clear();
  }
  git_buf_dispose(&signature);
  git_buf_dispose(&text);
}

}  // namespace

void git_read_change(git_repository* repository, const env::GitLook& look, const std::string& base,
                     env::GitChange& change) {
  const auto commit = git_find_commit(repository, change.commit);
  const GitTreePtr tree = tree_of(repository, change.commit);
  if (!commit || !tree) {
    change.problem = "the commit's files are not whole";
    return;
  }
  if (const char* subject = git_commit_summary(commit->get())) change.subject = git_shown(subject, 200);
  if (const git_signature* author = git_commit_author(commit->get()); author && author->name)
    change.author = git_shown(author->name, 100);
  change.rewritten = is_rewritten(repository, change);
  const std::string other = compared_with(repository, base, change);
  const GitTreePtr before = other.empty() ? nullptr : tree_of(repository, other);
  read_paths(repository, look, before.get(), tree.get(), change);
  read_signature(repository, change.commit, change);
  read_pipeline(repository, tree.get(), look.pipeline, change);
}

}  // namespace ingot::host
