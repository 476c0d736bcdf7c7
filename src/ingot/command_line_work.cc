// The commands about data sets, repositories and runs.
#include "ingot/command_tree.h"

namespace ingot {

void CommandLine::add_datasets() {
  DatasetOptions& in = in_.dataset;
  auto* dataset = command(app_, "dataset", "Data sets of tenants, in versions", nullptr, nullptr);
  dataset->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, const char* example, auto run) {
    auto* sub = command(*dataset, name, what, example, [this, run] { return run(in_.common, in_.dataset); });
    sub->add_option("--tenant", in.tenant, "whose; may be left out where there is one")->type_name("T");
    sub->add_option("-n,--namespace", in.ns, "where in its cluster")->type_name("NS")->capture_default_str();
    listing(sub);
    return sub;
  };
  auto* more = add("add", "Add a version: a directory, a tar archive or a file",
                   "ingot dataset add digits ./digits --tenant vision --class public", dataset_add);
  more->add_option("NAME", in.name, "the data set's name")->required();
  auto* path = more->add_option("PATH", in.path, "what it holds")->check(CLI::ExistingPath);
  auto* run = more->add_option("--from-run", in.run, "an artifact that a run left, instead of a path")
                  ->type_name("RUN[/NODE]:ARTIFACT");
  path->excludes(run);
  more->add_option("--class", in.classification, "who may see it; internal if not given")
      ->check(CLI::IsMember({"public", "internal", "confidential", "restricted"}))
      ->type_name("C");
  more->add_option("--region", in.region, "where it must stay")->type_name("R");
  more->add_option("--message", in.message, "what is new in this version")->type_name("M");
  add("list", "Data sets and their newest versions", "ingot dataset list --tenant vision", dataset_list);
  auto* show =
      add("show", "The versions of a data set", "ingot dataset show digits --tenant vision", dataset_show);
  show->add_option("NAME", in.name, "the data set's name")->required();
  auto* get = add("get", "Write a version's files into an empty directory, every byte checked",
                  "ingot dataset get digits@2 ./digits --tenant vision", dataset_get);
  get->add_option("NAME[@VERSION]", in.name, "the newest version unless one is given")->required();
  get->add_option("DIR", in.path, "an empty directory, or one to make")->required();
}

void CommandLine::add_repositories() {
  RepoOptions& in = in_.repo;
  auto* repo = command(app_, "repo", "Git repositories whose pushes start pipelines", nullptr, nullptr);
  repo->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, const char* example, auto run) {
    auto* sub = command(*repo, name, what, example, [this, run] { return run(in_.common, in_.repo); });
    sub->add_option("--tenant", in.tenant, "whose; may be left out where there is one")->type_name("T");
    sub->add_option("-n,--namespace", in.ns, "where in its cluster")->type_name("NS")->capture_default_str();
    listing(sub);
    return sub;
  };
  auto* more =
      add("add", "Watch a repository",
          "ingot repo add digits https://github.com/acme/digits --branch main --webhook github", repo_add);
  more->add_option("NAME", in.name, "what it is called here")->required();
  more->add_option("URL", in.url, "https://, ssh:// or file://")->required();
  more->add_option("--branch", in.branches,
                   "branches to react to, such as main or release/*; all if not given")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  more->add_option("--path", in.paths, "only when one of these changed, such as src/**")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  more->add_option("--pipeline", in.pipeline, "the Workflow in it; .ingot/pipeline.yaml if not given")
      ->type_name("PATH");
  more->add_option("--interval", in.interval, "how often it is asked; 1m if not given")->type_name("D");
  more->add_option("--service-account", in.service_account, "what its runs run as; default if not given")
      ->type_name("SA");
  more->add_option("--username", in.username, "who asks; git if not given")->type_name("U");
  auto* token =
      more->add_option("--token-file", in.token_file, "a file with a token or password that may read it")
          ->check(CLI::ExistingFile)
          ->type_name("FILE");
  more->add_option("--ssh-key", in.ssh_key, "a private key that may read it")
      ->check(CLI::ExistingFile)
      ->type_name("FILE")
      ->excludes(token);
  more->add_option("--known-hosts", in.known_hosts, "the host's keys, for ssh")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  more->add_option("--signed-by", in.signers, "a file of SSH public keys: only commits that they signed run")
      ->check(CLI::ExistingFile)
      ->type_name("FILE")
      ->allow_extra_args(false);
  more->add_option("--webhook", in.webhook, "make a secret for webhooks of such a host")
      ->check(CLI::IsMember({"github", "gitlab", "gitea", "forgejo"}))
      ->type_name("HOST");
  more->add_option("--status-token-file", in.status_file,
                   "a file with a token that may set states of commits")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  more->add_flag("--no-wait", in.no_wait, "do not wait until it was read");
  add("list", "Repositories, and what they started last", "ingot repo list --tenant vision", repo_list);
  auto* sync = add("sync", "Look at a repository now", "ingot repo sync digits --tenant vision", repo_sync);
  sync->add_option("NAME", in.name, "which")->required();
  sync->add_flag("--no-wait", in.no_wait, "do not wait until it was read");
  auto* runs =
      add("runs", "What a repository's pushes started", "ingot repo runs digits --tenant vision", repo_runs);
  runs->add_option("NAME", in.name, "which")->required();
}

void CommandLine::add_run() {
  RunOptions& in = in_.run;
  auto* run = command(
      app_, "run",
      "Run a command in this directory on the factory: what git would not ignore goes along, its output "
      "comes as it is written, and what it leaves in outputs/ comes back",
      "ingot run --gpus 1 --data digits -- python3 train.py",
      [this] { return ingot::run(in_.common, in_.run); });
  run->add_option("COMMAND", in.command, "after --: what is run, in /work of the container")->required();
  run->add_option("--gpus", in.gpus, "how many GPUs")->check(whole_number(0))->type_name("N");
  run->add_option("--image", in.image, "in which image; `trainer` where it is loaded")->type_name("I");
  run->add_option("--data", in.datasets,
                  "a data set, read-only at /data/NAME; the newest version unless one is given")
      ->type_name("NAME[@VERSION]")
      ->allow_extra_args(false);
  run->add_option("--env", in.env, "a variable; without a value it is the one set here")
      ->type_name("K[=V]")
      ->allow_extra_args(false);
  run->add_option("--cpu", in.cpu, "CPUs, such as 2 or 500m")->type_name("C");
  run->add_option("--memory", in.memory, "memory, such as 4Gi")->type_name("M");
  run->add_option("--name", in.name, "what it is called; made from the command if not given")
      ->type_name("NAME");
  run->add_option("--queue", in.queue, "which queue it waits in")->type_name("Q");
  run->add_option("--max-size", in.max_size, "most that goes along; 512Mi if not given")->type_name("SIZE");
  run->add_flag("--detach", in.detach, "print its name and leave it to itself");
  run->add_option("--tenant", in.tenant, "whose; may be left out where there is one")->type_name("T");
  run->add_option("-n,--namespace", in.ns, "where in its cluster")->type_name("NS")->capture_default_str();
  listing(run);
}

void CommandLine::add_runs() {
  RunsOptions& in = in_.runs;
  auto* runs =
      command(app_, "runs", "Runs of tenants: every Workflow, however it was started", nullptr, nullptr);
  runs->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, const char* example, auto act) {
    auto* sub = command(*runs, name, what, example, [this, act] { return act(in_.common, in_.runs); });
    sub->add_option("--tenant", in.tenant, "whose; may be left out where there is one")->type_name("T");
    sub->add_option("-n,--namespace", in.ns, "where in its cluster")->type_name("NS")->capture_default_str();
    listing(sub);
    return sub;
  };
  add("list", "Runs, the newest first", "ingot runs list --tenant vision", runs_list);
  const auto named = [&](const char* name, const char* what, const char* example, auto act) {
    auto* sub = add(name, what, example, act);
    sub->add_option("NAME", in.name, "the run's name")->required();
    return sub;
  };
  named("show", "What a run is made of, and how each part stands", "ingot runs show train-x8f2k", runs_show);
  auto* logs = named("logs", "What a run has written", "ingot runs logs -f train-x8f2k", runs_logs);
  logs->add_option("NODE", in.node, "only that of this part, as `ingot runs show` names it");
  logs->add_flag("-f,--follow", in.follow, "until the run is over");
  named("outputs", "Bring what a run left in outputs/ into ./outputs", "ingot runs outputs train-x8f2k",
        runs_outputs);
  named("retry", "Begin again what failed; what went well stays", "ingot runs retry train-x8f2k", runs_retry);
  auto* stop =
      named("stop", "Stop a run; its exit handlers still run", "ingot runs stop train-x8f2k", runs_stop);
  stop->add_flag("--now", in.now, "those neither");
}

}  // namespace ingot
