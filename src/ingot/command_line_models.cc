// The commands about models.
#include "ingot/command_tree.h"

namespace ingot {

void CommandLine::add_models() {
  ModelOptions& in = in_.model;
  auto* model = command(app_, "model", "Models of tenants: in versions, signed, promoted and rolled back",
                        nullptr, nullptr);
  model->require_subcommand(1);
  const auto add = [&](CLI::App& parent, const char* name, const char* what, const char* example, auto run) {
    auto* sub = command(parent, name, what, example, [this, run] { return run(in_.common, in_.model); });
    sub->add_option("--tenant", in.tenant, "whose; may be left out where there is one")->type_name("T");
    listing(sub);
    return sub;
  };
  const auto named = [&](const char* name, const char* what, const char* example, auto run, const char* of) {
    auto* sub = add(*model, name, what, example, run);
    sub->add_option(of, in.name, "[TENANT/]NAME, and which version: a number or an alias")->required();
    return sub;
  };
  const auto keys = [&](CLI::App* sub, const char* what) {
    sub->add_option("--key", in.keys, what)
        ->check(CLI::ExistingFile)
        ->type_name("FILE")
        ->allow_extra_args(false);
    sub->add_option("--bundle", in.bundle, "the signature; DIR.sig if not given")->type_name("FILE");
  };
  add(*model, "list", "Models, and their newest versions", "ingot model list --tenant vision", model_list);
  named("show", "The versions of a model", "ingot model show vision/digits", model_show, "NAME");
  lineage_command(
      *model,
      "What a version came from: run, commit, data, images, cost; who promoted it, and what came of it",
      "ingot model lineage vision/digits@4 -o svg > digits.svg", model_lineage)
      ->add_option("NAME[@VERSION]", in_.lineage.of,
                   "[TENANT/]NAME, and which version: the newest if not given")
      ->required();
  auto* verify = add(*model, "verify",
                     "Check that files are those that were signed: a directory, offline with the public "
                     "key alone, or a version in the factory",
                     "ingot model verify ./digits --key factory.pub", model_verify);
  verify->add_option("DIR|NAME[@VERSION]", in.name, "what is checked")->required();
  keys(verify, "a public key to trust; the running factory's if not given");
  auto* sign = add(*model, "sign", "Sign a directory with a key of your own",
                   "ingot model sign ./digits --key my.pem", model_sign);
  sign->add_option("DIR", in.path, "the files")->required()->check(CLI::ExistingPath);
  keys(sign, "the private key, ECDSA on P-256");
  auto* fetch = named(
      "export", "Write a version's files into an empty directory, and its signature and provenance beside it",
      "ingot model export vision/digits@4 ./digits", model_export, "NAME[@VERSION]");
  fetch->add_option("DIR", in.path, "an empty directory, or one to make")->required();
  auto* diff = named("diff", "What differs between two versions",
                     "ingot model diff vision/digits@3 vision/digits@4", model_diff, "BEFORE");
  diff->add_option("AFTER", in.other, "the other one")->required();
  auto* more =
      named("import", "Add a version that was made elsewhere; it is marked as of unsigned origin",
            "ingot model import vision/digits ./digits --attestation digits.sig", model_import, "NAME");
  more->add_option("PATH", in.path, "a directory, a tar archive or a file")
      ->required()
      ->check(CLI::ExistingPath);
  more->add_option("--attestation", in.attestations, "a sigstore bundle that it brings")
      ->check(CLI::ExistingFile)
      ->type_name("FILE")
      ->allow_extra_args(false);
  more->add_option("--source", in.source, "where it comes from")->type_name("URL");
  more->add_option("--description", in.description, "what it is")->type_name("TEXT");
  for (auto* sub : {named("promote", "Let an alias name a version", "ingot model promote vision/digits@4",
                          model_promote, "NAME@VERSION"),
                    named("rollback", "Let an alias name the version again that it named before",
                          "ingot model rollback vision/digits", model_rollback, "NAME")})
    sub->add_option("--alias", in.alias, "which alias; production if not given")->type_name("A");
  auto* rename = named("rename", "Call a model otherwise; versions, aliases and signatures stay",
                       "ingot model rename vision/digits handwriting", model_rename, "NAME");
  rename->add_option("NEW", in.other, "its new name")->required();
  named("delete", "Delete a version, or a model with all of them", "ingot model delete vision/digits@2",
        model_delete, "NAME[@VERSION]");
  auto* key = command(*model, "key", "The keys that the factory signs with", nullptr, nullptr);
  key->require_subcommand(1);
  const auto of_keys = [&](const char* name, const char* what, const char* example, auto run) {
    auto* sub = command(*key, name, what, example, [this, run] { return run(in_.common, in_.model); });
    listing(sub);
    return sub;
  };
  of_keys("list", "All of them: what an old one signed stays valid", "ingot model key list", model_key_list);
  auto* pem =
      of_keys("export", "The public key, as PEM", "ingot model key export > factory.pub", model_key_export);
  pem->add_option("KEY", in.name, "the beginning of its id; the one that signs if not given");
  pem->add_option("--out", in.path, "into a file")->type_name("FILE");
  of_keys("rotate", "Sign with a new key from now on", "ingot model key rotate", model_key_rotate);
}

}  // namespace ingot
