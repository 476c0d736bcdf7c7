// A VFS for tests, over SQLite's own: a disk that can be full, read-only, or fail, and that counts its syncs.
// Thread rule: the test's thread. Registered under `name` while it lives; it must outlive every file opened through it.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <new>
#include <string>

#include "base/assert.h"

namespace ingot::store {

class ShimVfs {
 public:
  explicit ShimVfs(std::string name);
  ~ShimVfs();
  ShimVfs(const ShimVfs&) = delete;
  ShimVfs& operator=(const ShimVfs&) = delete;

  const std::string& name() const { return name_; }
  int64_t used() const;

  int64_t quota = INT64_MAX;  // bytes of all files together
  bool read_only = false;
  bool broken = false;  // every read, write and sync fails
  int syncs_to_fail = 0;
  int syncs = 0;

 private:
  struct File;
  struct Calls;
  std::string name_;
  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  std::map<std::string, int64_t> sizes_;
};

struct ShimVfs::File : sqlite3_file {
  ShimVfs* shim;
  std::string path;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  const sqlite3_io_methods& io() { return *real()->pMethods; }
};

struct ShimVfs::Calls {
  static ShimVfs& of(sqlite3_vfs* v) { return *static_cast<ShimVfs*>(v->pAppData); }
  static File& of(sqlite3_file* f) { return *static_cast<File*>(f); }

  static int close(sqlite3_file* f) {
    File& file = of(f);
    const int code = file.io().xClose(file.real());
    file.~File();
    return code;
  }
  static int read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
    File& file = of(f);
    return file.shim->broken ? SQLITE_IOERR_READ : file.io().xRead(file.real(), to, n, at);
  }
  static int write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
    File& file = of(f);
    ShimVfs& shim = *file.shim;
    if (shim.broken) return SQLITE_IOERR_WRITE;
    int64_t& size = shim.sizes_[file.path];
    const int64_t grown = std::max(size, int64_t(at + n));
    if (shim.used() - size + grown > shim.quota) return SQLITE_FULL;
    const int code = file.io().xWrite(file.real(), from, n, at);
    if (code == SQLITE_OK) size = grown;
    return code;
  }
  static int truncate(sqlite3_file* f, sqlite3_int64 size) {
    File& file = of(f);
    const int code = file.io().xTruncate(file.real(), size);
    if (code == SQLITE_OK) file.shim->sizes_[file.path] = size;
    return code;
  }
  static int sync(sqlite3_file* f, int flags) {
    File& file = of(f);
    ShimVfs& shim = *file.shim;
    if (shim.broken || (shim.syncs_to_fail > 0 && shim.syncs_to_fail--)) return SQLITE_IOERR_FSYNC;
    ++shim.syncs;
    return file.io().xSync(file.real(), flags);
  }
  static int file_size(sqlite3_file* f, sqlite3_int64* n) { return of(f).io().xFileSize(of(f).real(), n); }
  static int lock(sqlite3_file* f, int level) { return of(f).io().xLock(of(f).real(), level); }
  static int unlock(sqlite3_file* f, int level) { return of(f).io().xUnlock(of(f).real(), level); }
  static int reserved(sqlite3_file* f, int* out) { return of(f).io().xCheckReservedLock(of(f).real(), out); }
  static int control(sqlite3_file* f, int op, void* arg) {
    return op == SQLITE_FCNTL_SIZE_HINT ? SQLITE_NOTFOUND : of(f).io().xFileControl(of(f).real(), op, arg);
  }
  static int sector(sqlite3_file* f) { return of(f).io().xSectorSize(of(f).real()); }
  static int device(sqlite3_file* f) { return of(f).io().xDeviceCharacteristics(of(f).real()); }

  static int open(sqlite3_vfs* v, sqlite3_filename path, sqlite3_file* f, int flags, int* out) {
    ShimVfs& shim = of(v);
    f->pMethods = nullptr;
    if (shim.read_only) {
      flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
      if (out) *out = flags;
    }
    File* file = new (f) File{};
    file->shim = &shim;
    file->path = path ? path : "";
    const int code = shim.real_->xOpen(shim.real_, path, file->real(), flags, out);
    if (code != SQLITE_OK) {
      file->~File();
      return code;
    }
    sqlite3_int64 size = 0;
    file->io().xFileSize(file->real(), &size);
    shim.sizes_[file->path] = size;
    // Version 1 has no shared memory: what the store must do without.
    static const sqlite3_io_methods kMethods = {1,    close,  read,     write,   truncate, sync,  file_size,
                                                lock, unlock, reserved, control, sector,   device};
    file->pMethods = &kMethods;
    return SQLITE_OK;
  }
  static int remove(sqlite3_vfs* v, const char* path, int sync_directory) {
    of(v).sizes_.erase(path);
    return of(v).real_->xDelete(of(v).real_, path, sync_directory);
  }
};

inline ShimVfs::ShimVfs(std::string name)
    : name_(std::move(name)), real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
  vfs_.iVersion = 1;
  vfs_.pNext = nullptr;
  vfs_.szOsFile = int(sizeof(File)) + real_->szOsFile;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = Calls::open;
  vfs_.xDelete = Calls::remove;
  ASSERT(sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK);
}
inline ShimVfs::~ShimVfs() { sqlite3_vfs_unregister(&vfs_); }

inline int64_t ShimVfs::used() const {
  int64_t sum = 0;
  for (const auto& [path, size] : sizes_) sum += size;
  return sum;
}

}  // namespace ingot::store
