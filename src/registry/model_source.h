// Where a version's files come from, as MLflow's clients name it: beneath a run's artifacts, beneath a logged model's, or another
// version. Anything else is refused: others read files of the machine through a version's source (CVE-2023-1177 and after).
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot::registry {

struct ModelSource {
  enum class Kind : uint8_t { Run, Logged, Version } kind = Kind::Run;
  std::string id;             // of a run or a logged model
  std::string path;           // beneath it; "" for all
  std::string name, version;  // of a Version: a number or an alias
};

// "runs:/RUN/path", "mlflow-artifacts:/EXPERIMENT/RUN/artifacts/path", "mlflow-artifacts:/EXPERIMENT/models/ID/artifacts/path",
// "models:/m-ID", "models:/NAME/VERSION", "models:/NAME@ALIAS". Escapes are decoded until none is left.
Result<ModelSource> parse_model_source(std::string_view source);

}  // namespace ingot::registry
