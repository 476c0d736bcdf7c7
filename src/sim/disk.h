// A disk that keeps what was synced. Everything written since is lost, kept or torn, sector by sector, when the
// machine crashes. It is an SQLite VFS; files live as long as the Disk, across any number of crashes.
// Faults while `troubled`: full (SQLITE_FULL) and I/O errors on write.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "sim/world.h"

namespace ingot::sim {

class Disk final : public env::Disk {
 public:
  explicit Disk(World&);
  ~Disk() override;
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  std::string vfs() const override;
  // The process that had files open is gone: its handles are dead, what it wrote is still in the machine's memory.
  void abandon();
  // The machine lost power: unsynced writes go where chance says.
  void crash();
  // From now on a write fails with this chance: half of the failures are a full disk.
  void trouble(double chance) { trouble_ = chance; }
  uint64_t syncs() const { return syncs_; }

  struct Write {
    size_t offset;
    std::string bytes;  // a truncate to `offset` when `truncate`
    bool truncate = false;
  };
  struct File {
    std::string current, durable;
    std::vector<Write> unsynced;
    bool exists = true;
  };
  std::shared_ptr<File> open(const std::string& path, bool create);
  bool exists(const std::string& path) const;
  void remove(const std::string& path);
  // SQLITE_OK, SQLITE_FULL or SQLITE_IOERR_WRITE.
  int write(File&, size_t offset, std::string bytes);
  void truncate(File&, size_t size);
  void sync(File&);
  World& world() { return world_; }

  struct Mount;  // the disk as one process sees it

 private:
  World& world_;
  std::vector<std::unique_ptr<Mount>> mounts_;  // the last is alive
  std::map<std::string, std::shared_ptr<File>> files_;
  double trouble_ = 0;
  uint64_t syncs_ = 0;
};

}  // namespace ingot::sim
