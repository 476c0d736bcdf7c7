// What is said to who typed what no command understands.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "ingot/command_tree.h"
#include "ingot/output.h"

namespace ingot {
namespace {

// How many letters one is from the other.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = corner + (a[i - 1] != b[j - 1]);
      corner = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string path_of(const CLI::App& app) {
  return app.get_parent() ? path_of(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

// Of the commands below `app` those that may have been meant; all, where they are few.
std::string meant(const CLI::App& app, std::string_view typed) {
  constexpr size_t kFew = 8, kTypo = 2;
  std::string near, all;
  const auto below = app.get_subcommands(nullptr);
  for (const CLI::App* one : below) {
    const std::string& name = one->get_name();
    all += (all.empty() ? "" : ", ") + name;
    if (!typed.empty() && distance(typed, name) <= kTypo) near += (near.empty() ? "" : " or ") + name;
  }
  if (!near.empty()) return "is " + near + " meant?";
  return below.size() <= kFew ? "there are " + all : "";
}

}  // namespace

CLI::Validator whole_number(int64_t least) {
  return CLI::Validator(
      [least](std::string& text) {
        int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool fine = error == std::errc() && end == text.data() + text.size() && value >= least;
        return fine ? "" : fmt::format("\"{}\" is no whole number from {} on", text, least);
      },
      "");
}

const CLI::App& CommandLine::chosen() const {
  const CLI::App* app = &app_;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return *app;
}

int CommandLine::wrong(const CLI::ParseError& e) {
  const CLI::App& app = chosen();
  const std::string path = path_of(app);
  std::string what = e.what();
  if (!app.get_subcommands(nullptr).empty()) {  // a group, of which no command was named
    const std::vector<std::string> unknown = app_.remaining(true);
    const std::string hint = meant(app, unknown.empty() ? "" : unknown.front());
    what = unknown.empty() ? fmt::format("which command of `{}`?", path)
                           : fmt::format("there is no command `{} {}`:", path, unknown.front());
    what += (hint.empty() ? "" : " ") + hint;
    if (what.ends_with(':')) what.pop_back();
  }
  if (path == "ingot run" && dynamic_cast<const CLI::ExtrasError*>(&e) != nullptr)
    what += "\n  what is run goes after --, such as `ingot run -- ls -la`";
  (void)failed(fmt::format("{}\n  see `{} --help`", what, path));
  return kUsage;
}

}  // namespace ingot
