// What ResourceClaims ask for, and the ways in which a pod's claims can be answered together, in the scheduler's words.
// Pure; any thread.
//
// A selector is asked of the kinds of devices the factory has, so what it says of one device alone (its uuid, its index)
// is nothing it can choose by. A way gives every request one kind: whole GPUs, or MIG instances of one profile.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controllers/device_kinds.h"
#include "scheduler/work.h"

namespace ingot::controllers {

// Profile ("": whole GPUs) → the models of which it may be.
using Choices = std::map<std::string, std::set<std::string>>;

struct ClaimNeeds {
  // What a request could be.
  struct Option {
    std::string name;  // "gpu", or "gpus/big" of a request with choices
    int64_t count = 1;
    bool all = false;  // these are all GPUs of a node
    Choices kinds;
  };
  struct Request {
    std::string entry;            // of the pod's spec.resourceClaims; "": what its containers ask for
    std::vector<Option> options;  // in order of preference
  };
  // matchAttribute or distinctAttribute.
  struct Constraint {
    std::string entry;
    std::set<std::string> requests;  // "gpus", "gpus/big"; empty: all of the claim
    std::string attribute;
    bool distinct = false;
  };
  std::vector<Request> requests;
  std::vector<Constraint> constraints;
};

// A DeviceClass by name, or none.
using ClassOf = std::function<std::optional<api::Json>(std::string_view)>;

// What the selectors of all claims of a pod may take together, in steps of cel/evaluator.h: a few milliseconds, for they
// run in a turn.
inline constexpr int64_t kMaxClaimSteps = 200'000;

// Adds what the claim, that the pod calls `entry`, asks for. Error: why no device of this factory can ever be it, for
// people. `steps`: what is left to take.
std::expected<void, std::string> add_needs(ClaimNeeds&, std::string_view entry, const api::Json& claim,
                                           const ClassOf&, const DeviceKinds&, int64_t& steps);

// One answer to all requests of a pod.
struct Way {
  struct Devices {
    std::string entry, request;  // ClaimNeeds::Request::entry, Option::name
    int64_t count = 1;
    std::string profile;
  };
  std::vector<Devices> devices;        // in the order of the requests
  std::set<std::string> models;        // of the boards
  bool all = false;                    // of a node's GPUs
  std::vector<scheduler::Rule> rules;  // between them
};

// In order of preference, scheduler::kMaxChoices at most: of firstAvailable the first choices first, of what a selector
// leaves open whole GPUs, else the smallest profile. Error: why there is none.
std::expected<std::vector<Way>, std::string> ways_of(const ClaimNeeds&);

}  // namespace ingot::controllers
