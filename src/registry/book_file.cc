// A Book as the documents of its file, and back.
#include <algorithm>

#include "registry/book.h"
#include "registry/codec.h"

namespace ingot::registry {
namespace {

void write(Writer& out, const TextMapping& map) {
  out.number(int64_t(map.size()));
  for (const auto& [key, value] : map) out.text(key).text(value);
}
TextMapping read_map(Reader& in) {
  TextMapping map;
  for (size_t left = in.count(); left > 0; --left) {
    std::string key(in.text());
    map.insert_or_assign(std::move(key), std::string(in.text()));
  }
  return map;
}

std::string write(const Experiment& e) {
  Writer out;
  out.text(e.name).text(e.location).number(e.deleted).number(e.created).number(e.updated);
  write(out, e.tags);
  return out.take();
}
std::string write(const Dataset& d) {
  Writer out;
  out.number(d.experiment).text(d.name).text(d.digest).text(d.source_type).text(d.source).text(d.schema);
  return out.text(d.profile).take();
}
std::string write(const LoggedModel& m) {
  Writer out;
  out.text(m.id).number(m.experiment).text(m.name).text(m.type).text(m.run).number(m.status);
  out.number(m.deleted).number(m.created).number(m.updated);
  write(out, m.params);
  write(out, m.tags);
  out.number(int64_t(m.metrics.size()));
  for (const ModelMetric& metric : m.metrics)
    out.text(metric.key)
        .text(metric.dataset_name)
        .text(metric.dataset_digest)
        .text(metric.run)
        .number(metric.point.step)
        .number(metric.point.timestamp)
        .real(metric.point.value);
  return out.take();
}

Experiment read_experiment(Reader& in) {
  Experiment e;
  e.name = in.text();
  e.location = in.text();
  e.deleted = in.number();
  e.created = in.number();
  e.updated = in.number();
  e.tags = read_map(in);
  return e;
}
Dataset read_dataset(Reader& in) {
  Dataset d;
  d.experiment = uint32_t(in.number());
  for (std::string* text : {&d.name, &d.digest, &d.source_type, &d.source, &d.schema, &d.profile})
    *text = in.text();
  return d;
}
LoggedModel read_model(Reader& in) {
  LoggedModel m;
  m.id = in.text();
  m.experiment = uint32_t(in.number());
  for (std::string* text : {&m.name, &m.type, &m.run}) *text = in.text();
  m.status = int(in.number());
  m.deleted = in.number();
  m.created = in.number();
  m.updated = in.number();
  m.params = read_map(in);
  m.tags = read_map(in);
  for (size_t left = in.count(); left > 0; --left) {
    ModelMetric& metric = m.metrics.emplace_back();
    for (std::string* text : {&metric.key, &metric.dataset_name, &metric.dataset_digest, &metric.run})
      *text = in.text();
    metric.point.step = in.number();
    metric.point.timestamp = in.number();
    metric.point.value = in.real();
  }
  return m;
}

void write(Writer& out, const RunLinks& links) {
  out.number(int64_t(links.datasets.size()));
  for (const RunInput& input : links.datasets) {
    out.number(input.dataset);
    write(out, input.tags);
  }
  out.number(int64_t(links.models_in.size()));
  for (const std::string& id : links.models_in) out.text(id);
  out.number(int64_t(links.models_out.size()));
  for (const auto& [id, step] : links.models_out) out.text(id).number(step);
}
std::unique_ptr<RunLinks> read_links(Reader& in) {
  auto links = std::make_unique<RunLinks>();
  for (size_t left = in.count(); left > 0; --left) {
    RunInput& input = links->datasets.emplace_back();
    input.dataset = uint32_t(in.number());
    input.tags = read_map(in);
  }
  for (size_t left = in.count(); left > 0; --left) links->models_in.emplace_back(in.text());
  for (size_t left = in.count(); left > 0; --left) {
    std::string id(in.text());
    links->models_out.emplace_back(std::move(id), in.number());
  }
  return links;
}

Error damaged(int64_t kind, int64_t id) {
  return {.message = "document " + std::to_string(kind) + "/" + std::to_string(id) +
                     " of the tracking file cannot be read: restore it from a backup"};
}

}  // namespace

std::string Book::write_run(const Run& run) const {
  Writer out;
  out.text({reinterpret_cast<const char*>(run.id.data()), run.id.size()});
  out.number(run.experiment).number(int64_t(run.status)).number(run.deleted);
  out.text(texts_.at(run.name)).text(texts_.at(run.user)).number(run.started).number(run.ended);
  for (const auto* entries : {&run.params, &run.tags}) {
    out.number(int64_t(entries->size()));
    for (const Entry& entry : *entries) out.text(texts_.at(entry.key)).text(texts_.at(entry.value));
  }
  out.number(run.links ? 1 : 0);
  if (run.links) write(out, *run.links);
  return out.take();
}

Result<void> Book::read(int64_t kind, int64_t id, std::string_view data) {
  Reader in(data);
  const auto in_order = [&](size_t have) { return id == int64_t(have); };
  if (kind == kExperiment && in_order(experiments_.size())) {
    add_experiment(read_experiment(in));
  } else if (kind == kDataset && in_order(datasets_.size())) {
    hold_dataset(read_dataset(in));
  } else if (kind == kModel && in_order(models_.size())) {
    add_model(read_model(in));
  } else if (kind == kRun && in_order(runs_.size())) {
    Run run;
    const std::string_view run_id = in.text();
    if (run_id.size() == run.id.size()) std::ranges::copy(run_id, run.id.begin());
    run.experiment = uint32_t(in.number());
    run.status = Status(std::clamp<int64_t>(in.number(), 1, 5));
    run.deleted = in.number();
    run.name = texts_.hold(in.text());
    run.user = texts_.hold(in.text());
    run.started = in.number();
    run.ended = in.number();
    for (auto* entries : {&run.params, &run.tags}) {
      const size_t many = in.count();
      entries->reserve(many);
      for (size_t i = 0; i < many; ++i) {
        const std::string_view key = in.text(), value = in.text();
        run.text_bytes += uint32_t(key.size() + value.size());
        entries->push_back({texts_.hold(key), texts_.hold(value)});
      }
      std::ranges::sort(*entries, {}, &Entry::key);  // ids are others than when it was written
      entry_bytes_ += many * sizeof(Entry);
    }
    if (in.number()) run.links = read_links(in);
    if (run.experiment >= experiments_.size()) return fail(damaged(kind, id));
    add_run(std::move(run));
  } else {
    return fail(damaged(kind, id));
  }
  return in.ok() ? Result<void>() : fail(damaged(kind, id));
}

Result<std::unique_ptr<Book>> Book::load(store::TrackingFile& file) {
  auto book = std::make_unique<Book>();
  const auto read = file.load({
      .document = [&](int64_t kind, int64_t id, std::string_view data) { return book->read(kind, id, data); },
      .latest = [&](int64_t run, std::string_view key, const store::TrackedPoint& point) -> Result<void> {
        if (run < 0 || size_t(run) >= book->runs_.size()) return fail(damaged(kRun, run));
        const TextId id = book->texts_.hold(key);
        book->newest(uint32_t(run), id, point);
        book->texts_.release(id);  // the run holds it
        return {};
      },
  });
  if (!read) return fail(read.error());
  // What was read is what the file has.
  book->weigh_changes();
  book->changed_experiments_.clear();
  book->changed_runs_.clear();
  book->changed_datasets_.clear();
  book->changed_models_.clear();
  book->newest_.clear();
  return book;
}

store::TrackingBatch Book::take() {
  weigh_changes();
  store::TrackingBatch batch;
  for (const int64_t id : std::exchange(changed_experiments_, {}))
    batch.documents.push_back({kExperiment, id, write(experiments_[size_t(id)])});
  for (const uint32_t id : std::exchange(changed_datasets_, {}))
    batch.documents.push_back({kDataset, id, write(datasets_[id])});
  for (const uint32_t id : std::exchange(changed_models_, {}))
    batch.documents.push_back({kModel, id, write(models_[id])});
  for (const uint32_t row : std::exchange(changed_runs_, {})) {
    columns_.show(runs_, row);
    batch.documents.push_back({kRun, row, write_run(runs_[row])});
  }
  for (auto& [row_key, points] : std::exchange(logged_, {}))
    batch.points.push_back({row_key.first, std::string(texts_.at(row_key.second)), std::move(points)});
  for (const auto& [row, key] : std::exchange(newest_, {})) {
    const std::vector<Measure>& metrics = runs_[row].metrics;
    const auto at = std::ranges::lower_bound(metrics, key, {}, &Measure::key);
    batch.latest.push_back({row, std::string(texts_.at(key)), at->point});
  }
  batch.artifacts = std::exchange(artifacts_, {});
  batch.artifacts_removed = std::exchange(artifacts_removed_, {});
  return batch;
}

}  // namespace ingot::registry
