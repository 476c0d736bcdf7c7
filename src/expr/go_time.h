// Times in Go's layouts ("2006-01-02T15:04:05Z07:00"), all in UTC. Source: Go's package time. Pure; any thread.
#pragma once

#include <optional>

#include "expr/value.h"

namespace ingot::expr {

std::string format_time(std::string_view layout, WallTime);
// nullopt: the text is not of the layout. What a layout does not say is of 0000-01-01T00:00:00Z, as in Go; an
// abbreviated zone other than UTC, GMT and Z counts as UTC, as Go has it for those it does not know.
std::optional<WallTime> parse_time(std::string_view layout, std::string_view text);
// "1h2m3s", as Duration.String writes whole seconds.
std::string printed_duration(std::chrono::seconds);

}  // namespace ingot::expr
