#include "ingot/dataset_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "host/beneath.h"
#include "host/unpack_worker.h"
#include "ingot/blob_client.h"
#include "ingot/output.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using api::Json;
using api::string_at;

constexpr std::string_view kOwnKey = "sha256/";

const Json* named(const Json& outputs, std::string_view artifact) {
  for (const Json& a : api::array_at(outputs, {"artifacts"}))
    if (string_at(a, {"name"}) == artifact) return &a;
  return nullptr;
}

std::unexpected<Error> cannot(std::string_view what) {
  return fail(Reason::InternalError, fmt::format("cannot {}: {}", what, std::strerror(errno)));
}

Result<void> download(Client& client, const std::string& tenant, const Digest& digest, int64_t bytes,
                      int file) {
  BlobClient blobs(client, tenant);
  TransferProgress progress("fetching", bytes);
  return blobs.fetch({{digest,
                       [&](const auto& read) {
                         return read([&](std::string_view piece) -> Result<void> {
                           if (host::write_all(file, piece)) return {};
                           return cannot("write what a run left");
                         });
                       }}},
                     progress);
}

}  // namespace

Result<Json> artifact_of_run(const Json& workflow, std::string_view node, std::string_view artifact) {
  const std::string_view run = string_at(workflow, {"metadata", "name"});
  const Json* found = nullptr;
  size_t count = 0;
  if (node.empty())
    if (const Json* outputs = api::find(workflow, {"status", "outputs"})) found = named(*outputs, artifact);
  if (found) return *found;
  for (const auto& [id, n] : api::object_at(workflow, {"status", "nodes"})) {
    const std::string_view name = string_at(n, {"name"});
    const bool wanted = node.empty() || std::string_view(id) == node ||
                        string_at(n, {"displayName"}) == node || name == node ||
                        name == fmt::format("{}{}", run, node);
    const Json* outputs = wanted ? api::find(n, {"outputs"}) : nullptr;
    const Json* own = outputs ? named(*outputs, artifact) : nullptr;
    if (!own) continue;
    // One that went through steps and out of them is one.
    if (!found || string_at(*own, {"s3", "key"}) != string_at(*found, {"s3", "key"})) ++count;
    found = own;
  }
  if (!found)
    return fail(Reason::NotFound,
                fmt::format("run {} left no artifact {}{}\n  `ingot runs show {}` shows what it left", run,
                            artifact, node.empty() ? "" : fmt::format(" in node {}", node), run));
  if (count > 1)
    return fail(Reason::Conflict,
                fmt::format("several nodes of run {} left an artifact {}\n  name one: {}/NODE:{}", run,
                            artifact, run, artifact));
  return *found;
}

Result<std::unique_ptr<RunArtifact>> RunArtifact::fetch(Client& client, const std::string& tenant,
                                                        const std::string& ns, const std::string& what) {
  const size_t colon = what.rfind(':'), slash = what.find('/');
  if (colon == what.npos || colon == 0 || colon + 1 == what.size())
    return fail(Reason::Invalid,
                fmt::format("\"{}\" names no artifact: write RUN:ARTIFACT or RUN/NODE:ARTIFACT", what));
  const std::string run = what.substr(0, std::min(slash, colon));
  const std::string node = slash < colon ? what.substr(slash + 1, colon - slash - 1) : "";
  auto workflow = client.get(fmt::format("/clusters/{}/apis/argoproj.io/v1alpha1/namespaces/{}/workflows/{}",
                                         query_value(tenant), query_value(ns), query_value(run)));
  if (!workflow) return fail(workflow.error());
  auto artifact = artifact_of_run(*workflow, node, what.substr(colon + 1));
  if (!artifact) return fail(artifact.error());
  const std::string_view key = string_at(*artifact, {"s3", "key"});
  const auto digest = key.starts_with(kOwnKey) && string_at(*artifact, {"s3", "bucket"}).empty()
                          ? Digest::parse_hex(key.substr(kOwnKey.size()))
                          : Result<Digest>(fail(Reason::Invalid, ""));
  if (!digest)
    return fail(Reason::Invalid, fmt::format("artifact {} is not kept in the tenant's own store", what));

  std::unique_ptr<RunArtifact> out(new RunArtifact);
  out->directory_ = (fs::temp_directory_path() / "ingot-run-XXXXXX").string();
  if (!::mkdtemp(out->directory_.data())) return cannot("make a directory");
  const std::string packed = out->directory_ + "/packed", into = out->directory_ + "/files";
  const host::Fd file(::open(packed.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return cannot("write what a run left");
  if (auto got = download(client, tenant, *digest, api::int_at(*artifact, {"size"}).value_or(0), file.get());
      !got)
    return fail(got.error());
  if (::mkdir(into.c_str(), 0700) != 0) return cannot("make a directory");
  const host::Fd directory(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto unpacked = api::find(*artifact, {"archive", "none"})
                            ? Result<bool>(false)
                            : host::unpack_apart(file, directory, {}, nullptr);
  if (!unpacked) return fail(unpacked.error());
  if (!*unpacked) {
    const std::string name = fs::path(std::string(string_at(*artifact, {"path"}))).filename();
    out->path_ = into + "/" + (name.empty() ? "data" : name);
    if (::rename(packed.c_str(), out->path_.c_str()) != 0) return cannot("name what a run left");
    return out;
  }
  // The one directory in it is the artifact.
  out->path_ = into;
  std::optional<fs::path> only;
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(into)) {
    ++count;
    only = entry.path();
  }
  if (count == 1 && !fs::is_symlink(*only)) out->path_ = only->string();
  return out;
}

RunArtifact::~RunArtifact() {
  std::error_code ignored;
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

}  // namespace ingot
