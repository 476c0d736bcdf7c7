// From a stored pod to what it asks of other pods' places. Pure; any thread. What the API server validated is read
// as upstream reads it; what is malformed reads as what matches nothing.
#pragma once

#include <expected>
#include <string>

#include "api/json.h"
#include "scheduler/affinity_terms.h"

namespace ingot::scheduler {

inline constexpr size_t kMaxAffinityTerms = 128;  // of a pod, of all kinds together

// matchLabelKeys and mismatchLabelKeys are resolved with the pod's labels, absent namespaces with its own. The error
// is for people: more terms than a pod may have.
std::expected<Affinity, std::string> affinity_of(const api::Json& pod);

// A metav1.LabelSelector; an absent one selects nothing.
Selector selector_from(const api::Json* selector);

}  // namespace ingot::scheduler
