// The command line: options, help, and which command they lead to.
#include "ingot/command_line.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "ingot/command_tree.h"
#include "ingot/completion.h"
#include "ingot/output.h"
#include "replay/policies.h"

namespace ingot {
namespace {

constexpr const char* kFooter = R"(
The factory is found by --data DIR, or INGOT_DATA, or /var/lib/ingot; whoever may not read that, by KUBECONFIG.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no factory is running (status).

Examples:
  sudo ingot up --gpus simulated:2x8xH100-80GB --detach
  ingot tenant create vision --gpus 8
  export KUBECONFIG=$(ingot tenant kubeconfig vision)
  kubectl apply -f train.yaml
  ingot run --gpus 1 -- python3 train.py
  ingot gpus
  ingot usage --since 24h
  ingot down)";

}  // namespace

CommandLine::CommandLine() {
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.footer(kFooter);
  app_.add_option("--data", in_.common.data, "the factory's directory")
      ->envname("INGOT_DATA")
      ->type_name("DIR");
  in_.common.data = "/var/lib/ingot";
  add_factory_commands();
  add_tenant_commands();
  add_listings();
  add_budgets();
  add_datasets();
  add_models();
  add_history();
  add_gates();
  add_repositories();
  add_run();
  add_runs();
  add_simulations();
}

CLI::App* CommandLine::command(CLI::App& parent, const char* name, const char* what, const char* example,
                               Action run) {
  CLI::App* sub = parent.add_subcommand(name, what);
  sub->fallthrough();
  // Else that of all commands would be taken over.
  sub->footer(example != nullptr ? std::string("\nExample:\n  ") + example
                                 : fmt::format("\n`ingot {} COMMAND --help` says more.", name));
  if (run) runs_.emplace(sub, std::move(run));
  return sub;
}

void CommandLine::listing(CLI::App* sub) {
  sub->add_option("-o,--output", in_.output, "json")
      ->check(CLI::IsMember({"json", "table"}))
      ->type_name("FORMAT");
}

void CommandLine::add_factory_commands() {
  auto* up = command(app_, "up", "Start the factory", "sudo ingot up --gpus simulated:2x8xH100-80GB --detach",
                     [this] { return ingot::up(in_.common, in_.up); });
  up->add_option("--listen", in_.up.listen, "where clients connect")
      ->type_name("ADDR:PORT")
      ->capture_default_str();
  up->add_option("--gpus", in_.up.gpus, "auto, none, simulated:NODESxGPUSxMODEL or simulated:FILE")
      ->type_name("GPUS")
      ->capture_default_str();
  up->add_option("--hollow", in_.up.hollow, "nodes whose pods follow a script and run nothing")
      ->type_name("NODESxGPUSxMODEL");
  up->add_option("--gpu-return-after", in_.up.gpu_return_after,
                 "how long a faulty GPU must be clean before it is given again")
      ->type_name("DURATION")
      ->capture_default_str();
  up->add_option("--git-root", in_.up.git_root,
                 "a folder beneath which tenants' repositories may be file:// remotes; none if not given")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory);
  up->add_option("--git-allow", in_.up.git_allow,
                 "addresses that tenants' remotes may have besides public ones, such as 10.1.0.0/16")
      ->type_name("CIDR")
      ->allow_extra_args(false);
  up->add_option("--webhook-allow", in_.up.webhook_allow,
                 "addresses that tenants' webhooks may have besides public ones; only these without TLS")
      ->type_name("CIDR")
      ->allow_extra_args(false);
  up->add_option("--webhook-ca", in_.up.webhook_ca,
                 "authorities, as PEM, that are trusted for webhooks besides the machine's")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
  up->add_flag("--detach", in_.up.detach, "return once the factory answers");
  up->add_option("--ready-fd", in_.up.ready_fd)->group("");
  auto* down = command(app_, "down", "Stop the factory and its pods, and remove what it put on the machine",
                       "ingot down --keep-pods", [this] { return ingot::down(in_.common, in_.keep_pods); });
  down->add_flag("--keep-pods", in_.keep_pods, "let pods run on, for an upgrade");
  listing(command(app_, "status", "What runs, and where", "ingot status -o json",
                  [this] { return ingot::status(in_.common); }));
}

void CommandLine::add_tenant_commands() {
  auto* tenant = command(app_, "tenant", "Teams, each with its own Kubernetes API", nullptr, nullptr);
  tenant->require_subcommand(1);
  auto* create =
      command(*tenant, "create", "Make a tenant", "ingot tenant create vision --gpus 8 --gpus-limit 16",
              [this] { return tenant_create(in_.common, in_.tenant); });
  create->add_option("NAME", in_.tenant.name, "the tenant's name")->required();
  create->add_option("--gpus", in_.tenant.gpus, "GPUs guaranteed")->check(whole_number(0))->type_name("N");
  create->add_option("--gpus-limit", in_.tenant.gpus_limit, "most GPUs at a time; none if not given")
      ->check(whole_number(0))
      ->type_name("N");
  create->add_option("--weight", in_.tenant.weight, "share among waiting tenants")
      ->check(whole_number(1))
      ->type_name("W")
      ->capture_default_str();
  create
      ->add_option("--queue", in_.tenant.queue, "the Queue that its own hangs below, such as a department's")
      ->type_name("QUEUE");
  create
      ->add_option("--storage", in_.tenant.storage,
                   "most that its data sets may take, such as 500Gi; none if not given")
      ->type_name("SIZE");
  listing(create);
  listing(command(*tenant, "list", "All tenants", "ingot tenant list -o json",
                  [this] { return tenant_list(in_.common); }));
  auto* remove =
      command(*tenant, "delete", "Delete a tenant and everything in it", "ingot tenant delete vision",
              [this] { return tenant_delete(in_.common, in_.tenant.name, !in_.no_wait); });
  remove->add_option("NAME", in_.tenant.name, "the tenant's name")->required();
  remove->add_flag("--no-wait", in_.no_wait, "do not wait until it is gone");
  auto* kubeconfig =
      command(*tenant, "kubeconfig",
              "Write credentials for kubectl and print the file's path; `root` gives the operator's own",
              "export KUBECONFIG=$(ingot tenant kubeconfig vision --user ada --ttl 12h)",
              [this] { return tenant_kubeconfig(in_.common, in_.kubeconfig); });
  kubeconfig->add_option("NAME", in_.kubeconfig.tenant, "the tenant's name")->required();
  kubeconfig->add_option("--user", in_.kubeconfig.user, "who it is for")
      ->type_name("U")
      ->capture_default_str();
  kubeconfig
      ->add_option("--group", in_.kubeconfig.groups,
                   "groups of that user; without any, system:masters: the tenant's administrator")
      ->type_name("G")
      ->allow_extra_args(false);
  kubeconfig->add_option("--ttl", in_.kubeconfig.ttl, "how long it is good")
      ->type_name("D")
      ->capture_default_str();
  kubeconfig->add_option("--out", in_.kubeconfig.out, "where to write it; - is standard output")
      ->type_name("FILE");
}

void CommandLine::add_listings() {
  listing(command(app_, "gpus", "The GPU pool and who holds what", "ingot gpus",
                  [this] { return ingot::gpus(in_.common); }));
  listing(command(app_, "queue", "Queues: who holds what, who waits, and for what", "ingot queue",
                  [this] { return ingot::queue(in_.common); }));
  auto* explain = command(app_, "explain", "Why a pod waits, or where it is and why",
                          "ingot explain vision/default/digits-0",
                          [this] { return ingot::explain(in_.common, in_.pod); });
  explain->add_option("POD", in_.pod, "TENANT/NAMESPACE/NAME")->required();
  listing(explain);
  auto* usage = command(app_, "usage", "What each tenant used, and what it costs",
                        "ingot usage --tenant vision --since 7d",
                        [this] { return ingot::usage(in_.common, in_.usage); });
  usage->add_option("--tenant", in_.usage.tenant, "only this one")->type_name("T");
  usage->add_option("--since", in_.usage.since, "only the last 24h, 7d…")->type_name("D");
  listing(usage);
  auto* image = command(app_, "image", "Images that pods may run", nullptr, nullptr);
  image->require_subcommand(1);
  auto* load =
      command(*image, "load", "Load an OCI archive", "ingot image load train.oci.tar --tenant vision",
              [this] { return image_load(in_.common, in_.image); });
  load->add_option("FILE", in_.image.file, "an OCI or docker archive (tar)")
      ->required()
      ->check(CLI::ExistingFile);
  load->add_option("--tenant", in_.image.tenant, "for this tenant only; without it, for all")->type_name("T");
  listing(load);
  add_scans(*image);
  listing(command(app_, "version", "What this program is", "ingot version",
                  [this] { return ingot::version(in_.common); }));
  auto* completion = command(app_, "completion", "A completion script for a shell",
                             "source <(ingot completion bash)", [this] {
                               std::fputs(completion_script(in_.shell, describe(app_)).c_str(), stdout);
                               return int(kOk);
                             });
  completion->add_option("SHELL", in_.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

void CommandLine::add_simulations() {
  auto* simulate =
      command(app_, "simulate", "Traces against the live scheduler, on virtual time", nullptr, nullptr);
  simulate->require_subcommand(1);
  auto* inflate =
      command(*simulate, "inflate", "How full pods that arrive one by one and stay fill a cluster",
              "ingot simulate inflate --nodes nodes.csv --pods pods.csv --seeds 42-51 -o json",
              [this] { return simulate_inflate(in_.common, in_.inflate); });
  inflate->add_option("--nodes", in_.inflate.nodes, "sn,cpu_milli,memory_mib,gpu,model")
      ->required()
      ->type_name("CSV");
  inflate->add_option("--pods", in_.inflate.pods, "name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec]")
      ->required()
      ->type_name("CSV");
  inflate->add_option("--until", in_.inflate.until_pct, "until that much of the GPUs was asked for, in %")
      ->check(CLI::Range(1, 1000))
      ->type_name("PCT")
      ->capture_default_str();
  inflate->add_option("--seeds", in_.inflate.seeds, "a run each")->type_name("N-M")->capture_default_str();
  std::vector<std::string> policies;
  for (const auto& [name, kind] : placement_policies()) policies.push_back(name);
  inflate->add_option("--policy", in_.inflate.policy, "how places are chosen")
      ->check(CLI::IsMember(policies))
      ->type_name("P")
      ->capture_default_str();
  listing(inflate);
  add_replay(*simulate);
  add_export(*simulate);
}

void CommandLine::add_export(CLI::App& simulate) {
  auto* history = command(simulate, "export", "The factory's own history as a trace that replay reads",
                          "ingot simulate export --since 7d --out history.csv --nodes-out nodes.csv",
                          [this] { return simulate_export(in_.common, in_.history); });
  history->add_option("--since", in_.history.since, "only what ended in the last 24h, 7d…, or still runs")
      ->type_name("D");
  history->add_option("--out", in_.history.out, "write it there, not to standard output")->type_name("FILE");
  history->add_option("--nodes-out", in_.history.nodes_out, "write the factory's nodes as well, for --nodes")
      ->type_name("FILE");
}

void CommandLine::add_replay(CLI::App& simulate) {
  ReplayArguments& in = in_.replay;
  auto* replay =
      command(simulate, "replay", "How long the jobs of a trace wait and take",
              "ingot simulate replay --trace july.csv --nodes today.csv --and nodes+2 --report july.html",
              [this] { return simulate_replay(in_.common, in_.replay); });
  replay->add_option("--trace", in.trace, "the jobs")->required()->type_name("CSV");
  replay->add_option("--format", in.format, "openb (and what export writes) or muri")
      ->check(CLI::IsMember({"openb", "muri"}))
      ->type_name("F")
      ->capture_default_str();
  auto* nodes =
      replay->add_option("--nodes", in.nodes, "sn,cpu_milli,memory_mib,gpu,model")->type_name("CSV");
  replay->add_option("--gpus", in.gpus, "instead of nodes: so many, on nodes of 8")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N")
      ->excludes(nodes);
  std::vector<std::string> policies;
  std::string what = "whose turn it is, and where:";
  for (const auto& p : replay::replay_policies()) {
    policies.emplace_back(p.name);
    what += fmt::format("\n  {}: {}", p.name, p.what);
  }
  in.policy = policies.front();
  replay->add_option("--policy", in.policy, what)
      ->check(CLI::IsMember(policies))
      ->type_name("P")
      ->capture_default_str();
  replay->add_flag("--known-runtimes", in.known_runtimes, "the policy is told how long each job runs");
  replay
      ->add_option("--tenants", in.tenants,
                   "spread the jobs over so many tenants of equal weight, hour by hour")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  replay->add_option("--quotas", in.quotas, "Queue objects; a queue is its namesake tenant's")
      ->type_name("YAML");
  replay->add_option("--seed", in.seed, "of what is left to chance")->capture_default_str()->type_name("N");
  replay
      ->add_option("--and", in.changes,
                   "beside it, one change: nodes+2, nodes=F.csv, policy=fifo, queue:NAME.limit=8")
      ->type_name("CHANGE")
      ->take_all();
  replay->add_option("--csv", in.csv, "write what became of each job")->type_name("FILE");
  replay->add_option("--report", in.report, "write a page with plots")->type_name("FILE");
  listing(replay);
}

int CommandLine::run(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return e.get_exit_code() == 0 ? app_.exit(e) : wrong(e);
  }
  in_.common.json = in_.output == "json";
  in_.common.data_named = app_.get_option("--data")->count() > 0;
  return runs_.at(&chosen())();
}

int run_command_line(int argc, char** argv) {
  CommandLine line;
  return line.run(argc, argv);
}

}  // namespace ingot
