#include "data/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "api/json.h"
#include "api/parse.h"

namespace ingot::data {
namespace {

using api::Json;

constexpr size_t kLongestStep = 255;
constexpr int64_t kMostSteps = 64;  // of a name
constexpr int64_t kLargestFile = int64_t(1) << 50;

std::unexpected<Error> bad(std::string why) { return fail(Reason::Invalid, "manifest: " + std::move(why)); }

// No name is also a directory of another.
Result<void> check_tree(const std::vector<ManifestFile>& files) {
  std::unordered_set<std::string_view> directories;
  for (const ManifestFile& file : files) {
    const std::string_view name = file.name;
    for (size_t slash = name.rfind('/'); slash != name.npos;
         slash = slash == 0 ? name.npos : name.rfind('/', slash - 1))
      if (!directories.insert(name.substr(0, slash)).second) break;  // and so are those above it
  }
  for (const ManifestFile& file : files)
    if (directories.contains(file.name))
      return bad(fmt::format("\"{}\" is both a file and a directory", file.name));
  return {};
}

Result<ManifestFile> read_file(const Json& entry) {
  const auto digest = Digest::parse(api::string_at(entry, {"digest"}));
  if (!digest) return fail(digest.error());
  return ManifestFile{std::string(api::string_at(entry, {"name"})), *digest,
                      api::int_at(entry, {"size"}).value_or(-1)};
}

}  // namespace

int64_t Manifest::bytes() const {
  int64_t sum = 0;
  for (const ManifestFile& file : files) sum += file.bytes;
  return sum;
}

Result<void> check_file_name(std::string_view name) {
  const auto wrong = [&](std::string_view why) {
    return fail(Reason::Invalid, fmt::format("file name {}: {}",
                                             api::to_text(Json(boost::json::string_view(
                                                 name.data(), std::min<size_t>(name.size(), 200)))),
                                             why));
  };
  if (name.empty()) return wrong("is empty");
  if (!api::is_utf8(name)) return fail(Reason::Invalid, "file name: is not UTF-8");
  if (name.size() > kLongestName) return wrong(fmt::format("is longer than {} bytes", kLongestName));
  if (std::ranges::any_of(name, [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; }))
    return wrong("has a control character");
  if (name.starts_with('/')) return wrong("must be relative");
  if (std::ranges::count(name, '/') >= kMostSteps)
    return wrong(fmt::format("has more than {} steps", kMostSteps));
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    const std::string_view step = name.substr(at, end - at);
    if (step.empty() || step == "." || step == "..") return wrong("has a step that is \"\", \".\" or \"..\"");
    if (step.size() > kLongestStep)
      return wrong(fmt::format("has a step longer than {} bytes", kLongestStep));
    at = end + 1;
  }
  return {};
}

Result<Manifest> make_manifest(std::vector<ManifestFile> files) {
  if (files.size() > kMostFiles)
    return bad(fmt::format("{} files are more than {}", files.size(), kMostFiles));
  std::ranges::sort(files, {}, &ManifestFile::name);
  int64_t sum = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    const ManifestFile& file = files[i];
    if (auto fine = check_file_name(file.name); !fine) return fail(fine.error());
    if (i > 0 && files[i - 1].name == file.name) return bad(fmt::format("\"{}\" is named twice", file.name));
    if (file.bytes < 0 || file.bytes > kLargestFile || (sum += file.bytes) > kLargestFile)
      return bad(fmt::format("the size of \"{}\" cannot be", file.name));
  }
  if (auto fine = check_tree(files); !fine) return fail(fine.error());
  return Manifest{std::move(files)};
}

std::string to_text(const Manifest& manifest) {
  std::string out = R"({"files":[)";
  for (const ManifestFile& file : manifest.files) {
    if (&file != manifest.files.data()) out += ',';
    fmt::format_to(std::back_inserter(out), R"({{"name":{},"digest":"{}","size":{}}})",
                   api::to_text(Json(boost::json::string(file.name))), file.digest.text(), file.bytes);
  }
  return out += "]}";
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (int64_t(text.size()) > kLargestManifest) return bad("it is too large");
  const auto value = api::parse_json(text, api::one_piece(text.size()));
  if (!value) return bad(value.error().message);
  const Json* list = api::find(*value, {"files"});
  if (list == nullptr || !list->is_array()) return bad("it has no list \"files\"");
  if (list->get_array().size() > kMostFiles)
    return bad(fmt::format("it names more than {} files", kMostFiles));
  std::vector<ManifestFile> files;
  files.reserve(list->get_array().size());
  for (const Json& entry : list->get_array()) {
    auto file = read_file(entry);
    if (!file) return bad(file.error().message);
    files.push_back(std::move(*file));
  }
  auto manifest = make_manifest(std::move(files));
  if (manifest && to_text(*manifest) != text)
    return bad("it is not in its one encoding: names in order, no white space, no other members");
  return manifest;
}

}  // namespace ingot::data
