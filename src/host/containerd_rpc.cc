#include "host/containerd_rpc.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "host/thread_name.h"

namespace ingot::host {
namespace {

constexpr int kMaxMessage = 32 << 20;  // an exec's output is at most 16 MiB on each of two streams

grpc::ByteBuffer to_buffer(const std::string& bytes) {
  grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string to_string(grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return {};
  std::string bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

Error to_error(const grpc::Status& status) {
  Reason reason = Reason::InternalError;
  switch (status.error_code()) {
    case grpc::StatusCode::NOT_FOUND:
      reason = Reason::NotFound;
      break;
    case grpc::StatusCode::ALREADY_EXISTS:
      reason = Reason::AlreadyExists;
      break;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      reason = Reason::Timeout;
      break;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
      reason = Reason::ServiceUnavailable;
      break;
    case grpc::StatusCode::INVALID_ARGUMENT:
      reason = Reason::Invalid;
      break;
    default:
      break;
  }
  return Error{.reason = reason, .message = "containerd: " + status.error_message()};
}

void prepare(grpc::ClientContext& context) {
  context.AddMetadata("containerd-namespace", "k8s.io");
  context.set_wait_for_ready(true);
}

// One thing in the completion queue. `done` runs on the queue's thread and returns whether the tag is finished.
struct Tag {
  virtual ~Tag() = default;
  virtual bool done(bool ok) = 0;
  virtual void cancel() = 0;
};

}  // namespace

struct ContainerdRpc::Impl {
  env::Loop& loop;
  std::shared_ptr<char> alive = std::make_shared<char>();  // callbacks on the loop ask it before they run
  grpc::CompletionQueue queue;
  std::unique_ptr<grpc::GenericStub> stub;
  std::mutex mutex;
  std::condition_variable idle;
  std::set<Tag*> tags;  // guarded by mutex; what the destructor must cancel
  std::thread thread;

  Impl(env::Loop& l, const std::string& socket_path) : loop(l) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxMessage);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 250);
    // Channels of one process share connections by address unless told otherwise; a factory's must not.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub = std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(), arguments));
    thread = std::thread([this] { drain(); });
  }

  ~Impl() {
    {
      // A stream may still start steps after its cancellation, so the queue closes only once all have ended.
      std::unique_lock lock(mutex);
      for (Tag* tag : tags) tag->cancel();
      idle.wait(lock, [this] { return tags.empty(); });
    }
    queue.Shutdown();
    thread.join();
  }

  void add(Tag* tag) {
    std::lock_guard lock(mutex);
    tags.insert(tag);
  }

  void drain() {
    name_thread("cri");
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
      auto* t = static_cast<Tag*>(tag);
      if (!t->done(ok)) continue;
      {
        std::lock_guard lock(mutex);
        tags.erase(t);
        delete t;
        if (tags.empty()) idle.notify_all();
      }
    }
  }

  void post(env::Task task) {
    loop.post([weak = std::weak_ptr(alive), task = std::move(task)]() mutable {
      if (!weak.expired()) task();
    });
  }
};

namespace {

struct Unary final : Tag {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  grpc::ByteBuffer reply;
  grpc::Status status;
  std::move_only_function<void(Result<std::string>)> callback;
  std::function<void(env::Task)> post;

  bool done(bool) override {
    Result<std::string> result = fail(Reason::InternalError, "");
    if (status.ok())
      result = to_string(reply);
    else
      result = fail(to_error(status));
    post([callback = std::move(callback), result = std::move(result)]() mutable {
      callback(std::move(result));
    });
    return true;
  }
  void cancel() override { context.TryCancel(); }
};

// What the stream's owner and its tag share. The owner lives on the loop, the tag on the queue's thread.
struct StreamState {
  std::mutex mutex;
  grpc::ClientContext* context = nullptr;  // null once the tag is gone
  bool ended = false;                      // by the owner
};

struct StreamTag final : Tag {
  enum class Step { Start, Write, WritesDone, Read, Finish } step = Step::Start;
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  grpc::ByteBuffer request, message;
  grpc::Status status;
  std::shared_ptr<StreamState> state = std::make_shared<StreamState>();
  std::function<void(std::string)> on_message;
  std::function<void(Error)> on_end;
  std::function<void(env::Task)> post;

  bool done(bool ok) override {
    if (step == Step::Finish) {
      {
        std::lock_guard lock(state->mutex);
        state->context = nullptr;
      }
      deliver([on_end = on_end, error = to_error(status)] { on_end(error); });
      return true;
    }
    if (!ok) return next(Step::Finish);
    switch (step) {
      case Step::Start:
        return next(Step::Write);
      case Step::Write:
        return next(Step::WritesDone);
      case Step::Read:
        deliver([on_message = on_message, bytes = to_string(message)] { on_message(bytes); });
        [[fallthrough]];
      default:
        return next(Step::Read);
    }
  }

  bool next(Step to) {
    step = to;
    switch (step) {
      case Step::Start:
        break;
      case Step::Write:
        stream->Write(request, this);
        break;
      case Step::WritesDone:
        stream->WritesDone(this);
        break;
      case Step::Read:
        stream->Read(&message, this);
        break;
      case Step::Finish:
        stream->Finish(&status, this);
        break;
    }
    return false;
  }

  void deliver(env::Task task) {
    post([state = state, task = std::move(task)]() mutable {
      {
        std::lock_guard lock(state->mutex);
        if (state->ended) return;
      }
      task();
    });
  }
  void cancel() override { context.TryCancel(); }
};

struct StreamHandle final : ContainerdRpc::Stream {
  std::shared_ptr<StreamState> state;
  ~StreamHandle() override {
    std::lock_guard lock(state->mutex);
    state->ended = true;
    if (state->context) state->context->TryCancel();
  }
};

}  // namespace

ContainerdRpc::ContainerdRpc(env::Loop& loop, const std::string& socket_path)
    : impl_(std::make_unique<Impl>(loop, socket_path)) {}
ContainerdRpc::~ContainerdRpc() = default;

void ContainerdRpc::call(const char* method, std::string request, Duration timeout,
                         std::move_only_function<void(Result<std::string>)> callback) {
  auto* tag = new Unary;
  prepare(tag->context);
  tag->context.set_deadline(std::chrono::system_clock::now() +
                            std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
  tag->callback = std::move(callback);
  tag->post = [impl = impl_.get()](env::Task task) { impl->post(std::move(task)); };
  impl_->add(tag);
  tag->reader = impl_->stub->PrepareUnaryCall(&tag->context, method, to_buffer(request), &impl_->queue);
  tag->reader->StartCall();
  tag->reader->Finish(&tag->reply, &tag->status, tag);
}

std::unique_ptr<ContainerdRpc::Stream> ContainerdRpc::subscribe(const char* method, std::string request,
                                                                std::function<void(std::string)> message,
                                                                std::function<void(Error)> ended) {
  auto* tag = new StreamTag;
  prepare(tag->context);
  tag->request = to_buffer(request);
  tag->on_message = std::move(message);
  tag->on_end = std::move(ended);
  tag->post = [impl = impl_.get()](env::Task task) { impl->post(std::move(task)); };
  tag->state->context = &tag->context;
  auto handle = std::make_unique<StreamHandle>();
  handle->state = tag->state;
  impl_->add(tag);
  tag->stream = impl_->stub->PrepareCall(&tag->context, method, &impl_->queue);
  tag->stream->StartCall(tag);
  return handle;
}

}  // namespace ingot::host
