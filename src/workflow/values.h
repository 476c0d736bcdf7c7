// What a node's values are called in the templates of others, and what loops go over. Pure; any thread.
// Source: Argo Workflows, workflow/controller/scope.go, operator.go (buildLocalScope, processAggregateNodeOutputs,
// expandSequence, processItem) and docs/variables.md.
#pragma once

#include "workflow/flow.h"
#include "workflow/node.h"

namespace ingot::workflow {

// A parameter's value: texts as they are, everything else as JSON.
std::string text_of(const Json&);
Json text_json(std::string_view);

// "tasks.A.status", "tasks.A.outputs.parameters.x", …; of a skipped one the outputs that its template declares, as "".
void add_values(JsonObject& out, const std::string& prefix, const Node&);
// Of a task that expands: lists of what its items gave.
void add_aggregate(JsonObject& out, const std::string& prefix, const std::vector<const Node*>& items);
void add_inputs(JsonObject& out, const Node&);

// What withItems, withParam or withSequence of a filled task go over.
Or<JsonArray> items_of(const Json& body);
// What {{item}} and {{item.key}} are.
JsonObject item_values(const Json& item);
// "A(3:pear)", "A(0:image:debian,tag:9.1)".
std::string item_name(std::string_view task, size_t index, const Json& item);

inline constexpr size_t kMaxItems = 100'000;

}  // namespace ingot::workflow
