#include "ingot/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

namespace ingot {
namespace {

std::string joined(const CommandWords& words) {
  std::string text;
  for (const auto* list : {&words.commands, &words.options})
    for (const std::string& word : *list) text += (text.empty() ? "" : " ") + word;
  return text;
}

void collect(const CLI::App& app, const std::string& path, const std::vector<std::string>& inherited,
             std::vector<CommandWords>& all) {
  CommandWords words{.path = path, .options = inherited};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) words.options.push_back("--" + name);
  }
  const auto children = app.get_subcommands(nullptr);
  for (const CLI::App* child : children) words.commands.push_back(child->get_name());
  all.push_back(std::move(words));
  for (const CLI::App* child : children)
    collect(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), {"--data"}, all);
}

// Both shells: the words before the cursor that are commands name the case.
std::string cases(const std::vector<CommandWords>& all) {
  std::string text;
  for (const CommandWords& words : all)
    text += fmt::format("    \"{}\") offer=\"{}\" ;;\n", words.path, joined(words));
  return text;
}

std::string command_list(const std::vector<CommandWords>& all) {
  std::string text;
  for (const CommandWords& words : all)
    for (const std::string& command : words.commands) text += (text.empty() ? "" : "|") + command;
  return text;
}

std::string bash(const std::vector<CommandWords>& all) {
  return fmt::format(R"(_ingot() {{
  local word seen="" offer=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in {}) seen="${{seen:+$seen }}$word" ;; esac
  done
  case $seen in
{}  esac
  COMPREPLY=($(compgen -W "$offer" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _ingot ingot
)",
                     command_list(all), cases(all));
}

std::string zsh(const std::vector<CommandWords>& all) {
  return fmt::format(R"(#compdef ingot
_ingot() {{
  local word seen="" offer=""
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case $word in {}) seen="${{seen:+$seen }}$word" ;; esac
  done
  case $seen in
{}  esac
  compadd -- ${{=offer}}
  _files
}}
compdef _ingot ingot
)",
                     command_list(all), cases(all));
}

std::string fish(const std::vector<CommandWords>& all) {
  std::string text = "complete -c ingot -f\n";
  for (const CommandWords& words : all) {
    std::string condition = "__fish_use_subcommand";
    if (!words.path.empty()) {
      condition.clear();
      std::string_view rest = words.path;
      while (!rest.empty()) {
        const size_t end = std::min(rest.find(' '), rest.size());
        condition += fmt::format("{}__fish_seen_subcommand_from {}", condition.empty() ? "" : "; and ",
                                 rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
    for (const std::string& command : words.commands)
      text += fmt::format("complete -c ingot -n '{}' -a {}\n", condition, command);
    for (const std::string& option : words.options)
      text += fmt::format("complete -c ingot -n '{}' -l {}\n", condition, option.substr(2));
  }
  return text;
}

}  // namespace

std::vector<CommandWords> describe(const CLI::App& app) {
  std::vector<CommandWords> all;
  collect(app, "", {}, all);
  return all;
}

std::string completion_script(const std::string& shell, const std::vector<CommandWords>& all) {
  if (shell == "bash") return bash(all);
  return shell == "zsh" ? zsh(all) : fish(all);
}

}  // namespace ingot
