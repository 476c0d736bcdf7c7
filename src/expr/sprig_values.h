// How sprig looks at values, whatever they are. Sources: sprig's defaults.go and strings.go, spf13/cast. Any thread.
#pragma once

#include "expr/value.h"

namespace ingot::expr {

bool is_empty(const Json&);                      // nil, false, 0, "", [] and {}
int64_t as_int(const Json&);                     // texts as Go's literals (0x1f, 017) or cut decimals; else 0
double as_float(const Json&);                    // what is no number is 0
std::vector<std::string> as_texts(const Json&);  // a list's items, or the one value; without nil

}  // namespace ingot::expr
