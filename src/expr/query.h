// The JSONPath of expressions: jsonpath(text, '$.a[?(@.b > 1)].c'). Source: evilmonkeyinc/jsonpath, README.md and its
// table of consensus tests, whose answers it gives: one value where one is meant, a list for what may be several; what a
// later step does not find in one of several is left out, and an error where only one is meant. Pure; any thread.
#pragma once

#include "expr/functions.h"

namespace ingot::expr {

Made query(std::string_view path, const Json& root, int64_t& steps);

}  // namespace ingot::expr
