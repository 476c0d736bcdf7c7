// What one cluster has tracked: experiments, runs with the newest point of each of their metrics, logged models and data
// sets; and what of it is not in the file yet. Older points and the index of artifacts are in the file alone.
//
// Changes are made in memory and staged; take() gives what a commit must write. A Book whose commit failed is ahead of
// its file: drop it and load another.
//
// Thread rule: one thread at a time. Invariants: experiments, runs, models and data sets keep their numbers for ever; a
// run's entries are in the order of their keys' ids; memory grows by no more than kRunBytes and what is said, a run.
#pragma once

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "registry/columns.h"
#include "registry/texts.h"
#include "store/tracking_file.h"

namespace ingot::registry {

enum class Status : uint8_t { Running = 1, Scheduled, Finished, Failed, Killed };  // MLflow's numbers
std::string_view to_string(Status);
std::optional<Status> parse_status(std::string_view);

using TextMapping = std::map<std::string, std::string, std::less<>>;

struct Experiment {
  int64_t id = 0;
  std::string name, location;
  bool deleted = false;
  int64_t created = 0, updated = 0;  // ms
  TextMapping tags;
  size_t weight = 0;  // as it is counted; the Book's, as of all
};

using RunId = std::array<uint8_t, 16>;
std::string to_text(const RunId&);
std::optional<RunId> parse_run_id(std::string_view);  // 32 hex digits

struct Entry {
  TextId key = 0, value = 0;
};
struct Measure {
  TextId key = 0;
  store::TrackedPoint point;
};

struct RunInput {
  uint32_t dataset = 0;
  TextMapping tags;
};
struct RunLinks {
  std::vector<RunInput> datasets;
  std::vector<std::string> models_in;
  std::vector<std::pair<std::string, int64_t>> models_out;  // and the step
  size_t weight = 0;
};

struct Run {
  RunId id{};
  uint32_t experiment = 0;
  Status status = Status::Running;
  bool deleted = false;
  TextId name = 0, user = 0;
  int64_t started = 0, ended = 0;  // ms; 0: not
  uint32_t text_bytes = 0;         // of parameters and tags
  std::vector<Measure> metrics;
  std::vector<Entry> params, tags;
  std::unique_ptr<RunLinks> links;  // of the few that have any
};
inline constexpr size_t kRunBytes =
    700;  // of memory, about: a run with its place in the index; and 40 a metric, 8 an entry

struct Dataset {
  uint32_t experiment = 0;
  std::string name, digest, source_type, source, schema, profile;
};

struct ModelMetric {
  std::string key, dataset_name, dataset_digest, run;
  store::TrackedPoint point;
};
struct LoggedModel {
  std::string id;  // "m-" and 32 hex digits
  uint32_t experiment = 0;
  std::string name, type, run;
  int status = 1;  // MLflow's numbers: 1 pending, 2 ready, 3 failed
  bool deleted = false;
  int64_t created = 0, updated = 0;
  TextMapping params, tags;
  std::vector<ModelMetric> metrics;
  size_t weight = 0;
};

class Book {
 public:
  Book();
  static Result<std::unique_ptr<Book>> load(store::TrackingFile&);

  // Every one there ever was.
  const std::vector<Experiment>& experiments() const { return experiments_; }
  const std::vector<Run>& runs() const { return runs_; }
  const std::vector<Dataset>& datasets() const { return datasets_; }
  const std::vector<LoggedModel>& models() const { return models_; }
  const Texts& texts() const { return texts_; }
  Columns& columns();    // as of now
  size_t bytes() const;  // of memory, about; what changes is counted when it is taken

  const Experiment* experiment(int64_t id) const;
  const Experiment* experiment_named(std::string_view name) const;  // deleted or not
  std::optional<uint32_t> run(const RunId&) const;
  std::optional<uint32_t> model(std::string_view id) const;

  int64_t add_experiment(Experiment);  // gives its number
  Experiment& change_experiment(int64_t id);
  void rename_experiment(int64_t id, std::string name);

  uint32_t add_run(Run);  // without metrics and entries
  // To change status, times or links; what columns show of it is set when the change is taken.
  Run& change_run(uint32_t row);
  void set_user(uint32_t row, std::string_view user);
  void name_run(uint32_t row, std::string_view name);
  const Entry* param(uint32_t row, std::string_view key) const;
  const Entry* tag(uint32_t row, std::string_view key) const;
  void set_param(uint32_t row, std::string_view key, std::string_view value);
  void set_tag(uint32_t row, std::string_view key, std::string_view value);
  bool remove_tag(uint32_t row, std::string_view key);
  // The newest by step, time and value is what the run shows.
  void log(uint32_t row, std::string_view key, const store::TrackedPoint&);

  uint32_t hold_dataset(Dataset);  // the one of that experiment, name and digest
  uint32_t add_model(LoggedModel);
  LoggedModel& change_model(uint32_t index);

  void put_artifact(store::TrackedArtifact);
  void remove_artifacts(std::string path);
  bool staged() const;
  store::TrackingBatch take();

 private:
  enum Kind : int64_t { kExperiment = 1, kRun, kDataset, kModel };
  Result<void> read(int64_t kind, int64_t id, std::string_view data);
  std::string write_run(const Run&) const;
  Entry* at(std::vector<Entry>&, std::string_view key);
  void put(std::vector<Entry>&, std::string_view key, std::string_view value, uint32_t& bytes);
  void newest(uint32_t row, TextId key, const store::TrackedPoint&);
  template <class T>
  void weigh(T&);
  void weigh_changes();

  struct IdHash {
    size_t operator()(const RunId& id) const {
      size_t value;
      std::memcpy(&value, id.data(), sizeof value);
      return value;
    }
  };

  Texts texts_;
  Columns columns_{texts_};
  std::vector<Experiment> experiments_;
  std::map<std::string, int64_t, std::less<>> by_name_;
  std::vector<Run> runs_;
  boost::unordered_flat_map<RunId, uint32_t, IdHash> rows_;
  std::vector<Dataset> datasets_;
  std::map<std::string, uint32_t, std::less<>> dataset_ids_;  // "EXPERIMENT\0NAME\0DIGEST"
  std::vector<LoggedModel> models_;
  std::map<std::string, uint32_t, std::less<>> model_ids_;
  size_t entry_bytes_ = 0, other_bytes_ = 0;

  std::set<int64_t> changed_experiments_;
  std::set<uint32_t> changed_runs_, changed_datasets_, changed_models_;
  std::map<std::pair<uint32_t, TextId>, std::vector<store::TrackedPoint>> logged_;
  std::set<std::pair<uint32_t, TextId>> newest_;
  std::vector<store::TrackedArtifact> artifacts_;
  std::vector<std::string> artifacts_removed_;
};

}  // namespace ingot::registry
