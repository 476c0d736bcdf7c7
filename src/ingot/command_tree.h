// The tree of commands and what was given to them: for the files that build it. CLI11 is heavy: keep them few.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <string>

#include "ingot/commands.h"

namespace ingot {

struct Parsed {
  Common common;
  std::string output;
  UpOptions up;
  bool keep_pods = false, no_wait = false;
  TenantOptions tenant;
  KubeconfigOptions kubeconfig;
  UsageOptions usage;
  BudgetOptions budget;
  ImageOptions image;
  GateOptions gate;
  DatasetOptions dataset;
  ModelOptions model;
  LineageOptions lineage;
  AuditOptions audit;
  RepoOptions repo;
  RunOptions run;
  RunsOptions runs;
  InflateOptions inflate;
  ReplayArguments replay;
  ExportOptions history;
  std::string shell, pod;
};

using Action = std::function<int()>;

// CLI11's own checks name the bounds of a double.
CLI::Validator whole_number(int64_t least);

class CommandLine {
 public:
  CommandLine();
  int run(int argc, char** argv);

 private:
  int wrong(const CLI::ParseError&);  // says what is wrong with what was typed, and what would be right
  const CLI::App& chosen() const;
  CLI::App* command(CLI::App& parent, const char* name, const char* what, const char* example, Action run);
  void listing(CLI::App*);
  void add_factory_commands();
  void add_tenant_commands();
  void add_listings();
  void add_budgets();
  void add_datasets();
  void add_models();
  void add_history();
  void add_gates();
  void add_scans(CLI::App& image);
  CLI::App* lineage_command(CLI::App& parent, const char* what, const char* example,
                            int (*run)(const Common&, const LineageOptions&));
  void add_repositories();
  void add_run();
  void add_runs();
  void add_simulations();
  void add_replay(CLI::App& simulate);
  void add_export(CLI::App& simulate);

  CLI::App app_{"Ingot turns machines with GPUs into a secure multi-tenant AI factory.", "ingot"};
  Parsed in_;
  std::map<const CLI::App*, Action> runs_;
};

}  // namespace ingot
