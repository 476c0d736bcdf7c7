#include <fmt/format.h>

#include "registry/limits.h"
#include "registry/ops.h"

namespace ingot::registry {
namespace {

constexpr std::string_view kNameTag = "mlflow.runName";

struct Pair {
  std::string_view key, value;
};

RunId new_id(const Call& call) {
  RunId id{};
  std::memcpy(id.data(), call.random.data(), id.size());
  return id;
}

// "calm-falcon-417": what MLflow calls a run that nobody named is as good as any.
std::string random_name(const Call& call) {
  constexpr std::string_view kHow[] = {"calm",   "bold",  "keen",  "wise",  "swift", "quiet",
                                       "bright", "brave", "clear", "eager", "fair",  "grand",
                                       "merry",  "noble", "proud", "sharp"};
  constexpr std::string_view kWhat[] = {"ant",  "bee",  "crane", "deer",  "eagle", "finch", "goose", "hare",
                                        "lark", "mole", "newt",  "otter", "owl",   "seal",  "trout", "wren"};
  const uint64_t dice = call.random[1] ^ (call.random[0] >> 7);
  return fmt::format("{}-{}-{}", kHow[dice % 16], kWhat[(dice >> 8) % 16], (dice >> 16) % 1000);
}

Result<std::vector<Pair>> read_pairs(const Args& args, std::string_view field, size_t most, size_t longest) {
  const auto list = args.objects(field, most);
  if (!list) return fail(list.error());
  std::vector<Pair> out;
  for (const api::JsonObject* one : *list) {
    const auto text = [&](std::string_view name) -> Result<std::string_view> {
      const api::Json* value = one->if_contains(name);
      if (!value || value->is_null()) return std::string_view();
      if (!value->is_string()) return fail(invalid(fmt::format("{}.{} must be a string", field, name)));
      return std::string_view(value->get_string().data(), value->get_string().size());
    };
    const auto key = text("key"), value = text("value");
    if (!key) return fail(key.error());
    if (!value) return fail(value.error());
    out.push_back({*key, cut(*value, longest)});
  }
  return out;
}

Result<void> check_tags(const std::vector<Pair>& tags) {
  for (const Pair& tag : tags)
    if (auto good = check_tag(tag.key, tag.value, kMostTag); !good) return good;
  return {};
}

Result<void> check_text(const Run& run, size_t more) {
  if (run.text_bytes + more <= kMostRunText) return {};
  return fail(invalid(fmt::format("the parameters and tags of run {} may take {} bytes together: delete tags",
                                  to_text(run.id), kMostRunText)));
}

size_t bytes_of(const std::vector<Pair>& pairs) {
  size_t sum = 0;
  for (const Pair& pair : pairs) sum += pair.key.size() + pair.value.size();
  return sum;
}

void set_tags(Book& book, uint32_t row, const std::vector<Pair>& tags) {
  for (const Pair& tag : tags) {
    book.set_tag(row, tag.key, tag.value);
    if (tag.key == kNameTag) book.name_run(row, tag.value);
  }
}

// Every parameter new, or what it is already.
Result<void> check_params(const Book& book, uint32_t row, const std::vector<Pair>& params) {
  std::map<std::string_view, std::string_view> own;
  for (const auto& [key, value] : params) {
    if (auto good = check_key("param", key); !good) return good;
    if (auto good = check_value("param", key, value, kMostParam); !good) return good;
    const auto [same, fresh] = own.emplace(key, value);
    const Entry* known = book.param(row, key);
    const std::string_view before = known ? book.texts().at(known->value) : same->second;
    if (before == value) continue;
    return fail(
        invalid(fmt::format("Changing param values is not allowed. Param with key='{}' was already logged "
                            "with value='{}' for run ID='{}'. Attempted logging new value '{}'.",
                            key, before.substr(0, 250), to_text(book.runs()[row].id), value.substr(0, 250))));
  }
  return {};
}

std::string run_answer(const Book& book, uint32_t row) {
  Out out;
  out.open('{').key("run");
  write_run(out, book, book.runs()[row]);
  return out.close('}').take();
}

Result<std::string> create(Desk& desk, const Call& call) {
  auto experiment = call.args.has("experiment_id") ? active_experiment(desk, call)
                                                   : Result<const Experiment*>(desk.book.experiment(0));
  if (!experiment) return fail(experiment.error());
  const auto user = call.args.text("user_id"), name = call.args.text("run_name");
  if (!user) return fail(user.error());
  if (!name) return fail(name.error());
  const auto started = call.args.number("start_time");
  if (!started) return fail(started.error());
  const auto tags = read_pairs(call.args, "tags", kMostItemsOfBatch, kMostTag);
  if (!tags) return fail(tags.error());
  if (auto good = check_tags(*tags); !good) return fail(good.error());
  if (auto good = check_value("tag", kNameTag, *name, kMostTag); !good) return fail(good.error());
  if (auto good = check_value("field", "user_id", *user, kMostTag); !good) return fail(good.error());
  if (auto good = check_text({}, bytes_of(*tags)); !good) return fail(good.error());
  std::string called(*name);
  for (const Pair& tag : *tags) {
    if (tag.key != kNameTag) continue;
    if (!called.empty() && called != tag.value)
      return fail(
          invalid(fmt::format("Both 'run_name' argument and 'mlflow.runName' tag are specified, but with "
                              "different values (run_name='{}', mlflow.runName='{}').",
                              called.substr(0, 250), tag.value.substr(0, 250))));
    called = tag.value;
  }
  if (called.empty()) called = random_name(call);
  if (auto room = check_room(desk); !room) return fail(room.error());
  if (desk.book.run(new_id(call))) return fail(Reason::InternalError, "two runs drew one id: try again");

  Run made{.id = new_id(call),
           .experiment = uint32_t((*experiment)->id),
           .started = started->value_or(call.now_ms)};
  const uint32_t row = desk.book.add_run(std::move(made));
  desk.book.set_user(row, user->empty() ? std::string_view(call.user) : *user);
  set_tags(desk.book, row, *tags);
  desk.book.set_tag(row, kNameTag, called);
  desk.book.name_run(row, called);
  for (const auto& [key, value] : call.origin) desk.book.set_tag(row, std::string(kReserved) + key, value);
  return run_answer(desk.book, row);
}

Result<std::string> get(Desk& desk, const Call& call) {
  const auto row = run_of(desk, call);
  if (!row) return fail(row.error());
  return run_answer(desk.book, *row);
}

Result<std::optional<Status>> read_status(const Args& args) {
  const auto number = args.number("status");
  if (number && !*number) return std::nullopt;
  if (number && **number >= 1 && **number <= 5) return Status(**number);
  const auto text = args.text("status");
  const auto status = text ? parse_status(*text) : std::nullopt;
  if (!status) return fail(invalid("status: must be RUNNING, SCHEDULED, FINISHED, FAILED or KILLED"));
  return *status;
}

Result<std::string> update(Desk& desk, const Call& call) {
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto status = read_status(call.args);
  if (!status) return fail(status.error());
  const auto ended = call.args.number("end_time");
  if (!ended) return fail(ended.error());
  const auto name = call.args.text("run_name");
  if (!name) return fail(name.error());
  if (auto good = check_value("tag", kNameTag, *name, kMostTag); !good) return fail(good.error());
  Run& run = desk.book.change_run(*row);
  if (*status) run.status = **status;
  if (*ended) run.ended = **ended;
  if (!name->empty()) set_tags(desk.book, *row, {{kNameTag, *name}});
  Out out;
  out.open('{').key("run_info");
  write_run_info(out, desk.book, desk.book.runs()[*row]);
  return out.close('}').take();
}

Result<std::string> set_deleted(Desk& desk, const Call& call, bool deleted) {
  const auto row = run_of(desk, call);
  if (!row) return fail(row.error());
  const Run& run = desk.book.runs()[*row];
  if (!deleted && desk.book.experiment(run.experiment)->deleted)
    return fail(invalid("the run's experiment is deleted: restore it first"));
  desk.book.change_run(*row).deleted = deleted;
  return empty_answer();
}
Result<std::string> remove(Desk& desk, const Call& call) { return set_deleted(desk, call, true); }
Result<std::string> restore(Desk& desk, const Call& call) { return set_deleted(desk, call, false); }

Result<std::string> log_parameter(Desk& desk, const Call& call) {
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto key = call.args.required("key"), value = call.args.text("value");
  if (!key) return fail(key.error());
  if (!value) return fail(value.error());
  const std::vector<Pair> params{{*key, cut(*value, kMostParam)}};
  if (auto good = check_params(desk.book, *row, params); !good) return fail(good.error());
  if (desk.book.param(*row, *key)) return empty_answer();
  if (auto good = check_text(desk.book.runs()[*row], bytes_of(params)); !good) return fail(good.error());
  if (auto room = check_room(desk); !room) return fail(room.error());
  desk.book.set_param(*row, *key, params.front().value);
  return empty_answer();
}

Result<std::string> set_tag(Desk& desk, const Call& call) {
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto key = call.args.required("key"), value = call.args.text("value");
  if (!key) return fail(key.error());
  if (!value) return fail(value.error());
  const std::vector<Pair> tags{{*key, cut(*value, kMostTag)}};
  if (auto good = check_tags(tags); !good) return fail(good.error());
  if (auto good = check_text(desk.book.runs()[*row], bytes_of(tags)); !good) return fail(good.error());
  if (auto room = check_room(desk); !room) return fail(room.error());
  set_tags(desk.book, *row, tags);
  return empty_answer();
}

Result<std::string> delete_tag(Desk& desk, const Call& call) {
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto key = call.args.required("key");
  if (!key) return fail(key.error());
  if (key->starts_with(kReserved))
    return fail(invalid(fmt::format("tag '{}': the factory alone writes tags that begin with {}",
                                    key->substr(0, kMostKey), kReserved)));
  if (!desk.book.remove_tag(*row, *key))
    return fail(Reason::NotFound, fmt::format("No tag with name: {} in run with id {}",
                                              key->substr(0, kMostKey), to_text(desk.book.runs()[*row].id)));
  return empty_answer();
}

struct Point {
  std::string_view key;
  store::TrackedPoint point;
  std::optional<uint32_t> model = std::nullopt;  // that it was measured of
  std::string_view dataset_name, dataset_digest;
};

Result<void> read_model(const Desk& desk, const Args& args, Point& point) {
  const auto id = args.text("model_id"), name = args.text("dataset_name"),
             digest = args.text("dataset_digest");
  if (!id) return fail(id.error());
  if (!name) return fail(name.error());
  if (!digest) return fail(digest.error());
  if (id->empty()) return {};
  point.model = desk.book.model(*id);
  if (!point.model)
    return fail(Reason::NotFound, fmt::format("Logged model with ID '{}' not found.", id->substr(0, 64)));
  if (auto good = check_value("metric", "dataset_name", *name, 500); !good) return good;
  if (auto good = check_value("metric", "dataset_digest", *digest, 36); !good) return good;
  point.dataset_name = *name;
  point.dataset_digest = *digest;
  return {};
}

void log(Book& book, uint32_t row, const Point& point) {
  book.log(row, point.key, point.point);
  if (point.model)
    log_model_metric(book, *point.model,
                     {std::string(point.key), std::string(point.dataset_name),
                      std::string(point.dataset_digest), to_text(book.runs()[row].id), point.point});
}

Result<std::vector<Point>> read_points(const Desk& desk, const Args& args, int64_t now_ms) {
  const auto list = args.objects("metrics", kMostMetricsOfBatch);
  if (!list) return fail(list.error());
  std::vector<Point> out;
  out.reserve(list->size());
  for (const api::JsonObject* one : *list) {
    const api::Json* name = one->if_contains("key");
    if (!name || !name->is_string()) return fail(missing("metrics.key"));
    const std::string_view key(name->get_string().data(), name->get_string().size());
    if (auto good = check_key("metric", key); !good) return fail(good.error());
    const auto point = read_point(Args(*one), now_ms);
    if (!point) return fail(point.error());
    out.push_back({key, *point});
    if (one->contains("model_id"))
      if (auto read = read_model(desk, Args(*one), out.back()); !read) return fail(read.error());
  }
  return out;
}

Result<void> check_metrics(const Book& book, uint32_t row, size_t more) {
  const size_t have = book.runs()[row].metrics.size();
  if (have + more <= kMostRunMetrics + kMostMetricsOfBatch) return {};
  return fail(invalid(fmt::format("run {} has {} metrics, and at most {} are kept",
                                  to_text(book.runs()[row].id), have, kMostRunMetrics)));
}

Result<std::string> log_batch(Desk& desk, const Call& call) {
  if (call.body_bytes > kMostBatchBytes)
    return fail(Reason::RequestEntityTooLarge,
                fmt::format("Batched logging requests may hold at most {} bytes, and this holds {}",
                            kMostBatchBytes, call.body_bytes));
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto points = read_points(desk, call.args, call.now_ms);
  if (!points) return fail(points.error());
  const auto params = read_pairs(call.args, "params", kMostParamsOfBatch, kMostParam);
  if (!params) return fail(params.error());
  const auto tags = read_pairs(call.args, "tags", kMostTagsOfBatch, kMostTag);
  if (!tags) return fail(tags.error());
  if (points->size() + params->size() + tags->size() > kMostItemsOfBatch)
    return fail(invalid(fmt::format(
        "A batch logging request can contain at most {} metrics, params and tags together, and this "
        "holds {}",
        kMostItemsOfBatch, points->size() + params->size() + tags->size())));
  if (auto good = check_params(desk.book, *row, *params); !good) return fail(good.error());
  if (auto good = check_tags(*tags); !good) return fail(good.error());
  if (auto good = check_text(desk.book.runs()[*row], bytes_of(*params) + bytes_of(*tags)); !good)
    return fail(good.error());
  if (auto good = check_metrics(desk.book, *row, points->size()); !good) return fail(good.error());
  if (auto room = check_room(desk); !room) return fail(room.error());
  for (const Pair& param : *params)
    if (!desk.book.param(*row, param.key)) desk.book.set_param(*row, param.key, param.value);
  set_tags(desk.book, *row, *tags);
  for (const Point& point : *points) log(desk.book, *row, point);
  return empty_answer();
}

Result<std::string> log_metric(Desk& desk, const Call& call) {
  const auto row = active_run(desk, call);
  if (!row) return fail(row.error());
  const auto key = call.args.required("key");
  if (!key) return fail(key.error());
  if (auto good = check_key("metric", *key); !good) return fail(good.error());
  const auto point = read_point(call.args, call.now_ms);
  if (!point) return fail(point.error());
  if (auto good = check_metrics(desk.book, *row, 1); !good) return fail(good.error());
  if (auto room = check_room(desk); !room) return fail(room.error());
  Point logged{*key, *point};
  if (auto read = read_model(desk, call.args, logged); !read) return fail(read.error());
  log(desk.book, *row, logged);
  return empty_answer();
}

constexpr Op kOps[] = {
    {"runs/log-batch", log_batch},
    {"runs/log-metric", log_metric},
    {"runs/log-parameter", log_parameter},
    {"runs/set-tag", set_tag},
    {"runs/delete-tag", delete_tag},
    {"runs/create", create},
    {"runs/get", get},
    {"runs/update", update},
    {"runs/delete", remove},
    {"runs/restore", restore},
};

}  // namespace

std::span<const Op> run_ops() { return kOps; }

}  // namespace ingot::registry
