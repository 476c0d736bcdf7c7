// What crosses the border between host/ (bytes, sockets) and the API server (meaning). Plain values.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/json.h"
#include "api/object.h"
#include "base/digest.h"
#include "base/ids.h"
#include "base/time.h"

namespace ingot::apiserver {

// Who asks (authentication.k8s.io UserInfo) and which cluster issued the credential.
struct Identity {
  std::string name;
  std::vector<std::string> groups;
  std::string uid;
  ClusterId home;
};

// What the TLS layer read from a client certificate that our own CA signed and that is in its validity period.
// Subject CN → name, O → groups, OU → home cluster id.
struct PeerCertificate {
  std::string common_name;
  std::vector<std::string> organizations;
  std::string unit;
};

struct Request {
  std::string method;  // "GET"
  std::string target;  // path and query as sent, percent-encoded
  std::string accept, content_type, user_agent;
  std::string authorization;  // the header's value
  std::string range, content_range;
  std::vector<std::pair<std::string, std::string>> hook_headers;  // of webhooks alone (git/hook.h)
  std::optional<int64_t> body_bytes;                              // as the header says
  std::optional<PeerCertificate> certificate;
  std::optional<Identity>
      identity;  // set only by in-process callers that are trusted to say who they are (nodes)
  std::string body;
  std::string remote;  // address, for the audit
};

using Header = std::pair<std::string, std::string>;
using Piece = std::shared_ptr<const std::string>;

struct Reply {
  int code = 200;
  std::string content_type = "application/json";
  std::vector<Header> headers;
  std::vector<Piece> body;  // written one after another: a list is a concatenation of its objects' encodings
  std::optional<int64_t> length;  // of a body that is not in here: of a stream, or of what HEAD asks about
};

// One request's way back. Called on the loop, never blocks. Exactly one of reply() or begin() is called, once.
struct Exchange {
  virtual ~Exchange() = default;
  virtual void reply(Reply) = 0;
  // A streamed answer (watch, logs): headers now, then pieces until end(). write() false: the peer is gone or its
  // buffer is over the limit; the stream is then over and nothing more is called.
  virtual void begin(Reply head) = 0;
  virtual bool write(Piece) = 0;
  virtual void end() = 0;
  // Called at most once, when the peer goes away before end().
  virtual void on_close(std::move_only_function<void()>) = 0;
};
using ExchangePtr = std::shared_ptr<Exchange>;

// Where a log lives; authorized already. Served by host/ from the node's files.
struct LogTarget {
  api::Key pod;  // whose end ends a followed log
  std::string node, pod_uid, container;
  bool follow = false, previous = false, timestamps = false;
  std::optional<int64_t> tail_lines, since_seconds, limit_bytes;
  std::optional<WallTime> since_time;
};
struct LogSource {
  virtual ~LogSource() = default;
  virtual void stream(const LogTarget&, ExchangePtr) = 0;
};

// What is wanted of a cluster's blobs; authorized already. Served by host/, which takes the body of an upload as it
// comes: what Append, Finish and Put send is not in the Request.
struct BlobTarget {
  enum class Op : uint8_t {
    Usage,    // how much is stored
    Missing,  // which of `digests` are not here
    Begin,    // an upload
    Append,   // to `upload`, at `offset` where one is given
    Finish,   // `upload`, with the rest of its bytes, as `digest`
    Where,    // does `upload` go on
    Abort,    // `upload`
    Put,      // `digest` in one piece
    Read,     // `digest`, or the range of it
    Stat,     // `digest`
  } op = Op::Usage;
  ClusterId cluster;
  std::string base;    // "/clusters/NAME/blobs": what Location begins with
  std::string upload;  // an id as the client said it
  std::optional<Digest> digest;
  std::vector<Digest> digests;
  std::optional<int64_t> offset, body_bytes;
  // Of a Read: from `first`, or the last `last` bytes; to `last`, which is included, or to the end.
  struct Range {
    std::optional<int64_t> first, last;
  };
  std::optional<Range> range;
  std::string body;  // of who calls without a connection
};
struct BlobSource {
  virtual ~BlobSource() = default;
  virtual void serve(BlobTarget, ExchangePtr) = 0;
};

// A request to MLflow's API; authorized already. Served by host/, which takes the body of an artifact as it comes.
struct MlflowTarget {
  std::string op;  // of the table in mlflow_routes.cc: "runs/log-batch"
  ClusterId cluster;
  std::string tenant;  // the cluster's name
  std::string base;    // "/clusters/NAME/mlflow": where it was asked
  Identity who;
  // Of a token that is bound to a pod: what the factory knows of it, as tags of the runs that it makes ("pod", "workflow",
  // "commit"…, without their prefix).
  std::vector<Header> origin;
  std::vector<Header> parts, query;  // of the path by their names in the table; decoded
  std::optional<int64_t> body_bytes;
  std::string content_type, range, body;
};
struct MlflowSource {
  virtual ~MlflowSource() = default;
  virtual void serve(MlflowTarget, ExchangePtr) = 0;
};

// Signs and checks credentials. The keys live behind it (host/: OpenSSL; sim/: a keyed hash). Any thread.
struct Authority {
  virtual ~Authority() = default;
  // JWS compact form of `claims` (ES256); verify gives the claims back if the signature is ours. No claim is checked.
  virtual std::string sign(const api::JsonObject& claims) = 0;
  virtual Result<api::Json> verify(const std::string& token) = 0;
  // PEM of a client certificate and its key: CN, O…, OU = home cluster id.
  struct KeyPair {
    std::string certificate_pem, key_pem;
  };
  virtual Result<KeyPair> client_certificate(const Identity&, Duration ttl) = 0;
  virtual std::string ca_pem() const = 0;
};

}  // namespace ingot::apiserver
