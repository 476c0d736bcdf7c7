#include "host/blob_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "apiserver/status.h"
#include "host/crew.h"
#include "host/http_exchange.h"

namespace ingot::host {
namespace {

using apiserver::BlobTarget;
using apiserver::ExchangePtr;
using apiserver::Reply;
using Op = BlobTarget::Op;

constexpr size_t kBlock = 512 * 1024;  // read from a blob at a time

// Places among the transfers of a cluster, and of all.
class Places {
 public:
  Places(int all, int of_one) : all_(all), of_one_(of_one) {}
  // nullptr: none is free.
  static std::shared_ptr<void> take(const std::shared_ptr<Places>& places, const ClusterId& cluster) {
    std::lock_guard lock(places->mutex_);
    const auto own = places->taken_.find(cluster);
    if (places->total_ >= places->all_ || (own != places->taken_.end() && own->second >= places->of_one_))
      return nullptr;
    ++places->taken_[cluster], ++places->total_;
    return {places.get(), [places, cluster](void*) { places->leave(cluster); }};
  }

 private:
  void leave(const ClusterId& cluster) {
    std::lock_guard lock(mutex_);
    --total_;
    if (--taken_[cluster] == 0) taken_.erase(cluster);
  }
  const int all_, of_one_;
  std::mutex mutex_;
  std::map<ClusterId, int> taken_;  // guarded
  int total_ = 0;                   // guarded
};

// A Status with a code that HTTP has and Kubernetes has no reason for.
Reply status_reply(int code, std::string_view reason, const Error& error) {
  api::JsonObject status = apiserver::status_object(error);
  status["code"] = code;
  status["reason"] = reason;
  return apiserver::json_reply(code, status);
}

Reply error_reply(const Error& error) {
  if (env::is_disk_full(error)) return status_reply(507, env::kDiskFull, error);
  return apiserver::error_reply(error);
}

Reply unsatisfiable(std::string message) {
  return status_reply(416, "RangeNotSatisfiable",
                      {.reason = Reason::BadRequest, .message = std::move(message)});
}

Reply created(const BlobTarget& target, const env::BlobInfo& blob) {
  Reply reply{.code = 201};
  reply.headers = {{"Location", fmt::format("{}/{}", target.base, blob.digest.text())},
                   {"Docker-Content-Digest", blob.digest.text()}};
  return reply;
}

// Where an upload stands. `Range` is OCI's and cannot say "nothing yet"; `Upload-Offset` can.
Reply standing(const BlobTarget& target, std::string_view id, int64_t size, int code) {
  Reply reply{.code = code};
  reply.headers = {{"Location", fmt::format("{}/uploads/{}", target.base, id)},
                   {"Range", fmt::format("0-{}", std::max<int64_t>(size - 1, 0))},
                   {"Upload-Offset", std::to_string(size)},
                   {"Docker-Upload-UUID", std::string(id)}};
  return reply;
}

Reply blob_head(const env::BlobInfo& blob) {
  Reply reply{.content_type = "application/octet-stream", .length = blob.bytes};
  reply.headers = {{"Docker-Content-Digest", blob.digest.text()},
                   {"Accept-Ranges", "bytes"},
                   {"X-Content-Type-Options", "nosniff"}};
  return reply;
}

Reply json(const api::Json& value) { return apiserver::json_reply(200, value); }

}  // namespace

struct BlobService::Shared {
  Shared(env::Loop& l, env::Blobs& b, const BlobServiceOptions& options)
      : loop(l),
        blobs(b),
        places(std::make_shared<Places>(options.transfers, options.transfers_of_one)),
        crew(options.threads, "blobs") {}

  void reply(ExchangePtr exchange, Reply reply) const {
    loop.post([exchange = std::move(exchange), reply = std::move(reply)]() mutable {
      exchange->reply(std::move(reply));
    });
  }
  Reply answer(const BlobTarget&) const;
  Result<Reply> try_answer(const BlobTarget&) const;

  env::Loop& loop;
  env::Blobs& blobs;
  const std::shared_ptr<Places> places;
  Crew crew;
};

Reply BlobService::Shared::answer(const BlobTarget& target) const {
  auto reply = try_answer(target);
  return reply ? std::move(*reply) : error_reply(reply.error());
}

// Everything that moves no bytes.
Result<Reply> BlobService::Shared::try_answer(const BlobTarget& target) const {
  if (target.op == Op::Usage) {
    const auto usage = blobs.usage(target.cluster);
    if (!usage) return fail(usage.error());
    api::JsonObject told{{"bytes", usage->bytes}};
    if (usage->limit) told["limit"] = *usage->limit;
    return json(told);
  }
  if (target.op == Op::Missing) {
    api::JsonArray missing;
    for (const Digest& digest : target.digests)
      if (!blobs.renew(target.cluster, digest)) missing.emplace_back(digest.text());
    return json(api::JsonObject{{"missing", std::move(missing)}});
  }
  if (target.op == Op::Begin) {
    auto upload = blobs.begin(target.cluster);
    if (!upload) return fail(upload.error());
    return standing(target, (*upload)->id(), 0, 202);
  }
  if (target.op == Op::Where) {
    const auto size = blobs.upload_size(target.cluster, target.upload);
    if (!size) return fail(size.error());
    return standing(target, target.upload, *size, 204);
  }
  if (target.op == Op::Abort) {
    auto upload = blobs.resume(target.cluster, target.upload);
    if (!upload) return fail(upload.error());
    (*upload)->abort();
    return Reply{.code = 204};
  }
  const auto blob = blobs.renew(target.cluster, *target.digest);
  if (!blob) return fail(blob.error());
  return blob_head(*blob);
}

// A body on its way in. What is waiting is done by one thread of the crew at a time.
class BlobService::Incoming final : public BodySink, public std::enable_shared_from_this<Incoming> {
 public:
  Incoming(std::shared_ptr<Shared> shared, BlobTarget target, ExchangePtr exchange,
           std::shared_ptr<void> place, Stored stored = nullptr)
      : shared_(std::move(shared)),
        target_(std::move(target)),
        exchange_(std::move(exchange)),
        place_(std::move(place)),
        stored_(std::move(stored)) {}
  ~Incoming() override {
    // Nobody knows the name of an upload in one piece: it cannot be gone on with.
    if (upload_ && target_.op == Op::Put) upload_->abort();
  }

  void start() {
    shared_->crew.post([self = shared_from_this()] { self->open(); });
  }

  void take(std::string_view piece) override {
    std::lock_guard lock(mutex_);
    if (over_) return;
    waiting_ += piece;
    schedule();
  }
  void whole() override {
    std::lock_guard lock(mutex_);
    whole_ = true;
    schedule();
  }
  void broken() override {
    std::lock_guard lock(mutex_);
    broken_ = true;
    schedule();
  }

 private:
  void schedule() {
    if (over_ || std::exchange(scheduled_, true)) return;
    shared_->crew.post([self = shared_from_this()] { self->run(); });
  }

  // What can be refused before a body is read is.
  void open() {
    auto upload = target_.op == Op::Put
                      ? shared_->blobs.begin(target_.cluster, target_.body_bytes.value_or(0))
                      : shared_->blobs.resume(target_.cluster, target_.upload);
    if (!upload) return refuse(upload.error());
    if (target_.offset && *target_.offset != (*upload)->size()) {
      const int64_t size = (*upload)->size();
      upload->reset();  // free for who goes on from there, before he is told
      Reply reply = unsatisfiable(fmt::format(
          "Content-Range begins at {}, and {} bytes are here: go on from there", *target_.offset, size));
      std::ranges::move(standing(target_, target_.upload, size, 416).headers,
                        std::back_inserter(reply.headers));
      return finish(std::move(reply));
    }
    upload_ = std::move(*upload);
    auto* streamed = dynamic_cast<StreamedExchange*>(exchange_.get());
    if (streamed != nullptr && target_.body.empty()) {
      shared_->loop.post([self = shared_from_this(), streamed] { streamed->read_body(self); });
      return;
    }
    take(std::exchange(target_.body, {}));
    whole();
  }

  void run() {
    std::string bytes;
    while (true) {
      bool whole = false, broken = false;
      {
        std::lock_guard lock(mutex_);
        bytes.clear();
        bytes.swap(waiting_);
        whole = whole_, broken = broken_;
        if (bytes.empty() && !whole && !broken) {
          scheduled_ = false;
          return;
        }
      }
      if (!bytes.empty()) {
        if (auto appended = upload_->append(bytes); !appended) return refuse(appended.error());
        if (auto* streamed = dynamic_cast<StreamedExchange*>(exchange_.get()))
          streamed->body_taken(bytes.size());
        continue;
      }
      if (whole) return complete();
      return give_up();
    }
  }

  void complete() {
    if (target_.op == Op::Append) return finish(standing(target_, upload_->id(), upload_->size(), 202));
    auto blob = upload_->commit(target_.digest);
    if (!blob) return refuse(blob.error());
    if (stored_) return tell(*blob);
    finish(created(target_, *blob));
  }

  void refuse(const Error& error) { stored_ ? tell(fail(error)) : finish(error_reply(error)); }
  void tell(Result<env::BlobInfo> outcome) {
    give_up();
    shared_->loop.post([stored = std::move(stored_), outcome = std::move(outcome)]() mutable {
      stored(std::move(outcome));
    });
  }
  void finish(Reply reply) {
    give_up();
    shared_->reply(exchange_, std::move(reply));
  }
  // Before an answer leaves, the upload is free for whoever goes on with it.
  void give_up() {
    {
      std::lock_guard lock(mutex_);
      over_ = true;
      waiting_ = {};
    }
    if (upload_ && target_.op == Op::Put) upload_->abort();
    upload_ = nullptr;
    place_ = nullptr;
  }

  const std::shared_ptr<Shared> shared_;
  BlobTarget target_;
  const ExchangePtr exchange_;
  std::shared_ptr<void> place_;
  Stored stored_;
  std::unique_ptr<env::BlobUpload> upload_;  // the crew's
  std::mutex mutex_;
  std::string waiting_;     // guarded, as all below
  bool scheduled_ = false;  // a thread of the crew has it, or will
  bool whole_ = false, broken_ = false, over_ = false;
};

// A blob on its way out, a block at a time.
class BlobService::Outgoing final : public std::enable_shared_from_this<Outgoing> {
 public:
  Outgoing(std::shared_ptr<Shared> shared, BlobTarget target, ExchangePtr exchange,
           std::shared_ptr<void> place)
      : shared_(std::move(shared)),
        target_(std::move(target)),
        exchange_(std::move(exchange)),
        place_(std::move(place)) {}

  void start() {
    shared_->crew.post([self = shared_from_this()] { self->open(); });
  }

 private:
  void open() {
    auto reader = shared_->blobs.open(target_.cluster, *target_.digest);
    if (!reader) return refuse(error_reply(reader.error()));
    reader_ = std::move(*reader);
    const int64_t size = reader_->size();
    end_ = size;
    Reply head = blob_head({*target_.digest, size, {}});
    if (target_.range) {
      narrow(*target_.range, size);
      if (at_ >= end_) {
        Reply reply = unsatisfiable(fmt::format("Range: the blob has {} bytes", size));
        reply.headers.emplace_back("Content-Range", fmt::format("bytes */{}", size));
        return refuse(std::move(reply));
      }
      head.code = 206;
      head.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", at_, end_ - 1, size));
    }
    head.length = end_ - at_;
    shared_->loop.post(
        [exchange = exchange_, head = std::move(head)]() mutable { exchange->begin(std::move(head)); });
    pump();
  }

  // Before an answer leaves, its place is free.
  void refuse(Reply reply) {
    place_ = nullptr;
    shared_->reply(exchange_, std::move(reply));
  }

  void narrow(const BlobTarget::Range& range, int64_t size) {
    if (!range.first) {
      at_ = std::max<int64_t>(size - *range.last, 0);
      return;
    }
    at_ = *range.first;
    if (range.last && *range.last < size) end_ = *range.last + 1;
  }

  void pump() {
    if (at_ >= end_) {
      place_ = nullptr;
      return shared_->loop.post([exchange = exchange_] { exchange->end(); });
    }
    auto block = reader_->read(at_, size_t(std::min<int64_t>(end_ - at_, kBlock)));
    if (!block || block->empty()) return cut();
    at_ += int64_t(block->size());
    auto piece = std::make_shared<const std::string>(std::move(*block));
    shared_->loop.post([self = shared_from_this(), piece = std::move(piece)]() mutable {
      if (!self->exchange_->write(std::move(piece))) return;
      auto again = [self] { self->shared_->crew.post([self] { self->pump(); }); };
      if (auto* paced = dynamic_cast<PacedExchange*>(self->exchange_.get()))
        paced->when_drained(std::move(again));
      else
        again();
    });
  }

  // The head has promised more: only a connection that breaks says that this was not all.
  void cut() {
    shared_->loop.post([exchange = exchange_] {
      if (auto* paced = dynamic_cast<PacedExchange*>(exchange.get())) return paced->cut();
      exchange->end();
    });
  }

  const std::shared_ptr<Shared> shared_;
  const BlobTarget target_;
  const ExchangePtr exchange_;
  std::shared_ptr<void> place_;
  std::unique_ptr<env::BlobReader> reader_;
  int64_t at_ = 0, end_ = 0;
};

BlobService::BlobService(env::Loop& loop, env::Blobs& blobs, BlobServiceOptions options)
    : shared_(std::make_shared<Shared>(loop, blobs, options)) {}

BlobService::~BlobService() { shared_->crew.stop(); }

namespace {
Error too_many() {
  return {.reason = Reason::TooManyRequests,
          .message = "too many blobs are being sent or read at once, please try again later",
          .retry_after_s = 1};
}
}  // namespace

void BlobService::take(BlobTarget target, ExchangePtr exchange, Stored stored) {
  auto place = Places::take(shared_->places, target.cluster);
  if (!place) return stored(fail(too_many()));
  target.op = Op::Put;
  target.digest = std::nullopt;
  std::make_shared<Incoming>(shared_, std::move(target), std::move(exchange), std::move(place),
                             std::move(stored))
      ->start();
}

void BlobService::serve(BlobTarget target, ExchangePtr exchange) {
  const bool in = target.op == Op::Append || target.op == Op::Finish || target.op == Op::Put;
  if (!in && target.op != Op::Read) {
    shared_->crew.post(
        [shared = shared_, target = std::move(target), exchange = std::move(exchange)]() mutable {
          Reply reply = shared->answer(target);
          shared->reply(std::move(exchange), std::move(reply));
        });
    return;
  }
  auto place = Places::take(shared_->places, target.cluster);
  if (!place) return exchange->reply(error_reply(too_many()));
  if (in)
    std::make_shared<Incoming>(shared_, std::move(target), std::move(exchange), std::move(place))->start();
  else
    std::make_shared<Outgoing>(shared_, std::move(target), std::move(exchange), std::move(place))->start();
}

}  // namespace ingot::host
