// Models and versions as commands name them: [TENANT/]NAME[@VERSION], where a version is a number or an alias. Main thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "env/signer.h"
#include "ingot/client.h"
#include "ingot/commands.h"

namespace ingot {

inline constexpr std::string_view kDefaultAlias = "production";

struct ModelPlace {
  std::string tenant, name, version;  // version: "", "4", "v4", or an alias
  std::string object;                 // what the model's is called, if there is one; "" of all
  std::string models() const;         // the path of the collection
  std::string versions() const;
  std::string model() const;  // of the object
};
Result<ModelPlace> model_place(Client&, const ModelOptions&, const std::string& text);

Result<api::Json> find_model(Client&, const ModelPlace&);
// In the order of their numbers; of all models with an empty name.
Result<api::JsonArray> model_versions(Client&, const ModelPlace&);
// The one that is meant: without a version the newest that is Ready.
Result<api::Json> find_model_version(Client&, const ModelPlace&);

int64_t model_number(const api::Json& version);
std::string short_key(std::string_view id);  // its first 12 digits
bool unsigned_origin(const api::Json& version);

// The keys of the running factory, the current one first.
Result<std::vector<env::SigningKey>> factory_keys(Client&, const std::string& tenant);

}  // namespace ingot
