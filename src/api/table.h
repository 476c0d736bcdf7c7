// What `kubectl get` shows: a meta.k8s.io/v1 Table of objects, with the columns of facts/columns.facts. Pure: ages are
// counted to the `now` given. Any thread.
#pragma once

#include <vector>

#include "api/json.h"
#include "api/registry.h"
#include "base/time.h"

namespace ingot::api {

enum class IncludeObject : uint8_t { None, Metadata, Object };  // ?includeObject=; the default is Metadata

// nullopt: not one of the three names.
std::optional<IncludeObject> parse_include_object(std::string_view);

// One row: {"cells": […], "object": …}.
Json table_row(const Resource&, const Json& object, IncludeObject, WallTime now);

// The Table around rows. `metadata` is the list's (resourceVersion, continue…) or the one object's resourceVersion.
// `definitions`: false for watch events after the first, whose columns the client knows.
Json table(const Resource&, JsonObject metadata, JsonArray rows, bool definitions = true);

}  // namespace ingot::api
