#include "host/http_exchange.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace ingot::host {
namespace {
constexpr size_t kDrained = 64 * 1024;
constexpr size_t kLetters = 16;  // taken at once, beside the quick ones
}  // namespace

Mailbox::Mailbox() : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { ASSERT(bool(wake_)); }

void Mailbox::put(Delivery letter) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    (letter.quick ? quick_ : letters_).push_back(std::move(letter));
    wake = std::exchange(sleeping_, false);
  }
  const uint64_t one = 1;
  if (wake) ASSERT(::write(wake_.get(), &one, sizeof one) == sizeof one);
}

std::vector<Delivery> Mailbox::take(bool sleep) {
  std::lock_guard lock(mutex_);
  std::vector<Delivery> taken(std::make_move_iterator(quick_.begin()), std::make_move_iterator(quick_.end()));
  quick_.clear();
  const auto some = letters_.begin() + std::ptrdiff_t(std::min(letters_.size(), kLetters));
  taken.insert(taken.end(), std::make_move_iterator(letters_.begin()), std::make_move_iterator(some));
  letters_.erase(letters_.begin(), some);
  sleeping_ = sleep && taken.empty();
  return taken;
}

void Mailbox::acknowledge() {
  uint64_t count = 0;
  (void)!::read(wake_.get(), &count, sizeof count);
}

HttpExchange::~HttpExchange() {
  if (limits_) limits_->used -= waiting_;
}

void HttpExchange::tell(Delivery::Kind kind, apiserver::Reply reply, apiserver::Piece piece) {
  mailbox_->put({.kind = kind,
                 .exchange = shared_from_this(),
                 .reply = std::move(reply),
                 .piece = std::move(piece),
                 .quick = quick_ && kind == Delivery::Kind::Reply});
}

void HttpExchange::reply(apiserver::Reply reply) {
  if (std::exchange(over_, true)) return;
  on_close_ = nullptr;
  tell(Delivery::Kind::Reply, std::move(reply));
}

void HttpExchange::begin(apiserver::Reply head) {
  if (over_) return;
  auto first = std::exchange(head.body, {});
  tell(Delivery::Kind::Begin, std::move(head));
  for (apiserver::Piece& piece : first) write(std::move(piece));
}

bool HttpExchange::write(apiserver::Piece piece) {
  if (over_) return false;
  const size_t size = piece->size();
  if (waiting_ + size > limits_->one || limits_->used + size > limits_->total) {
    over_ = true;
    on_close_ = nullptr;
    tell(Delivery::Kind::Cut);
    return false;
  }
  waiting_ += size;
  limits_->used += size;
  tell(Delivery::Kind::Write, {}, std::move(piece));
  return true;
}

void HttpExchange::end() {
  if (std::exchange(over_, true)) return;
  on_close_ = nullptr;
  tell(Delivery::Kind::End);
}

void HttpExchange::on_close(std::move_only_function<void()> closed) {
  if (over_) {
    loop_.post(std::move(closed));
    return;
  }
  on_close_ = std::move(closed);
}

void HttpExchange::when_drained(env::Task ready) {
  if (over_) return;
  drained_ = std::move(ready);
  wants_drain_ = true;
  consumed(0);
}

void HttpExchange::cut() {
  if (std::exchange(over_, true)) return;
  on_close_ = nullptr;
  tell(Delivery::Kind::Cut);
}

void HttpExchange::read_body(std::shared_ptr<BodySink> sink) {
  mailbox_->put({.kind = Delivery::Kind::ReadBody, .exchange = shared_from_this(), .sink = std::move(sink)});
}

bool HttpExchange::give(BodySink& sink, std::string_view piece) {
  const size_t waiting = body_waiting_ += piece.size();
  sink.take(piece);
  if (waiting <= kMost) return true;
  body_paused_ = true;
  // What was done with meanwhile has seen no pause.
  return body_waiting_ <= kLittle && body_paused_.exchange(false);
}

void HttpExchange::body_taken(size_t bytes) {
  const size_t left = body_waiting_ -= bytes;
  if (left <= kLittle && body_paused_.exchange(false))
    mailbox_->put({.kind = Delivery::Kind::MoreBody, .exchange = shared_from_this()});
}

void HttpExchange::consumed(size_t bytes) {
  limits_->used -= bytes;
  const size_t left = waiting_ -= bytes;
  if (left > kDrained || !wants_drain_.exchange(false)) return;
  loop_.post([self = shared_from_this()] {
    env::Task ready = std::exchange(self->drained_, nullptr);
    if (ready && !self->over_) ready();
  });
}

void HttpExchange::failed() {
  loop_.post([self = shared_from_this()] { self->peer_gone(); });
}

void HttpExchange::peer_gone() {
  if (std::exchange(over_, true)) return;
  drained_ = nullptr;
  if (auto closed = std::exchange(on_close_, nullptr)) closed();
}

}  // namespace ingot::host
