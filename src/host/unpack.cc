#include "host/unpack.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/beneath.h"
#include "host/libarchive.h"

namespace ingot::host {
namespace {

constexpr int kNoFormat = EILSEQ;  // what libarchive says of what it does not know
constexpr size_t kLongestName = 4'096, kLongestStep = 255, kDeepest = 128, kReadAtOnce = 64 << 10;

std::unexpected<Error> refused(std::string_view name, std::string_view why) {
  return fail(Reason::Invalid, fmt::format("the archive holds \"{}\": {}", name.substr(0, 200), why));
}
std::unexpected<Error> unwritten(std::string_view name) {
  if (errno == ENOSPC || errno == EDQUOT)
    return fail(Reason::InternalError, fmt::format("the disk is full: \"{}\" has no room on it", name));
  return fail(Reason::InternalError, fmt::format("cannot write \"{}\": {}", name, std::strerror(errno)));
}

std::vector<std::string_view> steps_of(std::string_view path) {
  std::vector<std::string_view> steps;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (const std::string_view step = path.substr(at, end - at); !step.empty() && step != ".")
      steps.push_back(step);
    at = end + 1;
  }
  return steps;
}

std::string joined(const std::vector<std::string_view>& steps) {
  std::string out;
  for (const std::string_view step : steps) (out += out.empty() ? "" : "/") += step;
  return out;
}

// "./a//b/" → "a/b"; "" for the directory itself.
Result<std::string> name_of(std::string_view written) {
  if (written.empty()) return fail(Reason::Invalid, "the archive holds an entry without a name");
  if (written.front() == '/') return refused(written, "an absolute path");
  if (written.size() > kLongestName) return refused(written, "its path is too long");
  const auto steps = steps_of(written);
  if (std::ranges::find(steps, "..") != steps.end()) return refused(written, "its path leads out of it");
  if (steps.size() > kDeepest) return refused(written, "it lies too deep");
  if (std::ranges::any_of(steps, [](std::string_view s) { return s.size() > kLongestStep; }))
    return refused(written, "a part of its path is too long");
  return joined(steps);
}

// A link from `name` stays beneath, as it is written.
bool stays(std::string_view name, std::string_view target) {
  if (target.empty() || target.front() == '/') return false;
  size_t depth = steps_of(name).size() - 1;
  for (const std::string_view step : steps_of(target)) {
    if (step != "..")
      ++depth;
    else if (depth-- == 0)
      return false;
  }
  return true;
}

class Unpacking {
 public:
  Unpacking(const Libarchive& lib, archive* from, int directory, const UnpackLimits& limits)
      : lib_(lib), from_(from), root_(directory), limits_(limits) {}

  Result<void> entry(archive_entry* e) {
    if (++entries_ > limits_.entries)
      return fail(Reason::RequestEntityTooLarge,
                  fmt::format("the archive holds more than {} entries", limits_.entries));
    const char* written = lib_.archive_entry_pathname(e);
    if (!written) written = lib_.archive_entry_pathname_utf8(e);
    auto name = name_of(written ? written : "");
    if (!name) return fail(name.error());
    const char* hard = lib_.archive_entry_hardlink(e);
    if (!hard) hard = lib_.archive_entry_hardlink_utf8(e);
    const mode_t mode = lib_.archive_entry_perm(e) & 0777;
    if (name->empty()) return {};
    if (hard) return hard_link(*name, hard);
    switch (lib_.archive_entry_filetype(e)) {
      case AE_IFREG:
        return file(*name, mode, lib_.archive_entry_size(e));
      case AE_IFDIR:
        return directory(*name, mode);
      case AE_IFLNK: {
        const char* target = lib_.archive_entry_symlink(e);
        if (!target) target = lib_.archive_entry_symlink_utf8(e);
        return link(*name, target ? target : "");
      }
      default:
        return refused(*name, "a device, a fifo or a socket");
    }
  }

  // What links lead to once all are there: one through another may lead out where neither does by itself.
  Result<void> look_at_links() const {
    for (const std::string& name : links_) {
      open_how how{};
      how.flags = O_PATH | O_CLOEXEC;
      how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
      const Fd there(int(::syscall(SYS_openat2, root_, name.c_str(), &how, sizeof how)));
      if (!there && errno == EXDEV) return refused(name, "a link that leads out of it");
    }
    return {};
  }

 private:
  // The directory that `name` is to be in, made where it is not there.
  Result<int> parent_of(const std::string& name) {
    const size_t slash = name.rfind('/');
    if (slash == name.npos) return root_;
    const std::string path = name.substr(0, slash);
    if (path == parent_path_ && parent_) return parent_.get();
    for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
      const std::string step = path.substr(0, end);
      if (auto made = make(step); !made) return fail(made.error());
      if (end == path.npos) break;
    }
    parent_ = open_beneath(root_, path, O_PATH | O_DIRECTORY);
    if (!parent_) return refused(name, "what should be a directory above it is none");
    parent_path_ = path;
    return parent_.get();
  }

  // One more directory in one that is there.
  Result<void> make(const std::string& path) const {
    const size_t slash = path.rfind('/');
    const Fd above =
        slash == path.npos ? Fd() : open_beneath(root_, path.substr(0, slash), O_PATH | O_DIRECTORY);
    if (slash != path.npos && !above) return refused(path, "what should be a directory above it is none");
    const int in = slash == path.npos ? root_ : above.get();
    if (::mkdirat(in, path.c_str() + (slash == path.npos ? 0 : slash + 1), 0755) != 0 && errno != EEXIST)
      return unwritten(path);
    return {};
  }

  static const char* last(const std::string& name) {
    const size_t slash = name.rfind('/');
    return name.c_str() + (slash == name.npos ? 0 : slash + 1);
  }

  Result<void> directory(const std::string& name, mode_t mode) {
    const auto in = parent_of(name);
    if (!in) return fail(in.error());
    if (::mkdirat(*in, last(name), 0700) != 0 && errno != EEXIST) return unwritten(name);
    const Fd made = open_beneath(*in, last(name), O_RDONLY | O_DIRECTORY);
    if (!made) return refused(name, "twice, as a directory and as something else");
    if (::fchmod(made.get(), mode | 0700) != 0) return unwritten(name);
    return {};
  }

  // The later one of two files of a name stands.
  Result<int> place(const std::string& name) {
    const auto in = parent_of(name);
    if (!in) return in;
    if (::unlinkat(*in, last(name), 0) != 0 && errno != ENOENT)
      return refused(name, "twice, as a directory and as something else");
    return in;
  }

  Result<void> link(const std::string& name, std::string_view target) {
    if (target.size() > kLongestName || !stays(name, target))
      return refused(name, fmt::format("a link that leads out of it, to \"{}\"", target.substr(0, 200)));
    const auto in = place(name);
    if (!in) return fail(in.error());
    if (::symlinkat(std::string(target).c_str(), *in, last(name)) != 0) return unwritten(name);
    links_.push_back(name);
    return {};
  }

  Result<void> hard_link(const std::string& name, std::string_view written) {
    auto target = name_of(written);
    if (!target) return fail(target.error());
    const Fd there = open_beneath(root_, *target, O_PATH);
    struct stat about{};
    if (!there || ::fstat(there.get(), &about) != 0 || !S_ISREG(about.st_mode))
      return refused(name,
                     fmt::format("another name for \"{}\", which is no file of it", target->substr(0, 200)));
    if (*target == name) return {};
    const size_t slash = target->rfind('/');
    const Fd holder =
        slash == target->npos ? Fd() : open_beneath(root_, target->substr(0, slash), O_PATH | O_DIRECTORY);
    const auto in = place(name);
    if (!in) return fail(in.error());
    if (::linkat(slash == target->npos ? root_ : holder.get(), last(*target), *in, last(name), 0) != 0)
      return unwritten(name);
    return {};
  }

  Result<void> file(const std::string& name, mode_t mode, int64_t size) {
    const auto in = place(name);
    if (!in) return fail(in.error());
    const Fd out(::openat(*in, last(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!out) return unwritten(name);
    int64_t end = 0;
    while (true) {
      const void* block = nullptr;
      size_t n = 0;
      la_int64_t offset = 0;
      const int code = lib_.archive_read_data_block(from_, &block, &n, &offset);
      if (code == ARCHIVE_EOF) break;
      if (code != ARCHIVE_OK) return broken(name);
      if (offset < end || offset > limits_.bytes || n > size_t(limits_.bytes)) return broken(name);
      if (auto fits = count(offset + int64_t(n) - end); !fits) return fits;
      end = offset + int64_t(n);
      if (::lseek(out.get(), offset, SEEK_SET) < 0 ||
          !write_all(out.get(), {static_cast<const char*>(block), n}))
        return unwritten(name);
    }
    if (size > end) {  // a hole at its end
      if (auto fits = count(size - end); !fits) return fits;
      if (::ftruncate(out.get(), size) != 0) return unwritten(name);
    }
    if (::fchmod(out.get(), mode | 0600) != 0) return unwritten(name);
    return {};
  }

  Result<void> count(int64_t more) {
    if (more > limits_.bytes - bytes_)  // which an archive may say of any number
      return fail(
          Reason::RequestEntityTooLarge,
          fmt::format("the archive holds more than the {} bytes that there is room for", limits_.bytes));
    bytes_ += more;
    const int64_t packed = std::max<int64_t>(lib_.archive_filter_bytes(from_, -1), 1);
    if (bytes_ > limits_.small && bytes_ / limits_.ratio > packed)
      return fail(
          Reason::RequestEntityTooLarge,
          fmt::format("the archive is a bomb: {} bytes of it became {}\n  archive: {{none: {{}}}} takes "
                      "it as it is",
                      packed, bytes_));
    return {};
  }

  std::unexpected<Error> broken(const std::string& name) const {
    const char* why = lib_.archive_error_string(from_);
    return fail(Reason::Invalid, fmt::format("the archive is broken at \"{}\": {}", name.substr(0, 200),
                                             why ? why : "it breaks off"));
  }

  const Libarchive& lib_;
  archive* const from_;
  const int root_;
  const UnpackLimits limits_;
  int64_t entries_ = 0, bytes_ = 0;
  std::vector<std::string> links_;
  std::string parent_path_;
  Fd parent_;
};

}  // namespace

Result<void> load_unpacker() {
  const auto lib = Libarchive::load();
  if (!lib) return fail(lib.error());
  return {};
}

Result<bool> unpack(int file, int directory, const UnpackLimits& limits) {
  const auto loaded = Libarchive::load();
  if (!loaded) return fail(loaded.error());
  const Libarchive& lib = **loaded;
  const std::unique_ptr<archive, decltype(&::archive_read_free)> from(lib.archive_read_new(),
                                                                      lib.archive_read_free);
  if (!from) return fail(Reason::InternalError, "no memory to unpack in");
  for (const auto support : {lib.archive_read_support_filter_gzip, lib.archive_read_support_format_tar,
                             lib.archive_read_support_format_zip})
    support(from.get());
  const auto broken = [&] {
    const char* why = lib.archive_error_string(from.get());
    return fail(Reason::Invalid, fmt::format("the archive is broken: {}", why ? why : "it breaks off"));
  };
  if (::lseek(file, 0, SEEK_SET) != 0) return fail(Reason::InternalError, "the archive cannot be read");
  const auto unknown = [&] { return lib.archive_errno(from.get()) == kNoFormat; };
  if (lib.archive_read_open_fd(from.get(), file, kReadAtOnce) != ARCHIVE_OK) {
    if (unknown()) return false;
    return broken();
  }
  Unpacking to(lib, from.get(), directory, limits);
  for (bool first = true;; first = false) {
    archive_entry* entry = nullptr;
    const int code = lib.archive_read_next_header(from.get(), &entry);
    if (code == ARCHIVE_EOF) {
      if (first) return false;  // a file of zeros looks like a tar that is over
      if (auto fine = to.look_at_links(); !fine) return fail(fine.error());
      return true;
    }
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) {
      if (first && unknown()) return false;
      return broken();
    }
    if (auto done = to.entry(entry); !done) return fail(done.error());
  }
}

}  // namespace ingot::host
