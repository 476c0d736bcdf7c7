#include "host/model_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <map>

#include "api/mlflow_error.h"
#include "apiserver/mlflow.h"
#include "apiserver/models.h"
#include "apiserver/status.h"
#include "data/manifest.h"
#include "host/api_client.h"
#include "host/crew.h"
#include "registry/model_ops.h"

namespace ingot::host {
namespace {

using api::Json;
using apiserver::ExchangePtr;
using apiserver::MlflowTarget;
using apiserver::Reply;

constexpr std::string_view kApi = "/apis/factory.ingot.dev/v1alpha1/";
constexpr std::string_view kVersionFiles = "models/";  // where artifacts of versions lie in the proxy

Reply text_reply(std::string text) {
  Reply reply;
  reply.body.push_back(std::make_shared<const std::string>(std::move(text)));
  return reply;
}

std::string_view at(const std::vector<apiserver::Header>& of, std::string_view name) {
  for (const auto& [key, value] : of)
    if (key == name) return value;
  return {};
}

Reason reason_of(int code) {
  constexpr std::pair<int, Reason> kReasons[] = {{400, Reason::BadRequest},
                                                 {401, Reason::Unauthorized},
                                                 {403, Reason::Forbidden},
                                                 {404, Reason::NotFound},
                                                 {405, Reason::MethodNotAllowed},
                                                 {409, Reason::Conflict},
                                                 {413, Reason::RequestEntityTooLarge},
                                                 {422, Reason::Invalid},
                                                 {429, Reason::TooManyRequests},
                                                 {503, Reason::ServiceUnavailable},
                                                 {504, Reason::Timeout}};
  for (const auto& [number, reason] : kReasons)
    if (number == code) return reason;
  return Reason::InternalError;
}

// A Status that is not 2xx, as the Error it was made of.
Error error_of(int code, std::string_view body) {
  const auto status = api::parse_json(body);
  Error error{.reason = reason_of(code), .message = fmt::format("the API server answered {}", code)};
  if (!status) return error;
  if (const auto message = api::string_at(*status, {"message"}); !message.empty()) error.message = message;
  if (api::string_at(*status, {"reason"}) == "AlreadyExists") error.reason = Reason::AlreadyExists;
  return error;
}

// What was promised; whoever should have kept it may be gone.
template <class T>
Result<T> kept(std::future<Result<T>>& answer) {
  try {
    return answer.get();
  } catch (const std::future_error&) {
    return fail(Reason::ServiceUnavailable, "the factory is stopping");
  }
}

// "models/OBJECT/VERSION/path" of a version's files; or of a model by what it is called.
struct VersionFile {
  std::string name, version, path;
  bool called = false;
};
std::optional<VersionFile> version_file(std::string_view path) {
  if (!path.starts_with(kVersionFiles)) return std::nullopt;
  path.remove_prefix(kVersionFiles.size());
  VersionFile file;
  for (std::string* part : {&file.name, &file.version}) {
    const size_t slash = path.find('/');
    *part = path.substr(0, slash);
    path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  file.path = path;
  return file;
}

std::optional<VersionFile> file_asked_for(const MlflowTarget& target) {
  if (target.op == "proxy/get") return version_file(at(target.parts, "path"));
  if (target.op == "proxy/list") return version_file(at(target.query, "path"));
  if (target.op == "model-versions/get-artifact")
    return VersionFile{std::string(at(target.query, "name")), std::string(at(target.query, "version")),
                       std::string(at(target.query, "path")), true};
  return std::nullopt;
}

}  // namespace

struct ModelService::Shared {
  Shared(env::Loop& l, env::Blobs& b, apiserver::BlobSource& f, TrackingService& t,
         const ModelServiceOptions& o)
      : loop(l), blobs(b), files(f), tracking(t), options(o), crew(o.threads, "models") {}

  env::Loop& loop;
  env::Blobs& blobs;
  apiserver::BlobSource& files;
  TrackingService& tracking;
  const ModelServiceOptions options;
  apiserver::Server* server = nullptr;  // the loop's, as the next two
  int waiting = 0;
  std::map<ClusterId, int> waiting_of;
  Crew crew;
};

// One request, on one thread of the crew.
class ModelService::Request final : public registry::ModelApi {
 public:
  Request(Shared& shared, const MlflowTarget& target) : shared_(shared), target_(target) {}

  Result<Json> call(std::string_view method, const std::string& path, const Json* body) override {
    auto told = std::make_shared<std::promise<Result<node::Answer>>>();
    auto answer = told->get_future();
    node::Call call{.method = std::string(method),
                    .path = fmt::format("/clusters/{}{}{}", target_.tenant, kApi, path),
                    .body = body ? api::to_text(*body) : "",
                    .content_type = method == "PATCH" ? "application/merge-patch+json" : "application/json"};
    shared_.loop.post([&shared = shared_, who = target_.who, call = std::move(call), told]() mutable {
      if (!shared.server) return told->set_value(fail(Reason::ServiceUnavailable, "the factory is stopping"));
      InProcessTransport(shared.loop, *shared.server, std::move(who), std::string(apiserver::kRegistryRemote))
          .call(std::move(call), [told](Result<node::Answer> got) { told->set_value(std::move(got)); });
    });
    Result<node::Answer> got = kept(answer);
    if (!got) return fail(got.error());
    if (got->code / 100 != 2) return fail(error_of(got->code, got->body));
    return api::parse_json(got->body);
  }

  Result<registry::TrackedFiles> tracked(const registry::ModelSource& source) override;

  Result<Digest> keep(const data::Manifest& manifest) override {
    auto stored = env::put_blob(shared_.blobs, target_.cluster, data::to_text(manifest));
    if (!stored) return fail(stored.error());
    return stored->digest;
  }

  Result<data::Manifest> files_of(const VersionFile& file) {
    std::string object = file.name;
    if (file.called) {
      auto model = registry::model_called(*this, file.name);
      if (!model) return fail(model.error());
      object = api::string_at(*model, {"metadata", "name"});
    }
    auto version = call("GET", registry::version_path(object, file.version), nullptr);
    if (!version) return fail(version.error());
    const auto digest = Digest::parse(api::string_at(*version, {"spec", "manifest"}));
    if (!digest) return fail(digest.error());
    auto text = env::get_blob(shared_.blobs, target_.cluster, *digest, data::kLargestManifest);
    if (!text) return fail(text.error());
    return data::parse_manifest(*text);
  }

  Result<std::string> list(const VersionFile& file);
  Result<Digest> find(const VersionFile& file) {
    auto manifest = files_of(file);
    if (!manifest) return fail(manifest.error());
    const auto found = std::ranges::lower_bound(manifest->files, file.path, {}, &data::ManifestFile::name);
    if (found == manifest->files.end() || found->name != file.path)
      return fail(Reason::NotFound, fmt::format("{} {} has no file {}", file.name, file.version, file.path));
    return found->digest;
  }

 private:
  Shared& shared_;
  const MlflowTarget& target_;
};

Result<std::string> ModelService::Request::list(const VersionFile& file) {
  auto manifest = files_of(file);
  if (!manifest) return fail(manifest.error());
  const std::string prefix = file.path.empty() ? "" : file.path + "/";
  registry::Out out;
  out.open('{').key("files").open('[');
  std::string last;
  for (const data::ManifestFile& one : manifest->files) {
    if (!one.name.starts_with(prefix)) continue;
    const std::string_view rest = std::string_view(one.name).substr(prefix.size());
    const size_t slash = rest.find('/');
    const std::string_view step = rest.substr(0, slash);
    if (slash == rest.npos) {
      out.open('{').field("path", step).key("is_dir").flag(false).field("file_size", one.bytes).close('}');
    } else if (step != last) {
      out.open('{').field("path", step).key("is_dir").flag(true).close('}');
      last = step;
    }
  }
  return out.close(']').close('}').take();
}

// Whoever tracks knows what a run left.
Result<registry::TrackedFiles> ModelService::Request::tracked(const registry::ModelSource& source) {
  auto told = std::make_shared<std::promise<Result<std::string>>>();
  auto answer = told->get_future();
  const bool logged = source.kind == registry::ModelSource::Kind::Logged;
  std::string args =
      api::to_text(api::JsonObject{{logged ? "model_id" : "run_id", source.id}, {"path", source.path}});
  shared_.loop.post([&shared = shared_, cluster = target_.cluster, args = std::move(args), told]() mutable {
    shared.tracking.ask(cluster, "registering/files", std::move(args),
                        [told](Result<std::string> got) { told->set_value(std::move(got)); });
  });
  const Result<std::string> text = kept(answer);
  if (!text) return fail(text.error());
  const auto said = api::parse_json(*text);
  if (!said) return fail(said.error());
  registry::TrackedFiles files{
      .run_id = std::string(api::string_at(*said, {"run_id"})), .files = {}, .made = {}};
  files.made = api::object_at(*said, {"made"});
  std::vector<data::ManifestFile> list;
  for (const Json& one : api::array_at(*said, {"files"})) {
    auto digest = Digest::parse(api::string_at(one, {"digest"}));
    if (!digest) return fail(digest.error());
    list.push_back(
        {std::string(api::string_at(one, {"name"})), *digest, api::int_at(one, {"bytes"}).value_or(0)});
  }
  auto manifest = data::make_manifest(std::move(list));
  if (!manifest) return fail(manifest.error());
  files.files = std::move(*manifest);
  return files;
}

ModelService::ModelService(env::Loop& loop, env::Blobs& blobs, apiserver::BlobSource& files,
                           TrackingService& tracking, ModelServiceOptions options)
    : shared_(std::make_shared<Shared>(loop, blobs, files, tracking, options)) {}
ModelService::~ModelService() = default;

void ModelService::use(apiserver::Server* server) { shared_->server = server; }

void ModelService::serve(MlflowTarget target, ExchangePtr exchange) {
  const auto handler = registry::find_model_handler(target.op);
  const auto file = file_asked_for(target);
  if (!handler && !file)
    return exchange->reply(apiserver::mlflow_error_reply(api::mlflow_no_endpoint("", target.op)));
  Shared& shared = *shared_;
  if (shared.waiting >= shared.options.waiting ||
      shared.waiting_of[target.cluster] >= shared.options.waiting_of_one)
    return exchange->reply(apiserver::mlflow_error_reply(
        api::mlflow_exhausted("too many requests about models are being served: try again in a moment")));
  ++shared.waiting, ++shared.waiting_of[target.cluster];
  shared.crew.post([shared = shared_, target = std::move(target), exchange = std::move(exchange), handler,
                    file]() mutable {
    Request request(*shared, target);
    Result<Reply> reply = fail(Reason::InternalError, "");
    std::optional<Digest> blob;
    if (file && target.op != "proxy/list") {
      auto found = request.find(*file);
      if (found)
        blob = *found;
      else
        reply = fail(found.error());
    } else {
      auto args = file ? Result<registry::Args>(registry::Args())
                       : registry::Args::read(target.body, target.query, target.parts);
      auto text = !args ? fail(args.error()) : file ? request.list(*file) : handler(request, *args);
      reply = text ? Result<Reply>(text_reply(std::move(*text))) : fail(text.error());
    }
    Shared& of = *shared;
    of.loop.post([shared = std::move(shared), cluster = target.cluster, base = target.base,
                  exchange = std::move(exchange), reply = std::move(reply), blob]() mutable {
      --shared->waiting;
      if (--shared->waiting_of[cluster] == 0) shared->waiting_of.erase(cluster);
      if (blob)
        return shared->files.serve(
            {.op = apiserver::BlobTarget::Op::Read, .cluster = cluster, .base = base, .digest = *blob},
            std::move(exchange));
      exchange->reply(reply ? std::move(*reply) : apiserver::mlflow_error_reply(reply.error()));
    });
  });
}

}  // namespace ingot::host
