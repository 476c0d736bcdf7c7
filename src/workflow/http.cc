#include "workflow/http.h"

#include <algorithm>

#include "expr/program.h"
#include "expr/variables.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::find;
using api::string_at;

namespace {

constexpr std::string_view kFields[] = {"url",  "method",   "headers",          "timeoutSeconds",
                                        "body", "bodyFrom", "successCondition", "insecureSkipVerify"};

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }
bool tagged(std::string_view text) { return text.find("{{") != text.npos; }

Or<void> check_expression(std::string_view text, const std::string& where) {
  if (text.empty() || tagged(text)) return {};
  if (const auto read = expr::Program::compile(text); !read) return wrong(where + ": " + read.error());
  return {};
}

Or<void> check_headers(const Json& http) {
  for (const Json& h : array_at(http, {"headers"})) {
    const std::string where = "http.headers." + std::string(string_at(h, {"name"}));
    if (string_at(h, {"name"}).empty()) return wrong("http.headers: name is required");
    if (find(h, {"value"}) && find(h, {"valueFrom"})) return wrong(where + ": value or valueFrom, not both");
    if (const Json* from = find(h, {"valueFrom"}))
      if (string_at(*from, {"secretKeyRef", "name"}).empty() ||
          string_at(*from, {"secretKeyRef", "key"}).empty())
        return wrong(where + ".valueFrom: secretKeyRef with name and key is required");
  }
  return {};
}

// As expressions see what was asked.
Json request_of(const Json& http) {
  JsonObject headers;
  for (const Json& h : array_at(http, {"headers"}))
    if (const Json* value = find(h, {"value"}))
      headers[string_at(h, {"name"})] = JsonArray{text_json(text_of(*value))};
  const std::string_view method = string_at(http, {"method"});
  return JsonObject{{"url", text_json(string_at(http, {"url"}))},
                    {"method", text_json(method.empty() ? "GET" : method)},
                    {"body", text_json(string_at(http, {"body"}))},
                    {"headers", std::move(headers)}};
}

Or<Json> evaluate(std::string_view text, const JsonObject& variables, WallTime now) {
  const auto program = expr::Program::compile(text);
  if (!program) return wrong(program.error());
  int64_t left = kFillSteps;
  auto value = program->run(expr::Variables(variables).nested(), left, {now});
  if (!value) return wrong(value.error());
  return *std::move(value);
}

Or<JsonArray> parameters_of(const Json& filled, const JsonObject& variables, std::string_view body,
                            WallTime now) {
  JsonArray out;
  for (const Json& p : array_at(filled, {"outputs", "parameters"})) {
    const std::string name(string_at(p, {"name"}));
    const std::string_view text = string_at(p, {"valueFrom", "expression"});
    const Or<Json> made = text.empty() ? Or<Json>(text_json(body)) : evaluate(text, variables, now);
    std::optional<std::string> value;
    if (made && !made->is_null()) value = text_of(*made);
    if (!value)
      if (const Json* otherwise = find(p, {"valueFrom", "default"})) value = text_of(*otherwise);
    if (!value) return wrong("outputs.parameters." + name + ": " + (made ? "is nil" : made.error()));
    out.push_back(JsonObject{{"name", text_json(name)}, {"value", text_json(*value)}});
  }
  return out;
}

}  // namespace

Or<void> check_http(const Json& body) {
  const Json& http = *find(body, {"http"});
  if (!http.is_object()) return wrong("http is no object");
  for (const auto& [name, value] : http.get_object())
    if (std::ranges::find(kFields, std::string_view(name)) == std::end(kFields))
      return wrong("http." + std::string(name) + " is not implemented");
  const std::string_view url = string_at(http, {"url"});
  if (url.empty()) return wrong("http.url is required");
  if (!tagged(url) && !url.starts_with("http://") && !url.starts_with("https://"))
    return wrong("http.url must begin with http:// or https://");
  if (find(http, {"body"}) && find(http, {"bodyFrom"})) return wrong("http: body or bodyFrom, not both");
  if (find(http, {"bodyFrom"}) && string_at(http, {"bodyFrom", "bytes"}).empty())
    return wrong("http.bodyFrom.bytes is required");
  if (!array_at(body, {"inputs", "artifacts"}).empty())
    return wrong("inputs.artifacts: a request is given none: parameters it is");
  if (const auto good = check_headers(http); !good) return good;
  if (const auto good = check_expression(string_at(http, {"successCondition"}), "http.successCondition");
      !good)
    return good;
  for (const Json& p : array_at(body, {"outputs", "parameters"})) {
    const std::string where = "outputs.parameters." + std::string(string_at(p, {"name"})) + ".valueFrom";
    for (const std::string_view field : {"path", "jsonPath", "jqFilter"})
      if (find(p, {"valueFrom", field}))
        return wrong(where + "." + std::string(field) + ": of an http an expression");
    if (const auto good = check_expression(string_at(p, {"valueFrom", "expression"}), where + ".expression");
        !good)
      return good;
  }
  return {};
}

Json asked_of(const Json& filled) {
  Json out = *find(filled, {"http"});
  api::erase(out, {"successCondition"});
  if (const Json* seconds = find(out, {"timeoutSeconds"}); seconds && seconds->is_string())
    api::set(out, {"timeoutSeconds"}, int64_t(std::atoll(text_of(*seconds).c_str())));
  return out;
}

Json http_container() {
  const JsonObject size{{"cpu", "10m"}, {"memory", "16Mi"}};
  return JsonObject{
      {"name", "main"},
      {"image", "ingot.dev/http-request"},
      {"resources", JsonObject{{"requests", size}, {"limits", size}}},
      {"securityContext", JsonObject{{"allowPrivilegeEscalation", false},
                                     {"runAsNonRoot", true},
                                     {"runAsUser", 65'534},
                                     {"capabilities", JsonObject{{"drop", JsonArray{"ALL"}}}},
                                     {"seccompProfile", JsonObject{{"type", "RuntimeDefault"}}}}}};
}

void http_secrets(const Json& filled, std::vector<std::string>& names) {
  for (const Json& h : array_at(filled, {"http", "headers"}))
    if (const std::string name(string_at(h, {"valueFrom", "secretKeyRef", "name"}));
        !name.empty() && std::ranges::find(names, name) == names.end())
      names.push_back(name);
}

PodReport judge_http(const Json& filled, PodReport report, JsonObject inputs, WallTime now) {
  if (report.phase != Phase::Succeeded) {
    // As of a container; but nothing ran.
    constexpr std::string_view kNoAnswer = "RequestFailed (exit code 1): ";
    if (report.message.starts_with(kNoAnswer)) report.message.erase(0, kNoAnswer.size());
    report.outputs = nullptr;
    return report;
  }
  const Json* answer = report.outputs ? find(*report.outputs, {"http"}) : nullptr;
  const auto failed = [&](Phase phase, std::string why) {
    report.phase = phase;
    report.message = std::move(why);
    return report;
  };
  if (!answer) {
    report.outputs = nullptr;
    return failed(Phase::Error, "its pod left no answer");
  }
  const std::string body(string_at(*answer, {"body"}));
  JsonObject variables = std::move(inputs);
  variables["request"] = request_of(*find(filled, {"http"}));
  variables["response"] = *answer;
  const int64_t status = api::int_at(*answer, {"statusCode"}).value_or(0);
  JsonObject outputs{{"result", text_json(body)}};
  report.outputs = std::make_shared<const Json>(outputs);
  const std::string_view condition = string_at(filled, {"http", "successCondition"});
  if (condition.empty()) {
    if (status / 100 != 2)
      return failed(Phase::Failed, "received non-2xx response code: " + std::to_string(status));
  } else {
    const Or<Json> good = evaluate(condition, variables, now);
    if (!good || !good->is_bool())
      return failed(Phase::Error, "http.successCondition: " + (good ? "is no bool" : good.error()));
    if (!good->get_bool())
      return failed(Phase::Failed, "successCondition '" + std::string(condition) + "' evaluated false");
  }
  Or<JsonArray> parameters = parameters_of(filled, variables, body, now);
  if (!parameters) return failed(Phase::Error, parameters.error());
  if (!parameters->empty()) {
    outputs["parameters"] = *std::move(parameters);
    report.outputs = std::make_shared<const Json>(std::move(outputs));
  }
  return report;
}

}  // namespace ingot::workflow
