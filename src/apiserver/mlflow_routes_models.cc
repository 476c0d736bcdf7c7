// The rows of registered models and their versions (registry/model_ops.h).
#include "apiserver/mlflow.h"

namespace ingot::apiserver {
namespace {
using enum MlflowRoute::Kind;

constexpr std::string_view kModels = "models", kAliases = "aliases", kVersions = "modelversions",
                           kWebhooks = "webhooks";

// The objects behind them are asked for as whoever asked, so each is authorized and audited a second time, by name.
constexpr MlflowRoute kRoutes[] = {
    {"POST", "mlflow/registered-models/create", "registered-models/create", "create", kModels, "", Logs},
    {"POST", "mlflow/registered-models/rename", "registered-models/rename", "update", kModels, "", Logs},
    {"PATCH", "mlflow/registered-models/update", "registered-models/update", "patch", kModels, "", Logs},
    {"DELETE", "mlflow/registered-models/delete", "registered-models/delete", "delete", kModels, "", Logs},
    {"GET", "mlflow/registered-models/get", "registered-models/get", "get", kModels, ""},
    {"GET", "mlflow/registered-models/search", "registered-models/search", "list", kModels, ""},
    {"POST", "mlflow/registered-models/get-latest-versions", "registered-models/get-latest-versions", "list",
     kVersions, ""},
    {"GET", "mlflow/registered-models/get-latest-versions", "registered-models/get-latest-versions", "list",
     kVersions, ""},
    {"POST", "mlflow/registered-models/set-tag", "registered-models/set-tag", "patch", kModels, "", Logs},
    {"DELETE", "mlflow/registered-models/delete-tag", "registered-models/delete-tag", "patch", kModels, "",
     Logs},
    {"POST", "mlflow/registered-models/alias", "registered-models/alias/set", "patch", kModels, kAliases,
     Logs},
    {"DELETE", "mlflow/registered-models/alias", "registered-models/alias/delete", "patch", kModels, kAliases,
     Logs},
    {"GET", "mlflow/registered-models/alias", "registered-models/alias/get", "get", kVersions, ""},

    {"POST", "mlflow/model-versions/create", "model-versions/create", "create", kVersions, "", Logs},
    {"PATCH", "mlflow/model-versions/update", "model-versions/update", "patch", kVersions, "", Logs},
    {"DELETE", "mlflow/model-versions/delete", "model-versions/delete", "delete", kVersions, "", Logs},
    {"GET", "mlflow/model-versions/get", "model-versions/get", "get", kVersions, ""},
    {"GET", "mlflow/model-versions/search", "model-versions/search", "list", kVersions, ""},
    {"GET", "mlflow/model-versions/get-download-uri", "model-versions/get-download-uri", "get", kVersions,
     ""},
    {"POST", "mlflow/model-versions/transition-stage", "model-versions/transition-stage", "patch", kVersions,
     "", Logs},
    {"POST", "mlflow/model-versions/set-tag", "model-versions/set-tag", "patch", kVersions, "", Logs},
    {"DELETE", "mlflow/model-versions/delete-tag", "model-versions/delete-tag", "patch", kVersions, "", Logs},
    {"GET", "model-versions/get-artifact", "model-versions/get-artifact", "get", kVersions, ""},

    {"POST", "mlflow/webhooks", "webhooks/create", "create", kWebhooks, "", Logs},
    {"GET", "mlflow/webhooks", "webhooks/list", "list", kWebhooks, ""},
    {"GET", "mlflow/webhooks/{webhook_id}", "webhooks/get", "get", kWebhooks, ""},
    {"PATCH", "mlflow/webhooks/{webhook_id}", "webhooks/update", "patch", kWebhooks, "", Logs},
    {"DELETE", "mlflow/webhooks/{webhook_id}", "webhooks/delete", "delete", kWebhooks, "", Logs},
    {"POST", "mlflow/webhooks/{webhook_id}/test", "webhooks/test", "update", kWebhooks, "", Recorded},
};

}  // namespace

std::span<const MlflowRoute> mlflow_model_routes() { return kRoutes; }

}  // namespace ingot::apiserver
