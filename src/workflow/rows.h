// A run's nodes as they are stored, each an object of its own beside the Workflow, and as clients see them in it. Pure; any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace ingot::workflow {

inline constexpr std::string_view kWorkflows = "workflows.argoproj.io";
inline constexpr std::string_view kNodeRows = "workflownodes";

// "WORKFLOW:NODE": no name of a Workflow has a colon. Of "" the prefix of all.
std::string row_name(std::string_view workflow, std::string_view node_id);

// A node as its row has it: without what the row's name says. A run has ten thousands of them.
api::Json packed(api::Json node, std::string_view workflow);
api::Json unpacked(api::Json row, std::string_view row_name);

// `status.nodes` of the Workflow, by id, each with its children.
api::JsonObject shown_nodes(std::vector<api::Json> rows);
// An unpacked row as a client wrote the node; what clients do not see stays as it was. nullopt: it is as it was.
std::optional<api::Json> row_from_shown(const api::Json& row, const api::Json& shown);

}  // namespace ingot::workflow
