#include "host/images_tar.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/assert.h"
#include "host/containerd_process.h"

namespace ingot::host {
namespace {

constexpr size_t kBlock = 512;
constexpr uint64_t kLongestHeader = 64 << 10;  // of an extended header; real ones are a few hundred bytes

uint64_t padded(uint64_t size) { return (size + kBlock - 1) / kBlock * kBlock; }

std::string_view field(const char* block, size_t offset, size_t width) {
  std::string_view text(block + offset, width);
  return text.substr(0, text.find('\0'));
}

// Octal text, or GNU's base 256 when the first bit is set.
std::optional<uint64_t> number(const char* block, size_t offset, size_t width) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(block[offset + i]); };
  uint64_t value = 0;
  if (byte(0) & 0x80) {
    value = byte(0) & 0x7f;
    for (size_t i = 1; i < width; ++i) {
      if (value >> 55) return {};
      value = value << 8 | byte(i);
    }
    return value;
  }
  std::string_view text = field(block, offset, width);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  for (char c : text) {
    if (c < '0' || c > '7' || value >> 60) return {};
    value = value * 8 + uint64_t(c - '0');
  }
  return value;
}

bool checksum_holds(const char* block) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  return number(block, 148, 8) == sum;
}

// "27 path=some/long/name\n" records (POSIX pax).
bool read_pax(std::string_view text, std::string& path, std::string& link, std::optional<uint64_t>& size) {
  while (!text.empty()) {
    size_t length = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    size_t digits = size_t(end - text.data());
    if (error != std::errc() || length <= digits + 1 || length > text.size()) return false;
    std::string_view record = text.substr(digits + 1, length - digits - 2);
    text.remove_prefix(length);
    size_t equals = record.find('=');
    if (equals == record.npos) return false;
    std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") path = value;
    if (key == "linkpath") link = value;
    if (key == "size") {
      uint64_t n = 0;
      auto parsed = std::from_chars(value.data(), value.data() + value.size(), n);
      if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) return false;
      size = n;
    }
  }
  return true;
}

bool leaves_archive(std::string_view name) {
  if (name.starts_with('/')) return true;
  for (size_t at = 0; at <= name.size();) {
    size_t end = std::min(name.find('/', at), name.size());
    if (name.substr(at, end - at) == "..") return true;
    at = end + 1;
  }
  return false;
}

class Reader {
 public:
  Reader(std::string path, Fd fd, uint64_t size) : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

  Result<void> walk(size_t most, const std::function<Result<void>(const TarEntry&)>& each) {
    uint64_t at = 0;
    std::string path, link;
    std::optional<uint64_t> pax_size;
    for (size_t count = 0;; ++count) {
      if (count > most) return bad(fmt::format("it holds more than {} entries", most));
      char block[kBlock];
      if (at + kBlock > size_ || !read(at, block, kBlock)) return bad("it breaks off");
      if (block[0] == '\0') return count ? Result<void>{} : bad("it is empty or no tar archive");
      if (!checksum_holds(block)) return bad("it is no tar archive (uncompressed), or is damaged");
      at += kBlock;
      uint64_t size = 0;
      if (auto n = number(block, 124, 12))
        size = *n;
      else
        return bad("a size in it is no number");
      char type = block[156] ? block[156] : '0';
      if (type == 'L' || type == 'K' || type == 'x') {
        if (size > kLongestHeader || at + size > size_) return bad("an extended header in it is too long");
        std::string text(size, '\0');
        if (!read(at, text.data(), size)) return bad("it breaks off");
        at += padded(size);
        if (type == 'x' && !read_pax(text, path, link, pax_size))
          return bad("a pax header in it is malformed");
        if (type == 'L') path = text.c_str();
        if (type == 'K') link = text.c_str();
        continue;
      }
      if (type == 'g') {
        at += padded(size);
        continue;
      }
      TarEntry entry{.type = type, .offset = at, .size = pax_size.value_or(size)};
      std::string prefix(std::string_view(block + 257, 5) == "ustar" ? field(block, 345, 155) : "");
      std::string name(field(block, 0, 100));
      entry.name = !path.empty() ? path : prefix.empty() ? name : prefix + "/" + name;
      entry.link_target = !link.empty() ? link : std::string(field(block, 157, 100));
      path.clear();
      link.clear();
      pax_size.reset();
      if (auto handled = deliver(entry, each); !handled) return handled;
      at += type == '0' ? padded(entry.size) : 0;
    }
  }

 private:
  Result<void> deliver(TarEntry& entry, const std::function<Result<void>(const TarEntry&)>& each) {
    while (entry.name.starts_with("./")) entry.name.erase(0, 2);
    while (entry.name.ends_with('/')) entry.name.pop_back();
    if (leaves_archive(entry.name)) return bad("it names a path outside itself: " + entry.name);
    if (entry.type != '0' && entry.type != '2' && entry.type != '5')
      return bad(fmt::format("{} in it is neither file, link nor directory", entry.name));
    if (entry.type == '0' && (entry.size > size_ || entry.offset + entry.size > size_))
      return bad("it breaks off");
    if (entry.name.empty() || entry.name == ".") return {};
    return each(entry);
  }
  bool read(uint64_t at, char* into, size_t size) const {
    while (size > 0) {
      ssize_t n = pread(fd_.get(), into, size, off_t(at));
      if (n <= 0) return false;
      into += n;
      at += uint64_t(n);
      size -= size_t(n);
    }
    return true;
  }
  std::unexpected<Error> bad(const std::string& why) const {
    return fail(Reason::Invalid, fmt::format("{}: not a usable archive: {}", path_, why));
  }

  std::string path_;
  Fd fd_;
  uint64_t size_;
};

}  // namespace

void tar_append(std::string& archive, std::string_view name, std::string_view bytes, uint32_t mode) {
  ASSERT(name.size() <= 100);
  char block[kBlock] = {};
  auto put = [&block](size_t offset, std::string_view text) {
    std::memcpy(block + offset, text.data(), text.size());
  };
  put(0, name);
  put(100, fmt::format("{:07o}", mode));
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", bytes.size()));
  put(136, "00000000000");
  put(148, "        ");
  put(156, "0");
  put(257, std::string_view("ustar\00000", 8));
  uint64_t sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum));
  block[154] = '\0';
  archive.append(block, kBlock);
  archive.append(bytes);
  archive.append(padded(bytes.size()) - bytes.size(), '\0');
}

void tar_finish(std::string& archive) { archive.append(2 * kBlock, '\0'); }

Result<void> tar_walk(const std::string& path, size_t most,
                      const std::function<Result<void>(const TarEntry&)>& entry) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    Reason reason = errno == ENOENT ? Reason::NotFound : Reason::BadRequest;
    return fail(reason, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  }
  struct stat about{};
  if (fstat(fd.get(), &about) != 0 || !S_ISREG(about.st_mode))
    return fail(Reason::BadRequest, path + " is not a regular file");
  return Reader(path, std::move(fd), uint64_t(about.st_size)).walk(most, entry);
}

}  // namespace ingot::host
