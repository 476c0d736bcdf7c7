#include "host/archive_write.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/assert.h"

namespace ingot::host {
namespace {

using Type = ArchiveEntry::Type;
constexpr size_t kPiece = 256 << 10;

// Bytes through zlib into a sink.
class Deflater {
 public:
  // `window`: zlib's windowBits; 31 makes gzip, −15 bare deflate.
  Deflater(int level, int window) {
    const bool ok = deflateInit2(&z_, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    ASSERT(ok);
  }
  ~Deflater() { deflateEnd(&z_); }
  Deflater(const Deflater&) = delete;

  Result<void> put(std::string_view bytes, const Sink& sink, bool last = false) {
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    z_.avail_in = uInt(bytes.size());
    while (true) {
      z_.next_out = reinterpret_cast<Bytef*>(out_.data());
      z_.avail_out = uInt(out_.size());
      const int code = deflate(&z_, last ? Z_FINISH : Z_NO_FLUSH);
      ASSERT(code != Z_STREAM_ERROR);
      if (const size_t made = out_.size() - z_.avail_out; made > 0)
        if (auto done = sink({out_.data(), made}); !done) return done;
      if (last ? code == Z_STREAM_END : z_.avail_in == 0 && z_.avail_out > 0) return {};
    }
  }

 private:
  z_stream z_{};
  std::string out_ = std::string(kPiece, '\0');
};

// `size` bytes of the entry, in pieces.
Result<void> pour(const ArchiveEntry& e, const Pull& pull, const Sink& into) {
  std::string block(size_t(std::min<int64_t>(e.size, kPiece)), '\0');
  for (int64_t left = e.size; left > 0;) {
    auto n = pull(block.data(), size_t(std::min<int64_t>(left, int64_t(block.size()))));
    if (!n) return fail(n.error());
    if (*n == 0) return fail(Reason::Conflict, fmt::format("{} became shorter while it was read", e.name));
    if (auto done = into({block.data(), *n}); !done) return done;
    left -= int64_t(*n);
  }
  return {};
}

class TarWriter final : public ArchiveWriter {
 public:
  TarWriter(Sink sink, int level) : sink_(std::move(sink)), gzip_(level, 31) {}

  Result<void> add(const ArchiveEntry& e, const Pull& pull) override {
    const std::string name = e.type == Type::Directory ? e.name + "/" : e.name;
    std::string extended;
    if (name.size() > 100) extended += record("path", name);
    if (e.target.size() > 100) extended += record("linkpath", e.target);
    if (e.size >= kMostOctal) extended += record("size", std::to_string(e.size));
    if (!extended.empty()) {
      if (auto done = header("pax", 'x', 0644, int64_t(extended.size()), ""); !done) return done;
      extended.resize((extended.size() + 511) / 512 * 512);
      if (auto done = put(extended); !done) return done;
    }
    const char type = e.type == Type::File ? '0' : e.type == Type::Link ? '2' : '5';
    const int64_t size = e.type == Type::File ? e.size : 0;
    if (auto done = header(name, type, e.mode, size, e.target); !done) return done;
    if (size == 0) return {};
    if (auto done = pour(e, pull, [this](std::string_view b) { return put(b); }); !done) return done;
    return put(std::string(size_t((512 - size % 512) % 512), '\0'));
  }
  Result<void> finish() override {
    if (auto done = put(std::string(1024, '\0')); !done) return done;
    return gzip_.put({}, sink_, true);
  }

 private:
  static constexpr int64_t kMostOctal = int64_t(1) << 33;

  Result<void> put(std::string_view bytes) { return gzip_.put(bytes, sink_); }

  // "LENGTH KEY=VALUE\n", where LENGTH counts itself.
  static std::string record(std::string_view key, std::string_view value) {
    const size_t rest = key.size() + value.size() + 3;
    size_t length = rest + 1;
    while (length != rest + std::to_string(length).size()) length = rest + std::to_string(length).size();
    return fmt::format("{} {}={}\n", length, key, value);
  }

  Result<void> header(std::string_view name, char type, uint32_t mode, int64_t size,
                      std::string_view target) {
    char h[512] = {};
    const auto text = [&](size_t at, size_t most, std::string_view value) {
      std::memcpy(h + at, value.data(), std::min(most, value.size()));
    };
    text(0, 100, name);
    text(100, 8, fmt::format("{:07o}", mode & 0777));
    text(108, 8, "0000000");
    text(116, 8, "0000000");
    text(124, 12, fmt::format("{:011o}", size < kMostOctal ? size : 0));
    text(136, 12, "00000000000");
    text(148, 8, "        ");
    h[156] = type;
    text(157, 100, target);
    text(257, 8, std::string_view("ustar\00000", 8));
    uint32_t sum = 0;
    for (const char c : h) sum += uint8_t(c);
    text(148, 8, fmt::format("{:06o}", sum));
    h[154] = '\0';
    return put({h, sizeof h});
  }

  const Sink sink_;
  Deflater gzip_;
};

// Little-endian numbers, one after another.
struct Fields {
  std::string bytes;
  Fields& of(int width, uint64_t value) {
    for (int i = 0; i < width; ++i) bytes += char(value >> (8 * i));
    return *this;
  }
  Fields& text(std::string_view t) {
    bytes += t;
    return *this;
  }
};

// Sizes follow what is written (data descriptors); 64-bit ones where they might be needed.
class ZipWriter final : public ArchiveWriter {
 public:
  explicit ZipWriter(Sink sink) : sink_(std::move(sink)) {}

  Result<void> add(const ArchiveEntry& e, const Pull& pull) override {
    Member m{.name = e.type == Type::Directory ? e.name + "/" : e.name, .offset = at_};
    constexpr uint32_t kFile = 0100000, kDirectory = 0040000, kLink = 0120000;
    m.mode = (e.mode & 0777) | (e.type == Type::File ? kFile : e.type == Type::Link ? kLink : kDirectory);
    m.deflated = e.type == Type::File && e.size > 0;
    m.large = e.size >= kLarge;
    Fields extra;
    if (m.large) extra.of(2, 1).of(2, 16).of(8, 0).of(8, 0);
    Fields h;
    h.of(4, 0x04034b50).of(2, 45).of(2, kFlags).of(2, m.deflated ? 8 : 0).of(2, 0).of(2, kDate).of(4, 0);
    h.of(4, m.large ? 0xffffffff : 0).of(4, m.large ? 0xffffffff : 0);
    h.of(2, m.name.size()).of(2, extra.bytes.size()).text(m.name).text(extra.bytes);
    if (auto done = put(h.bytes); !done) return done;
    const int64_t begin = at_;
    uLong crc = ::crc32(0, nullptr, 0);
    const auto count = [&](std::string_view bytes) {
      crc = ::crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), uInt(bytes.size()));
      m.size += int64_t(bytes.size());
    };
    if (e.type == Type::Link) {
      count(e.target);
      if (auto done = put(e.target); !done) return done;
    } else if (m.deflated) {
      Deflater deflater(-1, -15);
      const Sink out = [this](std::string_view b) { return put(b); };
      auto done = pour(e, pull, [&](std::string_view b) {
        count(b);
        return deflater.put(b, out);
      });
      if (!done) return done;
      if (auto ended = deflater.put({}, out, true); !ended) return ended;
    }
    m.packed = at_ - begin;
    m.crc = uint32_t(crc);
    const int width = m.large ? 8 : 4;
    Fields d;
    d.of(4, 0x08074b50).of(4, m.crc).of(width, uint64_t(m.packed)).of(width, uint64_t(m.size));
    members_.push_back(std::move(m));
    return put(d.bytes);
  }

  Result<void> finish() override {
    const int64_t begin = at_;
    for (const Member& m : members_)
      if (auto done = put(central(m)); !done) return done;
    const int64_t end = at_, length = end - begin;
    Fields f;
    f.of(4, 0x06064b50).of(8, 44).of(2, 3 << 8 | 45).of(2, 45).of(4, 0).of(4, 0);
    f.of(8, members_.size()).of(8, members_.size()).of(8, uint64_t(length)).of(8, uint64_t(begin));
    f.of(4, 0x07064b50).of(4, 0).of(8, uint64_t(end)).of(4, 1);
    const auto most = [](uint64_t value, uint64_t limit) { return std::min(value, limit); };
    const uint64_t count = most(members_.size(), 0xffff);
    f.of(4, 0x06054b50).of(2, 0).of(2, 0).of(2, count).of(2, count);
    f.of(4, most(uint64_t(length), 0xffffffff)).of(4, most(uint64_t(begin), 0xffffffff)).of(2, 0);
    return put(f.bytes);
  }

 private:
  static constexpr uint64_t kFlags = 1 << 3 | 1 << 11;  // sizes follow; names are UTF-8
  static constexpr uint64_t kDate = 1 << 5 | 1;         // the first of January 1980
  static constexpr int64_t kLarge = 0xf0000000;         // deflate may add a little
  struct Member {
    std::string name;
    uint32_t mode = 0, crc = 0;
    int64_t offset = 0, size = 0, packed = 0;
    bool deflated = false, large = false;
  };

  std::string central(const Member& m) const {
    const bool large = m.large || m.offset >= 0xffffffff;
    Fields extra;
    if (large)
      extra.of(2, 1).of(2, 24).of(8, uint64_t(m.size)).of(8, uint64_t(m.packed)).of(8, uint64_t(m.offset));
    const auto small = [&](int64_t value) { return large ? 0xffffffff : uint64_t(value); };
    Fields f;
    f.of(4, 0x02014b50).of(2, 3 << 8 | 45).of(2, 45).of(2, kFlags).of(2, m.deflated ? 8 : 0);
    f.of(2, 0).of(2, kDate).of(4, m.crc).of(4, small(m.packed)).of(4, small(m.size));
    f.of(2, m.name.size()).of(2, extra.bytes.size()).of(2, 0).of(2, 0).of(2, 0);
    f.of(4, uint64_t(m.mode) << 16).of(4, small(m.offset));
    return f.text(m.name).text(extra.bytes).bytes;
  }

  Result<void> put(std::string_view bytes) {
    at_ += int64_t(bytes.size());
    return sink_(bytes);
  }

  const Sink sink_;
  std::vector<Member> members_;
  int64_t at_ = 0;
};

}  // namespace

std::unique_ptr<ArchiveWriter> tar_writer(Sink sink, int level) {
  return std::make_unique<TarWriter>(std::move(sink), level);
}
std::unique_ptr<ArchiveWriter> zip_writer(Sink sink) { return std::make_unique<ZipWriter>(std::move(sink)); }

}  // namespace ingot::host
