// How models and their aliases may be called, and the names of their objects. Pure; any thread.
// Facts: MLflow (mlflow/utils/validation.py: _validate_model_name, _validate_model_alias_name).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ingot::api {

inline constexpr std::string_view kModels = "models.factory.ingot.dev",
                                  kModelVersions = "modelversions.factory.ingot.dev";
// What names mean that are not their objects' own; no client sees it (apiserver/model_naming.h).
inline constexpr std::string_view kModelNamings = "modelnamings";
// Both stay until their tombstone is written (registry/controller.h).
inline constexpr std::string_view kLineageFinalizer = "factory.ingot.dev/lineage";
// On versions whose making the factory did not see.
inline constexpr std::string_view kUnsignedOriginLabel = "factory.ingot.dev/unsigned-origin";
inline constexpr size_t kLongestModelObject = 200;  // "-v" and a number follow in versions' names

// "" for a good one, or what is wrong.
std::string model_name_fault(std::string_view);  // 1 to 250 bytes without '/', ':' and control characters
std::string alias_fault(std::string_view);       // word characters and '-', neither "latest" nor "v3"

// The name itself where it may be an object's; else what of it may be, and 8 digits of its SHA-256.
std::string model_object_name(std::string_view model);
// Another one, for where that is a model's that was renamed: the 8 digits are of `random`.
std::string model_object_name(std::string_view model, uint64_t random);
std::string model_naming_key(std::string_view model);                            // of a kModelNamings object
std::string model_version_name(std::string_view model_object, int64_t version);  // "digits-v3"

}  // namespace ingot::api
