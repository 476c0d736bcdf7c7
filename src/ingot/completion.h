// Completion scripts for shells, from the commands and options there are. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace ingot {

struct CommandWords {
  std::string path;  // "tenant create"; "" for the program itself
  std::vector<std::string> commands, options;
  std::vector<std::pair<std::string, std::string>> choices;  // "--class|--c", "public internal"
};
std::vector<CommandWords> describe(const CLI::App&);
std::string completion_script(const std::string& shell, const std::vector<CommandWords>&);

}  // namespace ingot
