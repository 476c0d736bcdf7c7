#include "workflow/resource_flags.h"

#include <algorithm>
#include <functional>

#include "api/selector.h"

namespace ingot::workflow {

using api::string_at;

namespace {

constexpr size_t kMostFlags = 32;

std::unexpected<std::string> wrong(std::string text) {
  return std::unexpected("resource.flags: " + std::move(text));
}

struct Choice {
  std::string_view value, query;
};
// Flags that become a parameter of the request; the first choice is that of a flag without a value.
struct Option {
  std::string_view flag;
  std::vector<Choice> choices;
};
const std::vector<Option>& options() {
  static const std::vector<Option> all = {
      {"--validate",
       {{"true", "&fieldValidation=Strict"},
        {"strict", "&fieldValidation=Strict"},
        {"warn", "&fieldValidation=Warn"},
        {"false", "&fieldValidation=Ignore"},
        {"ignore", "&fieldValidation=Ignore"}}},
      {"--dry-run", {{"server", "&dryRun=All"}, {"none", ""}}},
      {"--cascade",
       {{"background", "&propagationPolicy=Background"},
        {"true", "&propagationPolicy=Background"},
        {"foreground", "&propagationPolicy=Foreground"},
        {"orphan", "&propagationPolicy=Orphan"},
        {"false", "&propagationPolicy=Orphan"}}},
      {"--ignore-not-found", {{"true", ""}}},
      {"--wait", {{"true", ""}, {"false", ""}}},
      {"--output", {{"json", ""}, {"yaml", ""}, {"name", ""}}},
      {"-o", {{"json", ""}, {"yaml", ""}, {"name", ""}}},
  };
  return all;
}

}  // namespace

Or<ResourceFlags> read_flags(const JsonArray& flags) {
  ResourceFlags out;
  if (flags.size() > kMostFlags) return wrong("too many");
  std::vector<std::string> words;
  for (size_t i = 0; i < flags.size(); ++i) {
    const std::string text(string_at(flags[i], {}));
    if (!text.starts_with('-')) {
      words.push_back(text);
      continue;
    }
    const size_t equals = std::min(text.find('='), text.size());
    const std::string flag = text.substr(0, equals);
    std::optional<std::string> value;
    if (equals < text.size()) value = text.substr(equals + 1);
    std::string* const to = flag == "-n" || flag == "--namespace"  ? &out.ns
                            : flag == "--subresource"              ? &out.subresource
                            : flag == "-l" || flag == "--selector" ? &out.selector
                                                                   : nullptr;
    if (to) {
      if (!value && i + 1 < flags.size()) value = std::string(string_at(flags[++i], {}));
      if (!value || value->empty()) return wrong(flag + " needs a value");
      *to = *value;
      continue;
    }
    const auto known = std::ranges::find(options(), flag, &Option::flag);
    if (known == options().end()) return wrong(flag + " is not implemented");
    const bool apart = (flag == "-o" || flag == "--output") && !value && i + 1 < flags.size();
    if (apart) value = std::string(string_at(flags[++i], {}));
    const auto choice =
        value ? std::ranges::find(known->choices, *value, &Choice::value) : known->choices.begin();
    if (choice == known->choices.end()) return wrong(flag + "=" + *value + " is not implemented");
    out.query += choice->query;
  }
  if (const auto read = api::LabelSelector::parse(out.selector); !read)
    return wrong("--selector: " + read.error().message);
  if (words.empty() && out.selector.empty()) return out;
  if (!out.selector.empty()) {
    if (words.size() != 1 || words[0].find('/') != std::string::npos)
      return wrong("--selector goes with a TYPE, and no name");
    out.type = words[0];
    return out;
  }
  if (words.size() == 1 && words[0].find('/') != std::string::npos) {
    const size_t slash = words[0].find('/');
    words = {words[0].substr(0, slash), words[0].substr(slash + 1)};
  }
  if (words.size() != 2 || words[0].empty() || words[1].empty())
    return wrong("an object is named as TYPE NAME or TYPE/NAME");
  out.type = words[0];
  out.name = words[1];
  return out;
}

}  // namespace ingot::workflow
