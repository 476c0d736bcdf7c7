// Clusters and their work as traces tell of them. Pure; any thread. Formats: openb is Alibaba's of
// github.com/alibaba/clusterdata, cluster-trace-gpu-v2023; muri is that of github.com/Rivendile/Muri.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::replay {

struct TraceNode {
  std::string name;
  int64_t cpu_milli = 0, memory_mib = 0;
  int gpus = 0;
  std::string model;
};

struct TraceJob {
  std::string name, tenant;
  int64_t cpu_milli = 0, memory_mib = 0;
  int gpus = 0;
  int milli = 1000;                 // of each GPU
  std::vector<std::string> models;  // admissible; empty: any
  double submit_s = 0, run_s = 0;   // run_s: 0 where the trace does not say
  uint32_t line = 0;                // of its file
};

// sn,cpu_milli,memory_mib,gpu,model; nodes without GPUs are left out.
std::expected<std::vector<TraceNode>, std::string> openb_nodes(std::string file, std::string_view text);
// name,cpu_milli,memory_mib,num_gpu,gpu_milli and, where there, gpu_spec, qos (its tenant), creation_time,
// deletion_time, scheduled_time. `nodes`: a gpu_spec that names models of none of them is an error; without them
// gpu_spec is not looked at. `timed`: the times must be there; who has no deletion_time runs to the trace's end.
std::expected<std::vector<TraceJob>, std::string> openb_pods(std::string file, std::string_view text,
                                                             const std::vector<TraceNode>* nodes,
                                                             bool timed = false);
// Why one of the jobs can never run on these nodes: "FILE, line 7, …"; none: all can.
std::optional<std::string> too_large(const std::string& file, const std::vector<TraceNode>&,
                                     const std::vector<TraceJob>&);
// job_id,num_gpu,submit_time,duration in milliseconds.
std::expected<std::vector<TraceJob>, std::string> muri_jobs(std::string file, std::string_view text);

}  // namespace ingot::replay
