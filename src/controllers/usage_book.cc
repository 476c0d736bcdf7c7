#include "controllers/usage_book.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/encoding.h"
#include "base/quantity.h"

namespace ingot::controllers {
namespace {

using scheduler::Averages;

constexpr Duration kAdvanceEvery = std::chrono::seconds(1);
constexpr size_t kWritesPerTurn = 32;
// An average is written again when the one written would be further off than both.
constexpr double kLeast = 10, kPart = 0.01;

std::optional<Averages> read(const Json& object) {
  if (!api::find(object, {"status", "decayed", "at"})) return std::nullopt;
  const auto at = [&](std::string_view name) {
    return double(api::int_at(object, {"status", "decayed", name}).value_or(0));
  };
  return Averages{at("gpuMilli"), at("cpuMilli"), at("memoryMiB")};
}

scheduler::Amounts read_used(const Json& used) {
  const auto milli = [&](std::string_view name) {
    const auto q = Quantity::parse(api::string_at(used, {name}));
    return q ? q->milli : 0;
  };
  return {.gpu_milli = milli("gpus"),
          .cpu_milli = milli("cpu"),
          .memory_mib = Quantity{milli("memory")}.units() >> 20};
}

bool near(const Averages& a, const Averages& b) {
  const auto close = [](double x, double y) {
    return std::abs(x - y) <= std::max(kLeast, kPart * std::max(x, y));
  };
  return close(a.gpu_milli, b.gpu_milli) && close(a.cpu_milli, b.cpu_milli) &&
         close(a.memory_mib, b.memory_mib);
}

}  // namespace

void UsageBook::load(const Key& key, std::string leaf, const Json* object) {
  if (!object) {
    lines_.erase(key);
    return;
  }
  const auto found = lines_.find(key);
  const bool queue = key.resource() == "queues.factory.ingot.dev";
  if (found == lines_.end() || found->second.leaf != leaf) seen_.reset();
  const Json* used = api::find(*object, {"status", "used"});
  lines_.insert_or_assign(
      key, Line{std::move(leaf), queue, used ? *used : Json(), read(*object),
                parse_rfc3339(api::string_at(*object, {"status", "decayed", "at"})).value_or(WallTime{})});
}

void UsageBook::restore(WallTime now) {
  model_.advance(now);
  for (const auto& [key, line] : lines_)
    if (line.decayed && model_.queues().contains(line.leaf))
      if (const auto decaying = model_.queues().decaying(line.leaf))
        model_.restore_average(line.leaf, expected(line, decaying->half_life, now), now);
}

void UsageBook::advance(WallTime now) {
  if (advanced_ && now >= *advanced_ && now < *advanced_ + kAdvanceEvery) return;
  advanced_ = now;
  model_.advance(now);
}

void UsageBook::clear() {
  lines_.clear();
  due_.clear();
  advanced_.reset();
  round_.reset();
  seen_.reset();
}

Json UsageBook::used(const std::string& leaf) const {
  const scheduler::Amounts& held = model_.queues().usage(leaf);
  std::map<std::string, int64_t> models;
  for (const auto& [id, milli] : held.models) models[model_.model_name(id)] += milli;
  JsonObject by_model;
  for (const auto& [name, milli] : models) by_model[name] = format_milli(milli);
  JsonObject out{{"gpus", format_milli(held.gpu_milli)}};
  if (!by_model.empty()) out["gpuModels"] = std::move(by_model);
  out["cpu"] = format_milli(held.cpu_milli);
  out["memory"] = std::to_string(held.memory_mib) + "Mi";
  return out;
}

Averages UsageBook::expected(const Line& line, Duration half_life, WallTime now) const {
  return scheduler::decayed(*line.decayed, read_used(line.used), half_life, now - line.at);
}

bool UsageBook::differs(const Line& line, WallTime now) const {
  const scheduler::QueueTree& queues = model_.queues();
  if (!queues.contains(line.leaf)) return false;
  const auto decaying = queues.decaying(line.leaf);
  if (decaying.has_value() != line.decayed.has_value()) return true;
  if ((line.queue || decaying) && line.used != used(line.leaf)) return true;
  return decaying && !near(decaying->average, expected(line, decaying->half_life, now));
}

bool UsageBook::write(store::Turn& turn, const Key& key, Line& line, WallTime now) {
  const ObjectPtr before = turn.get(key);
  if (!before || !differs(line, now)) return true;
  Json object = before->parse();
  Line next{line.leaf, line.queue, {}, {}, now};
  const auto decaying = model_.queues().decaying(line.leaf);
  if (line.queue || decaying)
    api::set(object, {"status", "used"}, next.used = used(line.leaf));
  else
    api::erase(object, {"status", "used"});
  if (decaying) {
    const Averages& a = *(next.decayed = decaying->average);
    api::set(object, {"status", "decayed"},
             JsonObject{{"gpuMilli", std::llround(a.gpu_milli)},
                        {"cpuMilli", std::llround(a.cpu_milli)},
                        {"memoryMiB", std::llround(a.memory_mib)},
                        {"at", to_rfc3339_micro(now)}});
  } else {
    api::erase(object, {"status", "decayed"});
  }
  if (!turn.put(key, std::move(object), before->revision)) return false;
  line = std::move(next);
  return true;
}

std::optional<Duration> UsageBook::write(store::Turn& turn, WallTime now) {
  if (due_.empty()) {
    const uint64_t version = model_.queues().usage_version();
    if (seen_ == version) return std::nullopt;
    if (round_ && now >= *round_ && now < *round_ + kEvery) return *round_ + kEvery - now;
    round_ = now;
    seen_ = version;
    model_.advance(now);
    for (const auto& [key, line] : lines_)
      if (differs(line, now)) due_.push_back(key);
  }
  for (size_t n = 0; n < kWritesPerTurn && !due_.empty(); ++n) {
    const Key key = std::move(due_.back());
    due_.pop_back();
    const auto line = lines_.find(key);
    if (line != lines_.end() && !write(turn, key, line->second, now)) seen_.reset();
  }
  if (!due_.empty()) return Duration{};
  return seen_ ? std::nullopt : std::optional(kEvery);
}

}  // namespace ingot::controllers
