// A step's `when`, after its tags are filled: 'a' == 'a', heads != tails, 3 < 5 && x in (x, y). Source: Knetic/govaluate
// (MANUAL.md, parsing.go, stagePlanner.go) as argo-workflows' shouldExecute uses it: words without quotes are texts, but
// true and false; all numbers are floats; quoted texts that are dates are seconds since 1970, in UTC. Pure; any thread.
#pragma once

#include "expr/value.h"

namespace ingot::expr {

// "" is true. Error: the text means nothing, or no bool.
Maybe<bool> when(std::string_view text);

}  // namespace ingot::expr
