#include "workflow/container_set.h"

#include <charconv>
#include <map>

#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::find;
using api::string_at;

namespace {

constexpr size_t kMostContainers = 64;  // as a node runs in one pod
constexpr int64_t kMostRetries = 1'000;

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }
}  // namespace

Or<void> check_container_set(const Json& body) {
  if (const Json* retry = find(body, {"containerSet", "retryStrategy"});
      retry && api::to_text(*retry).find("{{") == std::string::npos)
    if (const auto good = retries_of(*find(body, {"containerSet"})); !good) return wrong(good.error());
  const JsonArray& containers = array_at(body, {"containerSet", "containers"});
  if (containers.empty()) return wrong("containerSet.containers is required");
  if (containers.size() > kMostContainers)
    return wrong("containerSet.containers: more than " + std::to_string(kMostContainers));
  std::map<std::string, size_t, std::less<>> index;
  for (const Json& c : containers) {
    const std::string name(string_at(c, {"name"}));
    if (name.empty()) return wrong("containerSet.containers: name is required");
    if (!index.emplace(name, index.size()).second)
      return wrong("containerSet.containers: name '" + name + "' is not unique");
  }
  if (!index.contains("main"))
    for (const Json& p : array_at(body, {"outputs", "parameters"}))
      if (find(p, {"valueFrom", "path"}))
        return wrong("containerSet.containers: outputs are those of a container named \"main\"");
  std::vector<size_t> open(containers.size());
  std::vector<std::vector<size_t>> dependents(containers.size());
  for (size_t i = 0; i < containers.size(); ++i)
    for (const Json& before : array_at(containers[i], {"dependencies"})) {
      const auto at = index.find(string_at(before, {}));
      if (at == index.end())
        return wrong("containerSet.containers." + std::string(string_at(containers[i], {"name"})) +
                     ".dependencies: '" + std::string(string_at(before, {})) + "' not defined");
      dependents[at->second].push_back(i);
      ++open[i];
    }
  std::vector<size_t> ready;
  for (size_t i = 0; i < open.size(); ++i)
    if (open[i] == 0) ready.push_back(i);
  for (size_t done = 0; done < ready.size(); ++done)
    for (const size_t next : dependents[ready[done]])
      if (--open[next] == 0) ready.push_back(next);
  for (size_t i = 0; i < open.size(); ++i)
    if (open[i] > 0)
      return wrong("containerSet.containers: dependency cycle at '" +
                   std::string(string_at(containers[i], {"name"})) + "'");
  return {};
}

std::string order_of(const JsonArray& containers) {
  JsonObject order;
  for (const Json& c : containers)
    if (const JsonArray& before = array_at(c, {"dependencies"}); !before.empty())
      order[string_at(c, {"name"})] = before;
  return order.empty() ? "" : api::to_text(order);
}

Or<std::string> retries_of(const Json& container_set) {
  const Json* retry = find(container_set, {"retryStrategy"});
  if (!retry) return "";
  const std::string where = "containerSet.retryStrategy.";
  if (!retry->is_object()) return wrong("containerSet.retryStrategy is no object");
  for (const auto& [name, value] : retry->get_object())
    if (name != "retries" && name != "duration")
      return wrong(where + std::string(name) + " is not implemented");
  const std::string retries = find(*retry, {"retries"}) ? text_of(*find(*retry, {"retries"})) : "";
  int64_t number = 0;
  const auto [end, error] = std::from_chars(retries.data(), retries.data() + retries.size(), number);
  if (error != std::errc{} || end != retries.data() + retries.size() || number < 0 || number > kMostRetries)
    return wrong(where + "retries: from 0 to " + std::to_string(kMostRetries));
  const std::string_view text = string_at(*retry, {"duration"});
  const auto pause = text.empty() ? std::optional(Duration{}) : parse_duration(text);
  if (!pause || *pause < Duration{})
    return wrong(where + "duration '" + std::string(text) + "' is no duration");
  if (number == 0) return "";
  return api::to_text(JsonObject{{"retries", number},
                                 {"pauseSeconds", std::chrono::ceil<std::chrono::seconds>(*pause).count()}});
}

Json plain_container(Json container, const JsonArray& mounts) {
  api::erase(container, {"dependencies"});
  if (mounts.empty()) return container;
  JsonArray all = array_at(container, {"volumeMounts"});
  for (const Json& mount : mounts) all.push_back(mount);
  api::set(container, {"volumeMounts"}, std::move(all));
  return container;
}

}  // namespace ingot::workflow
