#include "host/dataset_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "host/images_tar.h"

namespace ingot::host {
namespace {

constexpr size_t kPiece = 1u << 20;
constexpr int kDeepest = 64;

std::unexpected<Error> failed(std::string_view what, const std::string& name) {
  return fail(errno == ENOENT ? Reason::NotFound : Reason::BadRequest,
              fmt::format("cannot {} {}: {}", what, name, std::strerror(errno)));
}

std::unexpected<Error> no_file(const std::string& name, std::string_view what) {
  return fail(
      Reason::Invalid,
      fmt::format("{} is {}: a data set holds files and directories alone\n  leave it out, or put in its "
                  "place what it stands for",
                  name, what));
}

Result<std::vector<SourceFile>> in_archive(const std::string& path) {
  std::vector<SourceFile> files;
  const auto each = [&](const TarEntry& entry) -> Result<void> {
    if (entry.type == '5') return {};
    if (entry.type != '0') return no_file(path + ": " + entry.name, "a link");
    if (auto fine = data::check_file_name(entry.name); !fine) return fine;
    files.push_back({entry.name, "", int64_t(entry.offset), int64_t(entry.size)});
    return {};
  };
  if (auto walked = tar_walk(path, data::kMostFiles, each); !walked) return fail(walked.error());
  return files;
}

}  // namespace

Result<DatasetSource> DatasetSource::open(const std::string& path) {
  DatasetSource source;
  source.path_ = path;
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return failed("read", path);
  if (S_ISDIR(about.st_mode)) {
    source.root_ = std::make_shared<Fd>(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!*source.root_) return failed("read", path);
    if (auto walked = source.walk(source.root_->get(), "", 0); !walked) return fail(walked.error());
  } else if (!S_ISREG(about.st_mode)) {
    return no_file(path, "no file");
  } else if (path.ends_with(".tar")) {
    auto files = in_archive(path);
    if (!files) return fail(files.error());
    source.files_ = std::move(*files);
  } else {
    const std::string name = std::filesystem::path(path).filename();
    if (auto fine = data::check_file_name(name); !fine) return fail(fine.error());
    source.files_.push_back({name, "", 0, about.st_size});
  }
  if (source.files_.empty()) return fail(Reason::Invalid, fmt::format("{} holds no file", path));
  std::ranges::sort(source.files_, {}, &SourceFile::name);
  return source;
}

Result<void> DatasetSource::walk(int directory, const std::string& prefix, int depth) {
  if (depth > kDeepest) return fail(Reason::Invalid, fmt::format("{}/{} lies too deep", path_, prefix));
  DIR* entries = ::fdopendir(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entries == nullptr) return failed("read", path_ + "/" + prefix);
  const std::unique_ptr<DIR, int (*)(DIR*)> closer(entries, ::closedir);
  while (const dirent* entry = ::readdir(entries)) {
    const std::string step = entry->d_name;
    if (step == "." || step == "..") continue;
    const std::string name = prefix.empty() ? step : prefix + "/" + step;
    struct stat about{};
    if (::fstatat(directory, step.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0)
      return failed("read", path_ + "/" + name);
    if (S_ISDIR(about.st_mode)) {
      const Fd below = open_beneath(directory, step, O_RDONLY | O_DIRECTORY);
      if (!below) return failed("read", path_ + "/" + name);
      if (auto walked = walk(below.get(), name, depth + 1); !walked) return walked;
      continue;
    }
    if (!S_ISREG(about.st_mode))
      return no_file(path_ + "/" + name, S_ISLNK(about.st_mode) ? "a link" : "no file");
    if (auto fine = data::check_file_name(name); !fine) return fine;
    files_.push_back({name, name, 0, about.st_size});
    if (files_.size() > data::kMostFiles)
      return fail(Reason::Invalid, fmt::format("{} holds more than {} files", path_, data::kMostFiles));
  }
  return {};
}

Result<Fd> DatasetSource::open_file(const SourceFile& file) const {
  Fd fd = file.path.empty() ? Fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC))
                            : open_beneath(root_->get(), file.path, O_RDONLY);
  if (!fd) return failed("read", file.path.empty() ? path_ : path_ + "/" + file.path);
  ::posix_fadvise(fd.get(), file.offset, file.bytes, POSIX_FADV_SEQUENTIAL);
  return fd;
}

Result<std::function<Result<std::string_view>()>> DatasetSource::reader(const SourceFile& file) const {
  auto opened = open_file(file);
  if (!opened) return fail(opened.error());
  struct State {
    Fd fd;
    SourceFile file;
    int64_t at = 0;
    std::string block;
  };
  auto state = std::make_shared<State>(State{std::move(*opened), file, 0, {}});
  return [state]() -> Result<std::string_view> {
    const int64_t left = state->file.bytes - state->at;
    state->block.resize(size_t(std::min<int64_t>(left, kPiece)));
    if (left == 0) return std::string_view();
    const ssize_t n =
        ::pread(state->fd.get(), state->block.data(), state->block.size(), state->file.offset + state->at);
    if (n < 0) return failed("read", state->file.name);
    if (n == 0)
      return fail(Reason::Conflict, fmt::format("{} became shorter while it was read", state->file.name));
    state->at += n;
    return std::string_view(state->block).substr(0, size_t(n));
  };
}

Result<void> DatasetSource::read(const SourceFile& file,
                                 const std::function<Result<void>(std::string_view)>& take) const {
  auto next = reader(file);
  if (!next) return fail(next.error());
  while (true) {
    auto piece = (*next)();
    if (!piece) return fail(piece.error());
    if (piece->empty()) return {};
    if (auto taken = take(*piece); !taken) return taken;
  }
}

Result<DatasetTarget> DatasetTarget::open(const std::string& path) {
  if (auto made = make_directory(path, 0755); !made) return fail(made.error());
  std::error_code error;
  if (!std::filesystem::is_empty(path, error) || error)
    return fail(Reason::Conflict,
                fmt::format("{} is not empty: name a directory that is, or is not there yet", path));
  DatasetTarget target;
  target.root_ = std::make_shared<Fd>(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!*target.root_) return failed("open", path);
  return target;
}

Result<void> DatasetTarget::write(const std::string& name,
                                  const std::function<Result<void>(int fd)>& fill) const {
  if (auto fine = data::check_file_name(name); !fine) return fine;
  for (size_t slash = name.find('/'); slash != name.npos; slash = name.find('/', slash + 1)) {
    const std::string directory = name.substr(0, slash);
    const size_t above = directory.rfind('/');
    const Fd parent = above == directory.npos
                          ? Fd(::dup(root_->get()))
                          : open_beneath(root_->get(), directory.substr(0, above), O_PATH | O_DIRECTORY);
    if (!parent ||
        (::mkdirat(parent.get(), directory.c_str() + (above == directory.npos ? 0 : above + 1), 0755) != 0 &&
         errno != EEXIST))
      return failed("make", directory);
  }
  const Fd file = open_beneath(root_->get(), name, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (!file) return failed("write", name);
  auto filled = fill(file.get());
  if (filled) return filled;
  const size_t slash = name.rfind('/');
  const Fd parent = slash == name.npos
                        ? Fd(::dup(root_->get()))
                        : open_beneath(root_->get(), name.substr(0, slash), O_PATH | O_DIRECTORY);
  if (parent) ::unlinkat(parent.get(), name.c_str() + (slash == name.npos ? 0 : slash + 1), 0);
  return filled;
}

}  // namespace ingot::host
