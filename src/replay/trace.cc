#include "replay/trace.h"

#include <algorithm>
#include <set>

#include "replay/csv.h"
#include "scheduler/shape.h"

namespace ingot::replay {
namespace {

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

std::expected<std::vector<TraceJob>, std::string> openb_pods(std::string file, std::string_view text,
                                                             const std::vector<TraceNode>* nodes) {
  const auto csv =
      Csv::parse(std::move(file), text, {"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"});
  if (!csv) return std::unexpected(csv.error());
  std::set<std::string> models;
  if (nodes)
    for (const TraceNode& n : *nodes) models.insert(n.model);
  std::vector<TraceJob> out;
  for (size_t i = 0; i < csv->rows(); ++i) {
    Row row{*csv, i, ""};
    TraceJob job{.name = std::string(csv->text(i, "name")),
                 .tenant = std::string(csv->text(i, "qos")),
                 .cpu_milli = row.get("cpu_milli"),
                 .memory_mib = row.get("memory_mib"),
                 .gpus = int(std::min<int64_t>(row.get("num_gpu"), 1 << 20)),
                 .milli = int(std::min<int64_t>(row.get("gpu_milli"), 1 << 20)),
                 .models = split(csv->text(i, "gpu_spec"))};
    if (csv->has("creation_time") && csv->has("deletion_time")) {
      const auto from = csv->number(i, "creation_time", 0);
      if (!from) return std::unexpected(from.error());
      job.submit_s = *from;
      if (!csv->text(i, "deletion_time").empty()) {
        const auto to = csv->number(i, "deletion_time", 0);
        if (!to) return std::unexpected(to.error());
        job.run_s = std::max(0.0, *to - *from);
      }
    }
    if (!row.wrong.empty()) return std::unexpected(row.wrong);
    if (job.gpus > scheduler::kMaxGpus)
      return std::unexpected(csv->at(i, "num_gpu") + ": a pod has at most " +
                             std::to_string(scheduler::kMaxGpus) + " GPUs");
    if (job.gpus != 1) job.milli = 1000;
    if (job.milli < 1 || job.milli > 1000)
      return std::unexpected(csv->at(i, "gpu_milli") + ": must be from 1 to 1000");
    for (const std::string& model : job.models)
      if (nodes && !models.contains(model))
        return std::unexpected(csv->at(i, "gpu_spec") + ": no node has the model " + model);
    out.push_back(std::move(job));
  }
  return out;
}

std::expected<std::vector<TraceJob>, std::string> muri_jobs(std::string file, std::string_view text) {
  const auto csv = Csv::parse(std::move(file), text, {"job_id", "num_gpu", "submit_time", "duration"});
  if (!csv) return std::unexpected(csv.error());
  std::vector<TraceJob> out;
  for (size_t i = 0; i < csv->rows(); ++i) {
    const auto gpus = csv->integer(i, "num_gpu", 1);
    const auto submit = csv->number(i, "submit_time", 0);
    const auto duration = csv->number(i, "duration", 0);
    if (!gpus) return std::unexpected(gpus.error());
    if (!submit) return std::unexpected(submit.error());
    if (!duration) return std::unexpected(duration.error());
    if (*gpus > 4096) return std::unexpected(csv->at(i, "num_gpu") + ": a job has at most 4096 GPUs");
    out.push_back({.name = "job-" + std::string(csv->text(i, "job_id")),
                   .gpus = int(*gpus),
                   .submit_s = *submit / 1000,
                   .run_s = *duration / 1000});
  }
  return out;
}

}  // namespace ingot::replay
