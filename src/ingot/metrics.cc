#include "ingot/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "ingot/process_metrics.h"

namespace ingot {
namespace {

using metering::BoardHolder;
using metering::BoardView;
using metering::Exposition;
using metering::Labels;

constexpr size_t kBoardsPerStep = 128, kAllocationsPerStep = 200;

struct Family {
  std::string_view name, kind, help;
};
// DCGM's names and units (NVIDIA, DCGM field identifiers; dcgm-exporter's default counters).
constexpr Family kBoardFamilies[] = {
    {"DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %)."},
    {"DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Memory utilization (in %)."},
    {"DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB)."},
    {"DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB)."},
    {"DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W)."},
    {"DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C)."},
    {"DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz)."},
    {"DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered."},
    {"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Total number of double-bit volatile ECC errors."},
    {"DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Ratio of time the graphics engine is active."},
    {"ingot_gpu_healthy", "gauge", "Whether the GPU may be given to pods."},
    {"ingot_gpu_held_ratio", "gauge", "The part of the GPU that the pod holds; of a MIG instance 1."},
    {"ingot_gpu_idle_seconds", "gauge", "How long the pod's GPUs have been unused without a break."},
};
constexpr Family kTenantFamilies[] = {
    {"ingot_tenant_gpu_seconds_total", "counter", "GPU-seconds held since this process began."},
    {"ingot_tenant_idle_gpu_seconds_total", "counter",
     "GPU-seconds held and unused since this process began."},
    {"ingot_tenant_cpu_seconds_total", "counter", "CPU-seconds held since this process began."},
    {"ingot_tenant_cost_total", "counter", "Cost of what was held since this process began."},
};
constexpr Family kQueueFamilies[] = {
    {"ingot_queue_pending_workloads", "gauge", "Pods and gangs that wait in the queue."},
    {"ingot_queue_gpus_used", "gauge", "GPUs held by the queue's work."},
    {"ingot_queue_gpus_lent", "gauge", "GPUs held beyond the queue's guarantee."},
    {"ingot_queue_gpus_guaranteed", "gauge", "GPUs the queue may always have."},
    {"ingot_queue_gpus_limit", "gauge", "GPUs the queue may have at most; absent: no limit."},
};
constexpr Family kBudgetFamilies[] = {
    {"ingot_budget_amount", "gauge", "What the budget has for its period."},
    {"ingot_budget_spent", "gauge", "What its work cost in the period so far."},
    {"ingot_budget_committed", "gauge", "What its work that runs is expected to cost still in the period."},
    {"ingot_budget_cost_per_hour", "gauge", "What its work costs an hour now."},
    {"ingot_budget_period_end_timestamp_seconds", "gauge", "When its period ends."},
    {"ingot_budget_phase", "gauge", "1 for the phase that it is in."},
    {"ingot_budget_held_workloads", "gauge", "Pods and gangs that wait for its money."},
};
constexpr Family kFactoryFamilies[] = {
    {"ingot_scheduler_passes_total", "counter", "Passes over the work that waits."},
    {"ingot_scheduler_pods_bound_total", "counter", "Pods given a node."},
    {"ingot_scheduler_pods_waiting", "gauge", "Pods that wait for a node."},
    {"ingot_scheduler_bindings_rejected_total", "counter", "Placements of pods that had changed meanwhile."},
    {"ingot_scheduler_pass_duration_seconds", "histogram", "How long a pass took to decide."},
    {"ingot_pods_evicted_total", "counter", "Pods evicted by the factory."},
    {"ingot_gpus_unhealthy", "gauge", "GPUs that may not be given to pods."},
    {"ingot_gpus_idle", "gauge", "Allocations whose GPUs are unused."},
    {"ingot_workflow_runs", "gauge", "Runs of workflows that go on."},
    {"ingot_workflow_runs_begun_total", "counter", "Runs of workflows that began."},
    {"ingot_workflow_runs_ended_total", "counter", "Runs of workflows that ended."},
    {"ingot_repositories", "gauge", "Repositories whose Git remotes are watched."},
    {"ingot_repositories_failing", "gauge",
     "Repositories whose remotes could not be read when last looked at."},
    {"ingot_repository_looks_total", "counter", "Looks at Git remotes."},
    {"ingot_repository_looks_failed_total", "counter", "Looks at Git remotes that failed."},
    {"ingot_repository_runs_started_total", "counter", "Runs that pushes started."},
    {"ingot_repository_last_sync_timestamp_seconds", "gauge", "When a Git remote was last read."},
    {"ingot_gpu_sampler_up", "gauge", "Whether the node's GPUs were sampled lately."},
    {"ingot_allocations_booked_total", "counter", "Ended Allocations written to the ledger."},
    {"ingot_store_revision", "counter", "The newest durable revision."},
    {"ingot_store_objects", "gauge", "Objects in the store."},
    {"ingot_store_history_bytes", "gauge",
     "Memory of changes kept for watches and lists from an earlier revision."},
    {"ingot_store_watchers", "gauge", "Watches on the store."},
    {"ingot_store_commits_total", "counter", "Commits."},
    {"ingot_store_commits_failed_total", "counter", "Commits that failed."},
    {"ingot_metrics_left_out", "gauge",
     "Holders, tenants, queues and budgets that are too many for this page."},
};

template <class T>
void sample_if(Exposition& page, std::string_view family, const Labels& labels,
               const std::optional<T>& value) {
  if (value) page.sample(family, labels, double(*value));
}

std::string slice_of(const BoardHolder& holder) {
  if (!holder.profile.empty()) return fmt::format("{}@{}", holder.profile, holder.start);
  return holder.milli > 0 && holder.milli < 1000 ? fmt::format("{}m", holder.milli) : "";
}

}  // namespace

MetricsPage::MetricsPage(const MetricSources& sources, std::optional<Viewer> viewer)
    : sources_(sources), viewer_(std::move(viewer)) {
  describe();
  tenants();
  queues();
  budgets();
  if (!viewer_) factory();
}

void MetricsPage::describe() {
  for (const Family& f : kBoardFamilies) page_.family(f.name, f.kind, f.help);
  for (const Family& f : kTenantFamilies) page_.family(f.name, f.kind, f.help);
  for (const Family& f : kQueueFamilies) page_.family(f.name, f.kind, f.help);
  for (const Family& f : kBudgetFamilies) page_.family(f.name, f.kind, f.help);
  for (const Family& f : kFactoryFamilies) page_.family(f.name, f.kind, f.help);
}

bool MetricsPage::shows(const BoardHolder& holder) const {
  return !viewer_ || holder.cluster == viewer_->cluster;
}

bool MetricsPage::step() {
  if (sources_.gpus.settle(kAllocationsPerStep)) return true;
  const auto& boards = sources_.gpus.boards();
  auto at = last_ ? boards.upper_bound(*last_) : boards.begin();
  for (size_t n = 0; n < kBoardsPerStep && at != boards.end(); ++n, ++at) {
    last_ = at->first;
    board(at->second);
  }
  return at != boards.end();
}

std::string MetricsPage::text() {
  if (!viewer_) page_.sample("ingot_metrics_left_out", {}, double(left_out_));
  return page_.text();
}

void MetricsPage::board(const BoardView& board) {
  if (board.node != node_) {
    node_ = board.node;
    look_ = sources_.telemetry.look(board.node, sources_.env.clock.now());
    if (!viewer_) page_.sample("ingot_gpu_sampler_up", {{"node", board.node}}, look_.stale ? 0 : 1);
  }
  const auto sample = std::ranges::find(look_.samples, board.uuid, &gpu::Sample::uuid);
  const gpu::Sample* seen = sample == look_.samples.end() ? nullptr : &*sample;
  const auto holders = sources_.gpus.holders(board.uuid);
  for (const BoardHolder* h : holders)
    if (shows(*h)) holder(board, seen, h);
  if (holders.empty() && !viewer_) holder(board, seen, nullptr);
}

// `held`: null where nobody holds the board.
void MetricsPage::holder(const BoardView& board, const gpu::Sample* seen, const BoardHolder* held) {
  if (++holders_ > kMostHolders) {
    ++left_out_;
    return;
  }
  const bool instance = held && !held->profile.empty();
  const gpu::InstanceSample* part = nullptr;
  if (instance && seen)
    for (const gpu::InstanceSample& i : seen->instances)
      if (i.profile == held->profile && i.start == held->start) part = &i;
  Labels labels{{"gpu", std::to_string(board.index)},
                {"UUID", board.uuid},
                {"device", fmt::format("nvidia{}", board.index)},
                {"modelName", board.product},
                {"Hostname", board.node},
                {"GPU_I_PROFILE", instance ? held->profile : ""},
                {"GPU_I_ID", part ? std::to_string(part->gpu_instance) : ""},
                {"node", board.node},
                {"model", board.model},
                {"simulated", board.simulated ? "true" : "false"}};
  if (held)
    labels.insert(
        labels.end(),
        {{"slice", slice_of(*held)}, {"tenant", held->tenant}, {"namespace", held->ns}, {"pod", held->pod}});
  page_.sample("ingot_gpu_healthy", labels, board.healthy);
  if (held) {
    page_.sample("ingot_gpu_held_ratio", labels, instance ? double(held->milli > 0) : held->milli / 1000.0);
    const auto since = sources_.idleness.idle_since(held->pod_uid);
    const auto idle = since ? sources_.env.clock.wall() - *since : std::chrono::microseconds(0);
    page_.sample("ingot_gpu_idle_seconds", labels, std::chrono::duration<double>(idle).count());
  }
  if (!seen || !seen->lost.empty()) return;
  // Of an instance the board's use and memory say nothing.
  if (!instance) {
    sample_if(page_, "DCGM_FI_DEV_GPU_UTIL", labels, seen->utilisation);
    sample_if(page_, "DCGM_FI_DEV_MEM_COPY_UTIL", labels, seen->memory_utilisation);
    sample_if(page_, "DCGM_FI_DEV_FB_USED", labels, seen->memory_used_mib);
    sample_if(page_, "DCGM_FI_DEV_FB_FREE", labels, seen->memory_free_mib);
  }
  sample_if(page_, "DCGM_FI_DEV_POWER_USAGE", labels, seen->power_w);
  sample_if(page_, "DCGM_FI_DEV_GPU_TEMP", labels, seen->temperature_c);
  sample_if(page_, "DCGM_FI_DEV_SM_CLOCK", labels, seen->sm_clock_mhz);
  sample_if(page_, "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", labels, seen->ecc_errors);
  page_.sample("DCGM_FI_DEV_XID_ERRORS", labels, double(seen->last_xid));
  if (part)
    sample_if(page_, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", labels, part->active);
  else if (!instance && seen->utilisation)
    page_.sample("DCGM_FI_PROF_GR_ENGINE_ACTIVE", labels, *seen->utilisation / 100.0);
}

void MetricsPage::tenants() {
  size_t shown = 0;
  for (const metering::TenantTotals& t : sources_.ledger.totals(sources_.env.clock.wall())) {
    if (viewer_ && t.cluster != viewer_->cluster) continue;
    if (++shown > kMostTenants) {
      ++left_out_;
      continue;
    }
    const Labels labels{{"tenant", t.tenant}};
    page_.sample("ingot_tenant_gpu_seconds_total", labels, t.gpu_seconds);
    page_.sample("ingot_tenant_idle_gpu_seconds_total", labels, t.idle_gpu_seconds);
    page_.sample("ingot_tenant_cpu_seconds_total", labels, t.cpu_seconds);
    page_.sample("ingot_tenant_cost_total", {{"tenant", t.tenant}, {"currency", t.currency}}, t.cost);
  }
}

void MetricsPage::queues() {
  size_t shown = 0;
  for (const scheduler::QueueLine& q : sources_.placement.queue_lines()) {
    // A tenant sees its own leaf alone: what departments hold is their own business.
    if (viewer_ && (!q.name.empty() || q.tenant != viewer_->tenant)) continue;
    if (++shown > kMostTenants) {
      ++left_out_;
      continue;
    }
    const Labels labels{{"queue", q.name.empty() ? q.tenant : q.name},
                        {"tenant", q.tenant},
                        {"parent", viewer_ ? "" : q.parent}};
    page_.sample("ingot_queue_pending_workloads", labels, double(q.pending));
    page_.sample("ingot_queue_gpus_used", labels, double(q.used.gpu_milli) / 1000);
    page_.sample("ingot_queue_gpus_lent", labels, double(q.lent_gpu_milli) / 1000);
    page_.sample("ingot_queue_gpus_guaranteed", labels, double(q.guarantee.gpu_milli) / 1000);
    if (q.limit.gpu_milli) page_.sample("ingot_queue_gpus_limit", labels, double(*q.limit.gpu_milli) / 1000);
  }
}

void MetricsPage::budgets() {
  size_t shown = 0;
  for (const controllers::BudgetView& b : sources_.placement.budgets()) {
    // A tenant sees what is its own alone.
    if (viewer_ && b.only_tenant != viewer_->tenant) continue;
    if (++shown > kMostTenants) {
      ++left_out_;
      continue;
    }
    const Labels labels{{"budget", b.name}}, money{{"budget", b.name}, {"currency", b.currency}};
    page_.sample("ingot_budget_amount", money, double(b.amount) / 1e6);
    page_.sample("ingot_budget_spent", money, double(b.spent) / 1e6);
    page_.sample("ingot_budget_committed", money, double(b.foreseen - b.spent) / 1e6);
    page_.sample("ingot_budget_cost_per_hour", money, double(b.per_hour) / 1e6);
    page_.sample("ingot_budget_period_end_timestamp_seconds", labels,
                 double(b.span.end.time_since_epoch().count()) / 1e6);
    page_.sample("ingot_budget_phase", {{"budget", b.name}, {"phase", std::string(policy::name_of(b.phase))}},
                 1);
    page_.sample("ingot_budget_held_workloads", labels, double(b.held));
  }
}

void MetricsPage::factory() {
  const controllers::PlacementStats placed = sources_.placement.stats();
  page_.sample("ingot_scheduler_passes_total", {}, double(placed.passes));
  page_.sample("ingot_scheduler_pods_bound_total", {}, double(placed.bound));
  page_.sample("ingot_scheduler_pods_waiting", {}, double(placed.waiting));
  page_.sample("ingot_scheduler_bindings_rejected_total", {}, double(placed.rejected));
  uint64_t passes = 0;
  for (size_t i = 0; i < placed.pass_took.size(); ++i) {
    passes += placed.pass_took[i];
    const std::string le =
        i < controllers::kPassBuckets.size() ? fmt::format("{}", controllers::kPassBuckets[i]) : "+Inf";
    page_.sample("ingot_scheduler_pass_duration_seconds", {{"le", le}}, double(passes), "_bucket");
  }
  page_.sample("ingot_scheduler_pass_duration_seconds", {}, placed.pass_seconds, "_sum");
  page_.sample("ingot_scheduler_pass_duration_seconds", {}, double(passes), "_count");

  const std::pair<std::string_view, uint64_t> evicted[] = {
      {"preempted", placed.evicted},
      {"gpu-unhealthy", sources_.device_health.stats().evicted},
      {"node-lost", sources_.node_lifecycle.evicted()},
      {"gpu-idle", sources_.idleness.stats().reclaimed}};
  for (const auto& [reason, count] : evicted)
    page_.sample("ingot_pods_evicted_total", {{"reason", std::string(reason)}}, double(count));
  page_.sample("ingot_gpus_unhealthy", {}, double(sources_.device_health.stats().unhealthy));
  page_.sample("ingot_gpus_idle", {}, double(sources_.idleness.stats().idle));
  const pipelines::EngineStats runs = sources_.pipelines.stats();
  page_.sample("ingot_workflow_runs", {}, double(runs.runs));
  page_.sample("ingot_workflow_runs_begun_total", {}, double(runs.begun));
  page_.sample("ingot_workflow_runs_ended_total", {}, double(runs.ended));
  const pipelines::Repositories::Stats git = sources_.repositories.stats();
  page_.sample("ingot_repositories", {}, double(git.watched));
  page_.sample("ingot_repositories_failing", {}, double(git.failing));
  page_.sample("ingot_repository_looks_total", {}, double(git.looks));
  page_.sample("ingot_repository_looks_failed_total", {}, double(git.failed));
  page_.sample("ingot_repository_runs_started_total", {}, double(git.started));
  if (git.synced)
    page_.sample("ingot_repository_last_sync_timestamp_seconds", {},
                 std::chrono::duration<double>(git.synced->time_since_epoch()).count());
  page_.sample("ingot_allocations_booked_total", {}, double(sources_.ledger.booked()));
  const store::Stats stored = sources_.shard.stats();
  page_.sample("ingot_store_revision", {}, double(stored.durable.value));
  page_.sample("ingot_store_objects", {}, double(stored.objects));
  page_.sample("ingot_store_history_bytes", {}, double(stored.history_bytes));
  page_.sample("ingot_store_watchers", {}, double(stored.watchers));
  page_.sample("ingot_store_commits_total", {}, double(stored.commits));
  page_.sample("ingot_store_commits_failed_total", {}, double(stored.failed_commits));
  add_process_metrics(page_);
}

}  // namespace ingot
