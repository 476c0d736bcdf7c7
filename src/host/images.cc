#include "host/images.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <re2/re2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "api/json.h"
#include "base/encoding.h"
#include "host/containerd_process.h"
#include "host/images_tar.h"

namespace ingot::host {
namespace {

using api::Json;

constexpr size_t kMostEntries = 10'000;
constexpr uint64_t kLargestJson = 4 << 20;  // containerd's own limit for manifests
constexpr uint64_t kLargestImage = 64ull << 30;
constexpr size_t kMostReferences = 64;
constexpr const char* kOwnNames = "ingot.local/";  // names in containerd that are ours

#if defined(__aarch64__)
constexpr std::string_view kArchitecture = "arm64";
#else
constexpr std::string_view kArchitecture = "amd64";
#endif

// The archive's table of contents and its bytes.
class Archive {
 public:
  static Result<Archive> open(const std::string& path) {
    Archive archive(path);
    uint64_t total = 0;
    auto walked = tar_walk(path, kMostEntries, [&](const TarEntry& entry) -> Result<void> {
      if (entry.type == '5') return {};
      if (!archive.entries_.emplace(entry.name, entry).second)
        return archive.bad(fmt::format("{} is in it twice", entry.name));
      total += entry.size;
      if (total > kLargestImage) return archive.bad("it is larger than 64 GiB");
      return {};
    });
    if (!walked) return fail(walked.error());
    archive.fd_ = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!archive.fd_) return archive.bad("it went away");
    return archive;
  }

  bool has(const std::string& name) const { return entries_.contains(name); }

  // Follows links inside the archive, as `docker save` makes them between equal layers.
  Result<TarEntry> file(std::string name) const {
    for (int hops = 0; hops < 8; ++hops) {
      auto it = entries_.find(name);
      if (it == entries_.end()) return bad(name + " is missing from it");
      if (it->second.type != '2') return it->second;
      std::string target = name.substr(0, name.rfind('/') + 1) + it->second.link_target;
      name = flatten(target);
    }
    return bad("links in it form a loop");
  }

  Result<Json> json(const std::string& name) const {
    auto entry = file(name);
    if (!entry) return fail(entry.error());
    if (entry->size > kLargestJson) return bad(name + " is too large");
    std::string text(entry->size, '\0');
    if (!read(entry->offset, text.data(), text.size())) return bad("it breaks off");
    auto parsed = api::parse_json(text);
    if (!parsed) return bad(fmt::format("{}: {}", name, parsed.error().message));
    return parsed;
  }

  Result<std::string> digest(const std::string& name) const {
    auto entry = file(name);
    if (!entry) return fail(entry.error());
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
    std::string buffer(1 << 20, '\0');
    for (uint64_t at = 0; at < entry->size; at += buffer.size()) {
      size_t size = size_t(std::min<uint64_t>(buffer.size(), entry->size - at));
      if (!read(entry->offset + at, buffer.data(), size)) return bad("it breaks off");
      EVP_DigestUpdate(context.get(), buffer.data(), size);
    }
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(context.get(), raw, &size);
    return "sha256:" + hex(std::string_view(reinterpret_cast<char*>(raw), size));
  }

  // The blob a descriptor of an OCI layout names; its contents must have the digest it claims.
  Result<std::string> blob(std::string_view digest_text) const {
    static const RE2 pattern("sha256:[0-9a-f]{64}");
    if (!RE2::FullMatch(std::string(digest_text), pattern))
      return bad(fmt::format("\"{}\" in it is no sha256 digest", digest_text));
    std::string name = "blobs/sha256/" + std::string(digest_text.substr(7));
    auto found = digest(name);
    if (!found) return fail(found.error());
    if (*found != digest_text) return bad(fmt::format("{} does not have the contents its name says", name));
    return name;
  }

  std::unexpected<Error> bad(const std::string& why) const {
    return fail(Reason::Invalid, fmt::format("{}: not an image archive: {}", path_, why));
  }

 private:
  explicit Archive(std::string path) : path_(std::move(path)) {}
  static std::string flatten(std::string_view path) {
    std::vector<std::string_view> parts;
    for (size_t at = 0; at <= path.size();) {
      size_t end = std::min(path.find('/', at), path.size());
      std::string_view part = path.substr(at, end - at);
      if (part == ".." && !parts.empty())
        parts.pop_back();
      else if (!part.empty() && part != "." && part != "..")
        parts.push_back(part);
      at = end + 1;
    }
    return fmt::format("{}", fmt::join(parts, "/"));
  }
  bool read(uint64_t at, char* into, size_t size) const {
    while (size > 0) {
      ssize_t n = pread(fd_.get(), into, size, off_t(at));
      if (n <= 0) return false;
      into += n, at += uint64_t(n), size -= size_t(n);
    }
    return true;
  }

  std::string path_;
  std::map<std::string, TarEntry> entries_;
  Fd fd_;
};

struct Checked {
  ArchivedImage image;
  std::string manifest_digest;  // "" for `docker save`, where containerd writes the manifest itself
};

Result<void> add_reference(ArchivedImage& image, std::string_view text) {
  if (text.empty()) return {};
  auto reference = normalize_reference(std::string(text));
  if (!reference) return fail(reference.error());
  if (std::find(image.references.begin(), image.references.end(), *reference) == image.references.end())
    image.references.push_back(*reference);
  if (image.references.size() > kMostReferences)
    return fail(Reason::Invalid, "too many names in the archive");
  return {};
}

// An index entry names the image by io.containerd.image.name (in full) or by the OCI layout's ref.name, which some
// tools fill with a full reference and others with a mere tag. A mere tag names no image.
Result<void> add_annotated(ArchivedImage& image, const Json& descriptor) {
  const auto& annotations = api::object_at(descriptor, {"annotations"});
  auto text = [&](std::string_view key) {
    const Json* value = annotations.if_contains(key);
    return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
  };
  std::string_view full = text("io.containerd.image.name");
  std::string_view name = text("org.opencontainers.image.ref.name");
  if (full.empty() && name.find_first_of("/:") != name.npos) full = name;
  return add_reference(image, full);
}

bool for_this_machine(const Json& descriptor) {
  const Json* platform = api::find(descriptor, {"platform"});
  return !platform || (api::string_at(*platform, {"architecture"}) == kArchitecture &&
                       api::string_at(*platform, {"os"}) == "linux");
}

bool is_index(const Json& descriptor) {
  auto type = api::string_at(descriptor, {"mediaType"});
  return type == "application/vnd.oci.image.index.v1+json" ||
         type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

// The one manifest of `index` for this machine; an index of indexes is followed one level.
Result<std::string> find_manifest(const Archive& archive, const Json& index, Checked& checked, int depth) {
  std::optional<std::string> found;
  for (const Json& descriptor : api::array_at(index, {"manifests"})) {
    if (!for_this_machine(descriptor)) continue;
    auto digest = std::string(api::string_at(descriptor, {"digest"}));
    auto name = archive.blob(digest);
    if (!name) return fail(name.error());
    if (is_index(descriptor)) {
      if (depth > 0) return archive.bad("an index in it is nested too deep");
      auto inner = archive.json(*name);
      if (!inner) return fail(inner.error());
      auto manifest = find_manifest(archive, *inner, checked, depth + 1);
      if (!manifest) return manifest;
      name = *manifest;
    }
    if (found && *found != *name)
      return archive.bad("it holds several images; save one image at a time (its tags may be many)");
    found = *name;
    if (depth == 0) checked.manifest_digest = digest;
    if (depth == 0)
      if (auto added = add_annotated(checked.image, descriptor); !added) return fail(added.error());
  }
  if (!found) return archive.bad(fmt::format("it holds no image for linux/{}", kArchitecture));
  return *found;
}

Result<Checked> check_layout(const Archive& archive) {
  Checked checked;
  auto index = archive.json("index.json");
  if (!index) return fail(index.error());
  auto manifest_name = find_manifest(archive, *index, checked, 0);
  if (!manifest_name) return fail(manifest_name.error());
  auto manifest = archive.json(*manifest_name);
  if (!manifest) return fail(manifest.error());
  checked.image.digest = std::string(api::string_at(*manifest, {"config", "digest"}));
  if (auto config = archive.blob(checked.image.digest); !config) return fail(config.error());
  for (const Json& layer : api::array_at(*manifest, {"layers"}))
    if (auto blob = archive.blob(api::string_at(layer, {"digest"})); !blob) return fail(blob.error());
  return checked;
}

Result<Checked> check_docker(const Archive& archive) {
  Checked checked;
  auto list = archive.json("manifest.json");
  if (!list) return fail(list.error());
  if (!list->is_array() || list->get_array().size() != 1)
    return archive.bad("it holds several images; save one image at a time");
  const Json& manifest = list->get_array()[0];
  const std::string config(api::string_at(manifest, {"Config"}));
  auto digest = archive.digest(config);
  if (!digest) return fail(digest.error());
  checked.image.digest = *digest;
  auto about = archive.json(config);
  if (!about) return fail(about.error());
  if (api::string_at(*about, {"architecture"}) != kArchitecture || api::string_at(*about, {"os"}) != "linux")
    return archive.bad(fmt::format("it holds no image for linux/{}", kArchitecture));
  for (const Json& layer : api::array_at(manifest, {"Layers"})) {
    if (!layer.is_string()) return archive.bad("a layer in manifest.json is no name");
    if (auto file = archive.file(std::string(layer.get_string())); !file) return fail(file.error());
  }
  for (const Json& tag : api::array_at(manifest, {"RepoTags"}))
    if (tag.is_string())
      if (auto added = add_reference(checked.image, tag.get_string()); !added) return fail(added.error());
  return checked;
}

Result<Checked> check(const std::string& path) {
  auto archive = Archive::open(path);
  if (!archive) return fail(archive.error());
  if (archive->has("oci-layout")) return check_layout(*archive);  // containerd prefers it, too
  if (archive->has("manifest.json")) return check_docker(*archive);
  return archive->bad("neither oci-layout nor manifest.json is in it");
}

}  // namespace

Result<std::string> normalize_reference(const std::string& text) {
  static const RE2 grammar(
      R"(((?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?/)?)"
      R"()([a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*))"
      R"((?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?)");
  auto bad = [&](const char* why) {
    return fail(Reason::Invalid, fmt::format("image reference \"{}\" {}", text.substr(0, 300), why));
  };
  std::string host, path, tag, digest;
  if (text.size() > 512 || !RE2::FullMatch(text, grammar, &host, &path, &tag, &digest))
    return bad("is malformed");
  if (!host.empty()) {
    host.pop_back();
    // "a/b" is a path on docker's hub; "a.b/c", "a:5000/c" and "localhost/c" name a host.
    if (host.find_first_of(".:") == host.npos && host != "localhost") {
      path = host + "/" + path;
      host.clear();
      for (char c : path)
        if (c >= 'A' && c <= 'Z') return bad("must be lower case");
    }
  }
  if (host.empty() || host == "index.docker.io") host = "docker.io";
  if (host == "docker.io" && path.find('/') == path.npos) path = "library/" + path;
  if (host + "/" == kOwnNames) return bad("uses a name that Ingot keeps for itself");
  if (tag.empty() && digest.empty()) tag = "latest";
  return host + "/" + path + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

Result<ArchivedImage> inspect_archive(const std::string& path) {
  auto checked = check(path);
  if (!checked) return fail(checked.error());
  return checked->image;
}

Result<ArchivedImage> load_image(const ImageStore& store, const std::string& path, Duration deadline) {
  if (store.ctr.empty())
    return fail(Reason::NotFound, "ctr is missing, which comes with containerd: apt-get install containerd");
  auto checked = check(path);
  if (!checked) return fail(checked.error());
  // Names in the archive do not start with ours, so each is dropped, and the image is known by its digest only.
  auto imported = run_child({store.ctr, "--address", store.socket, "--namespace", "k8s.io", "images",
                             "import", "--base-name", std::string(kOwnNames) + "image", "--digests", path},
                            deadline);
  if (!imported) return fail(imported.error());
  return checked->image;
}

}  // namespace ingot::host
