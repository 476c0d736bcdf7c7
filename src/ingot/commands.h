// What the command line can do: one function a command, its options as a value. Each prints its result on standard
// output and returns the exit code; a refusal is one clear message on standard error.
// Thread rule: the main thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/cost.h"

namespace ingot {

// Exit codes: also in `ingot --help`.
enum ExitCode : int { kOk = 0, kFailed = 1, kUsage = 2, kNotRunning = 3 };

struct Common {
  std::string data;         // --data, or INGOT_DATA, or /var/lib/ingot
  bool data_named = false;  // by one of the first two
  bool json = false;        // -o json
};

struct UpOptions {
  std::string listen = "127.0.0.1:6443";
  std::string gpus = "auto";
  std::string hollow;
  std::string gpu_return_after = "5m";
  std::string git_root;
  std::vector<std::string> git_allow, webhook_allow;
  std::string webhook_ca;
  bool detach = false;
  int ready_fd = -1;  // of the parent that detached us
};
int up(const Common&, const UpOptions&);
int down(const Common&, bool keep_pods);
int status(const Common&);

struct TenantOptions {
  std::string name;
  int64_t gpus = 0;
  std::optional<int64_t> gpus_limit;
  int64_t weight = 1;
  std::string queue;
  std::string storage;  // a quantity; "": no limit
};
int tenant_create(const Common&, const TenantOptions&);
int tenant_list(const Common&);
int tenant_delete(const Common&, const std::string& name, bool wait);

struct KubeconfigOptions {
  std::string tenant;
  std::string user = "admin";
  std::vector<std::string> groups;
  std::string ttl = "30d";
  std::string out;
};
int tenant_kubeconfig(const Common&, const KubeconfigOptions&);

int gpus(const Common&);
int queue(const Common&);
int explain(const Common&, const std::string& pod);  // TENANT/NAMESPACE/NAME

struct UsageOptions {
  std::string tenant;
  std::string since;
};
int usage(const Common&, const UsageOptions&);

struct BudgetOptions {
  std::string name;
  std::vector<std::string> tenants, queues;
  std::string amount, currency, period, assumed;
  std::string hard, soft;  // "AT=ACTION"; of soft also "none"
};
int budget_list(const Common&);
int budget_show(const Common&, const BudgetOptions&);
int budget_create(const Common&, const BudgetOptions&);
int budget_set(const Common&, const BudgetOptions&);
int budget_delete(const Common&, const BudgetOptions&);

struct ImageOptions {
  std::string file;
  std::string tenant;
  std::string image;  // of `scan add`: what the report is of
};
int image_load(const Common&, const ImageOptions&);
int image_scan_add(const Common&, const ImageOptions&);
int image_scan_list(const Common&, const ImageOptions&);

struct GateOptions {
  std::string gate, rule, file;
  std::string tenant, ns = "default";
  std::string target_ns, pod, workflow, model;  // of an exception
  std::string reason, lasts, since;
};
int gate_list(const Common&, const GateOptions&);
int gate_show(const Common&, const GateOptions&);
int gate_check(const Common&, const GateOptions&);
int gate_except(const Common&, const GateOptions&);
int gate_verdicts(const Common&, const GateOptions&);

struct DatasetOptions {
  std::string name;  // of get: NAME or NAME@VERSION
  std::string path;  // what is added, or where it goes
  std::string run;   // "RUN[/NODE]:ARTIFACT", what is added instead
  std::string tenant, ns = "default";
  std::string classification, region, message;
};
int dataset_add(const Common&, const DatasetOptions&);
int dataset_list(const Common&, const DatasetOptions&);
int dataset_show(const Common&, const DatasetOptions&);
int dataset_get(const Common&, const DatasetOptions&);

struct ModelOptions {
  std::string name;   // [TENANT/]NAME[@VERSION]; of verify also a directory, of `key export` a key
  std::string other;  // of diff and rename
  std::string path, tenant, alias, bundle, source, description;
  std::vector<std::string> keys, attestations;  // files
};
int model_list(const Common&, const ModelOptions&);
int model_show(const Common&, const ModelOptions&);
int model_verify(const Common&, const ModelOptions&);
int model_sign(const Common&, const ModelOptions&);
int model_export(const Common&, const ModelOptions&);
int model_diff(const Common&, const ModelOptions&);
int model_import(const Common&, const ModelOptions&);
int model_promote(const Common&, const ModelOptions&);
int model_rollback(const Common&, const ModelOptions&);
int model_rename(const Common&, const ModelOptions&);
int model_delete(const Common&, const ModelOptions&);
int model_key_list(const Common&, const ModelOptions&);
int model_key_export(const Common&, const ModelOptions&);
int model_key_rotate(const Common&, const ModelOptions&);

struct LineageOptions {
  std::string of;  // KIND/NAME, or of a model [TENANT/]NAME[@VERSION]
  std::string tenant, ns = "default", way = "both", format;
  int nodes = 500;
};
int lineage(const Common&, const LineageOptions&);
int model_lineage(const Common&, const LineageOptions&);

struct AuditOptions {
  std::string tenant, user, verb, resource, name;
  std::string since = "1h";
  int64_t last = 0;  // 0: all
  bool denied = false, changes = false;
};
int audit(const Common&, const AuditOptions&);

struct RepoOptions {
  std::string name, url;
  std::string tenant, ns = "default";
  std::vector<std::string> branches, paths, signers;  // signers: files of public keys
  std::string pipeline, interval, service_account;
  std::string username, token_file, ssh_key, known_hosts;
  std::string webhook;      // the provider; "": none
  std::string status_file;  // of a token for commit statuses
  bool no_wait = false;
};
int repo_add(const Common&, const RepoOptions&);
int repo_list(const Common&, const RepoOptions&);
int repo_sync(const Common&, const RepoOptions&);
int repo_runs(const Common&, const RepoOptions&);
struct RunOptions {
  std::vector<std::string> command;
  std::string name, image, cpu, memory, queue, max_size;
  int64_t gpus = 0;
  std::vector<std::string> datasets, env;  // NAME[@VERSION]; NAME=VALUE or NAME
  std::string tenant, ns = "default";
  bool detach = false;
};
int run(const Common&, const RunOptions&);

struct RunsOptions {
  std::string name, node;
  std::string tenant, ns = "default";
  bool follow = false, now = false;
};
int runs_list(const Common&, const RunsOptions&);
int runs_show(const Common&, const RunsOptions&);
int runs_logs(const Common&, const RunsOptions&);
int runs_outputs(const Common&, const RunsOptions&);
int runs_retry(const Common&, const RunsOptions&);
int runs_stop(const Common&, const RunsOptions&);

struct InflateOptions {
  std::string nodes, pods;  // files
  int until_pct = 130;
  std::string seeds = "42-51";
  std::string policy = "waste";
};
const std::map<std::string, scheduler::PlacementCost>& placement_policies();
int simulate_inflate(const Common&, const InflateOptions&);

struct ReplayArguments {
  std::string trace, format = "openb";
  std::string nodes;  // a file; or
  int64_t gpus = 0;
  std::string policy;
  bool known_runtimes = false;
  int tenants = 0;
  uint64_t seed = 42;
  std::string quotas;                // a file of Queue objects
  std::vector<std::string> changes;  // --and
  std::string csv, report;           // files to write
};
int simulate_replay(const Common&, const ReplayArguments&);

struct ExportOptions {
  std::string since;           // a duration; "": all there is
  std::string out, nodes_out;  // files; without `out` standard output
};
int simulate_export(const Common&, const ExportOptions&);

int version(const Common&);

}  // namespace ingot
