// The index of artifacts: which blob lies at which path. The bytes are the store of blobs' (host/tracking_service.h); a
// path is good for something only below the place of an experiment.
#include <fmt/format.h>

#include "api/mlflow_error.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "registry/limits.h"
#include "registry/ops.h"
#include "registry/paths.h"

namespace ingot::registry {
namespace {

constexpr size_t kMostListed = 10'000;  // of one answer

// Of a path: the experiment it is in.
Result<std::string> placed(const Desk& desk, std::string_view path) {
  auto good = check_path(path);
  if (!good) return good;
  const auto id = parse_experiment_id(std::string_view(*good).substr(0, good->find('/')));
  if (!id || !desk.book.experiment(*id) || good->find('/') == good->npos)
    return fail(Reason::NotFound, fmt::format("no experiment keeps artifacts at '{}'", good->substr(0, 100)));
  return good;
}

// A page of what lies below root/path, by paths relative to `root`.
Result<std::string> list(Desk& desk, const Call& call, const std::string& root, std::string_view uri,
                         std::string_view path, bool whole_paths) {
  const auto token = call.args.text("page_token");
  if (!token) return fail(token.error());
  const auto after = token->size() < 2 * kMostPath ? parse_base64(*token) : std::nullopt;
  if (!after) return fail(invalid("Invalid page token: take it from the answer before"));
  const std::string directory = joined(root, path);
  const auto found = desk.file.list(directory, *after, kMostListed + 1);
  if (!found) return fail(found.error());
  Out out;
  out.open('{');
  if (!uri.empty()) out.field("root_uri", uri);
  out.key("files").open('[');
  for (size_t i = 0; i < found->size() && i < kMostListed; ++i) {
    const store::TrackedArtifact& file = (*found)[i];
    const std::string_view from = whole_paths ? std::string_view(root) : std::string_view(directory);
    out.open('{').field("path", std::string_view(file.path).substr(from.size() + 1));
    out.key("is_dir").flag(file.digest.empty());
    if (!file.digest.empty()) out.field("file_size", file.bytes);
    out.close('}');
  }
  out.close(']');
  if (found->size() > kMostListed) out.field("next_page_token", base64((*found)[kMostListed - 1].path));
  return out.close('}').take();
}

Result<std::string> list_of_run(Desk& desk, const Call& call) {
  const auto row = run_of(desk, call);
  if (!row) return fail(row.error());
  const auto said = call.args.text("path");
  if (!said) return fail(said.error());
  const auto path = check_path(*said, true);
  if (!path) return fail(path.error());
  const std::string uri = artifact_root(desk.book, desk.book.runs()[*row]);
  const auto root = path_of_uri(uri);
  if (!root) return fail(root.error());
  return list(desk, call, *root, uri, *path, true);
}

Result<std::string> list_of_model(Desk& desk, const Call& call) {
  const auto id = call.args.required("model_id");
  if (!id) return fail(id.error());
  const auto index = desk.book.model(*id);
  if (!index)
    return fail(Reason::NotFound, fmt::format("Logged model with ID '{}' not found.", id->substr(0, 64)));
  const auto said = call.args.text("artifact_directory_path");
  if (!said) return fail(said.error());
  const auto path = check_path(*said, true);
  if (!path) return fail(path.error());
  const std::string uri = model_root(desk.book, desk.book.models()[*index]);
  const auto root = path_of_uri(uri);
  if (!root) return fail(root.error());
  return list(desk, call, *root, uri, *path, true);
}

// The proxy's own: paths relative to what is asked for.
Result<std::string> list_proxied(Desk& desk, const Call& call) {
  const auto said = call.args.text("path");
  if (!said) return fail(said.error());
  if (said->empty()) return Out().open('{').key("files").open('[').close(']').close('}').take();
  const auto path = check_path(*said);
  if (!path) return fail(path.error());
  return list(desk, call, *path, "", "", false);
}

std::string answer(const store::TrackedArtifact& file) {
  return Out()
      .open('{')
      .field("digest", file.digest)
      .field("bytes", file.bytes)
      .field("path", file.path)
      .close('}')
      .take();
}

Result<std::string> find(Desk& desk, std::string_view path) {
  const auto file = desk.file.artifact(path);
  if (!file) return fail(file.error());
  if (!*file) return fail(Reason::NotFound, fmt::format("no artifact lies at '{}'", path.substr(0, 200)));
  return answer(**file);
}

// Of the proxy: {path}.
Result<std::string> find_proxied(Desk& desk, const Call& call) {
  const auto said = call.args.required("path");
  if (!said) return fail(said.error());
  const auto path = placed(desk, *said);
  if (!path) return fail(path.error());
  return find(desk, *path);
}

// Of a run or a logged model: {run_id or model_id, path}.
Result<std::string> find_of_run(Desk& desk, const Call& call) {
  const auto said = call.args.required("path");
  if (!said) return fail(said.error());
  const auto path = check_path(*said);
  if (!path) return fail(path.error());
  const auto row = run_of(desk, call);
  if (!row) return fail(row.error());
  const auto root = path_of_uri(artifact_root(desk.book, desk.book.runs()[*row]));
  if (!root) return fail(root.error());
  return find(desk, joined(*root, *path));
}

// Before bytes are taken: whether they may lie there.
Result<std::string> may_put(Desk& desk, const Call& call) {
  const auto said = call.args.required("path");
  if (!said) return fail(said.error());
  const auto path = placed(desk, *said);
  if (!path) return fail(path.error());
  const auto id = parse_experiment_id(std::string_view(*path).substr(0, path->find('/')));
  if (desk.book.experiment(*id)->deleted) return fail(invalid("the experiment is deleted: restore it first"));
  if (auto room = check_room(desk); !room) return fail(room.error());
  return empty_answer();
}

// The factory's own: the bytes are there, {path, digest, bytes}.
Result<std::string> stored(Desk& desk, const Call& call) {
  const auto said = call.args.required("path"), digest = call.args.required("digest");
  if (!said) return fail(said.error());
  if (!digest) return fail(digest.error());
  const auto bytes = call.args.number("bytes");
  if (!bytes) return fail(bytes.error());
  const auto path = placed(desk, *said);
  if (!path) return fail(path.error());
  if (const auto known = Digest::parse(*digest); !known) return fail(known.error());
  desk.book.put_artifact({*path, std::string(*digest), bytes->value_or(0)});
  return empty_answer();
}

Result<std::string> remove(Desk& desk, const Call& call) {
  const auto said = call.args.required("path");
  if (!said) return fail(said.error());
  const auto path = placed(desk, *said);
  if (!path) return fail(path.error());
  desk.book.remove_artifacts(*path);
  return empty_answer();
}

// Every blob that is named, as {"digests": […]}: what the sweep of blobs must leave alone.
Result<std::string> digests(Desk& desk, const Call&) {
  Out out;
  out.open('{').key("digests").open('[');
  std::string last;
  const auto read = desk.file.artifacts([&](const store::TrackedArtifact& file) {
    if (file.digest != last) out.text(last = file.digest);
    return true;
  });
  if (!read) return fail(read.error());
  return out.close(']').close('}').take();
}

// As MLflow's server says it of a store that takes files in one piece: its clients then send them so.
Result<std::string> no_parts(Desk&, const Call&) {
  return fail(api::mlflow_not_implemented(
      "Multipart upload is not supported for the current artifact repository: send the file in one piece"));
}

constexpr Op kOps[] = {
    {"artifacts/list", list_of_run},
    {"artifacts/get", find_of_run},
    {"logged-models/list-artifacts", list_of_model},
    {"proxy/list", list_proxied},
    {"proxy/get", find_proxied},
    {"proxy/put", may_put},
    {"proxy/delete", remove},
    {"artifacts/stored", stored},
    {"artifacts/digests", digests},
    {"mpu/create", no_parts},
    {"mpu/complete", no_parts},
    {"mpu/abort", no_parts},
};

}  // namespace

std::span<const Op> artifact_ops() { return kOps; }

}  // namespace ingot::registry
