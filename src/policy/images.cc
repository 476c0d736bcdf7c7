#include "policy/images.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::policy {
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

std::string_view repository_of(std::string_view normalized) {
  if (const size_t at = normalized.find('@'); at != normalized.npos) return normalized.substr(0, at);
  return normalized.substr(0, normalized.rfind(':'));
}

void Images::put(const api::Json& image) {
  erase(image);
  const std::string_view digest = api::string_at(image, {"spec", "digest"});
  if (!is_digest(digest)) return;
  const auto key = key_of(image);
  ++pinned_[{key.first, fmt::format("{}@{}", repository_of(key.second), digest)}];
  digests_[key] = digest;
}

void Images::erase(const api::Json& image) {
  const auto known = digests_.find(key_of(image));
  if (known == digests_.end()) return;
  const auto& [tenant, name] = known->first;
  const auto pinned = pinned_.find({tenant, fmt::format("{}@{}", repository_of(name), known->second)});
  if (pinned != pinned_.end() && --pinned->second == 0) pinned_.erase(pinned);
  digests_.erase(known);
}

std::optional<std::string> Images::digest(std::string_view tenant, const std::string& normalized) const {
  for (const std::string_view owner : {tenant, std::string_view()}) {
    const std::pair key(std::string(owner), normalized);
    if (const auto it = digests_.find(key); it != digests_.end()) return it->second;
    if (pinned_.contains(key)) return normalized.substr(normalized.find('@') + 1);
  }
  return std::nullopt;
}

Result<std::string> Images::find(std::string_view tenant, std::string_view reference) const {
  const auto name = normalize_reference(reference);
  if (!name)
    return fail(Reason::BadRequest,
                fmt::format("couldn't parse image name \"{}\": invalid reference format", reference));
  if (auto known = digest(tenant, *name)) return *std::move(known);
  return fail(
      Reason::NotFound,
      fmt::format("image \"{}\" is not in this factory, which pulls nothing by itself; an operator loads it "
                  "with `ingot image load FILE --tenant {}`",
                  reference, tenant.empty() ? "NAME" : tenant));
}

}  // namespace ingot::policy
