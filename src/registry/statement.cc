#include "registry/statement.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using data::Manifest;
using data::ManifestFile;

constexpr size_t kLongestModelName = 1024, kMostIgnored = 100, kMostSubjects = 4096, kMostTold = 10;

std::unexpected<Error> wrong(std::string_view what) {
  return fail(Reason::Invalid, fmt::format("the statement is not to be trusted: {}", what));
}

std::string raw(const Digest& digest) {
  const std::string hex = digest.hex();
  std::string bytes(hex.size() / 2, '\0');
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = char(value(hex[2 * i]) << 4 | value(hex[2 * i + 1]));
  return bytes;
}

bool ignores(const ModelStatement& signed_, std::string_view name) {
  return std::ranges::any_of(signed_.ignored, [&](const std::string& path) {
    return name == path || (name.starts_with(path) && name.size() > path.size() && name[path.size()] == '/');
  });
}

Result<std::vector<std::string>> read_ignored(const Json& statement) {
  std::vector<std::string> ignored;
  const JsonArray& list = api::array_at(statement, {"predicate", "serialization", "ignore_paths"});
  if (list.size() > kMostIgnored) return wrong("it leaves out too many paths");
  for (const Json& path : list) {
    if (!path.is_string()) return wrong("a path that it leaves out is no text");
    ignored.emplace_back(path.get_string());
    if (!data::check_file_name(ignored.back())) return wrong("a path that it leaves out leads elsewhere");
  }
  return ignored;
}

Result<Manifest> read_resources(const Json& statement) {
  const JsonArray& list = api::array_at(statement, {"predicate", "resources"});
  if (list.empty()) return wrong("it lists no files");
  if (list.size() > kMostResources) return wrong("it lists too many files");
  Manifest files;
  files.files.reserve(list.size());
  for (const Json& one : list) {
    if (api::string_at(one, {"algorithm"}) != "sha256")
      return wrong("a file's digest is not of sha256, the only algorithm that is read");
    auto digest = Digest::parse_hex(api::string_at(one, {"digest"}));
    if (!digest) return wrong("a file's digest is none");
    ManifestFile file{std::string(api::string_at(one, {"name"})), *digest, 0};
    if (auto fine = data::check_file_name(file.name); !fine) return wrong(fine.error().message);
    files.files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

Result<void> check_signable(const Manifest& manifest) {
  if (manifest.files.empty()) return fail(Reason::Invalid, "a model without files cannot be signed");
  if (manifest.files.size() > kMostResources)
    return fail(Reason::Invalid, fmt::format("{} files are more than the {} that one signature covers",
                                             manifest.files.size(), kMostResources));
  for (const ManifestFile& file : manifest.files)
    if (file.name.find(':') != file.name.npos)
      return fail(
          Reason::Invalid,
          fmt::format("\"{}\" has a \":\" in its name, which signatures of models keep for themselves: "
                      "rename the file",
                      file.name));
  return {};
}

Digest root_digest(const Manifest& manifest) {
  Sha256 hash;
  for (const ManifestFile& file : manifest.files) hash.add(raw(file.digest));
  return hash.finish();
}

std::string to_statement(std::string_view model, const Manifest& manifest) {
  JsonArray resources;
  resources.reserve(manifest.files.size());
  for (const ManifestFile& file : manifest.files)
    resources.push_back(
        JsonObject{{"name", file.name}, {"algorithm", "sha256"}, {"digest", file.digest.hex()}});
  return api::to_text(JsonObject{
      {"_type", kStatementType},
      {"subject", JsonArray{JsonObject{{"name", model},
                                       {"digest", JsonObject{{"sha256", root_digest(manifest).hex()}}}}}},
      {"predicateType", kSignaturePredicate},
      {"predicate", JsonObject{{"serialization", JsonObject{{"method", "files"},
                                                            {"hash_type", "sha256"},
                                                            {"allow_symlinks", false},
                                                            {"ignore_paths", JsonArray{}}}},
                               {"resources", std::move(resources)}}}});
}

Result<ModelStatement> parse_statement(std::string_view payload) {
  const Result<Json> statement = api::parse_json(payload);
  if (!statement) return wrong("it is no JSON: " + statement.error().message);
  if (api::string_at(*statement, {"_type"}) != kStatementType)
    return wrong(fmt::format("its _type is not {}", kStatementType));
  if (const auto type = api::string_at(*statement, {"predicateType"}); type != kSignaturePredicate)
    return wrong(fmt::format("it is no model's signature, but \"{}\"", type.substr(0, 100)));
  if (const auto method = api::string_at(*statement, {"predicate", "serialization", "method"});
      method != "files")
    return wrong("its files were not hashed one by one, which alone is read");
  if (api::string_at(*statement, {"predicate", "serialization", "hash_type"}) != "sha256")
    return wrong("its hash_type is not sha256");
  const JsonArray& subject = api::array_at(*statement, {"subject"});
  if (subject.size() != 1) return wrong(fmt::format("it has {} subjects, not one", subject.size()));
  const std::string_view name = api::string_at(subject[0], {"name"});
  if (name.size() > kLongestModelName) return wrong("its subject's name is too long");
  auto files = read_resources(*statement);
  if (!files) return fail(files.error());
  const auto root = Digest::parse_hex(api::string_at(subject[0], {"digest", "sha256"}));
  // Over the list as it was written; order matters here alone.
  if (!root || *root != root_digest(*files))
    return wrong("its subject is not the digest of its list of files");
  auto sorted = data::make_manifest(std::move(files->files));
  if (!sorted) return wrong(sorted.error().message);
  auto ignored = read_ignored(*statement);
  if (!ignored) return fail(ignored.error());
  return ModelStatement{std::string(name), std::move(*sorted), std::move(*ignored)};
}

std::string predicate_type(std::string_view payload) {
  const Result<Json> statement = api::parse_json(payload);
  if (!statement || api::string_at(*statement, {"_type"}) != kStatementType) return {};
  return std::string(api::string_at(*statement, {"predicateType"}));
}

std::vector<Digest> subjects(std::string_view payload) {
  std::vector<Digest> all;
  const Result<Json> statement = api::parse_json(payload);
  if (!statement) return all;
  for (const Json& subject : api::array_at(*statement, {"subject"})) {
    if (all.size() == kMostSubjects) break;
    if (auto digest = Digest::parse_hex(api::string_at(subject, {"digest", "sha256"})))
      all.push_back(*digest);
  }
  return all;
}

std::string difference(const ModelStatement& signed_, const Manifest& found) {
  std::string told;
  size_t count = 0;
  const auto tell = [&](std::string_view name, std::string_view what) {
    if (++count > kMostTold) return;
    told += fmt::format("{}{}: {}", told.empty() ? "" : "\n", name, what);
  };
  // Both are in the order of names.
  auto is = found.files.begin();
  for (const ManifestFile& was : signed_.files.files) {
    for (; is != found.files.end() && is->name < was.name; ++is)
      if (!ignores(signed_, is->name)) tell(is->name, "was not signed");
    if (is == found.files.end() || is->name != was.name) {
      tell(was.name, "is missing");
      continue;
    }
    if (is->digest != was.digest) tell(is->name, "has changed since it was signed");
    ++is;
  }
  for (; is != found.files.end(); ++is)
    if (!ignores(signed_, is->name)) tell(is->name, "was not signed");
  if (count > kMostTold) told += fmt::format("\nand {} more", count - kMostTold);
  return told;
}

}  // namespace ingot::registry
