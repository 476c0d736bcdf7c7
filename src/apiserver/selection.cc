// Selectors and continue tokens of collection requests.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apiserver/read.h"
#include "base/encoding.h"

namespace ingot::apiserver {
namespace {
// Field labels by type, beside metadata.name and metadata.namespace (kubernetes: pkg/apis/*/v1/conversion.go).
const std::vector<std::string_view>& selectable(std::string_view resource) {
  static const std::map<std::string_view, std::vector<std::string_view>> kFields{
      {"pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"}},
      {"events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type"}},
      {"events.events.k8s.io",
       {"regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "reason", "type",
        "reportingController"}},
      {"namespaces", {"status.phase"}},
      {"nodes", {"spec.unschedulable"}},
      {"secrets", {"type"}},
      {"jobs.batch", {"status.successful"}},
      {"resourceslices.resource.k8s.io", {"spec.nodeName", "spec.driver"}},
      {"allocations.factory.ingot.dev", {"spec.node", "spec.tenant", "spec.cluster", "status.phase"}},
      {"images.factory.ingot.dev", {"spec.tenant", "spec.reference"}},
      {"models.factory.ingot.dev", {"spec.name"}},
  };
  static const std::vector<std::string_view> kNone;
  const auto it = kFields.find(resource);
  return it == kFields.end() ? kNone : it->second;
}

Result<void> check_fields(const api::Resource& type, std::string_view text) {
  const std::vector<std::string_view>& known = selectable(type.resource());
  while (!text.empty()) {
    size_t comma = 0;
    while (comma < text.size() && text[comma] != ',') comma += text[comma] == '\\' ? 2 : 1;
    const std::string_view term = text.substr(0, std::min(comma, text.size()));
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::string_view path = term.substr(0, term.find_first_of("=!"));
    if (path == "metadata.name" || (path == "metadata.namespace" && type.namespaced)) continue;
    if (!path.empty() && std::ranges::find(known, path) == known.end())
      return fail(Reason::BadRequest, fmt::format("field label not supported: {}", path.substr(0, 100)));
  }
  return {};
}
}  // namespace

bool Selection::selects(const api::Json& object) const {
  return (labels.everything() || labels.matches(api::object_at(object, {"metadata", "labels"}))) &&
         (fields.everything() || fields.matches(object));
}

Result<Selection> read_selection(const api::Resource& type, const Route& route) {
  Result<api::LabelSelector> labels = api::LabelSelector::parse(route.query.get("labelSelector"));
  if (!labels) return fail(std::move(labels.error()));
  std::string fields_text(route.query.get("fieldSelector"));
  if (const Result<void> known = check_fields(type, fields_text); !known) return fail(known.error());
  if (!route.name.empty()) {  // a watch of one object
    if (!fields_text.empty()) fields_text += ',';
    fields_text += "metadata.name=" + route.name;
  }
  Result<api::FieldSelector> fields = api::FieldSelector::parse(fields_text);
  if (!fields) return fail(std::move(fields.error()));
  Selection selection{std::move(*labels), std::move(*fields)};
  if (const std::string_view field = api::node_field(type.resource()); !field.empty()) {
    selection.node = selection.fields.pinned(field);
    selection.node_alone =
        !selection.node.empty() && selection.labels.everything() && selection.fields.terms() == 1;
  }
  return selection;
}

std::string encode_continue(const Continue& place) {
  return base64url(api::to_text(
      api::JsonObject{{"v", "ingot.dev/v1"}, {"rv", place.revision.value}, {"start", place.after}}));
}

Result<Continue> decode_continue(std::string_view token) {
  const auto bad = [] {
    return fail(Reason::BadRequest, "continue key is not valid: list again from the start");
  };
  if (token.size() > 2048) return bad();
  const std::optional<std::string> text = parse_base64url(token);
  if (!text) return bad();
  const Result<api::Json> value = api::parse_json(*text);
  if (!value || api::string_at(*value, {"v"}) != "ingot.dev/v1") return bad();
  const std::optional<int64_t> revision = api::int_at(*value, {"rv"});
  const std::string_view after = api::string_at(*value, {"start"});
  if (!revision || *revision < 1 || std::ranges::count(after, '/') != 1) return bad();
  return Continue{Revision{uint64_t(*revision)}, std::string(after)};
}

}  // namespace ingot::apiserver
