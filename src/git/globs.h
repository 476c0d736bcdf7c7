// Which branches or paths are meant: "main", "release/*", "src/**", "**/*.py", "!docs/**". `*` and `?` stay within a part,
// `**` goes over parts, "**/" may be nothing. Of a list the last glob that matches decides; a list that only excludes
// begins with everything, and an empty one is everything. Pure; any thread. Time: pattern × text.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ingot::git {

bool glob_matches(std::string_view glob, std::string_view text);
bool any_matches(std::span<const std::string> globs, std::string_view text);

}  // namespace ingot::git
