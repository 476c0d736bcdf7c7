#include "host/source_pack.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>

#include "data/ignore.h"
#include "host/archive_write.h"
#include "host/beneath.h"

namespace ingot::host {
namespace {

using Type = ArchiveEntry::Type;

constexpr int kDeepest = 128;
constexpr size_t kMostSeen = 1'000'000;  // entries that are looked at, to say what is too much
constexpr size_t kLongestRules = 1u << 20;
constexpr std::string_view kIgnoreFiles[] = {".gitignore", ".ingotignore"};
constexpr size_t kNamed = 5;

std::unexpected<Error> cannot(std::string_view what, const std::string& name) {
  return fail(errno == ENOENT ? Reason::NotFound : Reason::BadRequest,
              fmt::format("cannot {} {}: {}", what, name, std::strerror(errno)));
}

std::string size_text(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, kUnits[unit]);
}

// What a file says, "" where there is none. Links are not followed, as git does not.
Result<std::string> rules_in(int directory, const std::string& name, const std::string& shown) {
  const Fd file = open_beneath(directory, name, O_RDONLY | O_NONBLOCK);
  struct stat about{};
  if (!file || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return "";
  if (size_t(about.st_size) > kLongestRules)
    return fail(Reason::Invalid, fmt::format("{} is longer than {}", shown, size_text(kLongestRules)));
  std::string text(size_t(about.st_size), '\0');
  size_t at = 0;
  for (ssize_t n; at < text.size(); at += size_t(n))
    if ((n = ::read(file.get(), text.data() + at, text.size() - at)) <= 0) break;
  text.resize(at);
  return text;
}

class Packing {
 public:
  Packing(const std::string& path, const PackOptions& options) : path_(path), options_(options) {}

  Result<Packed> run() {
    root_ = Fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) return cannot("read", path_);
    if (auto read = rules_above(); !read) return fail(read.error());
    if (auto walked = walk(root_.get(), "", 0); !walked) return fail(walked.error());
    if (bytes_ > options_.most_bytes || files_ > options_.most_files) return too_much();
    return write();
  }

 private:
  // Those of the repository that the directory is in.
  Result<void> rules_above() {
    std::error_code error;
    const std::filesystem::path here = std::filesystem::canonical(path_, error);
    std::filesystem::path top = here;
    if (error) return {};
    while (!std::filesystem::exists(top / ".git", error)) {
      if (top == top.parent_path()) return {};
      top = top.parent_path();
    }
    const Fd repository(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!repository) return {};
    if (auto read = add_rules(repository.get(), ".git/info/exclude", ""); !read) return read;
    if (top == here) return {};
    const std::filesystem::path below = here.lexically_relative(top);
    std::filesystem::path directory;
    for (const std::filesystem::path& step : below) {
      for (const std::string_view file : kIgnoreFiles)
        if (auto read = add_rules(repository.get(), directory / file, directory); !read) return read;
      directory /= step;
    }
    prefix_ = below.string() + "/";
    return {};
  }

  Result<void> add_rules(int in, const std::string& name, const std::string& directory) {
    const auto text = rules_in(in, name, name);
    if (!text) return fail(text.error());
    rules_.add(directory, *text);
    return {};
  }

  Result<std::vector<std::string>> names_in(int directory, const std::string& shown) {
    DIR* entries = ::fdopendir(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (entries == nullptr) return cannot("read", shown);
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(entries, ::closedir);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(entries)) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == ".." || name == ".git") continue;
      if (++seen_ > kMostSeen)
        return fail(
            Reason::RequestEntityTooLarge,
            fmt::format("{} holds more than a million files: run it from a directory of its own", path_));
      names.emplace_back(name);
    }
    std::ranges::sort(names);
    return names;
  }

  Result<void> walk(int directory, const std::string& below, int depth) {
    const std::string shown = below.empty() ? path_ : path_ + "/" + below.substr(0, below.size() - 1);
    if (depth > kDeepest) return fail(Reason::Invalid, fmt::format("{} lies too deep", shown));
    const auto names = names_in(directory, shown);
    if (!names) return fail(names.error());
    const size_t mark = rules_.mark();
    const std::string whole = prefix_ + below;
    for (const std::string_view file : kIgnoreFiles) {
      const auto text = rules_in(directory, std::string(file), shown + "/" + std::string(file));
      if (!text) return fail(text.error());
      rules_.add(std::string_view(whole).substr(0, whole.empty() ? 0 : whole.size() - 1), *text);
    }
    for (const std::string& name : *names)
      if (auto done = one(directory, name, below + name, depth); !done) return done;
    rules_.back_to(mark);
    return {};
  }

  Result<void> one(int directory, const std::string& step, const std::string& name, int depth) {
    struct stat about{};
    if (::fstatat(directory, step.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return cannot("read", name);
    const bool is_directory = S_ISDIR(about.st_mode);
    if (depth == 0 && name == options_.emptied) return {};
    if (rules_.leaves_out(prefix_ + name, is_directory)) return {};
    if (is_directory) {
      entries_.push_back({.name = name, .type = Type::Directory, .mode = 0755});
      const Fd below = open_beneath(directory, step, O_RDONLY | O_DIRECTORY);
      return below ? walk(below.get(), name + "/", depth + 1) : cannot("read", name);
    }
    if (S_ISLNK(about.st_mode)) return link(directory, step, name);
    if (!S_ISREG(about.st_mode)) {
      left_out_.push_back(name);
      return {};
    }
    entries_.push_back(
        {.name = name, .mode = (about.st_mode & 0100) != 0 ? 0755u : 0644u, .size = about.st_size});
    bytes_ += about.st_size;
    ++files_;
    return {};
  }

  Result<void> link(int directory, const std::string& step, const std::string& name) {
    char target[4096];
    const ssize_t n = ::readlinkat(directory, step.c_str(), target, sizeof target);
    if (n < 0) return cannot("read", name);
    const std::string_view to(target, size_t(n));
    if (!link_stays(name, to))
      return fail(Reason::Invalid,
                  fmt::format("{} is a link to {}, which leads out of {}\n  name it in .ingotignore, "
                              "or copy what it stands for",
                              name, to, path_));
    entries_.push_back({.name = name, .type = Type::Link, .mode = 0777, .target = std::string(to)});
    ++files_;
    return {};
  }

  // The parts that make it so, each as far down as it is one directory that does.
  std::unexpected<Error> too_much() const {
    std::map<std::string, std::map<std::string, int64_t>> below;  // of a directory: what is in it
    for (const ArchiveEntry& e : entries_) {
      std::string at = e.name;
      if (e.type == Type::Directory) continue;
      for (size_t slash; (slash = at.rfind('/')) != at.npos; at.resize(slash))
        below[at.substr(0, slash)][at] += e.size;
      below[""][at] += e.size;
    }
    std::vector<std::pair<int64_t, std::string>> parts;
    for (const auto& [name, bytes] : below[""]) parts.emplace_back(bytes, name);
    for (auto& [bytes, name] : parts)
      while (below.contains(name)) {
        const auto largest =
            std::ranges::max_element(below[name], {}, [](const auto& p) { return p.second; });
        if (largest->second * 10 < bytes * 9) break;
        bytes = largest->second;
        name = largest->first;
      }
    std::ranges::sort(parts, std::greater());
    std::string text =
        fmt::format("{} holds {} in {} files; a run takes along no more than {} and {} files", path_,
                    size_text(bytes_), files_, size_text(options_.most_bytes), options_.most_files);
    for (const auto& [bytes, name] :
         std::vector(parts.begin(), parts.begin() + long(std::min(kNamed, parts.size()))))
      text += fmt::format("\n  {:>10}  {}{}", size_text(bytes), name, below.contains(name) ? "/" : "");
    text +=
        "\n  name what the run does not need in .gitignore or .ingotignore, keep data with `ingot dataset "
        "add`, or "
        "raise --max-size";
    return fail(Reason::RequestEntityTooLarge, std::move(text));
  }

  Result<Packed> write() {
    Packed out;
    std::string name = (std::filesystem::temp_directory_path() / "ingot-pack-XXXXXX").string();
    out.archive = Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!out.archive) return cannot("write", name);
    ::unlink(name.c_str());
    Sha256 hash;
    const Sink sink = [&](std::string_view piece) -> Result<void> {
      hash.add(piece);
      out.packed += int64_t(piece.size());
      if (write_all(out.archive.get(), piece)) return {};
      return cannot("write", name);
    };
    const std::unique_ptr<ArchiveWriter> archive = tar_writer(sink, 1);
    const auto directory = [](const std::string& name) {
      return ArchiveEntry{.name = name, .type = Type::Directory, .mode = 0755};
    };
    if (!options_.emptied.empty()) entries_.insert(entries_.begin(), directory(options_.emptied));
    if (!options_.below.empty())
      if (auto added = archive->add(directory(options_.below), {}); !added) return fail(added.error());
    for (const ArchiveEntry& e : entries_)
      if (auto added = add(*archive, e); !added) return fail(added.error());
    if (auto done = archive->finish(); !done) return fail(done.error());
    out.digest = hash.finish();
    out.bytes = bytes_;
    out.files = files_;
    out.left_out = std::move(left_out_);
    return out;
  }

  Result<void> add(ArchiveWriter& archive, const ArchiveEntry& e) const {
    ArchiveEntry packed = e;
    if (!options_.below.empty()) packed.name = options_.below + "/" + e.name;
    if (e.type != Type::File) return archive.add(packed, {});
    const Fd file = open_beneath(root_.get(), e.name, O_RDONLY | O_NONBLOCK);
    struct stat about{};
    if (!file || ::fstat(file.get(), &about) != 0) return cannot("read", e.name);
    if (!S_ISREG(about.st_mode))
      return fail(Reason::Conflict, fmt::format("{} became something else while it was read", e.name));
    ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    return archive.add(packed, [&](char* to, size_t most) -> Result<size_t> {
      const ssize_t n = ::read(file.get(), to, most);
      if (n < 0) return cannot("read", e.name);
      options_.progress(bytes_, n);
      return size_t(n);
    });
  }

  const std::string path_;
  const PackOptions& options_;
  Fd root_;
  std::string prefix_;  // of the directory in its repository: "a/b/"
  data::IgnoreRules rules_;
  std::vector<ArchiveEntry> entries_;  // in the order of their names
  std::vector<std::string> left_out_;
  int64_t bytes_ = 0;
  size_t files_ = 0, seen_ = 0;
};

}  // namespace

Result<Packed> pack_source(const std::string& directory, const PackOptions& options) {
  return Packing(directory, options).run();
}

}  // namespace ingot::host
