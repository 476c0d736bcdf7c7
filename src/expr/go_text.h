// Values as Go's fmt, strconv and encoding/json write them: what an expression gives becomes text in a template. Pure;
// any thread.
#pragma once

#include "expr/value.h"

namespace ingot::expr {

std::string printed(const Json&);  // %v: "1.5", "<nil>", "[a b]", "map[k:v]"
struct JsonStyle {
  bool indented = false;  // by two spaces
  bool html_safe = true;  // <, > and & as escapes, as json.Marshal does
};
// Keys in order. Error: numbers that JSON has not.
Maybe<std::string> json_text(const Json&, JsonStyle = {});
std::string quoted(std::string_view);  // %q

size_t characters(std::string_view);
void put_utf8(std::string& out, uint32_t character);
std::string upper(std::string_view);  // Latin, Greek and Cyrillic; other scripts stay
std::string lower(std::string_view);
std::string_view trimmed(std::string_view, std::string_view of = " \t\n\v\f\r");
// As strings.SplitN: an empty separator splits between characters; n < 0: all; n == 0: none.
std::vector<std::string_view> split(std::string_view, std::string_view separator, int64_t n = -1);
// JSON as encoding/json reads it: every number a float.
Maybe<Json> parsed_json(std::string_view);
std::expected<double, std::string> parsed_float(std::string_view);
std::expected<int64_t, std::string> parsed_int(std::string_view);  // decimal, with a sign

}  // namespace ingot::expr
