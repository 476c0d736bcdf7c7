#include "api/job.h"

namespace ingot::api {

void complete_job(Json& job) {
  if (bool_at(job, {"spec", "manualSelector"})) return;
  const std::string name(string_at(job, {"metadata", "name"})), uid(string_at(job, {"metadata", "uid"}));
  auto label = [&](std::string_view key, const std::string& value) {
    set(job, {"spec", "template", "metadata", "labels", key}, value);
  };
  label(kJobNameLabel, name);
  label(kOldJobNameLabel, name);
  label(kControllerUidLabel, uid);
  label(kOldControllerUidLabel, uid);
  set(job, {"spec", "selector", "matchLabels", kControllerUidLabel}, uid);
}

}  // namespace ingot::api
