#include "host/status.h"

#include "api/json.h"

namespace ingot::host {

std::string status_json(const Error& error) {
  return api::to_text(api::JsonObject{{"kind", "Status"},
                                      {"apiVersion", "v1"},
                                      {"metadata", api::JsonObject{}},
                                      {"status", "Failure"},
                                      {"message", error.message},
                                      {"reason", to_string(error.reason)},
                                      {"code", http_code(error.reason)}});
}

apiserver::Reply status_reply(const Error& error) {
  apiserver::Reply reply{.code = http_code(error.reason)};
  if (error.retry_after_s) reply.headers.emplace_back("Retry-After", std::to_string(*error.retry_after_s));
  reply.body.push_back(std::make_shared<const std::string>(status_json(error)));
  return reply;
}

}  // namespace ingot::host
