#include "host/nvml/sampler.h"

#include <algorithm>
#include <future>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "gpu/models.h"
#include "host/nvml/session.h"
#include "host/nvml/slices.h"

namespace ingot::host::nvml {
namespace {

using gpu::Sample;
using SessionPtr = std::shared_ptr<const Session>;

constexpr int kUncorrected = 1, kVolatile = 0, kOnDie = 0;
constexpr unsigned kSmClock = 1;
constexpr int kMostEvents = 64;  // of one look; what is left comes with the next
constexpr size_t kMostXids = 16;

// One board's look, and the handle it has now.
struct Answer {
  Device device = nullptr;
  Sample sample;
};

// Figures that a driver does not give stay absent.
Sample measure(const Session& session, Device device, const char* uuid) {
  const Api& a = session.api();
  Sample s{.uuid = uuid};
  const auto answered = [&](Return code) {
    if (code == kGpuIsLost) s.lost = session.error(code);
    return code == kSuccess;
  };
  Memory memory{};
  if (answered(a.memory(device, &memory))) {
    s.memory_used_mib = int64_t(memory.used >> 20);
    s.memory_free_mib = int64_t(memory.free >> 20);
  }
  Utilization used{};
  if (a.utilisation && answered(a.utilisation(device, &used))) {
    s.utilisation = int(used.gpu);
    s.memory_utilisation = int(used.memory);
  }
  unsigned value = 0;
  if (a.power && answered(a.power(device, &value))) s.power_w = value / 1000.0;
  if (a.temperature && answered(a.temperature(device, kOnDie, &value))) s.temperature_c = int(value);
  if (a.clock && answered(a.clock(device, kSmClock, &value))) s.sm_clock_mhz = int(value);
  unsigned long long errors = 0;
  if (a.ecc && answered(a.ecc(device, kUncorrected, kVolatile, &errors))) s.ecc_errors = errors;
  return s;
}

// What a board's instances did is the difference of two samples: the last one of each is kept.
class Instances {
 public:
  explicit Instances(SessionPtr session) : session_(std::move(session)) {}
  ~Instances() {
    for (const auto& [id, sample] : last_) session_->api().gpm_free(sample);
  }
  Instances(const Instances&) = delete;

  std::vector<gpu::InstanceSample> look(Device device) {
    std::vector<gpu::InstanceSample> found;
    const Api& a = session_->api();
    unsigned on = 0, pending = 0;
    if (!a.mig || a.mig(device, &on, &pending) != kSuccess || on == 0) return found;
    for (const gpu::MigDevice& i : list_instances(*session_, device, model_of(device)))
      found.push_back({.gpu_instance = i.gpu_instance,
                       .profile = i.profile,
                       .start = i.start,
                       .active = active(device, unsigned(i.gpu_instance))});
    return found;
  }

 private:
  std::string model_of(Device device) const {
    char name[kNameBuffer] = {};
    Memory memory{};
    const Api& a = session_->api();
    if (a.name(device, name, sizeof name) != kSuccess || a.memory(device, &memory) != kSuccess) return "";
    const gpu::Model* model = gpu::model_of_product(name, int64_t(memory.total >> 20));
    return model ? std::string(model->name) : "";
  }

  // None the first time, and where the driver cannot say.
  std::optional<double> active(Device device, unsigned id) {
    const Api& a = session_->api();
    GpmSample now = nullptr;
    if (!a.gpm_alloc || !a.gpm_free || !a.gpm_instance || !a.gpm_metrics) return std::nullopt;
    if (a.gpm_alloc(&now) != kSuccess) return std::nullopt;
    if (a.gpm_instance(device, id, now) != kSuccess) return a.gpm_free(now), std::nullopt;
    const GpmSample before = std::exchange(last_[id], now);
    if (!before) return std::nullopt;
    auto asked = std::make_unique<GpmMetrics>();
    *asked = {.version = kGpmVersion, .count = 1, .first = before, .second = now, .metrics = {}};
    asked->metrics[0].id = kGpmGraphicsUtil;
    const bool told = a.gpm_metrics(asked.get()) == kSuccess && asked->metrics[0].code == kSuccess;
    a.gpm_free(before);
    return told ? std::optional(std::clamp(asked->metrics[0].value / 100, 0.0, 1.0)) : std::nullopt;
  }

  const SessionPtr session_;
  std::map<unsigned, GpmSample> last_;  // by GPU instance
};

Answer look_at(const Session& session, unsigned index, Instances& instances) {
  Answer answer;
  char uuid[kUuidBuffer] = {};
  if (session.api().handle(index, &answer.device) == kSuccess &&
      session.api().uuid(answer.device, uuid, sizeof uuid) == kSuccess) {
    answer.sample = measure(session, answer.device, uuid);
    if (answer.sample.lost.empty()) answer.sample.instances = instances.look(answer.device);
  }
  return answer;
}

class LibrarySampler final : public Sampler {
 public:
  LibrarySampler(SessionPtr session, std::chrono::milliseconds patience)
      : session_(std::move(session)), patience_(patience) {}

  bool describe(const std::string& text) override {
    return api_.describe && api_.describe(text.c_str()) == kSuccess;
  }

  std::vector<Sample> look() override {
    unsigned count = 0;
    if (api_.count(&count) != kSuccess) return {};
    boards_.resize(std::max<size_t>(boards_.size(), count));
    for (unsigned i = 0; i < count; ++i)
      if (!boards_[i].asked.valid()) ask(i);
    const auto end = std::chrono::steady_clock::now() + patience_;
    std::vector<Sample> samples;
    std::map<Device, size_t> places;
    for (unsigned i = 0; i < count; ++i) {
      Answer answer = hear(boards_[i], end);
      if (answer.sample.uuid.empty()) continue;  // nobody we know
      if (answer.device) {
        watch(answer.device, answer.sample.uuid);
        places[answer.device] = samples.size();
      }
      samples.push_back(std::move(answer.sample));
    }
    read_events(places, samples);
    return samples;
  }

 private:
  struct Board {
    std::future<Answer> asked;  // valid: not heard yet
    std::string uuid;           // as it last said
    bool hangs = false;
    std::shared_ptr<Instances> instances;  // its thread's, while it is asked
  };

  // By a thread of its own: one that hangs keeps no other board from answering. It is left behind with its share of the
  // session, and the board is not asked again before it comes back.
  void ask(unsigned index) {
    std::promise<Answer> promise;
    boards_[index].asked = promise.get_future();
    auto& instances = boards_[index].instances;
    if (!instances) instances = std::make_shared<Instances>(session_);
    std::thread([session = session_, instances, index, promise = std::move(promise)]() mutable {
      Answer answer = look_at(*session, index, *instances);
      instances.reset();
      session.reset();  // who has the last answer may be the last to have the library
      promise.set_value(std::move(answer));
    }).detach();
  }

  static Answer hear(Board& board, std::chrono::steady_clock::time_point end) {
    const auto ready =
        board.hangs ? board.asked.wait_for(std::chrono::seconds(0)) : board.asked.wait_until(end);
    board.hangs = ready != std::future_status::ready;
    if (board.hangs) return {nullptr, {.uuid = board.uuid, .lost = "NVML gave no answer in time"}};
    Answer answer = board.asked.get();
    if (!answer.sample.uuid.empty()) board.uuid = answer.sample.uuid;
    return answer;
  }

  // The driver tells XIDs only to who asked before they happened.
  void watch(Device device, const std::string& uuid) {
    if (!api_.events_create || !api_.events_register || !api_.events_wait) return;
    if (!events_ && api_.events_create(&events_) != kSuccess) return;
    if (std::ranges::find(watched_, uuid) != watched_.end()) return;
    if (api_.events_register(device, kEventXid, events_) == kSuccess) watched_.push_back(uuid);
  }

  void read_events(const std::map<Device, size_t>& places, std::vector<Sample>& samples) const {
    EventData event{};
    for (int i = 0; events_ && i < kMostEvents && api_.events_wait(events_, &event, 0) == kSuccess; ++i) {
      const auto place = places.find(event.device);
      if (event.type != kEventXid || place == places.end()) continue;
      std::vector<uint64_t>& xids = samples[place->second].xids;
      if (xids.size() < kMostXids) xids.push_back(event.data);
    }
  }

  const SessionPtr session_;
  const Api& api_ = session_->api();
  const std::chrono::milliseconds patience_;
  std::vector<Board> boards_;  // by index
  EventSet events_ = nullptr;
  std::vector<std::string> watched_;
};

}  // namespace

std::expected<std::unique_ptr<Sampler>, std::string> Sampler::open(const std::string& library,
                                                                   std::chrono::milliseconds patience) {
  auto session = Session::open(library);
  if (!session) return std::unexpected(session.error());
  return std::make_unique<LibrarySampler>(std::move(*session), patience);
}

}  // namespace ingot::host::nvml
