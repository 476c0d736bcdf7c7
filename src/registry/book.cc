#include "registry/book.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/assert.h"
#include "registry/codec.h"

namespace ingot::registry {
namespace {

constexpr std::array<std::string_view, 6> kStatuses{"",         "RUNNING", "SCHEDULED",
                                                    "FINISHED", "FAILED",  "KILLED"};

std::string dataset_key(const Dataset& d) {
  return std::to_string(d.experiment) + '\0' + d.name + '\0' + d.digest;
}

// What a map's or a list's part costs beside its bytes, about.
constexpr size_t kPart = 96;

size_t weight_of(const TextMapping& texts) {
  size_t bytes = 0;
  for (const auto& [key, value] : texts) bytes += kPart + key.size() + value.size();
  return bytes;
}
size_t weight_of(const Experiment& e) {
  return sizeof(Experiment) + kPart + 2 * e.name.size() + e.location.size() + weight_of(e.tags);
}
size_t weight_of(const RunLinks& links) {
  size_t bytes = sizeof(RunLinks);
  for (const RunInput& input : links.datasets) bytes += sizeof(RunInput) + weight_of(input.tags);
  for (const std::string& id : links.models_in) bytes += sizeof(std::string) + id.size();
  for (const auto& [id, step] : links.models_out) bytes += sizeof(std::string) + sizeof step + id.size();
  return bytes;
}
size_t weight_of(const LoggedModel& m) {
  size_t bytes = sizeof(LoggedModel) + kPart + 2 * m.id.size() + m.name.size() + m.type.size() +
                 m.run.size() + weight_of(m.params) + weight_of(m.tags);
  for (const ModelMetric& metric : m.metrics)
    bytes += sizeof(ModelMetric) + metric.key.size() + metric.dataset_name.size() +
             metric.dataset_digest.size() + metric.run.size();
  return bytes;
}

// By what makes one point newer than another; a NaN is as small as nothing.
auto age(const store::TrackedPoint& p) {
  return std::tuple(p.step, p.timestamp, std::isnan(p.value) ? 0.0 : p.value);
}

}  // namespace

std::string_view to_string(Status status) { return kStatuses[size_t(status)]; }
std::optional<Status> parse_status(std::string_view text) {
  for (size_t i = 1; i < kStatuses.size(); ++i)
    if (kStatuses[i] == text) return Status(i);
  return std::nullopt;
}

std::string to_text(const RunId& id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(32, '0');
  for (size_t i = 0; i < id.size(); ++i) {
    text[2 * i] = kDigits[id[i] >> 4];
    text[2 * i + 1] = kDigits[id[i] & 15];
  }
  return text;
}

std::optional<RunId> parse_run_id(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  RunId id{};
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    id[i / 2] = uint8_t(id[i / 2] << 4 | digit);
  }
  return id;
}

Book::Book() = default;

size_t Book::bytes() const {
  return texts_.bytes() + columns_.bytes() + runs_.size() * kRunBytes + entry_bytes_ + other_bytes_;
}

template <class T>
void Book::weigh(T& of) {
  const size_t now = weight_of(of);
  other_bytes_ += now - of.weight;
  of.weight = now;
}

void Book::weigh_changes() {
  for (const int64_t id : changed_experiments_) weigh(experiments_[size_t(id)]);
  for (const uint32_t index : changed_models_) weigh(models_[index]);
  for (const uint32_t row : changed_runs_)
    if (runs_[row].links) weigh(*runs_[row].links);
}

Columns& Book::columns() {
  for (const uint32_t row : changed_runs_) columns_.show(runs_, row);
  return columns_;
}

const Experiment* Book::experiment(int64_t id) const {
  return id >= 0 && size_t(id) < experiments_.size() ? &experiments_[size_t(id)] : nullptr;
}
const Experiment* Book::experiment_named(std::string_view name) const {
  const auto known = by_name_.find(name);
  return known == by_name_.end() ? nullptr : &experiments_[size_t(known->second)];
}
std::optional<uint32_t> Book::run(const RunId& id) const {
  const auto known = rows_.find(id);
  return known == rows_.end() ? std::nullopt : std::optional(known->second);
}
std::optional<uint32_t> Book::model(std::string_view id) const {
  const auto known = model_ids_.find(id);
  return known == model_ids_.end() ? std::nullopt : std::optional(known->second);
}

int64_t Book::add_experiment(Experiment experiment) {
  experiment.id = int64_t(experiments_.size());
  by_name_[experiment.name] = experiment.id;
  changed_experiments_.insert(experiment.id);
  experiments_.push_back(std::move(experiment));
  return experiments_.back().id;
}
Experiment& Book::change_experiment(int64_t id) {
  changed_experiments_.insert(id);
  return experiments_[size_t(id)];
}
void Book::rename_experiment(int64_t id, std::string name) {
  Experiment& experiment = change_experiment(id);
  by_name_.erase(experiment.name);
  by_name_[name] = id;
  experiment.name = std::move(name);
}

uint32_t Book::add_run(Run run) {
  const uint32_t row = uint32_t(runs_.size());
  rows_.emplace(run.id, row);
  runs_.push_back(std::move(run));
  columns_.show(runs_, row);
  changed_runs_.insert(row);
  return row;
}
Run& Book::change_run(uint32_t row) {
  changed_runs_.insert(row);
  return runs_[row];
}
void Book::set_user(uint32_t row, std::string_view user) {
  Run& run = change_run(row);
  const TextId before = std::exchange(run.user, texts_.hold(user));
  texts_.release(before);
}
void Book::name_run(uint32_t row, std::string_view name) {
  Run& run = change_run(row);
  const TextId before = std::exchange(run.name, texts_.hold(name));
  texts_.release(before);
}

Entry* Book::at(std::vector<Entry>& entries, std::string_view key) {
  const TextId id = texts_.find(key);
  const auto found = std::ranges::lower_bound(entries, id, {}, &Entry::key);
  return id && found != entries.end() && found->key == id ? &*found : nullptr;
}
const Entry* Book::param(uint32_t row, std::string_view key) const {
  return const_cast<Book*>(this)->at(const_cast<Run&>(runs_[row]).params, key);
}
const Entry* Book::tag(uint32_t row, std::string_view key) const {
  return const_cast<Book*>(this)->at(const_cast<Run&>(runs_[row]).tags, key);
}

void Book::put(std::vector<Entry>& entries, std::string_view key, std::string_view value, uint32_t& bytes) {
  bytes += uint32_t(value.size());
  if (Entry* known = at(entries, key)) {
    const TextId before = std::exchange(known->value, texts_.hold(value));
    bytes -= uint32_t(texts_.at(before).size());
    texts_.release(before);
    return;
  }
  bytes += uint32_t(key.size());
  const Entry entry{texts_.hold(key), texts_.hold(value)};
  entries.insert(std::ranges::lower_bound(entries, entry.key, {}, &Entry::key), entry);
  entry_bytes_ += sizeof(Entry);
}

void Book::set_param(uint32_t row, std::string_view key, std::string_view value) {
  Run& run = change_run(row);
  put(run.params, key, value, run.text_bytes);
  const Entry& now = *at(run.params, key);
  columns_.show_text(runs_, row, Of::Param, now.key, now.value);
}
void Book::set_tag(uint32_t row, std::string_view key, std::string_view value) {
  Run& run = change_run(row);
  put(run.tags, key, value, run.text_bytes);
  const Entry& now = *at(run.tags, key);
  columns_.show_text(runs_, row, Of::Tag, now.key, now.value);
}
bool Book::remove_tag(uint32_t row, std::string_view key) {
  Run& run = change_run(row);
  Entry* known = at(run.tags, key);
  if (!known) return false;
  const Entry gone = *known;
  run.tags.erase(run.tags.begin() + (known - run.tags.data()));
  run.text_bytes -= uint32_t(texts_.at(gone.key).size() + texts_.at(gone.value).size());
  entry_bytes_ -= sizeof(Entry);
  columns_.show_text(runs_, row, Of::Tag, gone.key, 0);
  texts_.release(gone.key);
  texts_.release(gone.value);
  return true;
}

void Book::newest(uint32_t row, TextId key, const store::TrackedPoint& point) {
  std::vector<Measure>& metrics = runs_[row].metrics;
  const auto at = std::ranges::lower_bound(metrics, key, {}, &Measure::key);
  if (at == metrics.end() || at->key != key) {
    texts_.again(key);
    metrics.insert(at, {key, point});
    entry_bytes_ += sizeof(Measure);
  } else if (age(point) > age(at->point)) {
    at->point = point;
  } else {
    return;
  }
  columns_.show_metric(runs_, row, key, point.value);
  newest_.emplace(row, key);
}

void Book::log(uint32_t row, std::string_view key, const store::TrackedPoint& point) {
  TextId id = texts_.find(key);
  const bool fresh = id == 0;
  if (fresh) id = texts_.hold(key);
  newest(row, id, point);
  if (fresh) texts_.release(id);  // the run holds it
  logged_[{row, id}].push_back(point);
}

uint32_t Book::hold_dataset(Dataset dataset) {
  std::string key = dataset_key(dataset);
  if (const auto known = dataset_ids_.find(key); known != dataset_ids_.end()) return known->second;
  const uint32_t id = uint32_t(datasets_.size());
  dataset_ids_.emplace(std::move(key), id);
  other_bytes_ += sizeof(Dataset) + kPart + 2 * (dataset.name.size() + dataset.digest.size()) +
                  dataset.source_type.size() + dataset.schema.size() + dataset.profile.size() +
                  dataset.source.size();
  datasets_.push_back(std::move(dataset));
  changed_datasets_.insert(id);
  return id;
}

uint32_t Book::add_model(LoggedModel model) {
  const uint32_t index = uint32_t(models_.size());
  model_ids_.emplace(model.id, index);
  models_.push_back(std::move(model));
  changed_models_.insert(index);
  return index;
}
LoggedModel& Book::change_model(uint32_t index) {
  changed_models_.insert(index);
  return models_[index];
}

void Book::put_artifact(store::TrackedArtifact artifact) { artifacts_.push_back(std::move(artifact)); }
void Book::remove_artifacts(std::string path) {
  // In one commit what is removed goes first, so what was put before is taken back here.
  std::erase_if(artifacts_, [&](const store::TrackedArtifact& a) {
    return a.path == path || (a.path.starts_with(path) && a.path[path.size()] == '/');
  });
  artifacts_removed_.push_back(std::move(path));
}

bool Book::staged() const {
  return !changed_experiments_.empty() || !changed_runs_.empty() || !changed_datasets_.empty() ||
         !changed_models_.empty() || !logged_.empty() || !artifacts_.empty() || !artifacts_removed_.empty();
}

}  // namespace ingot::registry
