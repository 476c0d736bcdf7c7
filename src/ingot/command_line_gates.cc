// The commands about gates, and scans of images.
#include "ingot/command_tree.h"

namespace ingot {

void CommandLine::add_gates() {
  GateOptions& in = in_.gate;
  auto* gate =
      command(app_, "gate", "Gates: what may run, and which models may be promoted", nullptr, nullptr);
  gate->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, const char* example, auto run) {
    auto* sub = command(*gate, name, what, example, [this, run] { return run(in_.common, in_.gate); });
    listing(sub);
    return sub;
  };
  add("list", "All gates, and for whom they are", "ingot gate list", gate_list);
  add("show", "A gate's rules, and the exceptions to them", "ingot gate show production", gate_show)
      ->add_option("GATE", in.gate, "its name")
      ->required();
  auto* check = add("check", "What gates would say of a Pod, Job, Workflow or WorkflowTemplate",
                    "ingot gate check -f train.yaml --tenant vision", gate_check);
  check->add_option("-f,--filename", in.file, "the object, YAML or JSON")
      ->required()
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  check->add_option("--tenant", in.tenant, "whose; may be left out where there is one")->type_name("T");
  check->add_option("-n,--namespace", in.ns, "where")->type_name("NS")->capture_default_str();
  auto* except = add(
      "except", "Let somebody pass a rule for a time; who approves is who asks this",
      "ingot gate except production --rule images --tenant vision --workflow 'train-*' --reason \"scan is "
      "late\" --for 24h",
      gate_except);
  except->add_option("GATE", in.gate, "its name")->required();
  except->add_option("--rule", in.rule, "which of its rules; every one if not given")->type_name("R");
  except->add_option("--tenant", in.tenant, "for whom")->required()->type_name("T");
  except->add_option("-n,--namespace", in.target_ns, "only there")->type_name("NS");
  auto* pod =
      except->add_option("--pod", in.pod, "only pods of this name, or pattern with *")->type_name("P");
  auto* workflow =
      except->add_option("--workflow", in.workflow, "only Workflows of this name, and their pods")
          ->type_name("W");
  auto* model = except->add_option("--model", in.model, "only promotions of this model")->type_name("M");
  pod->excludes(workflow)->excludes(model);
  workflow->excludes(model);
  except->add_option("--reason", in.reason, "why, for who reads it later")->required()->type_name("TEXT");
  except->add_option("--for", in.lasts, "how long, such as 24h or 7d")->required()->type_name("D");
  auto* verdicts = add("verdicts", "What gates said: with -o json as SLSA verification summaries",
                       "ingot gate verdicts --tenant vision --since 24h", gate_verdicts);
  verdicts->add_option("--tenant", in.tenant, "only of its work")->type_name("T");
  verdicts->add_option("--since", in.since, "only the last 24h, 7d…")->type_name("D");
}

void CommandLine::add_scans(CLI::App& image) {
  auto* scan = command(image, "scan", "What scanners found in images", nullptr, nullptr);
  scan->require_subcommand(1);
  auto* add =
      command(*scan, "add", "Keep a report, Trivy's JSON or CycloneDX, for gates to judge by",
              "trivy image --format json --input train.tar > report.json; ingot image scan add report.json",
              [this] { return image_scan_add(in_.common, in_.image); });
  add->add_option("FILE", in_.image.file, "the report")->required()->check(CLI::ExistingFile);
  add->add_option("--image", in_.image.image,
                  "of which image of the factory; as the report says if not given")
      ->type_name("REF");
  add->add_option("--tenant", in_.image.tenant, "whose image, where it is not for all")->type_name("T");
  listing(add);
  listing(command(*scan, "list", "All reports, by image", "ingot image scan list",
                  [this] { return image_scan_list(in_.common, in_.image); }));
}

}  // namespace ingot
