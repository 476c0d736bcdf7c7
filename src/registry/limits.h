// How much may be said to MLflow's API, and what names may be (mlflow: utils/validation.py; facts that its clients rely
// on). Every message names the field and the bound. Pure; any thread.
#pragma once

#include <string_view>

#include "base/error.h"

namespace ingot::registry {

inline constexpr size_t kMostKey = 250, kMostParam = 6000, kMostTag = 8000, kMostExperimentName = 500,
                        kMostExperimentTag = 20'000;
inline constexpr size_t kMostMetricsOfBatch = 1000, kMostParamsOfBatch = 100, kMostTagsOfBatch = 100,
                        kMostItemsOfBatch = 1000, kMostBatchBytes = 1'000'000;
inline constexpr int64_t kMostResults = 50'000, kResults = 1000;
inline constexpr size_t kMostDatasets = 1000;  // of a request
// Of one run: what it keeps beside its points.
inline constexpr size_t kMostRunText = 1u << 20, kMostRunMetrics = 10'000;
// Of one cluster's memory.
inline constexpr size_t kMostBookBytes = 4ull << 30;
inline constexpr std::string_view kReserved = "ingot.dev/";  // tags that the factory alone writes

// `what`: "metric", "param", "tag".
Result<void> check_key(std::string_view what, std::string_view key);
Result<void> check_value(std::string_view what, std::string_view key, std::string_view value, size_t most);
// Its first `most` characters: MLflow's server cuts what runs say too long (MLFLOW_TRUNCATE_LONG_VALUES).
std::string_view cut(std::string_view value, size_t most);
Result<void> check_tag(std::string_view key, std::string_view value, size_t most);  // of a client
Result<void> check_experiment_name(std::string_view);

}  // namespace ingot::registry
