// What came of a replay, for programs and people: JSON, CSV, table cells. Pure; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/json.h"
#include "replay/change.h"

namespace ingot::replay {

// A scenario and what came of it.
struct Outcome {
  Scenario scenario;
  ReplayResult result;
};

api::JsonObject figures_json(const ReplayResult&);
// Names and values of one outcome, aligned over several.
std::vector<std::pair<std::string, std::string>> figures_text(const ReplayResult&);
// One line a job: scenario,job,tenant,gpus,submit_s,start_s,end_s,wait_s,run_s,preemptions
std::string figures_csv(const std::vector<Outcome>&, const std::vector<TraceJob>&);
// A page that needs nothing else: the figures, and plots of allocation, fragmentation, queue wait by tenant and
// fairness over time as inline SVG. Names from the trace are escaped.
std::string report_html(const std::string& title, const std::vector<Outcome>&);

std::string span_text(double seconds);  // "52 min"

}  // namespace ingot::replay
