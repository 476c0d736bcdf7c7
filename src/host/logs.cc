#include "host/logs.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "host/cri_log.h"
#include "host/http_exchange.h"
#include "host/log_file.h"
#include "host/status.h"
#include "host/thread_name.h"

namespace ingot::host {
namespace {

constexpr size_t kBlock = 64 * 1024;
constexpr size_t kMostStreams = 1'000;

LogWindow window_of(const apiserver::LogTarget& target, WallTime now) {
  LogWindow window{
      .timestamps = target.timestamps, .since = target.since_time, .limit_bytes = target.limit_bytes};
  if (target.since_seconds) window.since = now - std::chrono::seconds(*target.since_seconds);
  return window;
}

}  // namespace

// The thread and its streams. Streams hold it through their exchanges' callbacks, so it is shared.
class FileLogs::Reader : public std::enable_shared_from_this<Reader> {
 public:
  Reader(env::Loop& loop, std::string root)
      : loop_(loop),
        root_(std::move(root)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    ASSERT(wake_ && inotify_);
    thread_ = std::thread([this] { run(); });
  }

  void post(env::Task task) {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    wake();
  }
  void stop() {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(stopping_, true)) return;
      wake();
    }
    thread_.join();
  }

  // The loop: follows `target` from here on.
  void open(uint64_t id, const apiserver::LogTarget& target, LogWindow window,
            std::shared_ptr<apiserver::Exchange> exchange) {
    post([this, id, target, window, exchange = std::move(exchange)] { begin(id, target, window, exchange); });
  }
  void more(uint64_t id) {
    post([this, id] { pump(id); });
  }
  void container_ended(uint64_t id) {
    post([this, id] {
      const auto found = streams_.find(id);
      if (found == streams_.end()) return;
      found->second.ended = true;
      if (found->second.idle) pump(id);
    });
  }
  void close(uint64_t id) {
    post([this, id] { forget(id); });
  }

 private:
  struct Stream {
    std::shared_ptr<apiserver::Exchange> exchange;
    CriLog log;
    Fd file;
    int watch = -1;  // inotify's
    bool follow = false;
    bool ended = false;  // the container wrote its last
    bool idle = false;   // at the end of the file, waiting for more
  };

  void wake() {
    const uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
  }
  void run();
  void read_events();
  void begin(uint64_t id, const apiserver::LogTarget&, LogWindow, std::shared_ptr<apiserver::Exchange>);
  void pump(uint64_t id);
  void say(uint64_t id, Stream&, std::string text);
  void finish(uint64_t id);
  void forget(uint64_t id);

  env::Loop& loop_;
  const std::string root_;
  const Fd wake_, inotify_;
  std::mutex mutex_;
  std::vector<env::Task> tasks_;  // guarded
  bool stopping_ = false;         // guarded
  // The thread's own.
  std::map<uint64_t, Stream> streams_;
  std::map<int, std::vector<uint64_t>> watched_;  // inotify gives one watch per file, whoever asks
  std::thread thread_;
};

void FileLogs::Reader::run() {
  name_thread("logs");
  while (true) {
    pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {inotify_.get(), POLLIN, 0}};
    ::poll(fds, 2, -1);
    std::vector<env::Task> tasks;
    {
      std::lock_guard lock(mutex_);
      if (stopping_) break;
      tasks.swap(tasks_);
    }
    uint64_t count;
    (void)!::read(wake_.get(), &count, sizeof count);
    for (env::Task& task : tasks) task();
    if (fds[1].revents) read_events();
  }
  // The loop may still run: streams end properly there.
  for (auto& [id, stream] : streams_)
    loop_.post([exchange = std::move(stream.exchange)] { exchange->end(); });
  streams_.clear();
}

void FileLogs::Reader::read_events() {
  alignas(inotify_event) char block[16 * 1024];
  std::vector<uint64_t> grown;
  ssize_t n;
  while ((n = ::read(inotify_.get(), block, sizeof block)) > 0) {
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(block + at);
      at += ssize_t(sizeof(inotify_event) + event->len);
      if (const auto watch = watched_.find(event->wd); watch != watched_.end())
        grown.insert(grown.end(), watch->second.begin(), watch->second.end());
    }
  }
  for (const uint64_t id : grown)
    if (const auto found = streams_.find(id); found != streams_.end() && found->second.idle) pump(id);
}

void FileLogs::Reader::begin(uint64_t id, const apiserver::LogTarget& target, LogWindow window,
                             std::shared_ptr<apiserver::Exchange> exchange) {
  auto file = open_log(root_, target);
  if (!file || streams_.size() >= kMostStreams) {
    const Error error =
        file ? Error{.reason = Reason::TooManyRequests, .message = "too many logs are being read"}
             : file.error();
    loop_.post([exchange, error] { exchange->reply(status_reply(error)); });
    return;
  }
  Stream stream{
      .exchange = exchange, .log = CriLog(window), .file = std::move(*file), .follow = target.follow};
  if (target.tail_lines)
    ::lseek(stream.file.get(), tail_offset(stream.file.get(), *target.tail_lines), SEEK_SET);
  if (target.follow) {
    const std::string path = fmt::format("/proc/self/fd/{}", stream.file.get());
    stream.watch = ::inotify_add_watch(inotify_.get(), path.c_str(), IN_MODIFY);
    if (stream.watch >= 0) watched_[stream.watch].push_back(id);
  }
  streams_.emplace(id, std::move(stream));
  loop_.post([exchange] { exchange->begin({.content_type = "text/plain"}); });
  pump(id);
}

// Reads one block and hands it over; the next one is read once that has left.
void FileLogs::Reader::pump(uint64_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  stream.idle = false;
  std::string text;
  std::string block(kBlock, '\0');
  while (text.empty()) {
    // Read before the file is: what was written before the container ended is read before the stream ends.
    const bool ended = stream.ended;
    const ssize_t n = stream.log.full() ? 0 : ::read(stream.file.get(), block.data(), block.size());
    if (n > 0) {
      stream.log.feed({block.data(), size_t(n)}, text);
      continue;
    }
    if (!stream.follow || ended || stream.log.full() || n < 0) return finish(id);
    stream.idle = true;
    return;
  }
  say(id, stream, std::move(text));
}

void FileLogs::Reader::say(uint64_t id, Stream& stream, std::string text) {
  auto piece = std::make_shared<const std::string>(std::move(text));
  loop_.post([self = shared_from_this(), id, exchange = stream.exchange, piece]() {
    if (!exchange->write(piece)) return self->close(id);
    auto again = [self, id] { self->more(id); };
    if (auto* paced = dynamic_cast<PacedExchange*>(exchange.get()))
      paced->when_drained(again);
    else
      again();
  });
}

void FileLogs::Reader::finish(uint64_t id) {
  const auto found = streams_.find(id);
  loop_.post([exchange = found->second.exchange] { exchange->end(); });
  forget(id);
}

void FileLogs::Reader::forget(uint64_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  if (const auto watch = watched_.find(found->second.watch); watch != watched_.end()) {
    std::erase(watch->second, id);
    if (watch->second.empty()) {
      ::inotify_rm_watch(inotify_.get(), watch->first);
      watched_.erase(watch);
    }
  }
  streams_.erase(found);
}

FileLogs::FileLogs(env::Clock& clock, env::Loop& loop, ContainerEnds& ends, std::string root)
    : clock_(clock), loop_(loop), ends_(ends), reader_(std::make_shared<Reader>(loop, std::move(root))) {}

FileLogs::~FileLogs() { reader_->stop(); }

void FileLogs::stream(const apiserver::LogTarget& target, apiserver::ExchangePtr exchange) {
  const uint64_t id = ++last_;
  std::shared_ptr<void> handle;
  if (target.follow)
    handle = ends_.when_ended(target, [reader = reader_, id] { reader->container_ended(id); });
  exchange->on_close([reader = reader_, id, handle] { reader->close(id); });
  reader_->open(id, target, window_of(target, clock_.wall()), std::move(exchange));
}

}  // namespace ingot::host
