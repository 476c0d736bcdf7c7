#include "registry/ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/mlflow_error.h"
#include "registry/limits.h"

namespace ingot::registry {

Handler find_handler(std::string_view name) {
  for (const auto ops : {run_ops(), search_ops(), experiment_ops(), metric_ops(), input_ops(), model_ops(),
                         artifact_ops(), registering_ops()})
    for (const Op& op : ops)
      if (op.name == name) return op.handle;
  return nullptr;
}

Result<int64_t> parse_experiment_id(std::string_view text) {
  int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0)
    return fail(invalid(fmt::format("Invalid experiment ID '{}': it must be a number", text.substr(0, 64))));
  return id;
}

Result<const Experiment*> experiment_of(const Desk& desk, const Call& call, std::string_view field) {
  auto text = call.args.required(field);
  if (!text) return fail(text.error());
  const auto id = parse_experiment_id(*text);
  if (!id) return fail(id.error());
  const Experiment* found = desk.book.experiment(*id);
  if (!found) return fail(Reason::NotFound, fmt::format("No Experiment with id={} exists", *id));
  return found;
}

Result<const Experiment*> active_experiment(const Desk& desk, const Call& call) {
  auto found = experiment_of(desk, call);
  if (found && (*found)->deleted)
    return fail(invalid(fmt::format(
        "The experiment {} must be in the 'active' state. Current state is deleted.", (*found)->id)));
  return found;
}

Result<uint32_t> run_named(const Desk& desk, std::string_view text) {
  const auto id = parse_run_id(text);
  const auto row = id ? desk.book.run(*id) : std::nullopt;
  if (!row) return fail(Reason::NotFound, fmt::format("Run with id={} not found", text.substr(0, 64)));
  return *row;
}

Result<uint32_t> run_of(const Desk& desk, const Call& call) {
  auto text = call.args.text("run_id");
  if (text && text->empty()) text = call.args.text("run_uuid");
  if (!text) return fail(text.error());
  if (text->empty()) return fail(missing("run_id"));
  return run_named(desk, *text);
}

Result<uint32_t> active_run(const Desk& desk, const Call& call) {
  auto row = run_of(desk, call);
  if (row && desk.book.runs()[*row].deleted)
    return fail(invalid(fmt::format("The run {} must be in the 'active' state. Current state is deleted.",
                                    to_text(desk.book.runs()[*row].id))));
  return row;
}

Result<store::TrackedPoint> read_point(const Args& args, int64_t now_ms) {
  const auto value = args.real("value");
  if (!value) return fail(value.error());
  if (!*value) return fail(missing("value"));
  const auto timestamp = args.number("timestamp");
  if (!timestamp) return fail(timestamp.error());
  const auto step = args.number("step");
  if (!step) return fail(step.error());
  return store::TrackedPoint{step->value_or(0), timestamp->value_or(now_ms), **value};
}

Result<void> check_room(const Desk& desk) {
  if (desk.room.disk_full)
    return fail(
        api::mlflow_exhausted("exceeded the tenant's spec.storage.limit: delete artifacts, models or "
                              "versions of data sets that nobody "
                              "needs, or ask the operator for a higher limit"));
  if (desk.book.bytes() < std::min(kMostBookBytes, desk.room.memory)) return {};
  if (desk.book.bytes() < kMostBookBytes)
    return fail(api::mlflow_exhausted(
        "the factory's memory for tracking is used up: try again in a moment, or ask the operator"));
  return fail(api::mlflow_exhausted(
      fmt::format("this cluster tracks {} runs, and there is no room for more: ask for another tenant",
                  desk.book.runs().size())));
}

void write_metric(Out& out, std::string_view key, const store::TrackedPoint& point) {
  out.open('{').field("key", key).key("value").real(point.value);
  out.field("timestamp", point.timestamp).field("step", point.step).close('}');
}

std::string artifact_root(const Book& book, const Run& run) {
  return fmt::format("{}/{}/artifacts", book.experiment(run.experiment)->location, to_text(run.id));
}

void write_experiment(Out& out, const Experiment& e) {
  out.open('{').field("experiment_id", std::to_string(e.id)).field("name", e.name);
  out.field("artifact_location", e.location).field("lifecycle_stage", e.deleted ? "deleted" : "active");
  out.field("last_update_time", e.updated).field("creation_time", e.created);
  if (!e.tags.empty()) {
    out.key("tags").open('[');
    for (const auto& [key, value] : e.tags) out.open('{').field("key", key).field("value", value).close('}');
    out.close(']');
  }
  out.close('}');
}

void write_run_info(Out& out, const Book& book, const Run& run) {
  const std::string id = to_text(run.id);
  out.open('{').field("run_id", id).field("run_uuid", id).field("run_name", book.texts().at(run.name));
  out.field("experiment_id", std::to_string(run.experiment)).field("user_id", book.texts().at(run.user));
  out.field("status", to_string(run.status)).field("start_time", run.started);
  if (run.ended) out.field("end_time", run.ended);
  out.field("artifact_uri", artifact_root(book, run));
  out.field("lifecycle_stage", run.deleted ? "deleted" : "active").close('}');
}

namespace {
void write_entries(Out& out, std::string_view name, const Texts& texts, const std::vector<Entry>& entries) {
  if (entries.empty()) return;
  out.key(name).open('[');
  for (const Entry& entry : entries)
    out.open('{').field("key", texts.at(entry.key)).field("value", texts.at(entry.value)).close('}');
  out.close(']');
}

void write_inputs(Out& out, const Book& book, const RunLinks& links) {
  if (!links.datasets.empty()) {
    out.key("dataset_inputs").open('[');
    for (const RunInput& input : links.datasets) {
      const Dataset& d = book.datasets()[input.dataset];
      out.open('{').key("tags").open('[');
      for (const auto& [key, value] : input.tags)
        out.open('{').field("key", key).field("value", value).close('}');
      out.close(']').key("dataset").open('{').field("name", d.name).field("digest", d.digest);
      out.field("source_type", d.source_type).field("source", d.source);
      out.field_if("schema", d.schema).field_if("profile", d.profile).close('}').close('}');
    }
    out.close(']');
  }
  if (!links.models_in.empty()) {
    out.key("model_inputs").open('[');
    for (const std::string& id : links.models_in) out.open('{').field("model_id", id).close('}');
    out.close(']');
  }
}
}  // namespace

void write_run(Out& out, const Book& book, const Run& run) {
  out.open('{').key("info");
  write_run_info(out, book, run);
  out.key("data").open('{');
  if (!run.metrics.empty()) {
    out.key("metrics").open('[');
    for (const Measure& measure : run.metrics) write_metric(out, book.texts().at(measure.key), measure.point);
    out.close(']');
  }
  write_entries(out, "params", book.texts(), run.params);
  write_entries(out, "tags", book.texts(), run.tags);
  out.close('}').key("inputs").open('{');
  if (run.links) write_inputs(out, book, *run.links);
  out.close('}');
  if (run.links && !run.links->models_out.empty()) {
    out.key("outputs").open('{').key("model_outputs").open('[');
    for (const auto& [id, step] : run.links->models_out)
      out.open('{').field("model_id", id).field("step", step).close('}');
    out.close(']').close('}');
  }
  out.close('}');
}

}  // namespace ingot::registry
