#include "workflow/values.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "expr/go_text.h"

namespace ingot::workflow {

using api::array_at;
using api::find;
using api::string_at;

Json text_json(std::string_view t) { return Json(boost::json::string_view(t.data(), t.size())); }

std::string text_of(const Json& json) {
  if (json.is_string()) return std::string(std::string_view(json.get_string()));
  if (json.is_null()) return "";
  if (json.is_double()) return expr::printed(json);  // "7", and not "7E0"
  return api::to_text(json);
}

namespace {

const Json* value_of(const Json& parameter) { return find(parameter, {"value"}); }

void add_outputs(JsonObject& out, const std::string& prefix, const Node& node) {
  if (!node.outputs) return;
  const Json& outputs = *node.outputs;
  if (const Json* result = find(outputs, {"result"})) out[prefix + ".outputs.result"] = *result;
  if (const Json* code = find(outputs, {"exitCode"})) out[prefix + ".exitCode"] = *code;
  for (const Json& p : array_at(outputs, {"parameters"}))
    if (const Json* value = value_of(p))
      out[prefix + ".outputs.parameters." + std::string(string_at(p, {"name"}))] = text_json(text_of(*value));
  for (const Json& a : array_at(outputs, {"artifacts"}))
    out[prefix + ".outputs.artifacts." + std::string(string_at(a, {"name"}))] = text_json(api::to_text(a));
}

}  // namespace

void add_values(JsonObject& out, const std::string& prefix, const Node& node) {
  out[prefix + ".id"] = text_json(node.id);
  out[prefix + ".status"] = text_json(to_string(node.phase));
  out[prefix + ".startedAt"] = text_json(to_rfc3339(node.started));
  if (fulfilled(node.phase)) out[prefix + ".finishedAt"] = text_json(to_rfc3339(node.finished));
  if (!node.ip.empty()) out[prefix + ".ip"] = text_json(node.ip);
  if (!node.host.empty()) out[prefix + ".hostNodeName"] = text_json(node.host);
  add_outputs(out, prefix, node);
  if ((node.phase != Phase::Skipped && node.phase != Phase::Omitted) || node.outputs || !node.runs) return;
  // What did not run gives its defaults; the rest is absent, which is not the same as empty.
  for (const Json& p : array_at(node.runs->body, {"outputs", "parameters"})) {
    const Json* value = find(p, {"valueFrom", "default"});
    out[prefix + ".outputs.parameters." + std::string(string_at(p, {"name"}))] =
        value ? text_json(text_of(*value)) : Json();
  }
  out[prefix + ".outputs.result"] = nullptr;
}

void add_aggregate(JsonObject& out, const std::string& prefix, const std::vector<const Node*>& items) {
  JsonArray results, parameters, codes;
  std::map<std::string, JsonArray> by_name;
  bool any_result = false;
  for (const Node* node : items) {
    if (!node->outputs) continue;
    if (const Json* result = find(*node->outputs, {"result"})) {
      any_result = true;
      const std::string text = text_of(*result);
      const auto parsed = api::parse_json(text);
      results.push_back(parsed ? *parsed : text_json(text));
    }
    if (const Json* code = find(*node->outputs, {"exitCode"})) codes.push_back(text_json(text_of(*code)));
    JsonObject own;
    for (const Json& p : array_at(*node->outputs, {"parameters"})) {
      const Json* value = value_of(p);
      if (!value) continue;
      const std::string name(string_at(p, {"name"}));
      own[name] = text_json(text_of(*value));
      by_name[name].push_back(text_json(text_of(*value)));
    }
    if (!own.empty()) parameters.push_back(std::move(own));
  }
  if (any_result) out[prefix + ".outputs.result"] = text_json(api::to_text(Json(std::move(results))));
  if (!codes.empty()) out[prefix + ".exitCode"] = text_json(api::to_text(Json(std::move(codes))));
  if (parameters.empty()) return;
  out[prefix + ".outputs.parameters"] = text_json(api::to_text(Json(std::move(parameters))));
  for (auto& [name, values] : by_name)
    out[prefix + ".outputs.parameters." + name] = text_json(api::to_text(Json(std::move(values))));
}

void add_inputs(JsonObject& out, const Node& node) {
  if (!node.inputs) return;
  JsonArray all;
  for (const Json& p : array_at(*node.inputs, {"parameters"})) {
    const Json* value = value_of(p);
    out["inputs.parameters." + std::string(string_at(p, {"name"}))] = text_json(value ? text_of(*value) : "");
    all.push_back(p);
  }
  if (!all.empty()) out["inputs.parameters"] = text_json(api::to_text(Json(std::move(all))));
  for (const Json& a : array_at(*node.inputs, {"artifacts"})) {
    const std::string name = "inputs.artifacts." + std::string(string_at(a, {"name"}));
    if (const std::string_view path = string_at(a, {"path"}); !path.empty())
      out[name + ".path"] = text_json(path);
    out[name] = text_json(api::to_text(a));
  }
}

namespace {

std::optional<int64_t> integer(const Json* json) {
  if (!json) return std::nullopt;
  const std::string text = text_of(*json);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "%02d", "host-%03X": one verb for a whole number. Source: Go's fmt, as expandSequence uses it.
Or<std::string> formatted(std::string_view format, int64_t value) {
  if (format.empty()) return std::to_string(value);
  const size_t at = format.find('%');
  size_t end = at == format.npos ? format.size() : at + 1;
  std::string flags;
  while (end < format.size() && std::string_view("0123456789-+ #").contains(format[end]))
    flags += format[end++];
  if (end >= format.size() || !std::string_view("dxXo").contains(format[end]) || flags.size() > 4 ||
      format.find('%', end) != format.npos)
    return std::unexpected("withSequence.format '" + std::string(format) +
                           "' has no verb for a whole number (%d, %x)");
  char buffer[64];
  const std::string verb = "%" + flags + "l" + format[end];
  std::snprintf(buffer, sizeof buffer, verb.c_str(), value);
  return std::string(format.substr(0, at)) + buffer + std::string(format.substr(end + 1));
}

Or<JsonArray> sequence(const Json& s) {
  const auto part = [&](std::string_view name) { return find(s, {name}); };
  const int64_t start = integer(part("start")).value_or(0);
  for (const std::string_view name : {"start", "end", "count"})
    if (part(name) && !integer(part(name)))
      return std::unexpected("withSequence." + std::string(name) + " '" + text_of(*part(name)) +
                             "' is no whole number");
  int64_t end = start - 1, step = 1;
  if (part("count")) {
    const int64_t count = *integer(part("count"));
    if (count <= 0) return JsonArray{};
    if (uint64_t(count) > kMaxItems)
      end = start + int64_t(kMaxItems) + 1;
    else
      end = start + count - 1;
  } else if (part("end")) {
    end = *integer(part("end"));
    if (start > end) step = -1;
  } else {
    return std::unexpected("withSequence: must have count or end");
  }
  if (uint64_t(end > start ? end - start : start - end) >= kMaxItems)
    return std::unexpected("withSequence: more than " + std::to_string(kMaxItems) + " items");
  JsonArray out;
  for (int64_t i = start;; i += step) {
    Or<std::string> text = formatted(string_at(s, {"format"}), i);
    if (!text) return std::unexpected(text.error());
    out.push_back(text_json(*text));
    if (i == end) break;
  }
  return out;
}

}  // namespace

Or<JsonArray> items_of(const Json& body) {
  JsonArray items;
  if (const Json* list = find(body, {"withItems"})) {
    if (!list->is_array()) return std::unexpected("withItems is no list");
    items = list->get_array();
  } else if (const Json* text = find(body, {"withParam"})) {
    const auto parsed = api::parse_json(text_of(*text));
    if (!parsed || !parsed->is_array()) {
      std::string shown = text_of(*text).substr(0, 100);
      return std::unexpected("withParam value could not be parsed as a JSON list: " + shown);
    }
    items = parsed->get_array();
  } else if (const Json* s = find(body, {"withSequence"})) {
    return sequence(*s);
  }
  if (items.size() > kMaxItems) return std::unexpected("more than " + std::to_string(kMaxItems) + " items");
  return items;
}

JsonObject item_values(const Json& item) {
  JsonObject out{{"item", text_json(text_of(item))}};
  if (item.is_object())
    for (const auto& [name, value] : item.get_object())
      out["item." + std::string(name)] = text_json(text_of(value));
  return out;
}

std::string item_name(std::string_view task, size_t index, const Json& item) {
  std::string text;
  if (item.is_object()) {
    std::map<std::string, std::string> sorted;
    for (const auto& [name, value] : item.get_object()) sorted[std::string(name)] = text_of(value);
    for (const auto& [name, value] : sorted) text += (text.empty() ? "" : ",") + name + ":" + value;
  } else {
    text = text_of(item);
  }
  constexpr size_t kMost = 250;  // of what names a node; the index tells items apart
  return std::string(task) + "(" + std::to_string(index) + ":" + text.substr(0, kMost) + ")";
}

}  // namespace ingot::workflow
