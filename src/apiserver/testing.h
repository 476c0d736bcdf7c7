// A control plane in one process, without sockets, for tests of this room and of those above it: a shard on a file of
// its own, an authority with a keyed hash for a signature, and requests that run to their end.
//
//   TestControlPlane plane;
//   Response made = plane.call(plane.operator_identity(), "POST", "/apis/factory.ingot.dev/v1alpha1/tenants", body);
//   auto watch = plane.open(who, "/clusters/vision/api/v1/pods?watch=true");   watch->events()
//
// Thread rule: the test's thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/server.h"
#include "base/assert.h"
#include "base/encoding.h"
#include "env/testing.h"

namespace ingot::apiserver {

// Signs with a keyed hash. Certificates are text that says whose they are.
class TestAuthority final : public Authority {
 public:
  std::string sign(const api::JsonObject& claims) override {
    const std::string body = base64url(api::to_text(claims));
    return body + "." + base64url(sha256(key_ + body));
  }
  Result<api::Json> verify(const std::string& token) override {
    ++verified;
    const size_t dot = token.find('.');
    if (dot == token.npos) return fail(Reason::Unauthorized, "not a token");
    const std::string body = token.substr(0, dot);
    if (!equal_constant_time(token.substr(dot + 1), base64url(sha256(key_ + body))))
      return fail(Reason::Unauthorized, "not our signature");
    const std::optional<std::string> text = parse_base64url(body);
    return text ? api::parse_json(*text) : fail(Reason::Unauthorized, "not base64url");
  }
  Result<KeyPair> client_certificate(const Identity& who, Duration) override {
    return KeyPair{"certificate of " + who.name + " of " + who.home.value, "key of " + who.name};
  }
  std::string ca_pem() const override {
    return "-----BEGIN CERTIFICATE-----\ntest\n-----END CERTIFICATE-----\n";
  }

  int verified = 0;

 private:
  std::string key_ = "only for tests";
};

// Answers every log with one line naming it.
struct TestLogs final : LogSource {
  std::vector<ExchangePtr> followed;  // never end by themselves

  void stream(const LogTarget& target, ExchangePtr exchange) override {
    if (target.follow) {
      exchange->begin({.content_type = "text/plain"});
      followed.push_back(std::move(exchange));
      return;
    }
    Reply reply{.content_type = "text/plain"};
    reply.body.push_back(std::make_shared<const std::string>("log of " + target.container + "\n"));
    exchange->reply(std::move(reply));
  }
};

// Says what it was asked for, and keeps nothing.
struct TestBlobs final : BlobSource {
  void serve(BlobTarget target, ExchangePtr exchange) override {
    static constexpr const char* kNames[] = {"usage", "missing", "begin", "append", "finish",
                                             "where", "abort",   "put",   "read",   "stat"};
    api::JsonObject said{
        {"op", kNames[size_t(target.op)]}, {"cluster", target.cluster.value}, {"base", target.base}};
    if (!target.upload.empty()) said["upload"] = target.upload;
    if (target.digest) said["digest"] = target.digest->text();
    if (target.offset) said["offset"] = *target.offset;
    if (!target.digests.empty()) said["digests"] = target.digests.size();
    if (!target.body.empty()) said["body"] = target.body;
    Reply reply;
    reply.body.push_back(std::make_shared<const std::string>(api::to_text(said)));
    exchange->reply(std::move(reply));
  }
};

// The same of MLflow's API.
struct TestMlflow final : MlflowSource {
  void serve(MlflowTarget target, ExchangePtr exchange) override {
    api::JsonObject said{{"op", target.op},
                         {"cluster", target.cluster.value},
                         {"base", target.base},
                         {"who", target.who.name},
                         {"body", target.body}};
    for (const auto& [name, value] : target.parts) said[name] = value;
    for (const auto& [name, value] : target.query) said["query:" + name] = value;
    for (const auto& [name, value] : target.origin) said["origin:" + name] = value;
    Reply reply;
    reply.body.push_back(std::make_shared<const std::string>(api::to_text(said)));
    exchange->reply(std::move(reply));
  }
};

struct Response {
  int code = 0;  // 0: no answer came
  std::string content_type, body;
  std::vector<Header> headers;
  api::Json json() const {
    Result<api::Json> value = api::parse_json(body);
    return value ? std::move(*value) : api::Json();
  }
  std::vector<std::string> warnings() const {
    std::vector<std::string> out;
    for (const auto& [name, value] : headers)
      if (name == "Warning") out.push_back(value);
    return out;
  }
};

// One request's answer as it comes in.
class Recorder final : public Exchange {
 public:
  void reply(Reply r) override {
    ASSERT(!begun_);
    begun_ = ended_ = true;
    take_head(r);
  }
  void begin(Reply r) override {
    ASSERT(!begun_);
    begun_ = true;
    take_head(r);
  }
  bool write(Piece piece) override {
    if (closed_ || response.body.size() + piece->size() > room) return closed_ = true, false;
    response.body += *piece;
    return true;
  }
  void end() override { ended_ = true; }
  void on_close(std::move_only_function<void()> hook) override { hook_ = std::move(hook); }

  // The peer goes away.
  void close() {
    closed_ = true;
    if (hook_) std::exchange(hook_, nullptr)();
  }
  bool ended() const { return ended_; }
  // The events of a watch so far: {"type", "object"} each.
  std::vector<api::Json> events() const {
    std::vector<api::Json> out;
    std::string_view rest = response.body;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      if (Result<api::Json> event = api::parse_json(rest.substr(0, end))) out.push_back(std::move(*event));
      rest = end == rest.npos ? std::string_view{} : rest.substr(end + 1);
    }
    return out;
  }

  Response response;
  size_t room = SIZE_MAX;  // bytes the peer takes before its buffer is full

 private:
  void take_head(const Reply& r) {
    response.code = r.code;
    response.content_type = r.content_type;
    response.headers = r.headers;
    for (const Piece& piece : r.body) response.body += *piece;
  }
  bool begun_ = false, ended_ = false, closed_ = false;
  std::move_only_function<void()> hook_;
};

class TestControlPlane {
 public:
  explicit TestControlPlane(ServerOptions options = {.version = "test",
                                                     .external_url = "https://127.0.0.1:6443"})
      : options_(std::move(options)) {
    std::string name = (std::filesystem::temp_directory_path() / "ingot-apiserver-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    restart();
  }
  ~TestControlPlane() {
    server.reset();
    shard.reset();
    std::filesystem::remove_all(directory_);
  }
  TestControlPlane(const TestControlPlane&) = delete;
  TestControlPlane& operator=(const TestControlPlane&) = delete;

  // A new process on the same file.
  void restart() {
    server.reset();
    shard.reset();
    store::Options store_options{.path = directory_ + "/ingot.db"};
    store_options.ballast_bytes = 0;
    auto opened = store::Shard::open(t.env, std::move(store_options));
    ASSERT(opened.has_value());
    shard = std::move(*opened);
    server = std::make_unique<Server>(t.env, *shard, api::Registry::builtin(), authority, logs, options_);
    server->keep_blobs_in(blobs);
    server->track_in(mlflow);
    t.loop.run_until_idle();
  }

  static Identity operator_identity() {
    return {.name = "op", .groups = {"ingot:operators"}, .home = kRootCluster};
  }
  static Identity node_identity(const std::string& node) {
    return {.name = "system:node:" + node, .groups = {"system:nodes"}, .home = kRootCluster};
  }
  // Creates a tenant and gives its administrator's identity.
  Identity tenant(const std::string& name) {
    const Response made = call(operator_identity(), "POST", "/apis/factory.ingot.dev/v1alpha1/tenants",
                               R"({"metadata":{"name":")" + name + R"("}})");
    ASSERT(made.code == 201);
    return {.name = name + "-admin",
            .groups = {"ingot:tenant-admins"},
            .home = ClusterId(std::string(api::string_at(made.json(), {"status", "cluster"})))};
  }

  std::shared_ptr<Recorder> send(Request request) {
    auto recorder = std::make_shared<Recorder>();
    server->submit(server->prepare(std::move(request)), recorder);
    t.loop.run_until_idle();
    return recorder;
  }
  Response call(const Identity& who, std::string method, std::string target, std::string body = "",
                std::string content_type = "application/json") {
    return send({.method = std::move(method),
                 .target = std::move(target),
                 .content_type = std::move(content_type),
                 .identity = who,
                 .body = std::move(body)})
        ->response;
  }
  std::shared_ptr<Recorder> open(const Identity& who, std::string target) {
    return send({.method = "GET", .target = std::move(target), .identity = who});
  }
  std::vector<store::StoredRow> rows(std::string stream) {
    std::vector<store::StoredRow> found;
    shard->rows({.stream = std::move(stream)}, [&](auto rows) {
      if (rows) found = std::move(*rows);
    });
    t.loop.run_until_idle();
    return found;
  }

  env::TestEnv t;
  TestAuthority authority;
  TestLogs logs;
  TestBlobs blobs;
  TestMlflow mlflow;
  std::unique_ptr<store::Shard> shard;
  std::unique_ptr<Server> server;

 private:
  ServerOptions options_;
  std::string directory_;
};

}  // namespace ingot::apiserver
