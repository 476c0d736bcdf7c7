#include "node/devices.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::node {
namespace {

std::string place(const HeldDevice& d) { return fmt::format("{} at {}", d.profile, d.start); }

// In words for whoever asked: the board's and what happened, nothing of other tenants.
std::unexpected<Error> unusable(const std::string& board, const std::string& why) {
  return fail(Reason::Conflict, fmt::format("GPU {} cannot be given: {}", board, why));
}

}  // namespace

template <class F>
auto Devices::guarded(F f) {
  return [alive = std::weak_ptr(alive_), f = std::move(f)](auto... result) mutable {
    if (!alive.expired()) f(std::move(result)...);
  };
}

Devices::Devices(env::Env& env, DeviceControl& control, const gpu::Inventory& gpus, Listener& listener)
    : env_(env), control_(control), listener_(listener) {
  for (const gpu::Board& b : gpus.boards)
    boards_[b.uuid] = {.uuid = b.uuid, .model = b.model, .mig_enabled = b.mig_enabled};
}

Devices::~Devices() {
  env_.loop.cancel(timer_);
  for (auto& [uuid, b] : boards_) env_.loop.cancel(b.timer);
}

void Devices::start() {
  control_.load(guarded([this](Result<std::string> text) { loaded(std::move(text)); }));
  read();
}

void Devices::read() {
  control_.read(guarded([this](Result<gpu::Inventory> found) {
    if (!found) {
      unreadable_ = found.error().message;
      env_.log.warn("node.devices.unreadable", {{"error", unreadable_}});
      timer_ = env_.loop.at(env_.clock.now() + start_backoff_.next(), guarded([this] { read(); }));
      listener_.devices_changed();
      for (env::Task& task : std::exchange(waiting_, {})) task();
      return;
    }
    take_in(*found);
    read_ = true;
    listener_.devices_changed();
    begin_if_ready();
  }));
}

// A board that does not answer keeps what was known of it.
void Devices::take_in(const gpu::Inventory& found, std::string_view only) {
  for (const gpu::Board& b : found.boards) {
    Board* own = board(b.uuid);
    if (!own || !b.healthy || (!only.empty() && b.uuid != only)) continue;
    own->mig_enabled = b.mig_enabled;
    own->instances = b.mig_devices;
  }
}

void Devices::loaded(Result<std::string> text) {
  auto book = text ? DeviceBook::parse(*text) : Result<DeviceBook>(std::unexpected(text.error()));
  if (book)
    book_ = std::move(*book);
  else  // whoever had what: everything is cleared before it is given
    env_.log.error("node.devices.record_unreadable", {{"error", book.error().message}});
  loaded_ = true;
  for (const auto& [uuid, why] : book_.cordons())
    if (Board* b = board(uuid))
      b->timer = env_.loop.at(env_.clock.now() + b->backoff.next(), guarded([this, b] { try_again(*b); }));
  begin_if_ready();
}

void Devices::begin_if_ready() {
  if (!read_ || !loaded_) return;
  for (env::Task& task : std::exchange(waiting_, {})) task();
  if (settled_) settle();
}

Devices::Board* Devices::board(const std::string& uuid) {
  const auto found = boards_.find(uuid);
  return found == boards_.end() ? nullptr : &found->second;
}

void Devices::enqueue(Board& b, Step step) {
  b.queue.push_back(std::move(step));
  next(b);
}

void Devices::next(Board& b) {
  if (b.busy || b.queue.empty()) return;
  b.busy = true;
  Step step = std::move(b.queue.front());
  b.queue.pop_front();
  step([this, &b, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    b.busy = false;
    next(b);
  });
}

std::string Devices::who(const Allocation& a) const {
  return a.cluster.empty() ? a.tenant : fmt::format("{} ({})", a.tenant, a.cluster);
}

Devices::Use Devices::use_by_others(const Board& b, const std::string& pod, const HeldDevice& d) const {
  Use use = Use::Free;
  for (const auto& [uid, holding] : holdings_) {
    if (uid == pod || (!holding.ready && !book_.gave(uid, b.uuid))) continue;
    for (const HeldDevice& other : holding.allocation.devices) {
      if (other.uuid != b.uuid ||
          !(units_of(b.model, other.profile, other.start) & units_of(b.model, d.profile, d.start)))
        continue;
      const bool same = other.profile == d.profile && other.start == d.start;
      const bool claimed = !d.claim.empty() && d.claim == other.claim;
      if (!same || (!claimed && (other.milli >= 1000 || d.milli >= 1000))) return Use::Taken;
      use = Use::Shared;
    }
  }
  return use;
}

bool Devices::covered(const Board& b, const gpu::MigDevice& instance) const {
  for (const auto& [uid, holding] : holdings_)
    for (const HeldDevice& d : holding.allocation.devices)
      if (d.uuid == b.uuid && d.start == instance.start && d.profile == instance.profile) return true;
  return false;
}

void Devices::expect(const Allocation& a) {
  if (a.devices.empty()) return;
  auto& holding = holdings_[a.uid];
  if (!holding.ending) holding.allocation = a;
}

void Devices::settle() {
  settled_ = true;
  if (!read_ || !loaded_) return;
  book_.keep_pods([this](const std::string& pod) { return holdings_.contains(pod); });
  for (auto& [uuid, b] : boards_)
    if (!b.instances.empty())
      enqueue(b, [this, &b](std::function<void()> over) {
        sweep(b, kWholeBoard, nullptr, [this, &b, over](Result<void> swept) {
          if (!swept) cordon(b, swept.error().message);
          over();
        });
      });
}

void Devices::acquire(const Allocation& a, Callback<std::vector<Grant>> done) {
  if (loaded_ && !read_ && !unreadable_.empty()) {
    env_.loop.post(guarded([done = std::move(done), why = unreadable_]() mutable {
      done(fail(Reason::Conflict, "no GPU of the node can be given: " + why));
    }));
    return;
  }
  if (!read_ || !loaded_) {
    waiting_.push_back(guarded([this, a, done = std::move(done)]() mutable { acquire(a, std::move(done)); }));
    return;
  }
  expect(a);
  struct Gathering {
    std::vector<Grant> grants;
    size_t left = 0;
    std::optional<Error> error;
    Callback<std::vector<Grant>> done;
  };
  auto all = std::make_shared<Gathering>();
  all->grants.resize(a.devices.size());
  all->left = a.devices.size();
  all->done = std::move(done);
  const auto one = [this, all, pod = a.uid](size_t i, Result<Grant> grant) {
    grant ? void(all->grants[i] = std::move(*grant)) : void(all->error = grant.error());
    if (--all->left > 0) return;
    if (all->error) return all->done(fail(*all->error));
    if (const auto holding = holdings_.find(pod); holding != holdings_.end()) holding->second.ready = true;
    all->done(std::move(all->grants));
  };
  for (size_t i = 0; i < a.devices.size(); ++i) {
    const HeldDevice& d = a.devices[i];
    Board* b = board(d.uuid);
    if (!b) {
      env_.loop.post(guarded([one, i, d] { one(i, unusable(d.uuid, "it is not on this node")); }));
      continue;
    }
    enqueue(*b, [this, b, i, d, pod = a.uid, one](std::function<void()> over) {
      prepare(*b, pod, d, [one, i, over](Result<Grant> grant) {
        one(i, std::move(grant));
        over();
      });
    });
  }
}

void Devices::prepare(Board& b, const std::string& pod, const HeldDevice& d, Finish done) {
  const auto holding = holdings_.find(pod);
  if (holding == holdings_.end() || holding->second.ending)
    return done(unusable(b.uuid, "the pod has ended"));
  // What the pod had already before a restart of this agent stays its own.
  const auto cordoned = book_.cordons().find(b.uuid);
  if (cordoned != book_.cordons().end() && !book_.gave(pod, b.uuid))
    return done(unusable(b.uuid, cordoned->second));
  const gpu::Profile* profile = gpu::find_profile(b.model, d.profile);
  if (!d.profile.empty() && (!profile || !profile->may_start(d.start)))
    return done(unusable(b.uuid, fmt::format("{} has no MIG instance {}", b.model, place(d))));
  d.profile.empty() ? prepare_whole(b, pod, d, std::move(done))
                    : prepare_instance(b, pod, d, kMakeTries, std::move(done));
}

void Devices::prepare_instance(Board& b, const std::string& pod, const HeldDevice& d, int tries,
                               Finish done) {
  const gpu::UnitMask units = units_of(b.model, d.profile, d.start);
  if (use_by_others(b, pod, d) == Use::Taken)
    return done(unusable(b.uuid, place(d) + " is still held by another pod"));
  sweep(b, units, &d, [this, &b, pod, d, tries, done = std::move(done)](Result<void> swept) mutable {
    if (!swept) {
      cordon(b, swept.error().message);
      return done(unusable(b.uuid, swept.error().message));
    }
    control_.make_instance(
        b.uuid, d.profile, d.start,
        guarded([this, &b, pod, d, tries, done = std::move(done)](Result<gpu::MigDevice> made) mutable {
          if (!made && made.error().reason != Reason::Timeout && tries > 1) {
            env_.loop.at(env_.clock.now() + std::chrono::seconds(1),
                         guarded([this, &b, pod, d, tries, done = std::move(done)]() mutable {
                           prepare_instance(b, pod, d, tries - 1, std::move(done));
                         }));
            return;
          }
          if (!made) {
            cordon(b, made.error().message);
            return done(unusable(b.uuid, made.error().message));
          }
          b.mig_enabled = true;
          std::erase_if(b.instances, [&](const gpu::MigDevice& i) { return i.start == d.start; });
          b.instances.push_back(*made);
          std::ranges::sort(b.instances, {}, &gpu::MigDevice::start);
          listener_.devices_changed();
          Grant given(b.uuid);
          given.memory_mib = d.milli < 1000 ? d.memory_mib : made->memory_mib;
          given.milli = d.milli;
          given.mig = std::move(*made);
          hand_over(b, pod, d, std::move(given), std::move(done));
        }));
  });
}

void Devices::prepare_whole(Board& b, const std::string& pod, const HeldDevice& d, Finish done) {
  Grant grant(b.uuid);
  grant.milli = d.milli;
  grant.memory_mib = d.memory_mib;
  const Use use = use_by_others(b, pod, d);
  if (use == Use::Taken) return done(unusable(b.uuid, "it is still held by another pod"));
  if (use == Use::Shared) return hand_over(b, pod, d, std::move(grant), std::move(done));
  auto clear = [this, &b, pod, d, grant = std::move(grant),
                done = std::move(done)](Result<void> whole) mutable {
    if (!whole) {
      cordon(b, whole.error().message);
      return done(unusable(b.uuid, whole.error().message));
    }
    if (std::exchange(b.mig_enabled, false)) listener_.devices_changed();
    hand_over(b, pod, d, std::move(grant), std::move(done));
  };
  sweep(b, kWholeBoard, nullptr, [this, &b, clear = std::move(clear)](Result<void> swept) mutable {
    if (!swept || !b.mig_enabled) return clear(std::move(swept));
    control_.make_whole(b.uuid, guarded(std::move(clear)));
  });
}

void Devices::hand_over(Board& b, const std::string& pod, const HeldDevice& d, Grant given, Finish done) {
  const gpu::UnitMask units = units_of(b.model, d.profile, d.start);
  const std::string tenant = who(holdings_.at(pod).allocation);
  // What others have shares of while they run cannot be cleared; who shares it is the scheduler's to say.
  if (book_.clean_for(b.uuid, units, tenant) || use_by_others(b, pod, d) == Use::Shared)
    return grant(b, pod, d, std::move(given), std::move(done));
  const std::string name = d.profile.empty() ? b.uuid : fmt::format("{} {}", b.uuid, place(d));
  const std::string device = given.device();
  scrub(b, device, name, units, tenant,
        [this, &b, pod, d, given = std::move(given), done = std::move(done)](Result<void> ok) mutable {
          if (!ok) return done(fail(ok.error()));
          grant(b, pod, d, std::move(given), std::move(done));
        });
}

void Devices::sweep(Board& b, gpu::UnitMask units, const HeldDevice* keep, Callback<void> done) {
  for (const gpu::MigDevice& i : b.instances) {
    const bool kept = keep && i.start == keep->start && i.profile == keep->profile;
    if (kept || covered(b, i) || !(units_of(b.model, i.profile, i.start) & units)) continue;
    const HeldDevice wanted = keep ? *keep : HeldDevice{};
    return destroy(
        b, i.start,
        [this, &b, units, keep = keep != nullptr, wanted, done = std::move(done)](Result<void> ok) mutable {
          if (!ok) return done(std::move(ok));
          sweep(b, units, keep ? &wanted : nullptr, std::move(done));
        });
  }
  done({});
}

void Devices::destroy(Board& b, int start, Callback<void> done) {
  control_.destroy_instance(b.uuid, start,
                            guarded([this, &b, start, done = std::move(done)](Result<void> ok) mutable {
                              if (!ok) return done(std::move(ok));
                              std::erase_if(b.instances, [&](const auto& i) { return i.start == start; });
                              listener_.devices_changed();
                              done({});
                            }));
}

void Devices::scrub(Board& b, const std::string& device, const std::string& name, gpu::UnitMask units,
                    const std::string& tenant, Callback<void> done) {
  control_.clear(
      device,
      guarded([this, &b, name, units, tenant, done = std::move(done)](Result<std::string> how) mutable {
        Scrub record{.at = env_.clock.wall(),
                     .device = name,
                     .before = book_.last_tenants(b.uuid, units),
                     .tenant = tenant,
                     .how = how ? *how : how.error().message,
                     .failed = !how};
        env_.log.info("node.device.scrubbed", {{"device", name},
                                               {"before", record.before},
                                               {"for", tenant},
                                               {"how", record.how},
                                               {"failed", int(record.failed)}});
        const std::string before = record.before, text = record.how;
        book_.record(std::move(record));
        if (!how) {
          listener_.device_event(
              "Warning", "DeviceScrubFailed",
              fmt::format("{} could not be cleared of what {} left: {}", name, before, text));
          cordon(b, "scrub failed: " + text);
          return done(unusable(b.uuid, "it could not be cleared of what was left in its memory: " + text));
        }
        book_.clean(b.uuid, units);
        listener_.device_event(
            "Normal", "DeviceScrubbed",
            fmt::format("{} scrubbed{}{}; last held by {}: {}", name, tenant.empty() ? "" : " for ", tenant,
                        before.empty() ? "nobody" : before, text));
        listener_.devices_changed();
        done({});
      }));
}

// Written down first: should we die now, the next life knows whose data is in there.
void Devices::grant(Board& b, const std::string& pod, const HeldDevice& d, Grant grant, Finish done) {
  book_.give(pod, b.uuid, units_of(b.model, d.profile, d.start), who(holdings_.at(pod).allocation));
  save(guarded([&b, grant = std::move(grant), done = std::move(done)](Result<void> kept) mutable {
    if (!kept) return done(unusable(b.uuid, "its holder cannot be written down: " + kept.error().message));
    done(std::move(grant));
  }));
}

void Devices::release(const std::string& pod, Callback<void> done) {
  const auto found = holdings_.find(pod);
  const bool cut =
      found != holdings_.end() && std::ranges::any_of(found->second.allocation.devices,
                                                      [](const HeldDevice& d) { return !d.profile.empty(); });
  if (!loaded_ || (cut && !read_)) {
    waiting_.push_back(
        guarded([this, pod, done = std::move(done)]() mutable { release(pod, std::move(done)); }));
    return;
  }
  if (found == holdings_.end()) {
    env_.loop.post(guarded([done = std::move(done)]() mutable { done({}); }));
    return;
  }
  found->second.ending = true;
  auto left = std::make_shared<size_t>(1);
  auto last = std::make_shared<Callback<void>>(std::move(done));
  const auto one = [this, left, last, pod] {
    if (--*left > 0) return;
    holdings_.erase(pod);
    book_.take_back(pod);
    save([](Result<void>) {});
    (*last)({});
  };
  for (const HeldDevice& d : found->second.allocation.devices) {
    Board* b = board(d.uuid);
    if (!b) continue;
    ++*left;
    enqueue(*b, [this, b, d, pod, one](std::function<void()> over) {
      free(*b, pod, d, [one, over] {
        one();
        over();
      });
    });
  }
  env_.loop.post(guarded(one));
}

void Devices::free(Board& b, const std::string& pod, const HeldDevice& d, std::function<void()> over) {
  if (d.profile.empty()) return over();
  const auto there = std::ranges::find(b.instances, d.start, &gpu::MigDevice::start);
  if (there == b.instances.end() || there->profile != d.profile) return over();
  // An instance that others have shares of, or by the same claim.
  for (const auto& [uid, other] : holdings_)
    for (const HeldDevice& held : other.allocation.devices)
      if (uid != pod && !other.ending && held.uuid == d.uuid && held.start == d.start &&
          held.profile == d.profile)
        return over();
  destroy(b, d.start, [this, &b, over](Result<void> ok) {
    if (!ok) cordon(b, ok.error().message);
    over();
  });
}

void Devices::cordon(Board& b, const std::string& why) {
  if (const auto known = book_.cordons().find(b.uuid);
      known == book_.cordons().end() || known->second != why) {
    book_.cordon(b.uuid, why);
    env_.log.error("node.device.cordoned", {{"device", b.uuid}, {"why", why}});
    listener_.device_event("Warning", "DeviceCordoned",
                           fmt::format("{} is given to nobody: {}", b.uuid, why));
    listener_.devices_changed();
    save([](Result<void>) {});
  }
  env_.loop.cancel(b.timer);
  b.timer = env_.loop.at(env_.clock.now() + b.backoff.next(), guarded([this, &b] { try_again(b); }));
}

// Whole, without instances and zeroed: then it is as good as any. While somebody is on it, it waits.
void Devices::try_again(Board& b) {
  b.timer = 0;
  enqueue(b, [this, &b](std::function<void()> over) {
    auto settle = [this, &b, over](Result<void> ok) {
      if (ok && book_.uncordon(b.uuid)) {
        b.backoff.reset();
        listener_.device_event("Normal", "DeviceReturned", b.uuid + " is whole and clear again");
        listener_.devices_changed();
        save([](Result<void>) {});
      } else if (!ok) {
        env_.loop.cancel(b.timer);
        b.timer = env_.loop.at(env_.clock.now() + b.backoff.next(), guarded([this, &b] { try_again(b); }));
      }
      over();
    };
    if (!book_.cordons().contains(b.uuid)) return over();
    if (use_by_others(b, "", HeldDevice(b.uuid)) != Use::Free)
      return settle(fail(Reason::Conflict, "it is held"));
    // What hung may have been done all the same.
    control_.read(guarded([this, &b, settle](Result<gpu::Inventory> found) mutable {
      if (!found) return settle(fail(found.error()));
      take_in(*found, b.uuid);
      sweep(b, kWholeBoard, nullptr, [this, &b, settle](Result<void> swept) mutable {
        if (!swept) return settle(std::move(swept));
        control_.make_whole(b.uuid, guarded([this, &b, settle](Result<void> whole) mutable {
                              if (!whole) return settle(std::move(whole));
                              b.mig_enabled = false;
                              scrub(b, b.uuid, b.uuid, kWholeBoard, "", settle);
                            }));
      });
    }));
  });
}

void Devices::save(Callback<void> done) {
  to_save_.push_back(std::move(done));
  if (!saving_) save_now();
}

// One write at a time; what comes meanwhile goes with the next.
void Devices::save_now() {
  saving_ = true;
  control_.store(book_.to_text(),
                 guarded([this, told = std::exchange(to_save_, {})](Result<void> ok) mutable {
                   saving_ = false;
                   for (auto& one : told) one(ok);
                   if (!to_save_.empty() && !saving_) save_now();
                 }));
}

void Devices::overlay(gpu::Inventory& gpus) const {
  for (gpu::Board& out : gpus.boards) {
    const auto known = boards_.find(out.uuid);
    if (known == boards_.end()) continue;
    out.mig_enabled = known->second.mig_enabled;
    out.mig_devices = known->second.instances;
    if (!out.healthy) continue;
    const auto cordoned = book_.cordons().find(out.uuid);
    if (cordoned != book_.cordons().end())
      out.fault = cordoned->second;
    else if (!read_)
      out.fault = unreadable_;
    out.healthy = out.fault.empty();
  }
}

}  // namespace ingot::node
