// A step that is one HTTP request (an http template): its node makes it from within the pod's network, in place of the
// main container. Plain values and their reading, pure; any thread. The text comes from an annotation that a tenant may write.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/json.h"
#include "base/time.h"
#include "node/artifact.h"
#include "node/config.h"

namespace ingot::node {

inline constexpr size_t kMaxHttpBody = 200 * 1024;  // of a request, and of an answer

struct HttpRequest {
  std::string method, url, body;
  std::vector<std::pair<std::string, std::string>> headers;
  Duration timeout{};
  bool insecure = false;  // whoever answers need not prove who it is
};
struct HttpAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // in the order that they came
  std::string body;
};
struct HttpAsk {
  std::string sandbox, cluster;
  std::string hosts;  // the text of the pod's /etc/hosts
  HttpRequest request;
  Stop stop;
};

// {url, method, headers: [{name, value | valueFrom: {secretKeyRef}}], body, bodyFrom: {bytes}, timeoutSeconds,
// insecureSkipVerify}. Secrets are in the config; without one they are not read. An error names what is wrong.
Result<HttpRequest> http_request(const api::Json&, const PodConfig*);

// {"statusCode", "headers": {NAME: [VALUE…]}, "body"}, names as in "Content-Type".
api::Json answer_json(const HttpAnswer&);

}  // namespace ingot::node
