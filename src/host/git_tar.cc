// A commit's tree as a tar.gz. The same commit gives the same bytes: entries in the tree's order, its commit's time, no
// owner. Links that lead out of the tree are refused; submodules are empty directories, as `git archive` has them.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "host/beneath.h"
#include "host/git_objects.h"

namespace ingot::host {
namespace {

constexpr size_t kBlock = 512, kDeepest = 64, kLongestPath = 4'096, kLongestName = 255;

std::unexpected<Error> refuse(std::string why) { return fail(Reason::Invalid, std::move(why)); }

class Gzip {
 public:
  explicit Gzip(int out) : out_(out) {
    deflateInit2(&stream_, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  }
  ~Gzip() { deflateEnd(&stream_); }
  Result<void> write(std::string_view bytes) { return push(bytes, Z_NO_FLUSH); }
  Result<void> finish() { return push({}, Z_FINISH); }

 private:
  Result<void> push(std::string_view bytes, int flush) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = uInt(bytes.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(buffer_);
      stream_.avail_out = sizeof buffer_;
      deflate(&stream_, flush);
      if (!write_all(out_, {buffer_, sizeof buffer_ - stream_.avail_out}))
        return fail(Reason::InternalError, "cannot hand over the source");
    } while (stream_.avail_out == 0);
    return {};
  }
  const int out_;
  z_stream stream_{};
  char buffer_[64 * 1024];
};

// One entry's header: ustar, with GNU's way of writing what is too long for it.
class TarWriter {
 public:
  TarWriter(Gzip& out, int64_t time) : out_(out), time_(time) {}

  Result<void> entry(const std::string& name, char type, unsigned mode, std::string_view bytes,
                     const std::string& target = "") {
    if (name.size() > 100)
      if (auto done = long_text('L', name); !done) return done;
    if (target.size() > 100)
      if (auto done = long_text('K', target); !done) return done;
    return plain(name, type, mode, bytes, target);
  }
  Result<void> finish() {
    if (auto done = out_.write(std::string(2 * kBlock, '\0')); !done) return done;
    return out_.finish();
  }

 private:
  Result<void> long_text(char type, const std::string& text) {
    return plain("././@LongLink", type, 0644, std::string_view(text.c_str(), text.size() + 1), "");
  }
  static void number(char* at, int width, uint64_t value) {
    for (int i = width - 2; i >= 0; --i, value >>= 3) at[i] = char('0' + (value & 7));
  }
  Result<void> plain(const std::string& name, char type, unsigned mode, std::string_view bytes,
                     const std::string& target) {
    char header[kBlock] = {};
    std::memcpy(header, name.data(), std::min<size_t>(name.size(), 100));
    number(header + 100, 8, mode);
    number(header + 108, 8, 0);
    number(header + 116, 8, 0);
    number(header + 124, 12, bytes.size());
    number(header + 136, 12, uint64_t(std::max<int64_t>(time_, 0)));
    header[156] = type;
    std::memcpy(header + 157, target.data(), std::min<size_t>(target.size(), 100));
    std::memcpy(header + 257, "ustar\00000", 8);
    std::memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    number(header + 148, 7, sum);
    header[154] = '\0';
    if (auto done = out_.write({header, kBlock}); !done) return done;
    if (auto done = out_.write(bytes); !done) return done;
    return out_.write(std::string((kBlock - bytes.size() % kBlock) % kBlock, '\0'));
  }

  Gzip& out_;
  const int64_t time_;
};

// Whether a link at `depth` directories below the top stays in the tree: up and then down, never up again, for what lies
// below may be a link itself.
bool stays_inside(std::string_view target, size_t depth) {
  if (target.empty() || target.starts_with('/') || target.find('\0') != target.npos) return false;
  bool down = false;
  while (!target.empty()) {
    const size_t slash = std::min(target.find('/'), target.size());
    const std::string_view part = target.substr(0, slash);
    target.remove_prefix(std::min(slash + 1, target.size()));
    if (part == "." || part.empty()) continue;
    if (part != "..")
      down = true;
    else if (down || depth-- == 0)
      return false;
  }
  return true;
}

bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name != ".git" && name.size() <= kLongestName &&
         name.find('/') == name.npos && name.find('\\') == name.npos;
}

class Packer {
 public:
  Packer(git_repository* repository, const GitLimits& limits, TarWriter& tar)
      : repository_(repository), limits_(limits), tar_(tar) {}

  Result<void> pack(const git_tree* tree, const std::string& above, size_t depth) {
    if (depth > kDeepest) return refuse("directories lie deeper than 64 at " + git_shown(above, 200));
    for (size_t i = 0; i < git_tree_entrycount(tree); ++i)
      if (auto done = one(git_tree_entry_byindex(tree, i), above, depth); !done) return done;
    return {};
  }

 private:
  Result<void> one(const git_tree_entry* entry, const std::string& above, size_t depth) {
    const std::string_view name = git_tree_entry_name(entry);
    const std::string path = above + std::string(name);
    if (!is_name(name) || path.size() > kLongestPath)
      return refuse("\"" + git_shown(path, 200) + "\" is no name that a file may have");
    if (++files_ > limits_.source_files)
      return refuse("there are more than " + std::to_string(limits_.source_files) + " files");
    switch (git_tree_entry_filemode(entry)) {
      case GIT_FILEMODE_TREE:
        return directory(entry, path, depth);
      case GIT_FILEMODE_COMMIT:
        return tar_.entry(path + "/", '5', 0755, {});
      case GIT_FILEMODE_LINK:
        return link(entry, path, depth);
      case GIT_FILEMODE_BLOB_EXECUTABLE:
        return file(entry, path, 0755);
      default:
        return file(entry, path, 0644);
    }
  }
  Result<void> directory(const git_tree_entry* entry, const std::string& path, size_t depth) {
    git_tree* tree = nullptr;
    if (git_tree_lookup(&tree, repository_, git_tree_entry_id(entry)) != 0)
      return refuse("directory " + git_shown(path, 200) + " is not whole");
    const GitTreePtr owned(tree);
    if (auto done = tar_.entry(path + "/", '5', 0755, {}); !done) return done;
    return pack(tree, path + "/", depth + 1);
  }
  Result<GitBlobPtr> blob(const git_tree_entry* entry, const std::string& path) {
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    git_odb* store = nullptr;
    if (git_repository_odb(&store, repository_) != 0) return refuse("the repository cannot be read");
    const int read = git_odb_read_header(&size, &type, store, git_tree_entry_id(entry));
    git_odb_free(store);
    git_blob* found = nullptr;
    // Its size first: a few bytes may claim to be any number.
    if (read == 0) bytes_ += int64_t(std::min<size_t>(size, size_t(limits_.source_bytes) + 1));
    if (read == 0 && bytes_ > limits_.source_bytes)
      return refuse("its files are larger than " + std::to_string(limits_.source_bytes >> 20) +
                    " MiB in all");
    if (read != 0 || git_blob_lookup(&found, repository_, git_tree_entry_id(entry)) != 0)
      return refuse("file " + git_shown(path, 200) + " is not whole");
    return GitBlobPtr(found);
  }
  static std::string_view contents(const GitBlobPtr& blob) {
    return {static_cast<const char*>(git_blob_rawcontent(blob.get())), size_t(git_blob_rawsize(blob.get()))};
  }
  Result<void> file(const git_tree_entry* entry, const std::string& path, unsigned mode) {
    const auto found = blob(entry, path);
    if (!found) return fail(found.error());
    return tar_.entry(path, '0', mode, contents(*found));
  }
  Result<void> link(const git_tree_entry* entry, const std::string& path, size_t depth) {
    const auto found = blob(entry, path);
    if (!found) return fail(found.error());
    const std::string target(contents(*found).substr(0, kLongestPath));
    if (!stays_inside(target, depth))
      return refuse("link " + git_shown(path, 200) + " leads out of the repository");
    return tar_.entry(path, '2', 0777, {}, target);
  }

  git_repository* const repository_;
  const GitLimits& limits_;
  TarWriter& tar_;
  int64_t files_ = 0, bytes_ = 0;
};

}  // namespace

Result<void> git_pack(git_repository* repository, const std::string& commit, const GitLimits& limits,
                      int out) {
  const auto found = git_find_commit(repository, commit);
  if (!found) return fail(found.error());
  git_tree* tree = nullptr;
  if (git_commit_tree(&tree, found->get()) != 0) return refuse("the commit's files are not whole");
  const GitTreePtr owned(tree);
  Gzip gzip(out);
  TarWriter tar(gzip, git_commit_time(found->get()));
  Packer packer(repository, limits, tar);
  if (auto packed = packer.pack(tree, "", 0); !packed) return packed;
  return tar.finish();
}

}  // namespace ingot::host
