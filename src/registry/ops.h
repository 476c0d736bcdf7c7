// What each request to MLflow's API does to a Book. One table (ops.cc) from a route's name to its handler; each handler
// first judges all of a request and then changes all of it, or nothing.
// Thread rule: that of the Book.
#pragma once

#include <span>
#include <string>

#include "registry/book.h"
#include "registry/wire.h"

namespace ingot::registry {

struct Call {
  Args args;
  size_t body_bytes = 0;
  std::string user;                                         // who asks
  std::vector<std::pair<std::string, std::string>> origin;  // of a pod, from its credential
  int64_t now_ms = 0;
  std::array<uint64_t, 2> random{};  // for new ids
};

// How much more there may be of a cluster.
struct Room {
  size_t memory = SIZE_MAX;  // of its Book, beside kMostBookBytes
  bool disk_full = false;    // its spec.storage.limit is reached
};

struct Desk {
  Book& book;
  store::TrackingFile& file;
  Room room{};
};

using Handler = Result<std::string> (*)(Desk&, const Call&);
struct Op {
  std::string_view name;
  Handler handle;
};
std::span<const Op> experiment_ops();
std::span<const Op> run_ops();
std::span<const Op> metric_ops();
std::span<const Op> search_ops();
std::span<const Op> input_ops();
std::span<const Op> model_ops();
std::span<const Op> artifact_ops();
std::span<const Op> registering_ops();
// nullptr: none.
Handler find_handler(std::string_view name);

// What handlers share.
Result<const Experiment*> experiment_of(const Desk&, const Call&, std::string_view field = "experiment_id");
Result<const Experiment*> active_experiment(const Desk&, const Call&);
Result<int64_t> parse_experiment_id(std::string_view);
Result<uint32_t> run_of(const Desk&, const Call&);  // run_id, or run_uuid
Result<uint32_t> active_run(const Desk&, const Call&);
Result<uint32_t> run_named(const Desk&, std::string_view id);
Result<store::TrackedPoint> read_point(const Args&, int64_t now_ms);
Result<void> check_room(const Desk&);  // for something new

void write_experiment(Out&, const Experiment&);
void write_run(Out&, const Book&, const Run&);
void write_run_info(Out&, const Book&, const Run&);
void write_metric(Out&, std::string_view key, const store::TrackedPoint&);
void log_model_metric(Book&, uint32_t model, ModelMetric);
std::string model_root(const Book&, const LoggedModel&);
std::string artifact_root(const Book&, const Run&);  // "mlflow-artifacts:/1/RUN/artifacts"

}  // namespace ingot::registry
