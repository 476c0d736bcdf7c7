#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "host/nvml/standin.h"

namespace ingot::host::nvml::standin {
namespace {

bool read_file(const char* path, std::string& out) {
  std::FILE* file = std::fopen(path, "re");
  if (!file) return false;
  char buffer[4096];
  for (size_t n; out.size() <= (64u << 10) && (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
    out.append(buffer, n);
  std::fclose(file);
  return true;
}

bool parse(const std::string& text) {
  auto parsed = gpu::parse_description(text, "");
  if (!parsed) {
    std::fprintf(stderr, "simulated GPUs: %s\n", parsed.error().c_str());
    return false;
  }
  state().description = std::move(*parsed);
  state().xid_told.resize(boards().size());
  apply_happenings();
  return true;
}

// Whole or not at all, also when the writer is killed.
bool write_file(const std::string& path, const std::string& text) {
  const std::string next = path + ".next";
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == ssize_t(text.size()) && fsync(fd) == 0;
  close(fd);
  return written && rename(next.c_str(), path.c_str()) == 0;
}

}  // namespace

State& state() {
  static State instance;  // a C library's state is the process's
  return instance;
}

void apply_happenings() {
  for (gpu::SimulatedBoard& board : boards()) {
    const auto found = state().happens.find(board.uuid);
    if (found == state().happens.end()) continue;
    const gpu::SimulatedBoard& now = found->second;
    board.lost = now.lost;
    board.hangs = now.hangs;
    board.mode_fails = now.mode_fails;
    board.create_fails = now.create_fails;
    board.clear_fails = now.clear_fails;
    board.ecc_errors = now.ecc_errors;
    board.xid = now.xid;
    board.use = now.use;
    board.held = now.held;
  }
}

gpu::SimulatedNode& node() {
  auto& nodes = state().description.nodes;
  if (nodes.empty()) nodes.emplace_back();
  return nodes.front();
}

Return open_state() {
  State& s = state();
  std::string text;
  const char* file = std::getenv("INGOT_GPU_STATE");
  const char* given = std::getenv("INGOT_GPU_DESCRIPTION_TEXT");
  const char* path = std::getenv("INGOT_GPU_DESCRIPTION");
  s.file = file ? file : "";
  s.xid_told.clear();
  s.happens.clear();
  const bool kept = !s.file.empty() && read_file(file, text);
  if (!kept && given)
    text = given;
  else if (!kept && !read_file(path && *path ? path : "/etc/ingot/gpus", text))
    return kDriverNotLoaded;
  s.text = text;
  return parse(text) ? kSuccess : kUnknown;
}

void refresh() {
  State& s = state();
  std::string text;
  if (s.file.empty() || !read_file(s.file.c_str(), text) || text == s.text) return;
  if (parse(text)) s.text = std::move(text);
}

Target target(const void* handle) {
  const auto value = reinterpret_cast<uintptr_t>(handle);
  const size_t position = value & 0xff, id = value >> 8;
  if (position < 1 || position > boards().size()) return {};
  Target found{.board = &boards()[position - 1]};
  if (id == 0) return found;
  for (gpu::SimulatedInstance& i : found.board->instances)
    if (size_t(i.id) + 1 == id) found.instance = &i;
  return found.instance ? found : Target{};
}

void* handle_of(size_t board, const gpu::SimulatedInstance* instance) {
  return reinterpret_cast<void*>((board + 1) | (instance ? uintptr_t(instance->id + 1) << 8 : 0));
}

Return usable(const void* handle, Target& out, std::unique_lock<std::recursive_mutex>& lock) {
  if (state().users == 0) return kUninitialized;
  refresh();
  out = target(handle);
  if (!out.board) return kInvalidArgument;
  if (out.board->hangs) {
    lock.unlock();
    while (true) pause();
  }
  return out.board->lost ? kGpuIsLost : kSuccess;
}

Return lock_state(int& fd) {
  State& s = state();
  if (s.file.empty()) return kNoPermission;
  fd = open((s.file + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return kNoPermission;
  if (flock(fd, LOCK_EX) != 0) return close(fd), kUnknown;
  refresh();
  return kSuccess;
}

Return unlock_state(int fd, bool keep) {
  State& s = state();
  if (keep) s.text = gpu::to_text(s.description, node());
  const bool kept = !keep || write_file(s.file, s.text);
  close(fd);  // and the lock with it
  return kept ? kSuccess : kUnknown;
}

}  // namespace ingot::host::nvml::standin
