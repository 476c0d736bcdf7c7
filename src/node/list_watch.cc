#include "node/list_watch.h"

#include <algorithm>
#include <chrono>

namespace ingot::node {
namespace {
using namespace std::chrono_literals;

// One watched collection. Callbacks hold a weak reference: a destroyed handle ends everything.
class Reflector final : public std::enable_shared_from_this<Reflector> {
 public:
  Reflector(env::Env& env, Transport& transport, std::string path, std::shared_ptr<Api::Sink> sink)
      : env_(env), transport_(transport), path_(std::move(path)), sink_(std::move(sink)) {}
  ~Reflector() { env_.loop.cancel(timer_); }

  void list() {
    transport_.call({.method = "GET", .path = path_, .body = {}},
                    [weak = weak_from_this()](Result<Answer> answer) {
                      if (auto self = weak.lock()) self->listed(std::move(answer));
                    });
  }

 private:
  void listed(Result<Answer> answer) {
    if (!answer || answer->code != 200) return retry([](Reflector& self) { self.list(); });
    const auto parsed = api::parse_json(answer->body);
    if (!parsed) return retry([](Reflector& self) { self.list(); });
    revision_ = api::string_at(*parsed, {"metadata", "resourceVersion"});
    backoff_ = kFirstBackoff;
    sink_->reset(api::array_at(*parsed, {"items"}));
    follow();
  }

  void follow() {
    const std::string path = path_ + (path_.find('?') == path_.npos ? "?" : "&") +
                             "watch=true&allowWatchBookmarks=true&resourceVersion=" + revision_;
    stream_ = transport_.stream(
        path,
        [weak = weak_from_this()](std::string_view line) {
          if (auto self = weak.lock()) self->line(line);
        },
        [weak = weak_from_this()](Result<int> code) {
          if (auto self = weak.lock()) self->closed(std::move(code));
        });
  }

  void line(std::string_view text) {
    if (text.empty() || stale_) return;
    auto parsed = api::parse_json(text, api::one_piece(text.size()));
    if (!parsed || !parsed->is_object()) return;
    const std::string_view type = api::string_at(*parsed, {"type"});
    api::Json* object = parsed->get_object().if_contains("object");
    if (type == "ERROR" || !object) {  // 410: what we had is too old
      stale_ = true;
      return;
    }
    revision_ = api::string_at(*object, {"metadata", "resourceVersion"});
    backoff_ = kFirstBackoff;
    if (type != "BOOKMARK") sink_->event(type, std::move(*object));
  }

  void closed(Result<int> code) {
    const bool again = code && *code == 200 && !stale_;
    stale_ = false;
    if (again)
      retry([](Reflector& self) { self.follow(); });
    else
      retry([](Reflector& self) { self.list(); });
  }

  void retry(void (*step)(Reflector&)) {
    env_.loop.cancel(timer_);
    const Duration jitter{int64_t(env_.entropy.next() % uint64_t(backoff_.count()))};
    timer_ = env_.loop.at(env_.clock.now() + backoff_ / 2 + jitter / 2, [weak = weak_from_this(), step] {
      if (auto self = weak.lock()) step(*self);
    });
    backoff_ = std::min<Duration>(backoff_ * 2, 5s);
  }

  static constexpr Duration kFirstBackoff = 50ms;
  env::Env& env_;
  Transport& transport_;
  std::string path_, revision_;
  std::shared_ptr<Api::Sink> sink_;
  std::unique_ptr<Watch> stream_;
  Duration backoff_ = kFirstBackoff;
  env::TimerId timer_ = 0;
  bool stale_ = false;
};

struct Handle final : Watch {
  explicit Handle(std::shared_ptr<Reflector> r) : reflector(std::move(r)) {}
  std::shared_ptr<Reflector> reflector;
};

}  // namespace

std::unique_ptr<Watch> ListWatchApi::watch(std::string path, std::shared_ptr<Sink> sink) {
  auto reflector = std::make_shared<Reflector>(env_, transport_, std::move(path), std::move(sink));
  reflector->list();
  return std::make_unique<Handle>(std::move(reflector));
}

}  // namespace ingot::node
