// What went into a run and came out of it: data sets and logged models.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "registry/limits.h"
#include "registry/ops.h"

namespace ingot::registry {
namespace {

constexpr std::string_view kContextTag = "mlflow.data.context", kHistoryTag = "mlflow.log-model.history";
constexpr size_t kMostLinks = 10'000;  // of a run

struct Input {
  Dataset dataset;
  TextMapping tags;
};

Result<Input> read_input(const Args& args) {
  Input input;
  const api::JsonObject* object = args.object("dataset");
  if (!object) return fail(missing("datasets.dataset"));
  const Args of(*object);
  struct Field {
    std::string_view name;
    std::string& to;
    size_t most;
  };
  const Field fields[] = {{"name", input.dataset.name, 500},
                          {"digest", input.dataset.digest, 36},
                          {"source_type", input.dataset.source_type, 36},
                          {"source", input.dataset.source, 65'535},
                          {"schema", input.dataset.schema, 1'048'575},
                          {"profile", input.dataset.profile, 16'777'215}};
  for (const auto& [name, to, most] : fields) {
    const auto text = of.text(name);
    if (!text) return fail(text.error());
    if (auto good = check_value("dataset", name, *text, most); !good) return fail(good.error());
    to = *text;
  }
  if (input.dataset.name.empty()) return fail(missing("datasets.dataset.name"));
  if (input.dataset.digest.empty()) return fail(missing("datasets.dataset.digest"));
  const auto tags = args.objects("tags", kMostTagsOfBatch);
  if (!tags) return fail(tags.error());
  for (const api::JsonObject* one : *tags) {
    const auto key = Args(*one).required("key"), value = Args(*one).text("value");
    if (!key) return fail(key.error());
    if (!value) return fail(value.error());
    if (auto good = check_value("input tag", *key, *key, 255); !good) return fail(good.error());
    if (auto good = check_value("input tag", *key, *value, 500); !good) return fail(good.error());
    input.tags.insert_or_assign(std::string(*key), std::string(*value));
  }
  return input;
}

Result<void> check_links(const Run& run, size_t more) {
  const RunLinks none;
  const RunLinks& links = run.links ? *run.links : none;
  if (links.datasets.size() + links.models_in.size() + links.models_out.size() + more <= kMostLinks)
    return {};
  return fail(invalid(fmt::format("a run has at most {} inputs and outputs", kMostLinks)));
}

RunLinks& links_of(Book& book, uint32_t row) {
  Run& run = book.change_run(row);
  if (!run.links) run.links = std::make_unique<RunLinks>();
  return *run.links;
}

Result<std::vector<std::string>> read_models(const Desk& desk,
                                             const std::vector<const api::JsonObject*>& list) {
  std::vector<std::string> out;
  for (const api::JsonObject* one : list) {
    const auto id = Args(*one).required("model_id");
    if (!id) return fail(id.error());
    if (!desk.book.model(*id))
      return fail(Reason::NotFound, fmt::format("Logged model with ID '{}' not found.", id->substr(0, 64)));
    out.emplace_back(*id);
  }
  return out;
}

Result<std::string> log_inputs(Desk& desk, const Call& call) {
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto datasets = call.args.objects("datasets", kMostDatasets);
  if (!datasets) return fail(datasets.error());
  std::vector<Input> inputs;
  for (const api::JsonObject* one : *datasets) {
    auto input = read_input(Args(*one));
    if (!input) return fail(input.error());
    inputs.push_back(std::move(*input));
  }
  const auto list = call.args.objects("models", kMostDatasets);
  if (!list) return fail(list.error());
  const auto models = read_models(desk, *list);
  if (!models) return fail(models.error());
  if (auto good = check_links(desk.book.runs()[*row], inputs.size() + models->size()); !good)
    return fail(good.error());
  if (auto room = check_room(desk); !room) return fail(room.error());
  RunLinks& links = links_of(desk.book, *row);
  for (Input& input : inputs) {
    input.dataset.experiment = desk.book.runs()[*row].experiment;
    const uint32_t dataset = desk.book.hold_dataset(std::move(input.dataset));
    if (std::ranges::find(links.datasets, dataset, &RunInput::dataset) == links.datasets.end())
      links.datasets.push_back({dataset, std::move(input.tags)});
  }
  for (const std::string& model : *models)
    if (std::ranges::find(links.models_in, model) == links.models_in.end()) links.models_in.push_back(model);
  return empty_answer();
}

Result<std::string> log_outputs(Desk& desk, const Call& call) {
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto list = call.args.objects("models", kMostDatasets);
  if (!list) return fail(list.error());
  const auto models = read_models(desk, *list);
  if (!models) return fail(models.error());
  std::vector<int64_t> steps;
  for (const api::JsonObject* one : *list) {
    const auto step = Args(*one).number("step");
    if (!step) return fail(step.error());
    steps.push_back(step->value_or(0));
  }
  if (auto good = check_links(desk.book.runs()[*row], models->size()); !good) return fail(good.error());
  if (auto room = check_room(desk); !room) return fail(room.error());
  RunLinks& links = links_of(desk.book, *row);
  for (size_t i = 0; i < models->size(); ++i) {
    const std::pair<std::string, int64_t> output((*models)[i], steps[i]);
    if (std::ranges::find(links.models_out, output) == links.models_out.end())
      links.models_out.push_back(output);
  }
  return empty_answer();
}

// What older clients say of a model they left as an artifact: one list, in a tag.
Result<std::string> log_model(Desk& desk, const Call& call) {
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto text = call.args.required("model_json");
  if (!text) return fail(text.error());
  const auto model = api::parse_json(*text);
  if (!model || !model->is_object()) return fail(invalid("Malformed model info. It must be a JSON object"));
  for (const std::string_view field : {"artifact_path", "flavors", "run_id"})
    if (!api::find(*model, {field})) return fail(missing(fmt::format("model_json.{}", field)));
  if (api::string_at(*model, {"run_id"}) != to_text(desk.book.runs()[*row].id))
    return fail(invalid("model_json.run_id: names another run"));
  api::JsonArray history;
  if (const Entry* known = desk.book.tag(*row, kHistoryTag))
    if (const auto before = api::parse_json(desk.book.texts().at(known->value)); before && before->is_array())
      history = before->get_array();
  history.push_back(*model);
  const std::string all = api::to_text(api::Json(history));
  if (desk.book.runs()[*row].text_bytes + all.size() > kMostRunText)
    return fail(invalid("model_json: the run has no room for more models in its tags"));
  if (auto room = check_room(desk); !room) return fail(room.error());
  desk.book.set_tag(*row, kHistoryTag, all);
  return empty_answer();
}

Result<std::string> search_datasets(Desk& desk, const Call& call) {
  constexpr size_t kMostExperiments = 20, kMostSummaries = 1000;
  const auto ids = call.args.texts("experiment_ids");
  if (!ids) return fail(ids.error());
  if (ids->empty()) return fail(invalid("SearchDatasets request must specify at least one experiment_id."));
  if (ids->size() > kMostExperiments)
    return fail(invalid(
        fmt::format("SearchDatasets request cannot specify more than {} experiment_ids.", kMostExperiments)));
  std::set<uint32_t> experiments;
  for (const std::string& id : *ids) {
    const auto number = parse_experiment_id(id);
    if (!number) return fail(number.error());
    experiments.insert(uint32_t(*number));
  }
  std::set<std::pair<uint32_t, std::string>> found;  // a data set, and what it was used for
  for (const Run& run : desk.book.runs()) {
    if (!run.links || !experiments.contains(run.experiment)) continue;
    for (const RunInput& input : run.links->datasets) {
      const auto tag = input.tags.find(kContextTag);
      if (found.size() < kMostSummaries)
        found.emplace(input.dataset, tag == input.tags.end() ? "" : tag->second);
    }
  }
  Out out;
  out.open('{').key("dataset_summaries").open('[');
  for (const auto& [id, context] : found) {
    const Dataset& d = desk.book.datasets()[id];
    out.open('{').field("experiment_id", std::to_string(d.experiment)).field("name", d.name);
    out.field("digest", d.digest).field_if("context", context).close('}');
  }
  return out.close(']').close('}').take();
}

constexpr Op kOps[] = {
    {"runs/log-inputs", log_inputs},
    {"runs/outputs", log_outputs},
    {"runs/log-model", log_model},
    {"experiments/search-datasets", search_datasets},
};

}  // namespace

std::span<const Op> input_ops() { return kOps; }

}  // namespace ingot::registry
