// Logged models: what a run made, before anybody registers it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/encoding.h"
#include "registry/limits.h"
#include "registry/ops.h"
#include "registry/search.h"

namespace ingot::registry {
namespace {

constexpr std::string_view kStatuses[] = {"LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING",
                                          "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"};
constexpr std::string_view kShortStatuses[] = {"UNSPECIFIED", "PENDING", "READY", "FAILED"};
constexpr size_t kMostEntries = 2000;  // parameters, and tags, of a model
constexpr int64_t kMostFound = 100;    // of one page, as MLflow's default is

Result<uint32_t> model_of(const Desk& desk, const Call& call, bool deleted_too = false) {
  const auto id = call.args.required("model_id");
  if (!id) return fail(id.error());
  const auto index = desk.book.model(*id);
  if (!index || (desk.book.models()[*index].deleted && !deleted_too))
    return fail(Reason::NotFound, fmt::format("Logged model with ID '{}' not found.", id->substr(0, 64)));
  return *index;
}

void write_map(Out& out, std::string_view name, const TextMapping& map) {
  if (map.empty()) return;
  out.key(name).open('[');
  for (const auto& [key, value] : map) out.open('{').field("key", key).field("value", value).close('}');
  out.close(']');
}

void write_model(Out& out, const Book& book, const LoggedModel& m) {
  out.open('{').key("info").open('{');
  out.field("model_id", m.id).field("experiment_id", std::to_string(m.experiment)).field("name", m.name);
  out.field("creation_timestamp_ms", m.created).field("last_updated_timestamp_ms", m.updated);
  out.field("artifact_uri", model_root(book, m)).field("status", kStatuses[m.status]);
  out.field_if("model_type", m.type).field_if("source_run_id", m.run);
  write_map(out, "tags", m.tags);
  out.close('}').key("data").open('{');
  write_map(out, "params", m.params);
  if (!m.metrics.empty()) {
    out.key("metrics").open('[');
    for (const ModelMetric& metric : m.metrics) {
      out.open('{').field("key", metric.key).key("value").real(metric.point.value);
      out.field("timestamp", metric.point.timestamp).field("step", metric.point.step);
      out.field_if("dataset_name", metric.dataset_name).field_if("dataset_digest", metric.dataset_digest);
      out.field("model_id", m.id).field_if("run_id", metric.run).close('}');
    }
    out.close(']');
  }
  out.close('}').close('}');
}

std::string answer(const Desk& desk, uint32_t index) {
  Out out;
  out.open('{').key("model");
  write_model(out, desk.book, desk.book.models()[index]);
  return out.close('}').take();
}

Result<TextMapping> read_map(const Args& args, std::string_view field, size_t most_value) {
  const auto list = args.objects(field, kMostEntries);
  if (!list) return fail(list.error());
  TextMapping out;
  for (const api::JsonObject* one : *list) {
    const Args entry(*one);
    const auto key = entry.required("key"), value = entry.text("value");
    if (!key) return fail(key.error());
    if (!value) return fail(value.error());
    if (auto good = check_tag(*key, *value, most_value); !good) return fail(good.error());
    out.insert_or_assign(std::string(*key), std::string(*value));
  }
  return out;
}

Result<std::string> create(Desk& desk, const Call& call) {
  const auto experiment = active_experiment(desk, call);
  if (!experiment) return fail(experiment.error());
  const auto name = call.args.text("name"), type = call.args.text("model_type"),
             run = call.args.text("source_run_id");
  if (!name) return fail(name.error());
  if (!type) return fail(type.error());
  if (!run) return fail(run.error());
  if (name->find_first_of("/:.%\"'") != name->npos || name->size() > 500)
    return fail(
        invalid(fmt::format("Invalid model name ('{}') provided. Model name must be at most 500 characters "
                            "long and cannot contain /:.%\"'",
                            name->substr(0, 100))));
  if (auto good = check_value("field", "model_type", *type, 500); !good) return fail(good.error());
  if (!run->empty())
    if (const auto row = run_named(desk, *run); !row) return fail(row.error());
  auto params = read_map(call.args, "params", kMostParam);
  if (!params) return fail(params.error());
  auto tags = read_map(call.args, "tags", kMostTag);
  if (!tags) return fail(tags.error());
  if (auto room = check_room(desk); !room) return fail(room.error());
  RunId dice{};
  std::memcpy(dice.data(), call.random.data(), dice.size());
  LoggedModel made{.id = "m-" + to_text(dice),
                   .experiment = uint32_t((*experiment)->id),
                   .name = name->empty() ? "model-" + to_text(dice).substr(0, 8) : std::string(*name),
                   .type = std::string(*type),
                   .run = std::string(*run),
                   .created = call.now_ms,
                   .updated = call.now_ms,
                   .params = std::move(*params),
                   .tags = std::move(*tags)};
  return answer(desk, desk.book.add_model(std::move(made)));
}

Result<std::string> get(Desk& desk, const Call& call) {
  const auto index = model_of(desk, call);
  if (!index) return fail(index.error());
  return answer(desk, *index);
}

Result<std::string> finalize(Desk& desk, const Call& call) {
  const auto index = model_of(desk, call);
  if (!index) return fail(index.error());
  int status = 0;
  if (const auto number = call.args.number("status"); number && *number)
    status = int(std::clamp<int64_t>(**number, 0, 4));
  if (const auto text = call.args.text("status"); text && !text->empty())
    status = int(std::ranges::find(kStatuses, *text) - std::begin(kStatuses));
  if (status != 2 && status != 3)
    return fail(invalid("status: must be LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED"));
  LoggedModel& model = desk.book.change_model(*index);
  model.status = status;
  model.updated = call.now_ms;
  return answer(desk, *index);
}

Result<std::string> remove(Desk& desk, const Call& call) {
  const auto index = model_of(desk, call);
  if (!index) return fail(index.error());
  LoggedModel& model = desk.book.change_model(*index);
  model.deleted = true;
  model.updated = call.now_ms;
  return empty_answer();
}

Result<std::string> set_tags(Desk& desk, const Call& call) {
  const auto index = model_of(desk, call);
  if (!index) return fail(index.error());
  auto tags = read_map(call.args, "tags", kMostTag);
  if (!tags) return fail(tags.error());
  if (desk.book.models()[*index].tags.size() + tags->size() > kMostEntries)
    return fail(invalid(fmt::format("a logged model has at most {} tags", kMostEntries)));
  if (auto room = check_room(desk); !room) return fail(room.error());
  LoggedModel& model = desk.book.change_model(*index);
  for (auto& [key, value] : *tags) model.tags.insert_or_assign(key, std::move(value));
  model.updated = call.now_ms;
  return answer(desk, *index);
}

Result<std::string> delete_tag(Desk& desk, const Call& call) {
  const auto index = model_of(desk, call);
  if (!index) return fail(index.error());
  const auto key = call.args.required("tag_key");
  if (!key) return fail(key.error());
  if (!desk.book.models()[*index].tags.contains(*key))
    return fail(Reason::NotFound, fmt::format("No tag with key '{}' found for model with ID '{}'.",
                                              key->substr(0, kMostKey), desk.book.models()[*index].id));
  TextMapping& tags = desk.book.change_model(*index).tags;
  tags.erase(tags.find(*key));
  return empty_answer();
}

Result<std::string> log_params(Desk& desk, const Call& call) {
  const auto index = model_of(desk, call);
  if (!index) return fail(index.error());
  auto params = read_map(call.args, "params", kMostParam);
  if (!params) return fail(params.error());
  const TextMapping& known = desk.book.models()[*index].params;
  if (known.size() + params->size() > kMostEntries)
    return fail(invalid(fmt::format("a logged model has at most {} parameters", kMostEntries)));
  for (const auto& [key, value] : *params)
    if (const auto before = known.find(key); before != known.end() && before->second != value)
      return fail(invalid(fmt::format("Changing param values is not allowed: '{}' was already logged", key)));
  if (auto room = check_room(desk); !room) return fail(room.error());
  LoggedModel& model = desk.book.change_model(*index);
  model.params.merge(*params);
  model.updated = call.now_ms;
  return empty_answer();
}

struct OnDataset {
  std::string name, digest;
  bool is(const ModelMetric& m) const {
    return (name.empty() || m.dataset_name == name) && (digest.empty() || m.dataset_digest == digest);
  }
};
Result<OnDataset> read_dataset(const Args& args) {
  const auto name = args.text("dataset_name"), digest = args.text("dataset_digest");
  if (!name) return fail(name.error());
  if (!digest) return fail(digest.error());
  return OnDataset{std::string(*name), std::string(*digest)};
}

struct ModelQuery {
  std::vector<int64_t> experiments;
  std::vector<Clause> clauses;
  std::vector<OnDataset> datasets;
  struct By {
    Order order;
    OnDataset dataset;
  };
  std::vector<By> orders;
};

Result<ModelQuery> read_query(const Args& args) {
  ModelQuery query;
  const auto ids = args.texts("experiment_ids");
  if (!ids) return fail(ids.error());
  for (const std::string& id : *ids) {
    const auto number = parse_experiment_id(id);
    if (!number) return fail(number.error());
    query.experiments.push_back(*number);
  }
  const auto filter = args.text("filter");
  if (!filter) return fail(filter.error());
  auto clauses = parse_filter(*filter, model_grammar());
  if (!clauses) return fail(clauses.error());
  query.clauses = std::move(*clauses);
  const auto datasets = args.objects("datasets", 100);
  if (!datasets) return fail(datasets.error());
  for (const api::JsonObject* one : *datasets) {
    auto dataset = read_dataset(Args(*one));
    if (!dataset) return fail(dataset.error());
    if (dataset->name.empty())
      return fail(invalid("`dataset_name` in the `datasets` clause must be specified."));
    query.datasets.push_back(std::move(*dataset));
  }
  const auto orders = args.objects("order_by", kMostOrders);
  if (!orders) return fail(orders.error());
  for (const api::JsonObject* one : *orders) {
    const auto field = Args(*one).required("field_name");
    if (!field) return fail(field.error());
    auto order = parse_orders({std::string(*field)}, model_grammar());
    if (!order) return fail(order.error());
    const bool metric = order->front().entity == Entity::Metric;
    if (!metric && order->front().entity != Entity::Attribute)
      return fail(invalid(fmt::format("Invalid order by field name: {}. Only metrics are supported.",
                                      field->substr(0, 100))));
    const api::Json* up = one->if_contains("ascending");
    order->front().ascending = !up || !up->is_bool() || up->get_bool();
    auto dataset = read_dataset(Args(*one));
    if (!dataset) return fail(dataset.error());
    query.orders.push_back({order->front(), std::move(*dataset)});
  }
  return query;
}

std::string_view text_of(const LoggedModel& m, std::string_view key, std::string& own) {
  if (key == "name") return m.name;
  if (key == "model_id") return m.id;
  if (key == "model_type") return m.type;
  if (key == "source_run_id") return m.run;
  if (key == "status") return kShortStatuses[m.status];
  return own = std::to_string(m.experiment);
}

bool fits(const ModelQuery& query, const LoggedModel& m, const Clause& clause, uint64_t& work) {
  const auto entry = [&](const TextMapping& map) {
    const auto found = map.find(clause.key);
    return found == map.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  };
  std::string own;
  switch (clause.entity) {
    case Entity::Param:
      return holds(clause, entry(m.params), work);
    case Entity::Tag:
      return holds(clause, entry(m.tags), work);
    case Entity::Metric:
      return std::ranges::any_of(m.metrics, [&](const ModelMetric& metric) {
        const bool on = query.datasets.empty() ||
                        std::ranges::any_of(query.datasets, [&](const OnDataset& d) { return d.is(metric); });
        return on && metric.key == clause.key && holds(clause, std::optional(metric.point.value));
      });
    default:
      if (clause.key == "creation_timestamp_ms") return holds(clause, std::optional(m.created));
      if (clause.key == "last_updated_timestamp_ms") return holds(clause, std::optional(m.updated));
      if (clause.key == "status")
        return holds(clause, kShortStatuses[m.status], work) || holds(clause, kStatuses[m.status], work);
      return holds(clause, text_of(m, clause.key, own), work);
  }
}

bool fits(const ModelQuery& query, const LoggedModel& m, uint64_t& work) {
  if (m.deleted || std::ranges::find(query.experiments, int64_t(m.experiment)) == query.experiments.end())
    return false;
  bool by_metric = false;
  for (const Clause& clause : query.clauses) {
    by_metric |= clause.entity == Entity::Metric;
    if (!fits(query, m, clause, work)) return false;
  }
  return query.datasets.empty() || by_metric ||
         std::ranges::any_of(m.metrics, [&](const ModelMetric& metric) {
           return std::ranges::any_of(query.datasets, [&](const OnDataset& d) { return d.is(metric); });
         });
}

// The newest value of a metric on a data set.
std::optional<double> metric_of(const LoggedModel& m, const ModelQuery::By& by) {
  const ModelMetric* newest = nullptr;
  for (const ModelMetric& metric : m.metrics)
    if (metric.key == by.order.key && by.dataset.is(metric))
      if (!newest || std::pair(metric.point.timestamp, metric.point.step) >
                         std::pair(newest->point.timestamp, newest->point.step))
        newest = &metric;
  return newest && !std::isnan(newest->point.value) ? std::optional(newest->point.value) : std::nullopt;
}

bool before(const ModelQuery& query, const LoggedModel& a, const LoggedModel& b) {
  for (const ModelQuery::By& by : query.orders) {
    int order = 0;
    std::string own_a, own_b;
    if (by.order.entity == Entity::Metric) {
      const auto x = metric_of(a, by), y = metric_of(b, by);
      if (x.has_value() != y.has_value()) return x.has_value();
      if (x) order = *x < *y ? -1 : *y < *x ? 1 : 0;
    } else if (by.order.key == "creation_timestamp_ms") {
      order = a.created < b.created ? -1 : b.created < a.created ? 1 : 0;
    } else if (by.order.key == "last_updated_timestamp_ms") {
      order = a.updated < b.updated ? -1 : b.updated < a.updated ? 1 : 0;
    } else {
      order = text_of(a, by.order.key, own_a).compare(text_of(b, by.order.key, own_b));
    }
    if (order != 0) return by.order.ascending ? order < 0 : order > 0;
  }
  return a.created != b.created ? a.created > b.created : a.id < b.id;
}

Result<std::string> search(Desk& desk, const Call& call) {
  const auto query = read_query(call.args);
  if (!query) return fail(query.error());
  const auto token = call.args.text("page_token");
  if (!token) return fail(token.error());
  const auto offset = read_page_token(*token);
  if (!offset) return fail(offset.error());
  const auto most = call.args.number_or("max_results", kMostFound, 1, kMostResults);
  if (!most) return fail(most.error());
  std::vector<const LoggedModel*> found;
  uint64_t work = 0;
  for (const LoggedModel& m : desk.book.models()) {
    if (work > kMostWork) return fail(too_costly());
    if (fits(*query, m, work)) found.push_back(&m);
  }
  std::ranges::sort(found,
                    [&](const LoggedModel* a, const LoggedModel* b) { return before(*query, *a, *b); });
  size_t end = size_t(*offset);
  const size_t last = std::min(found.size(), end + size_t(*most));
  Out out;
  out.open('{').key("models").open('[');
  while (end < last && out.size() < kMostAnswer) write_model(out, desk.book, *found[end++]);
  out.close(']');
  if (end < found.size()) out.field("next_page_token", page_token(int64_t(end)));
  return out.close('}').take();
}

constexpr Op kOps[] = {
    {"logged-models/create", create},         {"logged-models/get", get},
    {"logged-models/finalize", finalize},     {"logged-models/delete", remove},
    {"logged-models/set-tags", set_tags},     {"logged-models/delete-tag", delete_tag},
    {"logged-models/log-params", log_params}, {"logged-models/search", search},
};

}  // namespace

std::span<const Op> model_ops() { return kOps; }

std::string model_root(const Book& book, const LoggedModel& model) {
  return fmt::format("{}/models/{}/artifacts", book.experiment(model.experiment)->location, model.id);
}

// The newest of each metric, data set and run is kept.
void log_model_metric(Book& book, uint32_t index, ModelMetric metric) {
  constexpr size_t kMostMetrics = 5000;
  LoggedModel& model = book.change_model(index);
  for (ModelMetric& known : model.metrics) {
    if (known.key != metric.key || known.dataset_name != metric.dataset_name ||
        known.dataset_digest != metric.dataset_digest || known.run != metric.run)
      continue;
    if (std::pair(metric.point.step, metric.point.timestamp) >=
        std::pair(known.point.step, known.point.timestamp))
      known.point = metric.point;
    return;
  }
  if (model.metrics.size() < kMostMetrics) model.metrics.push_back(std::move(metric));
}

}  // namespace ingot::registry
