#include "host/cri_probe.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <thread>

#include "host/thread_name.h"

namespace ingot::host {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Done = std::function<void(Result<int>)>;

constexpr uint32_t kLongestHeader = 16 << 10;

// One probe on its way; it keeps itself alive by the handlers it hands out.
template <class Stream>
class Attempt : public std::enable_shared_from_this<Attempt<Stream>> {
 public:
  template <class... Arguments>
  Attempt(node::Runtime::NetProbe what, Done done, Arguments&&... arguments)
      : what_(std::move(what)), done_(std::move(done)), stream_(std::forward<Arguments>(arguments)...) {
    parser_.header_limit(kLongestHeader);
    parser_.skip(true);
  }

  void start(const asio::ip::tcp::endpoint& to) {
    beast::get_lowest_layer(stream_).expires_after(what_.timeout);
    beast::get_lowest_layer(stream_).async_connect(to, [self = this->shared_from_this()](error_code error) {
      if (error) return self->failed(error);
      if (self->what_.scheme == "tcp") return self->done_(200);
      self->handshake();
    });
  }

 private:
  void handshake() {
    if constexpr (requires { stream_.async_handshake(asio::ssl::stream_base::client, [](error_code) {}); }) {
      stream_.async_handshake(asio::ssl::stream_base::client,
                              [self = this->shared_from_this()](error_code error) {
                                if (error) return self->failed(error);
                                self->send();
                              });
    } else {
      send();
    }
  }

  void send() {
    request_.method(http::verb::get);
    request_.target(what_.path.empty() ? "/" : what_.path);
    request_.version(11);
    request_.set(http::field::host, what_.ip + ":" + std::to_string(what_.port));
    request_.set(http::field::user_agent, "kube-probe/1.36");
    request_.set(http::field::accept, "*/*");
    request_.set(http::field::connection, "close");
    for (const auto& [name, value] : what_.headers) request_.set(name, value);
    http::async_write(stream_, request_, [self = this->shared_from_this()](error_code error, size_t) {
      if (error) return self->failed(error);
      self->receive();
    });
  }

  void receive() {
    http::async_read_header(stream_, buffer_, parser_,
                            [self = this->shared_from_this()](error_code error, size_t) {
                              if (error) return self->failed(error);
                              self->done_(int(self->parser_.get().result_int()));
                            });
  }

  void failed(const error_code& error) {
    bool late = error == beast::error::timeout;
    done_(fail(late ? Reason::Timeout : Reason::ServiceUnavailable, late ? "timed out" : error.message()));
  }

  node::Runtime::NetProbe what_;
  Done done_;
  Stream stream_;
  http::request<http::empty_body> request_;
  beast::flat_buffer buffer_{2 * kLongestHeader};
  http::response_parser<http::empty_body> parser_;
};

}  // namespace

struct Prober::Impl {
  env::Loop& loop;
  std::shared_ptr<char> alive = std::make_shared<char>();
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  // A probe asks whether a server answers; whose certificate it shows is not the question, as in Kubernetes.
  asio::ssl::context tls{asio::ssl::context::tls_client};
  std::thread thread;

  explicit Impl(env::Loop& l) : loop(l) {
    tls.set_verify_mode(asio::ssl::verify_none);
    thread = std::thread([this] {
      name_thread("probes");
      io.run();
    });
  }
  ~Impl() {
    io.stop();
    thread.join();
  }
};

Prober::Prober(env::Loop& loop) : impl_(std::make_unique<Impl>(loop)) {}
Prober::~Prober() = default;

void Prober::probe(const node::Runtime::NetProbe& what, node::Callback<int> callback) {
  auto shared = std::make_shared<node::Callback<int>>(std::move(callback));
  Done done = [&loop = impl_->loop, weak = std::weak_ptr(impl_->alive), shared](Result<int> result) {
    loop.post([weak, shared, result = std::move(result)]() mutable {
      if (!weak.expired()) (*shared)(std::move(result));
    });
  };
  error_code error;
  auto address = asio::ip::make_address_v4(what.ip, error);
  if (error || what.port < 1 || what.port > 65535)
    return done(
        fail(Reason::Invalid, "not an address and port: " + what.ip + ":" + std::to_string(what.port)));
  asio::ip::tcp::endpoint to(address, uint16_t(what.port));
  asio::post(impl_->io, [impl = impl_.get(), what, done = std::move(done), to] {
    if (what.scheme == "https")
      std::make_shared<Attempt<beast::ssl_stream<beast::tcp_stream>>>(what, done, impl->io, impl->tls)
          ->start(to);
    else
      std::make_shared<Attempt<beast::tcp_stream>>(what, done, impl->io)->start(to);
  });
}

}  // namespace ingot::host
