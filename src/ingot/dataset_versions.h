// Versions of data sets, as commands name them. Main thread.
#pragma once

#include "ingot/place.h"

namespace ingot {

inline constexpr std::string_view kDatasetApi = "factory.ingot.dev/v1alpha1";

int64_t number_of(const api::Json& version);
// Of one data set, or ("") of all; in the order of their numbers.
Result<api::JsonArray> versions_of(Client&, const Place&, const std::string& name);

struct WantedVersion {
  std::string name;
  int64_t version = 0;  // 0: the newest
};
Result<WantedVersion> read_wanted(const std::string& text);  // NAME, NAME@3, NAME@v3
Result<api::Json> find_version(Client&, const Place&, const WantedVersion&);

}  // namespace ingot
