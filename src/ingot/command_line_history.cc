// The commands about what was.
#include "ingot/command_tree.h"

namespace ingot {

CLI::App* CommandLine::lineage_command(CLI::App& parent, const char* what, const char* example,
                                       int (*run)(const Common&, const LineageOptions&)) {
  LineageOptions& in = in_.lineage;
  auto* sub = command(parent, "lineage", what, example, [this, run] { return run(in_.common, in_.lineage); });
  sub->add_option("--tenant", in.tenant, "whose; may be left out where there is one")->type_name("T");
  sub->add_option("--way", in.way, "up: what it came from; down: what came of it")
      ->check(CLI::IsMember({"up", "down", "both"}))
      ->type_name("WAY")
      ->capture_default_str();
  sub->add_option("--nodes", in.nodes, "no more than that")
      ->check(CLI::Range(1, 5'000))
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("-o,--output", in.format, "json, svg, or events of openlineage")
      ->check(CLI::IsMember({"json", "svg", "openlineage", "table"}))
      ->type_name("FORMAT");
  return sub;
}

void CommandLine::add_history() {
  auto* sub = lineage_command(app_, "What something came from, and what came of it, also when it was deleted",
                              "ingot lineage dataset/digits@3 --tenant vision", lineage);
  sub->add_option(
         "KIND/NAME", in_.lineage.of,
         "model/NAME[@VERSION], dataset/NAME@VERSION, dataset/DIGEST, commit/SHA, run/NAME or image/DIGEST")
      ->required();
  sub->add_option("-n,--namespace", in_.lineage.ns, "of a data set or a run")
      ->type_name("N")
      ->capture_default_str();
  AuditOptions& in = in_.audit;
  auto* log = command(app_, "audit", "Who did what, and with which outcome",
                      "ingot audit --tenant vision --resource models --since 7d",
                      [this] { return ingot::audit(in_.common, in_.audit); });
  log->add_option("--tenant", in.tenant, "in whose cluster; all of them if not given")->type_name("T");
  log->add_option("--user", in.user, "by that one")->type_name("U");
  log->add_option("--verb", in.verb, "create, update, patch, delete…")->type_name("V");
  log->add_option("--resource", in.resource, "models, pods, budgets…")->type_name("R");
  log->add_option("--name", in.name, "of the object")->type_name("NAME");
  log->add_flag("--changes", in.changes, "only what wrote something");
  log->add_flag("--denied", in.denied, "only what was refused");
  log->add_option("--since", in.since, "the last 24h, 7d…")->type_name("D")->capture_default_str();
  log->add_option("--last", in.last, "of those only the last so many")
      ->check(whole_number(1))
      ->type_name("N");
  listing(log);
}

}  // namespace ingot
