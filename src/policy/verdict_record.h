// A verdict as a SLSA Verification Summary, with what it rests on. Pure; any thread.
//
// Facts: slsa.dev/verification_summary/v1. The policy's digest is over the gates that were asked, as they were; what is ours
// alone stands in fields that begin with "ingot_", as the format's rules for extension have it.
#pragma once

#include <string>
#include <string_view>

#include "policy/gates.h"

namespace ingot::policy {

inline constexpr std::string_view kVerdictPredicate = "https://slsa.dev/verification_summary/v1";
inline constexpr std::string_view kVerdicts = "verdicts";  // the stream of rows
inline constexpr std::string_view kVerifier = "https://ingot.dev/gates";

std::string to_verification_summary(const Verdict&, const Facts&, const GateSet&, WallTime now);

// The row of the stream: of what, how it ended, and the statement. `unique` is the same for the same verdict on the same
// work, so that what is judged again is written once.
struct VerdictRow {
  std::string unique, data;
};
VerdictRow verdict_row(const Verdict&, const Facts&, const GateSet&, WallTime now);

}  // namespace ingot::policy
