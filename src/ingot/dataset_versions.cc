#include "ingot/dataset_versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ingot {

int64_t number_of(const api::Json& version) { return api::int_at(version, {"spec", "version"}).value_or(0); }

// Of one data set, or ("") of all; in the order of their numbers.
Result<api::JsonArray> versions_of(Client& client, const Place& place, const std::string& name) {
  auto all = client.list(place.path(kDatasetApi, "datasetversions"));
  if (!all) return all;
  api::JsonArray versions;
  for (api::Json& version : *all)
    if (name.empty() || api::string_at(version, {"spec", "dataset"}) == name)
      versions.push_back(std::move(version));
  std::ranges::sort(versions, {}, number_of);
  return versions;
}

Result<WantedVersion> read_wanted(const std::string& text) {
  const size_t at = text.find('@');
  WantedVersion wanted{.name = text.substr(0, at)};
  if (at == text.npos) return wanted;
  std::string_view number = std::string_view(text).substr(at + 1);
  if (number.starts_with('v')) number.remove_prefix(1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), wanted.version);
  if (error != std::errc() || end != number.data() + number.size() || wanted.version < 1)
    return fail(Reason::Invalid, fmt::format("\"{}\" is no version: write NAME@3", text));
  return wanted;
}

Result<api::Json> find_version(Client& client, const Place& place, const WantedVersion& wanted) {
  auto versions = versions_of(client, place, wanted.name);
  if (!versions) return fail(versions.error());
  for (const api::Json& version : *versions)
    if (number_of(version) == wanted.version) return version;
  if (versions->empty() || wanted.version != 0)
    return fail(
        Reason::NotFound,
        fmt::format(
            "tenant {} has no data set {}{} in namespace {}\n  `ingot dataset list` shows what there is",
            place.tenant, wanted.name, wanted.version ? fmt::format("@{}", wanted.version) : "", place.ns));
  return versions->back();
}

}  // namespace ingot
