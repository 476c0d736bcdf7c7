#include <fmt/format.h>

#include "registry/limits.h"
#include "registry/ops.h"

namespace ingot::registry {
namespace {

std::string answer(const Experiment& experiment) {
  Out out;
  out.open('{').key("experiment");
  write_experiment(out, experiment);
  return out.close('}').take();
}

Result<TextMapping> read_tags(const Args& args) {
  const auto list = args.objects("tags", kMostTagsOfBatch);
  if (!list) return fail(list.error());
  TextMapping tags;
  for (const api::JsonObject* one : *list) {
    const Args tag(*one);
    const auto key = tag.text("key"), value = tag.text("value");
    if (!key) return fail(key.error());
    if (!value) return fail(value.error());
    if (auto good = check_tag(*key, *value, kMostExperimentTag); !good) return fail(good.error());
    tags.insert_or_assign(std::string(*key), std::string(*value));
  }
  return tags;
}

Error taken(const Experiment& known) {
  return {
      .reason = Reason::AlreadyExists,
      .message = known.deleted
                     ? fmt::format("Experiment '{}' already exists in deleted state: restore it, or choose "
                                   "another name",
                                   known.name)
                     : fmt::format("Experiment '{}' already exists.", known.name)};
}

Result<std::string> create(Desk& desk, const Call& call) {
  const auto name = call.args.text("name");
  if (!name) return fail(name.error());
  if (auto good = check_experiment_name(*name); !good) return fail(good.error());
  const auto location = call.args.text("artifact_location");
  if (!location) return fail(location.error());
  if (!location->empty())
    return fail(invalid("artifact_location: artifacts are kept by the factory: leave it out"));
  auto tags = read_tags(call.args);
  if (!tags) return fail(tags.error());
  if (const Experiment* known = desk.book.experiment_named(*name)) return fail(taken(*known));
  if (auto room = check_room(desk); !room) return fail(room.error());
  Experiment made{.name = std::string(*name), .created = call.now_ms, .updated = call.now_ms};
  made.location = fmt::format("mlflow-artifacts:/{}", desk.book.experiments().size());
  made.tags = std::move(*tags);
  const int64_t id = desk.book.add_experiment(std::move(made));
  return Out().open('{').field("experiment_id", std::to_string(id)).close('}').take();
}

Result<std::string> get(Desk& desk, const Call& call) {
  const auto found = experiment_of(desk, call);
  if (!found) return fail(found.error());
  return answer(**found);
}

Result<std::string> get_by_name(Desk& desk, const Call& call) {
  const auto name = call.args.required("experiment_name");
  if (!name) return fail(name.error());
  const Experiment* found = desk.book.experiment_named(*name);
  if (!found)
    return fail(Reason::NotFound,
                fmt::format("Could not find experiment with name '{}'", name->substr(0, 500)));
  return answer(*found);
}

Result<std::string> update(Desk& desk, const Call& call) {
  const auto found = experiment_of(desk, call);
  if (!found) return fail(found.error());
  const auto name = call.args.text("new_name");
  if (!name) return fail(name.error());
  if (name->empty() || *name == (*found)->name) return empty_answer();
  if (auto good = check_experiment_name(*name); !good) return fail(good.error());
  if ((*found)->deleted) return fail(invalid("Cannot rename a non-active experiment."));
  if (const Experiment* known = desk.book.experiment_named(*name)) return fail(taken(*known));
  const int64_t id = (*found)->id;
  desk.book.rename_experiment(id, std::string(*name));
  desk.book.change_experiment(id).updated = call.now_ms;
  return empty_answer();
}

// With all its runs, as MLflow does it: who restores an experiment has all of them again.
Result<std::string> set_deleted(Desk& desk, const Call& call, bool deleted) {
  const auto found = experiment_of(desk, call);
  if (!found) return fail(found.error());
  if ((*found)->deleted == deleted)
    return fail(Reason::NotFound, fmt::format("No {} Experiment with id={} exists",
                                              deleted ? "active" : "deleted", (*found)->id));
  const int64_t id = (*found)->id;
  Experiment& experiment = desk.book.change_experiment(id);
  experiment.deleted = deleted;
  experiment.updated = call.now_ms;
  const std::vector<Run>& runs = desk.book.runs();
  for (uint32_t row = 0; row < runs.size(); ++row)
    if (runs[row].experiment == uint32_t(id) && runs[row].deleted != deleted)
      desk.book.change_run(row).deleted = deleted;
  return empty_answer();
}
Result<std::string> remove(Desk& desk, const Call& call) { return set_deleted(desk, call, true); }
Result<std::string> restore(Desk& desk, const Call& call) { return set_deleted(desk, call, false); }

Result<std::string> set_tag(Desk& desk, const Call& call) {
  const auto found = active_experiment(desk, call);
  if (!found) return fail(found.error());
  const auto key = call.args.required("key"), value = call.args.text("value");
  if (!key) return fail(key.error());
  if (!value) return fail(value.error());
  if (auto good = check_tag(*key, *value, kMostExperimentTag); !good) return fail(good.error());
  constexpr size_t kMostTags = 1000;
  if ((*found)->tags.size() >= kMostTags && !(*found)->tags.contains(*key))
    return fail(invalid(fmt::format("an experiment has at most {} tags: delete one", kMostTags)));
  if (auto room = check_room(desk); !room) return fail(room.error());
  desk.book.change_experiment((*found)->id).tags.insert_or_assign(std::string(*key), std::string(*value));
  return empty_answer();
}

Result<std::string> delete_tag(Desk& desk, const Call& call) {
  const auto found = active_experiment(desk, call);
  if (!found) return fail(found.error());
  const auto key = call.args.required("key");
  if (!key) return fail(key.error());
  if (!(*found)->tags.contains(*key))
    return fail(Reason::NotFound, fmt::format("No tag with name: {} in experiment with id {}",
                                              key->substr(0, kMostKey), (*found)->id));
  TextMapping& tags = desk.book.change_experiment((*found)->id).tags;
  tags.erase(tags.find(*key));
  return empty_answer();
}

constexpr Op kOps[] = {
    {"experiments/create", create},
    {"experiments/get", get},
    {"experiments/get-by-name", get_by_name},
    {"experiments/update", update},
    {"experiments/delete", remove},
    {"experiments/restore", restore},
    {"experiments/set-experiment-tag", set_tag},
    {"experiments/delete-experiment-tag", delete_tag},
};

}  // namespace

std::span<const Op> experiment_ops() { return kOps; }

}  // namespace ingot::registry
