#include "expr/variables.h"

#include "expr/go_text.h"

namespace ingot::expr {
namespace {

constexpr int kMostSteps = 32;  // of a name; points beyond belong to the last

}  // namespace

Variables::Variables(JsonObject named) : named_(std::move(named)), nested_(JsonObject()) {
  const auto members = sorted(named_);
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string_view name = members[i]->key();
    if (i + 1 < members.size() &&
        std::string_view(members[i + 1]->key()).starts_with(std::string(name) + "."))
      continue;
    Json* at = &nested_;
    for (const std::string_view step : split(name, ".", kMostSteps)) {
      if (!at->is_object()) at->emplace_object();
      at = &at->get_object()[boost::json::string_view(step.data(), step.size())];
    }
    *at = normal(members[i]->value());
  }
}

const Json* Variables::find(std::string_view name) const {
  return named_.if_contains(boost::json::string_view(name.data(), name.size()));
}

bool Variables::has(std::string_view name) const {
  const Json* at = &nested_;
  for (const std::string_view step : split(name, ".", kMostSteps)) {
    const JsonObject* map = at->if_object();
    at = map ? map->if_contains(boost::json::string_view(step.data(), step.size())) : nullptr;
    if (!at) return false;
  }
  return true;
}

}  // namespace ingot::expr
