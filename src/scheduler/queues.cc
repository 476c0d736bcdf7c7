#include "scheduler/queues.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/assert.h"
#include "base/quantity.h"

namespace ingot::scheduler {
namespace {

using Models = std::vector<std::pair<ModelId, int64_t>>;

int64_t at(const Models& models, ModelId model) {
  for (const auto& [id, n] : models)
    if (id == model) return n;
  return 0;
}

void add(Models& models, ModelId model, int64_t n) {
  const auto found = std::ranges::lower_bound(models, model, {}, &Models::value_type::first);
  if (found == models.end() || found->first != model)
    models.insert(found, {model, n});
  else if ((found->second += n) == 0)
    models.erase(found);
}

std::string gpus(int64_t milli) { return format_milli(milli); }

}  // namespace

void Amounts::add_gpu(ModelId model, int64_t milli) {
  gpu_milli += milli;
  if (milli != 0) add(models, model, milli);
}
int64_t Amounts::of_model(ModelId model) const { return at(models, model); }

Amounts& Amounts::operator+=(const Amounts& o) {
  gpu_milli += o.gpu_milli;
  cpu_milli += o.cpu_milli;
  memory_mib += o.memory_mib;
  for (const auto& [model, n] : o.models) add(models, model, n);
  return *this;
}
Amounts& Amounts::operator-=(const Amounts& o) {
  gpu_milli -= o.gpu_milli;
  cpu_milli -= o.cpu_milli;
  memory_mib -= o.memory_mib;
  for (const auto& [model, n] : o.models) add(models, model, -n);
  return *this;
}

Averages decayed(const Averages& before, const Amounts& held, Duration half_life, Duration time) {
  const auto seconds = [](Duration d) { return std::chrono::duration<double>(d).count(); };
  if (time <= Duration{} || half_life <= Duration{}) return before;
  const double keep = std::exp2(-seconds(time) / seconds(half_life));
  const auto mix = [&](double average, int64_t now) { return average * keep + double(now) * (1 - keep); };
  return {mix(before.gpu_milli, held.gpu_milli), mix(before.cpu_milli, held.cpu_milli),
          mix(before.memory_mib, held.memory_mib)};
}

QueueTree::QueueTree() { queues_[""]; }

QueueTree::State& QueueTree::state(std::string_view name) { return queues_.find(name)->second; }

const Queue* QueueTree::find(std::string_view name) const {
  const auto found = queues_.find(name);
  return found == queues_.end() || name.empty() ? nullptr : &found->second.queue;
}

std::string QueueTree::title(std::string_view name) const {
  const Queue& q = state(name).queue;
  return q.title.empty() ? "queue " + q.name : q.title;
}

void QueueTree::name_below(const State& parent, std::vector<std::string>& names) const {
  for (const std::string& child : parent.children) {
    const State& s = state(child);
    if (!s.placeholder) names.push_back(child);
    name_below(s, names);
  }
}

std::vector<std::string> QueueTree::names() const {
  std::vector<std::string> names;
  name_below(state(""), names);
  return names;
}

// --- the tree ---

void QueueTree::set(const Queue& queue) {
  ASSERT(!queue.name.empty() && queue.weight >= 1);
  const auto found = queues_.find(queue.name);
  const bool fresh = found == queues_.end();
  if (!fresh && found->second.queue == queue) return;
  const bool moved = !fresh && found->second.queue.parent != queue.parent;
  State& s = queues_[queue.name];
  if (moved && --named_[s.queue.parent] == 0) named_.erase(s.queue.parent);
  if (fresh || moved) ++named_[queue.parent];
  s.queue = queue;
  if (moved || named_.contains(queue.name)) {
    hang_all();
  } else if (fresh) {  // a new leaf moves nobody
    s.up = queues_.contains(queue.parent) ? queue.parent : "";
    state(s.up).children.insert(queue.name);
  }
  sum_guarantees(s.up);
  inherit(s);
  enter(s);
}

void QueueTree::inherit(State& s) {
  const std::optional<Duration> now = s.queue.half_life ? s.queue.half_life : state(s.up).half_life;
  if (s.half_life == now) return;
  s.half_life = now;
  for (const std::string& child : s.children) {
    inherit(state(child));
    enter(state(child));
  }
}

// Upwards from a queue whose children changed. The root guarantees nothing.
void QueueTree::sum_guarantees(std::string_view from) {
  for (State* s = &state(from); !s->queue.name.empty(); s = &state(s->up)) {
    s->below = {};
    for (const std::string& child : s->children) s->below += guarantee(child);
    enter(*s);
  }
}

void QueueTree::erase(std::string_view name) {
  const auto found = queues_.find(name);
  if (found == queues_.end() || name.empty()) return;
  State& s = found->second;
  ASSERT(s.own.empty() && !s.pending);
  skipped_.erase(found->first);
  if (--named_[s.queue.parent] == 0) named_.erase(s.queue.parent);
  const std::string up = s.up;
  const bool leaf = s.children.empty();
  if (s.entered) state(up).contenders.erase(*s.entered);
  state(up).children.erase(found->first);
  queues_.erase(found);
  leaf ? sum_guarantees(up) : hang_all();
}

// Parents are what they are called, once the whole is known: a chain that does not reach the root is cut at the
// queue it was entered from.
void QueueTree::hang_all() {
  for (auto& [name, s] : queues_) {
    s.children.clear();
    s.contenders.clear();
    s.entered.reset();
    s.self.reset();
    s.usage = s.own;
    s.below = {};
    s.up = queues_.contains(s.queue.parent) ? s.queue.parent : "";
    std::string_view above = s.up;
    for (size_t steps = 0; !above.empty() && steps <= queues_.size(); ++steps) {
      if (above == name) {
        s.up.clear();
        break;
      }
      const auto next = queues_.find(above);
      above = next == queues_.end() ? std::string_view{} : std::string_view(next->second.queue.parent);
      if (next != queues_.end() && !queues_.contains(above)) above = {};
    }
  }
  for (auto& [name, s] : queues_)
    if (!name.empty()) state(s.up).children.insert(name);
  for (auto& [name, s] : queues_) {
    if (name.empty()) continue;
    for (State* above = &state(s.up);; above = &state(above->up)) {
      above->usage += s.own;
      if (above->queue.name.empty()) break;
    }
  }
  std::vector<std::string> order;  // parents before children
  order.push_back("");
  for (size_t i = 0; i < order.size(); ++i)
    for (const std::string& child : state(order[i]).children) {
      order.push_back(child);
      State& s = state(child);
      s.half_life = s.queue.half_life ? s.queue.half_life : state(order[i]).half_life;
    }
  for (size_t i = order.size(); i-- > 1;) {
    State& s = state(order[i]);
    state(s.up).below += guarantee(s.queue.name);
    enter(s);
  }
}

Amounts QueueTree::guarantee(std::string_view name) const {
  const State& s = state(name);
  Amounts out = s.queue.guarantee;
  out.gpu_milli = std::max(out.gpu_milli, s.below.gpu_milli);
  out.cpu_milli = std::max(out.cpu_milli, s.below.cpu_milli);
  out.memory_mib = std::max(out.memory_mib, s.below.memory_mib);
  for (const auto& [model, n] : s.below.models)
    if (const int64_t have = out.of_model(model); have < n) add(out.models, model, n - have);
  return out;
}

void QueueTree::set_capacity(const Amounts& capacity) {
  if (capacity_ == capacity) return;
  capacity_ = capacity;
  for (auto& [name, s] : queues_)
    if (!name.empty() && (s.entered || s.self)) enter(s);
}

// --- usage ---

void QueueTree::add_usage(std::string_view queue, const Amounts& a) {
  ++usage_version_;
  State* s = &state(queue);
  s->own += a;
  for (;; s = &state(s->up)) {
    s->usage += a;
    if (s->queue.name.empty()) break;
  }
  enter(state(queue));
}

void QueueTree::remove_usage(std::string_view queue, const Amounts& a) {
  ++usage_version_;
  State* s = &state(queue);
  s->own -= a;
  for (;; s = &state(s->up)) {
    s->usage -= a;
    if (s->queue.name.empty()) break;
  }
  enter(state(queue));
}

const Amounts& QueueTree::usage(std::string_view queue) const { return state(queue).usage; }

void QueueTree::advance(WallTime now) {
  const Duration time = now_ ? now - *now_ : Duration{};
  now_ = now;
  if (time <= Duration{}) return;
  for (auto& [name, s] : queues_) {
    if (!s.half_life) continue;
    s.average = decayed(s.average, s.usage, *s.half_life, time);
    enter(s);
  }
}

std::optional<QueueTree::Decaying> QueueTree::decaying(std::string_view queue) const {
  const State& s = state(queue);
  return s.half_life ? std::optional(Decaying{s.average, *s.half_life}) : std::nullopt;
}

void QueueTree::restore(std::string_view queue, const Averages& average, WallTime at) {
  State& s = state(queue);
  if (!s.half_life) return;
  s.average = decayed(average, s.usage, *s.half_life, now_ ? *now_ - at : Duration{});
  enter(s);
}

// --- turns ---

bool QueueTree::below_guarantee(const State& s) const {
  const Amounts g = guarantee(s.queue.name);
  if (s.usage.gpu_milli < g.gpu_milli) return true;
  return std::ranges::any_of(g.models, [&](const auto& m) { return s.usage.of_model(m.first) < m.second; });
}

int64_t QueueTree::part_of(int64_t held, int64_t total) const {
  return total > 0 ? int64_t(__int128(held) * 1'000'000'000 / total) : 0;
}

int64_t QueueTree::share(const State& s) const {
  const bool lately = s.half_life.has_value();
  return std::max(
             {part_of(lately ? int64_t(s.average.gpu_milli) : s.usage.gpu_milli, capacity_.gpu_milli),
              part_of(lately ? int64_t(s.average.cpu_milli) : s.usage.cpu_milli, capacity_.cpu_milli),
              part_of(lately ? int64_t(s.average.memory_mib) : s.usage.memory_mib, capacity_.memory_mib)}) /
         s.queue.weight;
}

QueueTree::Entry QueueTree::entry(const State& s) const {
  return {!below_guarantee(s), share(s), s.contenders.begin()->oldest, s.queue.name};
}

// A queue stands among its parent's contenders while its own line waits or one of its children stands here.
void QueueTree::enter(State& changed) {
  State* s = &changed;
  std::optional<Entry> line;
  if (s->pending && !s->skipped) {
    const int64_t own = std::max({part_of(s->own.gpu_milli, capacity_.gpu_milli),
                                  part_of(s->own.cpu_milli, capacity_.cpu_milli),
                                  part_of(s->own.memory_mib, capacity_.memory_mib)});
    line = Entry{true, own, *s->pending, ""};
  }
  if (line != s->self) {
    if (s->self) s->contenders.erase(*s->self);
    s->self = line;
    if (line) s->contenders.insert(*line);
  }
  for (; !s->queue.name.empty(); s = &state(s->up)) {
    std::optional<Entry> now;
    if (!s->contenders.empty()) now = entry(*s);
    if (now == s->entered) {
      if (!now) break;
      continue;
    }
    std::set<Entry>& among = state(s->up).contenders;
    if (s->entered) among.erase(*s->entered);
    s->entered = now;
    if (now) among.insert(*now);
  }
}

void QueueTree::set_pending(std::string_view queue, WallTime oldest) {
  State& s = state(queue);
  if (s.pending == oldest) return;
  s.pending = oldest;
  enter(s);
}

void QueueTree::clear_pending(std::string_view queue) {
  State& s = state(queue);
  s.pending.reset();
  s.skipped = false;
  skipped_.erase(s.queue.name);
  enter(s);
}

void QueueTree::start_pass() {
  for (const std::string& name : std::exchange(skipped_, {})) {
    State& s = state(name);
    s.skipped = false;
    enter(s);
  }
}

const std::string* QueueTree::first() const {
  const State* s = &state("");
  while (!s->contenders.empty()) {
    const std::string& next = s->contenders.begin()->name;
    if (next.empty()) return &s->queue.name;
    s = &state(next);
  }
  return nullptr;
}

void QueueTree::skip(std::string_view queue) {
  State& s = state(queue);
  s.skipped = true;
  skipped_.insert(s.queue.name);
  enter(s);
}

// --- what is allowed ---

std::optional<std::string> QueueTree::refused(std::string_view queue, const Amounts& asks,
                                              const std::vector<std::string>& models) const {
  struct Bound {
    int64_t held, asks;
    std::optional<int64_t> limit;
    std::string noun, one;
  };
  for (const State* s = &state(queue); !s->queue.name.empty(); s = &state(s->up)) {
    const Limits& limit = s->queue.limit;
    if (limit == Limits{}) continue;
    std::vector<Bound> bounds{{s->usage.gpu_milli, asks.gpu_milli, limit.gpu_milli, " GPUs", " GPU"},
                              {s->usage.cpu_milli, asks.cpu_milli, limit.cpu_milli, " CPUs", " CPU"},
                              {s->usage.memory_mib * 1000, asks.memory_mib * 1000,
                               limit.memory_mib ? std::optional(*limit.memory_mib * 1000) : std::nullopt,
                               " MiB of memory", " MiB of memory"}};
    for (const auto& [model, most] : limit.models) {
      const std::string name = model < models.size() ? models[model] : "other models";
      bounds.push_back(
          {s->usage.of_model(model), asks.of_model(model), most, " GPUs of " + name, " GPU of " + name});
    }
    for (const Bound& b : bounds) {
      if (!b.limit || b.asks == 0 || b.held + b.asks <= *b.limit) continue;
      const std::string most = gpus(*b.limit) + (*b.limit == 1000 ? b.one : b.noun);
      const std::string needs = ", needs " + gpus(b.asks);
      if (b.asks > *b.limit) return title(s->queue.name) + " may hold " + most + " at most" + needs;
      if (b.held >= *b.limit) return title(s->queue.name) + " is at its limit of " + most + needs;
      return title(s->queue.name) + " holds " + gpus(b.held) + " of its limit of " + most + needs;
    }
  }
  return std::nullopt;
}

std::vector<std::string> QueueTree::path(std::string_view name) const {
  std::vector<std::string> out;
  for (const State* s = &state(name); !s->queue.name.empty(); s = &state(s->up)) out.push_back(s->queue.name);
  std::ranges::reverse(out);
  return out;
}

std::pair<std::string, std::string> QueueTree::part(std::string_view a, std::string_view b) const {
  const auto up = path(a), down = path(b);
  size_t i = 0;
  while (i < up.size() && i < down.size() && up[i] == down[i]) ++i;
  return {i < up.size() ? up[i] : std::string(a), i < down.size() ? down[i] : std::string(b)};
}

bool QueueTree::borrows(std::string_view queue) const {
  for (const State* s = &state(queue); !s->queue.name.empty(); s = &state(s->up))
    if (s->usage.gpu_milli > guarantee(s->queue.name).gpu_milli) return true;
  return false;
}

namespace {
// Within its guarantee, of all GPUs or of the models it asks for.
bool within(const Amounts& held, const Amounts& more, const Amounts& due) {
  if (more.gpu_milli == 0) return false;
  if (held.gpu_milli + more.gpu_milli <= due.gpu_milli) return true;
  return !more.models.empty() && std::ranges::all_of(more.models, [&](const auto& m) {
    return held.of_model(m.first) + m.second <= due.of_model(m.first);
  });
}
}  // namespace

bool QueueTree::entitled(std::string_view queue, const Amounts& more) const {
  for (const State* s = &state(queue); !s->queue.name.empty(); s = &state(s->up))
    if (within(s->usage, more, guarantee(s->queue.name))) return true;
  return false;
}

std::optional<int64_t> QueueTree::lent(std::string_view claimant, const Amounts& more,
                                       std::string_view victim) const {
  const auto [mine, theirs] = part(claimant, victim);
  if (mine == theirs || !within(usage(mine), more, guarantee(mine))) return std::nullopt;
  return usage(theirs).gpu_milli - guarantee(theirs).gpu_milli;
}

bool QueueTree::may_reclaim(std::string_view claimant, const Amounts& more, std::string_view victim,
                            const Amounts& given) const {
  return lent(claimant, more, victim).value_or(0) > given.gpu_milli;
}

}  // namespace ingot::scheduler
