// What a version of a model is registered from: the files that a run or a logged model left, and what is known of the run. Asked by
// the factory itself (host/model_service.h); no route leads here.
#include <fmt/format.h>

#include <cmath>

#include "base/time.h"
#include "registry/ops.h"
#include "registry/paths.h"

namespace ingot::registry {
namespace {

constexpr size_t kMostFiles = 200'000, kPage = 1'000, kMostFacts = 1'000;
constexpr int kDeepest = 64;
constexpr std::string_view kOwn = "ingot.dev/";

// The factory's own tags of a run, and what they are called in a version's provenance.
constexpr std::pair<std::string_view, std::string_view> kFacts[] = {
    {"namespace", "namespace"},      {"pod", "pod"},
    {"pod-uid", "podUid"},           {"workflow", "workflow"},
    {"workflow-uid", "workflowUid"}, {"node-id", "node"},
    {"repository", "repository"},    {"commit", "commit"}};

struct Origin {
  std::string uri;  // "mlflow-artifacts:/1/RUN/artifacts"
  std::optional<uint32_t> run;
};

Result<Origin> origin_of(const Desk& desk, const Call& call) {
  const auto model = call.args.text("model_id");
  if (!model) return fail(model.error());
  if (model->empty()) {
    const auto run = run_of(desk, call);
    if (!run) return fail(run.error());
    return Origin{artifact_root(desk.book, desk.book.runs()[*run]), *run};
  }
  const auto index = desk.book.model(*model);
  if (!index || desk.book.models()[*index].deleted)
    return fail(Reason::NotFound, fmt::format("Logged model with ID '{}' not found.", *model));
  const LoggedModel& logged = desk.book.models()[*index];
  Origin origin{model_root(desk.book, logged), std::nullopt};
  if (const auto run = run_named(desk, logged.run)) origin.run = *run;
  return origin;
}

Result<void> collect(Desk& desk, const std::string& directory, int depth,
                     std::vector<store::TrackedArtifact>& files) {
  if (depth > kDeepest) return fail(invalid("source: directories lie too deep"));
  for (std::string after;;) {
    auto page = desk.file.list(directory, after, kPage);
    if (!page) return fail(page.error());
    for (store::TrackedArtifact& one : *page) {
      after = one.path;
      if (one.digest.empty()) {
        if (auto below = collect(desk, one.path, depth + 1, files); !below) return below;
      } else {
        files.push_back(std::move(one));
      }
      if (files.size() > kMostFiles) return fail(invalid("source: it has too many files"));
    }
    if (page->size() < kPage) return {};
  }
}

std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return fmt::format("{}", value);
}

void write_made(Out& out, const Book& book, uint32_t row) {
  const Run& run = book.runs()[row];
  out.open('{');
  for (const auto& [tag, field] : kFacts)
    if (const Entry* entry = book.tag(row, fmt::format("{}{}", kOwn, tag)))
      out.field(field, book.texts().at(entry->value));
  if (run.started > 0)
    out.field("started", to_rfc3339_micro(WallTime(std::chrono::milliseconds(run.started))));
  out.field("experiment", book.experiment(run.experiment)->name);
  out.key("parameters").open('{');
  for (size_t i = 0; i < run.params.size() && i < kMostFacts; ++i)
    out.field(book.texts().at(run.params[i].key), book.texts().at(run.params[i].value));
  out.close('}').key("metrics").open('{');
  for (size_t i = 0; i < run.metrics.size() && i < kMostFacts; ++i)
    out.field(book.texts().at(run.metrics[i].key), value_text(run.metrics[i].point.value));
  out.close('}').key("datasets").open('[');
  if (run.links)
    for (size_t i = 0; i < run.links->datasets.size() && i < kMostFacts; ++i) {
      const Dataset& dataset = book.datasets()[run.links->datasets[i].dataset];
      out.open('{').field("name", fmt::format("{}#{}", dataset.name, dataset.digest)).close('}');
    }
  out.close(']').close('}');
}

Result<std::string> files(Desk& desk, const Call& call) {
  const auto said = call.args.text("path");
  if (!said) return fail(said.error());
  const auto path = check_path(*said, true);
  if (!path) return path;
  auto origin = origin_of(desk, call);
  if (!origin) return fail(origin.error());
  const auto root = path_of_uri(origin->uri);
  if (!root) return fail(root.error());
  const std::string base = joined(*root, *path);
  std::vector<store::TrackedArtifact> found;
  if (auto collected = collect(desk, base, 0, found); !collected) return fail(collected.error());
  size_t cut = base.size() + 1;
  if (found.empty()) {
    auto one = desk.file.artifact(base);
    if (!one) return fail(one.error());
    if (*one) {
      cut = base.rfind('/') + 1;
      found.push_back(std::move(**one));
    }
  }
  if (found.empty())
    return fail(Reason::NotFound,
                fmt::format("source: there is nothing at \"{}\": log the model first", *path));
  Out out;
  out.open('{');
  if (origin->run) out.field("run_id", to_text(desk.book.runs()[*origin->run].id));
  out.key("files").open('[');
  for (const store::TrackedArtifact& one : found)
    out.open('{')
        .field("name", std::string_view(one.path).substr(cut))
        .field("digest", one.digest)
        .field("bytes", one.bytes)
        .close('}');
  out.close(']');
  if (origin->run) {
    out.key("made");
    write_made(out, desk.book, *origin->run);
  }
  return out.close('}').take();
}

constexpr Op kOps[] = {{"registering/files", files}};

}  // namespace

std::span<const Op> registering_ops() { return kOps; }

}  // namespace ingot::registry
