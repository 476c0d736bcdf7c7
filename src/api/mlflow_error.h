// Errors in the words of MLflow's REST API: {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "…"} and its HTTP
// codes (mlflow: exceptions.py). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot::api {

struct MlflowCode {
  int http = 500;
  std::string_view name;
};
MlflowCode mlflow_code(const Error&);
std::string mlflow_error_text(const Error&);

// Errors whose code their Reason alone does not say.
Error mlflow_no_endpoint(std::string_view method, std::string_view path);  // ENDPOINT_NOT_FOUND, 404
Error mlflow_not_implemented(std::string message);                         // NOT_IMPLEMENTED, 501
Error mlflow_exhausted(std::string message);                               // RESOURCE_EXHAUSTED, 429

}  // namespace ingot::api
