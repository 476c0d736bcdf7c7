// Gates as the engine of pipelines asks them, of placement, which keeps them. Thread rule: the loop.
#pragma once

#include "controllers/placement.h"
#include "pipelines/judge.h"

namespace ingot {

// `placement` outlives it.
inline pipelines::Judge run_judge(controllers::Placement& placement) {
  return [&placement](const store::Turn& turn,
                      const pipelines::RunToJudge& run) -> std::optional<pipelines::RunSaid> {
    auto said = placement.judge_run(turn, {run.key, run.workflow, run.spec, run.templates});
    if (!said) return std::nullopt;
    return pipelines::RunSaid{said->concerned, std::move(said->held), std::move(said->row.data),
                              std::move(said->row.unique)};
  };
}

}  // namespace ingot
