#include "node/images.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::node {
namespace {
constexpr size_t kMaxReference = 512;

bool allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/';
}
bool allowed_in_tag(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}
bool is_digest(std::string_view text) {
  if (!text.starts_with("sha256:") || text.size() != 7 + 64) return false;
  return std::ranges::all_of(text.substr(7),
                             [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}
bool is_registry(std::string_view part) {
  return part == "localhost" || part.find('.') != part.npos || part.find(':') != part.npos;
}

std::pair<std::string, std::string> key_of(const api::Json& image) {
  const std::string_view reference = api::string_at(image, {"spec", "reference"});
  return {std::string(api::string_at(image, {"spec", "tenant"})),
          normalize_reference(reference).value_or(std::string(reference))};
}
}  // namespace

std::optional<std::string> normalize_reference(std::string_view text) {
  if (text.empty() || text.size() > kMaxReference) return std::nullopt;
  std::string_view digest;
  if (const size_t at = text.find('@'); at != text.npos) {
    digest = text.substr(at + 1);
    text = text.substr(0, at);
    if (!is_digest(digest)) return std::nullopt;
  }
  std::string_view registry = "docker.io", path = text, tag;
  if (const size_t slash = text.find('/'); slash != text.npos && is_registry(text.substr(0, slash))) {
    registry = text.substr(0, slash);
    path = text.substr(slash + 1);
  }
  if (const size_t colon = path.rfind(':'); colon != path.npos) {
    tag = path.substr(colon + 1);
    path = path.substr(0, colon);
    if (tag.empty() || tag.size() > 128 || !std::ranges::all_of(tag, allowed_in_tag)) return std::nullopt;
  }
  const bool bad_path = path.empty() || path.front() == '/' || path.back() == '/' ||
                        path.find("//") != path.npos || !std::ranges::all_of(path, allowed);
  if (bad_path) return std::nullopt;
  const bool official = registry == "docker.io" && path.find('/') == path.npos;
  std::string name = fmt::format("{}/{}{}", registry, official ? "library/" : "", path);
  if (!digest.empty()) return fmt::format("{}@{}", name, digest);
  return fmt::format("{}:{}", name, tag.empty() ? "latest" : tag);
}

void Images::put(const api::Json& image) {
  const std::string_view digest = api::string_at(image, {"spec", "digest"});
  if (is_digest(digest)) digests_[key_of(image)] = digest;
}

void Images::erase(const api::Json& image) { digests_.erase(key_of(image)); }

Result<std::string> Images::find(std::string_view tenant, std::string_view reference) const {
  const auto name = normalize_reference(reference);
  if (!name)
    return fail(Reason::BadRequest,
                fmt::format("couldn't parse image name \"{}\": invalid reference format", reference));
  for (const std::string_view owner : {tenant, std::string_view()})
    if (const auto it = digests_.find({std::string(owner), *name}); it != digests_.end()) return it->second;
  return fail(
      Reason::NotFound,
      fmt::format("image \"{}\" is not in this factory, which pulls nothing by itself; an operator loads it "
                  "with `ingot image load FILE --tenant {}`",
                  reference, tenant.empty() ? "NAME" : tenant));
}

}  // namespace ingot::node
