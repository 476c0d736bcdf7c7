#include "store/ballast.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace ingot::store {
namespace {
// A file of a VFS, open for as long as this lives.
class VfsFile {
 public:
  VfsFile(const std::string& path, const std::string& vfs_name, int flags) {
    vfs_ = sqlite3_vfs_find(vfs_name.empty() ? nullptr : vfs_name.c_str());
    if (!vfs_) return;
    memory_.resize(size_t(vfs_->szOsFile) / sizeof(std::max_align_t) + 1);
    full_.resize(size_t(vfs_->mxPathname) + 2);
    if ((code_ = vfs_->xFullPathname(vfs_, path.c_str(), int(full_.size()) - 1, full_.data())) != SQLITE_OK)
      return;
    code_ = vfs_->xOpen(vfs_, full_.data(), file(), flags, nullptr);
  }
  ~VfsFile() {
    if (vfs_ && file()->pMethods) file()->pMethods->xClose(file());
  }
  VfsFile(const VfsFile&) = delete;
  VfsFile& operator=(const VfsFile&) = delete;

  int code() const { return code_; }
  sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(memory_.data()); }
  const sqlite3_io_methods& io() { return *file()->pMethods; }

 private:
  sqlite3_vfs* vfs_ = nullptr;
  std::vector<std::max_align_t> memory_;  // zeroed
  std::vector<char> full_;                // must live as long as the file is open
  int code_ = SQLITE_CANTOPEN;
};

bool accessible(const std::string& path, const std::string& vfs_name) {
  sqlite3_vfs* vfs = sqlite3_vfs_find(vfs_name.empty() ? nullptr : vfs_name.c_str());
  int there = 0;
  return vfs && vfs->xAccess(vfs, path.c_str(), SQLITE_ACCESS_EXISTS, &there) == SQLITE_OK && there != 0;
}
}  // namespace

int64_t file_size(const std::string& path, const std::string& vfs) {
  if (!accessible(path, vfs)) return 0;
  VfsFile file(path, vfs, SQLITE_OPEN_READONLY | SQLITE_OPEN_SUPER_JOURNAL);
  sqlite3_int64 size = 0;
  if (file.code() != SQLITE_OK || file.io().xFileSize(file.file(), &size) != SQLITE_OK) return 0;
  return size;
}

bool Ballast::exists() const { return accessible(path_, vfs_); }

Sql<void> Ballast::fill() {
  if (bytes_ == 0 || exists()) return {};
  Sql<void> written = write();
  if (!written) release();
  return written;
}

Sql<void> Ballast::write() {
  VfsFile file(path_, vfs_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL);
  if (file.code() != SQLITE_OK) return std::unexpected(SqlError{file.code(), "cannot make the ballast file"});
  // Not zeros: a file system that compresses would give no space for them.
  std::vector<unsigned char> block(64 << 10);
  uint32_t noise = 1;
  for (unsigned char& byte : block) byte = (noise = noise * 1664525 + 1013904223) >> 24;
  int code = SQLITE_OK;
  for (size_t at = 0; at < bytes_ && code == SQLITE_OK; at += block.size())
    code = file.io().xWrite(file.file(), block.data(), int(std::min(block.size(), bytes_ - at)),
                            sqlite3_int64(at));
  if (code == SQLITE_OK) code = file.io().xSync(file.file(), SQLITE_SYNC_NORMAL);
  if (code != SQLITE_OK) return std::unexpected(SqlError{code, sqlite3_errstr(code)});
  return {};
}

void Ballast::release() {
  if (sqlite3_vfs* vfs = sqlite3_vfs_find(vfs_.empty() ? nullptr : vfs_.c_str()))
    vfs->xDelete(vfs, path_.c_str(), 1);
}

}  // namespace ingot::store
