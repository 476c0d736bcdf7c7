#include "replay/trace.h"

#include <algorithm>
#include <set>

#include "replay/csv.h"
#include "scheduler/shape.h"

namespace ingot::replay {
namespace {

constexpr int kMaxJobGpus = 4096;

// Reads integers of one row until one is wrong.
struct Row {
  const Csv& csv;
  size_t row;
  std::string wrong;
  int64_t get(std::string_view column, int64_t least = 0) {
    if (!wrong.empty()) return 0;
    auto value = csv.integer(row, column, least);
    if (!value) wrong = value.error();
    return value.value_or(0);
  }
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t bar = text.find('|');
    if (bar != 0) out.emplace_back(text.substr(0, bar));
    text = bar == text.npos ? std::string_view{} : text.substr(bar + 1);
  }
  return out;
}

}  // namespace

std::expected<std::vector<TraceNode>, std::string> openb_nodes(std::string file, std::string_view text) {
  const auto csv = Csv::parse(std::move(file), text, {"sn", "cpu_milli", "memory_mib", "gpu", "model"});
  if (!csv) return std::unexpected(csv.error());
  std::vector<TraceNode> out;
  std::set<std::string_view> names;
  for (size_t i = 0; i < csv->rows(); ++i) {
    Row row{*csv, i, ""};
    TraceNode node{.name = std::string(csv->text(i, "sn")),
                   .cpu_milli = row.get("cpu_milli"),
                   .memory_mib = row.get("memory_mib"),
                   .gpus = int(row.get("gpu")),
                   .model = std::string(csv->text(i, "model"))};
    if (!row.wrong.empty()) return std::unexpected(row.wrong);
    if (node.gpus > scheduler::kMaxGpus)
      return std::unexpected(csv->at(i, "gpu") + ": a node has at most " +
                             std::to_string(scheduler::kMaxGpus) + " GPUs");
    if (!names.insert(csv->text(i, "sn")).second)
      return std::unexpected(csv->at(i, "sn") + ": a second node of that name");
    if (node.gpus > 0) out.push_back(std::move(node));
  }
  return out;
}

namespace {

constexpr double kMost_s = 1e9;  // 31 years

std::expected<double, std::string> time_of(const Csv& csv, size_t row, std::string_view column,
                                           double unit_s) {
  auto value = csv.number(row, column, 0);
  if (value && *value * unit_s > kMost_s)
    return std::unexpected(csv.at(row, column) + ": is more than 31 years");
  return value ? *value * unit_s : std::move(value);
}

// When it came and how long it ran; run_s < 0: it had not ended. `end`: of the trace.
std::optional<std::string> read_times(const Csv& csv, size_t row, TraceJob& job, double& end) {
  const auto from = time_of(csv, row, "creation_time", 1);
  if (!from) return from.error();
  job.submit_s = *from;
  double began = *from;
  if (!csv.text(row, "scheduled_time").empty()) {
    const auto at = time_of(csv, row, "scheduled_time", 1);
    if (!at) return at.error();
    began = std::max(began, *at);
  }
  end = std::max(end, began);
  job.run_s = -1;
  if (csv.text(row, "deletion_time").empty()) return std::nullopt;
  const auto to = time_of(csv, row, "deletion_time", 1);
  if (!to) return to.error();
  if (*to < *from) return csv.at(row, "deletion_time") + ": is before its creation_time";
  end = std::max(end, *to);
  job.run_s = std::max(0.0, *to - began);
  return std::nullopt;
}

}  // namespace

std::expected<std::vector<TraceJob>, std::string> openb_pods(std::string file, std::string_view text,
                                                             const std::vector<TraceNode>* nodes,
                                                             bool timed) {
  std::vector<std::string_view> needed{"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"};
  if (timed) needed.insert(needed.end(), {"creation_time", "deletion_time"});
  const auto csv = Csv::parse(std::move(file), text, needed);
  if (!csv) return std::unexpected(csv.error());
  const bool times = csv->has("creation_time") && csv->has("deletion_time");
  std::set<std::string> models;
  if (nodes)
    for (const TraceNode& n : *nodes) models.insert(n.model);
  std::vector<TraceJob> out;
  double end = 0;
  for (size_t i = 0; i < csv->rows(); ++i) {
    Row row{*csv, i, ""};
    TraceJob job{.name = std::string(csv->text(i, "name")),
                 .tenant = std::string(csv->text(i, csv->has("tenant") ? "tenant" : "qos")),
                 .cpu_milli = row.get("cpu_milli"),
                 .memory_mib = row.get("memory_mib"),
                 .gpus = int(std::min<int64_t>(row.get("num_gpu"), 1 << 20)),
                 .milli = int(std::min<int64_t>(row.get("gpu_milli"), 1 << 20)),
                 .line = csv->line(i)};
    if (!row.wrong.empty()) return std::unexpected(row.wrong);
    if (times)
      if (auto wrong = read_times(*csv, i, job, end)) return std::unexpected(std::move(*wrong));
    if (job.gpus > kMaxJobGpus)
      return std::unexpected(csv->at(i, "num_gpu") + ": a job has at most " + std::to_string(kMaxJobGpus) +
                             " GPUs");
    if (!timed && job.gpus > scheduler::kMaxGpus)
      return std::unexpected(csv->at(i, "num_gpu") + ": a pod has at most " +
                             std::to_string(scheduler::kMaxGpus) + " GPUs");
    if (job.gpus != 1) job.milli = 1000;
    if (job.milli < 1 || job.milli > 1000)
      return std::unexpected(csv->at(i, "gpu_milli") + ": must be from 1 to 1000");
    if (nodes) job.models = split(csv->text(i, "gpu_spec"));
    if (!job.models.empty()) {
      const std::string first = job.models.front();
      std::erase_if(job.models, [&](const std::string& model) { return !models.contains(model); });
      if (job.models.empty())
        return std::unexpected(csv->at(i, "gpu_spec") + ": no node has the model " + first);
    }
    out.push_back(std::move(job));
  }
  for (TraceJob& job : out)
    if (job.run_s < 0) job.run_s = end - job.submit_s;
  return out;
}

std::optional<std::string> too_large(const std::string& file, const std::vector<TraceNode>& nodes,
                                     const std::vector<TraceJob>& jobs) {
  int64_t gpus = 0;
  int largest = 0;
  for (const TraceNode& n : nodes) {
    gpus += n.gpus;
    largest = std::max(largest, n.gpus);
  }
  for (const TraceJob& job : jobs) {
    const std::string at = file + ", line " + std::to_string(job.line) + ": " + job.name;
    if (job.gpus > gpus)
      return at + " asks for " + std::to_string(job.gpus) + " GPUs, the cluster has " + std::to_string(gpus);
    const auto holds = [&](const TraceNode& n) {
      return n.gpus >= std::min(job.gpus, largest) && n.cpu_milli >= job.cpu_milli &&
             n.memory_mib >= job.memory_mib &&
             (job.models.empty() || std::ranges::find(job.models, n.model) != job.models.end());
    };
    if (std::ranges::none_of(nodes, holds))
      return at + " fits no node, even an empty one: it asks for " +
             std::to_string(std::min(job.gpus, largest)) + " GPUs, " + std::to_string(job.cpu_milli) +
             " milli-CPU and " + std::to_string(job.memory_mib) + " MiB on one";
  }
  return std::nullopt;
}

std::expected<std::vector<TraceJob>, std::string> muri_jobs(std::string file, std::string_view text) {
  const auto csv = Csv::parse(std::move(file), text, {"job_id", "num_gpu", "submit_time", "duration"});
  if (!csv) return std::unexpected(csv.error());
  std::vector<TraceJob> out;
  for (size_t i = 0; i < csv->rows(); ++i) {
    const auto gpus = csv->integer(i, "num_gpu", 1);
    const auto submit = time_of(*csv, i, "submit_time", 1e-3);
    const auto duration = time_of(*csv, i, "duration", 1e-3);
    if (!gpus) return std::unexpected(gpus.error());
    if (!submit) return std::unexpected(submit.error());
    if (!duration) return std::unexpected(duration.error());
    if (*gpus > kMaxJobGpus)
      return std::unexpected(csv->at(i, "num_gpu") + ": a job has at most " + std::to_string(kMaxJobGpus) +
                             " GPUs");
    out.push_back({.name = "job-" + std::string(csv->text(i, "job_id")),
                   .gpus = int(*gpus),
                   .submit_s = *submit,
                   .run_s = *duration,
                   .line = csv->line(i)});
  }
  return out;
}

}  // namespace ingot::replay
