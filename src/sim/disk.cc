#include "sim/disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace ingot::sim {

struct Disk::Mount {
  explicit Mount(Disk& d) : disk(d), name("sim-" + std::to_string(reinterpret_cast<uintptr_t>(this))) {}
  Disk& disk;
  std::string name;
  sqlite3_vfs vfs{};
  bool alive = true;
};

namespace {

constexpr size_t kSector = 512;

void replay(std::string& image, const Disk::Write& w) {
  if (w.truncate) {
    image.resize(w.offset);
    return;
  }
  if (image.size() < w.offset + w.bytes.size()) image.resize(w.offset + w.bytes.size());
  std::memcpy(image.data() + w.offset, w.bytes.data(), w.bytes.size());
}

struct Handle {
  sqlite3_file base;
  Disk::Mount* mount;
  std::shared_ptr<Disk::File>* file;
};
Handle* handle(sqlite3_file* f) { return reinterpret_cast<Handle*>(f); }
Disk::Mount* mount(sqlite3_vfs* v) { return static_cast<Disk::Mount*>(v->pAppData); }
Disk* disk(sqlite3_vfs* v) { return &mount(v)->disk; }

int close_file(sqlite3_file* f) {
  delete handle(f)->file;
  handle(f)->file = nullptr;
  return SQLITE_OK;
}
bool dead(sqlite3_file* f) { return !handle(f)->mount->alive; }

int read_file(sqlite3_file* f, void* out, int amount, sqlite3_int64 offset) {
  if (dead(f)) return SQLITE_IOERR_READ;
  const std::string& image = (*handle(f)->file)->current;
  const size_t at = size_t(offset), want = size_t(amount);
  const size_t have = at < image.size() ? std::min(want, image.size() - at) : 0;
  if (have) std::memcpy(out, image.data() + at, have);
  if (have == want) return SQLITE_OK;
  std::memset(static_cast<char*>(out) + have, 0, want - have);
  return SQLITE_IOERR_SHORT_READ;
}
int write_file(sqlite3_file* f, const void* in, int amount, sqlite3_int64 offset) {
  if (dead(f)) return SQLITE_IOERR_WRITE;
  return handle(f)->mount->disk.write(**handle(f)->file, size_t(offset),
                                      std::string(static_cast<const char*>(in), size_t(amount)));
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  if (dead(f)) return SQLITE_IOERR_TRUNCATE;
  handle(f)->mount->disk.truncate(**handle(f)->file, size_t(size));
  return SQLITE_OK;
}
int sync_file(sqlite3_file* f, int) {
  if (dead(f)) return SQLITE_IOERR_FSYNC;
  handle(f)->mount->disk.sync(**handle(f)->file);
  return SQLITE_OK;
}
int size_file(sqlite3_file* f, sqlite3_int64* size) {
  *size = sqlite3_int64((*handle(f)->file)->current.size());
  return SQLITE_OK;
}
int lock_file(sqlite3_file*, int) { return SQLITE_OK; }
int check_lock(sqlite3_file*, int* held) {
  *held = 0;
  return SQLITE_OK;
}
int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return int(kSector); }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

const sqlite3_io_methods kMethods = {1,         close_file,  read_file,       write_file, truncate_file,
                                     sync_file, size_file,   lock_file,       lock_file,  check_lock,
                                     control,   sector_size, characteristics, nullptr,    nullptr,
                                     nullptr,   nullptr,     nullptr,         nullptr};

int open_file(sqlite3_vfs* v, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  Handle* h = handle(f);
  h->base.pMethods = nullptr;
  auto file = disk(v)->open(name ? name : "temporary", flags & SQLITE_OPEN_CREATE);
  if (!file) return SQLITE_CANTOPEN;
  h->mount = mount(v);
  h->file = new std::shared_ptr<Disk::File>(std::move(file));
  h->base.pMethods = &kMethods;
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}
int delete_file(sqlite3_vfs* v, const char* name, int) {
  if (!mount(v)->alive) return SQLITE_IOERR_DELETE;
  if (!disk(v)->exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  disk(v)->remove(name);
  return SQLITE_OK;
}
int access_file(sqlite3_vfs* v, const char* name, int, int* out) {
  *out = disk(v)->exists(name);
  return SQLITE_OK;
}
int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}
int randomness(sqlite3_vfs* v, int size, char* out) {
  for (int i = 0; i < size; ++i) out[i] = char(disk(v)->world().random().next());
  return size;
}
int sleep_for(sqlite3_vfs*, int microseconds) { return microseconds; }
int current_time(sqlite3_vfs* v, sqlite3_int64* out) {
  constexpr sqlite3_int64 kUnixEpochJulianMs = 210866760000000;
  *out = kUnixEpochJulianMs + disk(v)->world().wall().time_since_epoch().count() / 1000;
  return SQLITE_OK;
}
int current_time_day(sqlite3_vfs* v, double* out) {
  sqlite3_int64 ms = 0;
  current_time(v, &ms);
  *out = double(ms) / 86400000.0;
  return SQLITE_OK;
}
int last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

Disk::Disk(World& world) : world_(world) { abandon(); }
Disk::~Disk() {
  for (auto& m : mounts_) sqlite3_vfs_unregister(&m->vfs);
}

std::string Disk::vfs() const { return mounts_.back()->name; }

void Disk::abandon() {
  if (!mounts_.empty()) mounts_.back()->alive = false;
  Mount& m = *mounts_.emplace_back(std::make_unique<Mount>(*this));
  m.vfs.iVersion = 2;
  m.vfs.szOsFile = sizeof(Handle);
  m.vfs.mxPathname = 512;
  m.vfs.zName = m.name.c_str();
  m.vfs.pAppData = &m;
  m.vfs.xOpen = open_file;
  m.vfs.xDelete = delete_file;
  m.vfs.xAccess = access_file;
  m.vfs.xFullPathname = full_path;
  m.vfs.xRandomness = randomness;
  m.vfs.xSleep = sleep_for;
  m.vfs.xCurrentTime = current_time_day;
  m.vfs.xGetLastError = last_error;
  m.vfs.xCurrentTimeInt64 = current_time;
  ASSERT(sqlite3_vfs_register(&m.vfs, 0) == SQLITE_OK);
}

std::shared_ptr<Disk::File> Disk::open(const std::string& path, bool create) {
  auto& slot = files_[path];
  if (!slot) {
    if (!create) return files_.erase(path), nullptr;
    slot = std::make_shared<File>();
  }
  return slot;
}
bool Disk::exists(const std::string& path) const { return files_.contains(path); }
void Disk::remove(const std::string& path) { files_.erase(path); }

int Disk::write(File& file, size_t offset, std::string bytes) {
  if (trouble_ > 0 && world_.random().chance(trouble_))
    return world_.random().chance(0.5) ? SQLITE_FULL : SQLITE_IOERR_WRITE;
  file.unsynced.push_back({offset, std::move(bytes), false});
  replay(file.current, file.unsynced.back());
  return SQLITE_OK;
}
void Disk::truncate(File& file, size_t size) {
  file.unsynced.push_back({size, {}, true});
  replay(file.current, file.unsynced.back());
}
void Disk::sync(File& file) {
  for (const Write& w : file.unsynced) replay(file.durable, w);
  file.unsynced.clear();
  ++syncs_;
}

void Disk::crash() {
  Random& random = world_.random();
  for (auto& [path, file] : files_) {
    for (const Write& w : file->unsynced) {
      if (random.chance(0.5)) continue;  // never reached the platter
      if (w.truncate || random.chance(0.5)) {
        replay(file->durable, w);
        continue;
      }
      for (size_t at = 0; at < w.bytes.size(); at += kSector)  // torn: some of its sectors did
        if (random.chance(0.5)) replay(file->durable, {w.offset + at, w.bytes.substr(at, kSector), false});
    }
    file->unsynced.clear();
    file->current = file->durable;
  }
}

}  // namespace ingot::sim
