#include "host/driver_files.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "host/disk_file.h"

namespace ingot::host {
namespace {

#ifdef __aarch64__
constexpr int32_t kOwnFlags = 0x0a03;
constexpr std::string_view kLibraries = "/usr/lib/aarch64-linux-gnu/";
#else
constexpr int32_t kOwnFlags = 0x0303;  // ELF of libc 6, x86-64
constexpr std::string_view kLibraries = "/usr/lib/x86_64-linux-gnu/";
#endif

// What libnvidia-container mounts for `utility` and `compute` (src/nvc_info.c).
constexpr std::string_view kWanted[] = {
    "libnvidia-ml.so",     "libnvidia-cfg.so",       "libcuda.so",
    "libcudadebugger.so",  "libnvidia-opencl.so",    "libnvidia-gpucomp.so",
    "libnvidia-nvvm.so",   "libnvidia-allocator.so", "libnvidia-ptxjitcompiler.so",
    "libnvidia-pkcs11.so", "libnvidia-compiler.so",  "libnvidia-pkcs11-openssl3.so"};
constexpr std::string_view kNodes[] = {"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools",
                                       "/dev/nvidia-modeset"};
constexpr std::string_view kPrograms[] = {"/usr/bin/nvidia-smi"};

constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";
constexpr size_t kHeader = 48, kEntry = 24;

uint32_t number(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// Up to its zero; "": it is not within the bytes.
std::string text(std::string_view bytes, size_t at) {
  const size_t end = at < bytes.size() ? bytes.find('\0', at) : bytes.npos;
  return end == bytes.npos ? "" : std::string(bytes.substr(at, end - at));
}

bool wanted(std::string_view name) {
  return std::ranges::any_of(kWanted, [&](std::string_view stem) {
    return name.starts_with(stem) && (name.size() == stem.size() || name[stem.size()] == '.');
  });
}

}  // namespace

std::map<std::string, std::string> loader_cache(const std::string& bytes) {
  std::map<std::string, std::string> found;
  const size_t start = bytes.find(kMagic);  // older ones have another table before it
  if (start == bytes.npos || bytes.size() - start < kHeader) return found;
  const std::string_view cache = std::string_view(bytes).substr(start);
  const size_t count = std::min<size_t>(number(cache, kMagic.size()), (cache.size() - kHeader) / kEntry);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = kHeader + i * kEntry;
    if (int32_t(number(cache, at)) != kOwnFlags) continue;
    std::string name = text(cache, number(cache, at + 4)), path = text(cache, number(cache, at + 8));
    if (!name.empty() && path.starts_with('/'))
      found.try_emplace(std::move(name), std::move(path));  // the loader takes the first
  }
  return found;
}

node::cdi::Libraries driver_files(const std::string& root) {
  node::cdi::Libraries out;
  const auto exists = [&](std::string_view path) {
    std::error_code ignored;
    return std::filesystem::exists(root + std::string(path), ignored);
  };
  const auto mount = [&](const std::string& host, std::string container) {
    out.mounts.push_back({.host_path = host, .container_path = std::move(container), .read_only = true});
  };
  const auto cache = loader_cache(read_file(root + "/etc/ld.so.cache").value_or(""));
  for (const auto& [name, path] : cache)
    if (wanted(name) && name.find('/') == name.npos && exists(path))
      mount(path, std::string(kLibraries) + name);
  // Some open it by this name, which only a driver's development files have.
  if (const auto cuda = cache.find("libcuda.so.1");
      cuda != cache.end() && !cache.contains("libcuda.so") && exists(cuda->second))
    mount(cuda->second, std::string(kLibraries) + "libcuda.so");
  for (const std::string_view program : kPrograms)
    if (exists(program)) mount(std::string(program), std::string(program));
  for (const std::string_view node : kNodes)
    if (exists(node)) out.control_nodes.push_back({std::string(node), std::string(node), "rw"});
  return out;
}

}  // namespace ingot::host
