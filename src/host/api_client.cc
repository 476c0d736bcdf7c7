#include "host/api_client.h"

#include <utility>

namespace ingot::host {
namespace {

using apiserver::Piece;
using apiserver::Reply;

std::string joined(const std::vector<Piece>& pieces) {
  std::string text;
  size_t size = 0;
  for (const Piece& piece : pieces) size += piece->size();
  text.reserve(size);
  for (const Piece& piece : pieces) text += *piece;
  return text;
}

// Collects one answer. A streamed one (which call() never asks for) is collected too, up to its end.
class CallExchange final : public apiserver::Exchange {
 public:
  CallExchange(env::Loop& loop, std::move_only_function<void(Result<node::Answer>)> done)
      : loop_(loop), done_(std::move(done)) {}
  ~CallExchange() override {
    if (done_) finish(fail(Reason::ServiceUnavailable, "the API server gave no answer"));
  }
  void reply(Reply reply) override { finish(node::Answer{reply.code, joined(reply.body)}); }
  void begin(Reply head) override {
    answer_.code = head.code;
    answer_.body = joined(head.body);
  }
  bool write(Piece piece) override {
    answer_.body += *piece;
    return true;
  }
  void end() override { finish(std::move(answer_)); }
  void on_close(std::move_only_function<void()>) override {}

 private:
  void finish(Result<node::Answer> answer) {
    if (!done_) return;
    loop_.post([done = std::exchange(done_, nullptr), answer = std::move(answer)]() mutable {
      done(std::move(answer));
    });
  }
  env::Loop& loop_;
  std::move_only_function<void(Result<node::Answer>)> done_;
  node::Answer answer_;
};

// Shared by the exchange (which the server holds) and the Watch (which the node holds); either may go first.
struct Stream {
  std::function<void(std::string_view)> line;
  std::function<void(Result<int>)> closed;
  std::move_only_function<void()> on_close;
  bool over = false;
};

class StreamExchange final : public apiserver::Exchange {
 public:
  StreamExchange(env::Loop& loop, std::shared_ptr<Stream> stream) : loop_(loop), stream_(std::move(stream)) {}
  ~StreamExchange() override { finish(fail(Reason::ServiceUnavailable, "the watch was dropped")); }
  void reply(Reply reply) override { finish(reply.code); }
  void begin(Reply head) override {
    code_ = head.code;
    for (Piece& piece : head.body) write(std::move(piece));
  }
  bool write(Piece piece) override {
    if (stream_->over) return false;
    loop_.post(
        [stream = stream_, piece = std::move(piece), rest = rest_]() { feed(*stream, *rest, *piece); });
    return true;
  }
  void end() override { finish(code_); }
  void on_close(std::move_only_function<void()> closed) override {
    if (stream_->over)
      loop_.post(std::move(closed));
    else
      stream_->on_close = std::move(closed);
  }

 private:
  static void feed(Stream& stream, std::string& rest, std::string_view bytes) {
    while (!stream.over) {
      const size_t end = bytes.find('\n');
      if (end == bytes.npos) break;
      if (rest.empty()) {
        stream.line(bytes.substr(0, end));
      } else {
        rest += bytes.substr(0, end);
        stream.line(std::exchange(rest, {}));
      }
      bytes.remove_prefix(end + 1);
    }
    rest += bytes;
  }
  void finish(Result<int> code) {
    stream_->on_close = nullptr;
    loop_.post([stream = stream_, code = std::move(code)] {
      if (!std::exchange(stream->over, true)) stream->closed(code);
    });
  }
  env::Loop& loop_;
  const std::shared_ptr<Stream> stream_;
  const std::shared_ptr<std::string> rest_ = std::make_shared<std::string>();  // of a line not yet whole
  int code_ = 0;
};

struct StreamHandle final : node::Watch {
  explicit StreamHandle(std::shared_ptr<Stream> s) : stream(std::move(s)) {}
  ~StreamHandle() override {
    stream->over = true;
    if (auto closed = std::exchange(stream->on_close, nullptr)) closed();
  }
  std::shared_ptr<Stream> stream;
};

}  // namespace

apiserver::Identity node_identity(const std::string& node) {
  return {.name = "system:node:" + node,
          .groups = {"system:nodes", "system:authenticated"},
          .home = kRootCluster};
}

apiserver::Request InProcessTransport::request(std::string method, std::string path) const {
  apiserver::Request request;
  request.method = std::move(method);
  request.target = std::move(path);
  request.accept = "application/json";
  request.user_agent = "ingot-node";
  request.identity = who_;
  request.remote = remote_;
  return request;
}

void InProcessTransport::call(node::Call call, std::move_only_function<void(Result<node::Answer>)> done) {
  apiserver::Request made = request(std::move(call.method), std::move(call.path));
  made.body = std::move(call.body);
  if (!made.body.empty()) made.content_type = std::move(call.content_type);
  server_.submit(server_.prepare(std::move(made)), std::make_shared<CallExchange>(loop_, std::move(done)));
}

std::unique_ptr<node::Watch> InProcessTransport::stream(std::string path,
                                                        std::function<void(std::string_view)> line,
                                                        std::function<void(Result<int>)> closed) {
  auto stream = std::make_shared<Stream>(std::move(line), std::move(closed));
  auto exchange = std::make_shared<StreamExchange>(loop_, stream);
  server_.submit(server_.prepare(request("GET", std::move(path))), std::move(exchange));
  return std::make_unique<StreamHandle>(std::move(stream));
}

}  // namespace ingot::host
