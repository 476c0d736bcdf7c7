// What ResourceClaims ask for, in the scheduler's words. Pure; any thread.
//
// A selector is asked of the kinds of devices the factory has, so what it says of one device alone (its uuid, its index)
// is nothing it can choose by. The devices of one pod are of one kind: whole GPUs of some models, or MIG instances of
// one profile.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controllers/device_kinds.h"

namespace ingot::controllers {

// Profile ("": whole GPUs) → the models of which it may be.
using Choices = std::map<std::string, std::set<std::string>>;

struct ClaimNeeds {
  struct Request {
    std::string name;  // "gpu", or "gpus/big" of a request with choices
    int64_t count = 1;
  };
  std::vector<Request> requests;
  Choices choices;          // of all its devices
  bool one_island = false;  // joined by NVLink
  int64_t count() const;
};

// A DeviceClass by name, or none.
using ClassOf = std::function<std::optional<api::Json>(std::string_view)>;

// What the selectors of all claims of a pod may take together, in steps of cel/evaluator.h: a few milliseconds, for they
// run in a turn.
inline constexpr int64_t kMaxClaimSteps = 200'000;

// Error: why no device of this factory can ever be it, for people. `steps`: what is left to take.
std::expected<ClaimNeeds, std::string> needs_of(const api::Json& claim, const ClassOf&, const DeviceKinds&,
                                                int64_t& steps);

// What both allow.
Choices common(const Choices&, const Choices&);
// Whole GPUs if they are among the choices, else the smallest profile; choices has some.
Choices::const_iterator best_of(const Choices& choices);

}  // namespace ingot::controllers
