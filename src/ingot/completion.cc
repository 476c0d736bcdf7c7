#include "ingot/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace ingot {
namespace {

std::string joined(const std::vector<std::string>& words, char between = ' ') {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : std::string(1, between)) + word;
  return text;
}

// "public internal" of a type that is shown as "C:{public,internal}"; "" of another.
std::string choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{'), close = type.find('}');
  if (open == type.npos || close == type.npos || close < open) return "";
  std::string words = type.substr(open + 1, close - open - 1);
  std::ranges::replace(words, ',', ' ');
  return words;
}

void collect(const CLI::App& app, const std::string& path, const std::vector<std::string>& inherited,
             std::vector<CommandWords>& all) {
  CommandWords words{.path = path, .options = inherited};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    std::vector<std::string> names;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    std::erase_if(words.options,
                  [&](const std::string& known) { return std::ranges::find(names, known) != names.end(); });
    words.options.insert(words.options.end(), names.begin(), names.end());
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    const std::string choices = choices_of(*option);
    if (choices.empty()) continue;
    if (names.empty())  // no option: a word of its own
      words.commands.push_back(choices);
    else
      words.choices.emplace_back(joined(names, '|'), choices);
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
  for (const CommandWords& words : all) {
    text += fmt::format("    \"{}\")\n      commands=\"{}\" options=\"{}\"\n", words.path,
                        joined(words.commands), joined(words.options));
    if (!words.choices.empty()) text += "      case $before in\n";
    for (const auto& [names, choices] : words.choices)
      text += fmt::format("        {}) offer=\"{}\" ;;\n", names, choices);
    text += words.choices.empty() ? "      ;;\n" : "      esac ;;\n";
  }
  return text;
}

std::string paths(const std::vector<CommandWords>& all) {
  std::string text;
  for (const CommandWords& words : all)
    if (!words.path.empty()) text += fmt::format("{}\"{}\"", text.empty() ? "" : "|", words.path);
  return text;
}

// What is neither a command nor an option is left to the shell: a file.
std::string bash(const std::vector<CommandWords>& all) {
  return fmt::format(R"(_ingot() {{
  local word seen="" commands="" options="" offer="" now="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
  COMPREPLY=()
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    [[ $word == -- ]] && return
    case "${{seen:+$seen }}$word" in {}) seen="${{seen:+$seen }}$word" ;; esac
  done
  case $seen in
{}  esac
  [[ $offer ]] || case $now in -*) offer=$options ;; *) offer=$commands ;; esac
  COMPREPLY=($(compgen -W "$offer" -- "$now"))
}}
complete -o default -F _ingot ingot
)",
                     paths(all), cases(all));
}

std::string zsh(const std::vector<CommandWords>& all) {
  return fmt::format(R"(#compdef ingot
_ingot() {{
  local word seen="" commands="" options="" offer="" now="${{words[CURRENT]}}" before="${{words[CURRENT-1]}}"
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    [[ $word == -- ]] && {{ _files; return }}
    case "${{seen:+$seen }}$word" in {}) seen="${{seen:+$seen }}$word" ;; esac
  done
  case $seen in
{}  esac
  [[ $offer ]] || case $now in -*) offer=$options ;; *) offer=$commands ;; esac
  compadd -- ${{=offer}}
  [[ $offer ]] || _files
}}
compdef _ingot ingot
)",
                     paths(all), cases(all));
}

std::string fish(const std::vector<CommandWords>& all) {
  std::string text = "complete -c ingot -n __fish_use_subcommand -f\n";
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
      text += fmt::format("complete -c ingot -n '{}' -a '{}'\n", condition, command);
    for (const std::string& option : words.options) {
      const auto of = std::ranges::find_if(
          words.choices, [&](const auto& c) { return (c.first + "|").starts_with(option + "|"); });
      text += fmt::format("complete -c ingot -n '{}' -l {}{}\n", condition, option.substr(2),
                          of == words.choices.end() ? "" : fmt::format(" -x -a '{}'", of->second));
    }
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
