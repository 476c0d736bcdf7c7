// From a stored pod to what it asks of other pods' places. Pure; any thread. What the API server validated is read
// as upstream reads it; what is malformed reads as what matches nothing.
#pragma once

#include <expected>
#include <string>

#include "api/json.h"
#include "scheduler/affinity.h"
#include "scheduler/topology.h"

namespace ingot::scheduler {

inline constexpr size_t kMaxAffinityTerms = 128;  // of a pod, of all kinds together

// matchLabelKeys and mismatchLabelKeys are resolved with the pod's labels, absent namespaces with its own. The error
// is for people: more terms than a pod may have.
std::expected<Affinity, std::string> affinity_of(const api::Json& pod);

Labels labels_of(const api::Json& object);  // metadata.labels

// The pod as other pods' affinity sees it; its namespace and labels from its metadata.
Subject subject_of(std::string_view cluster, const api::Json& pod, Affinity asks, Constraints where);

// Of the pod's annotations those that topology_ask() reads.
Labels topology_annotations(const api::Json& pod);

// A metav1.LabelSelector; an absent one selects nothing.
Selector selector_from(const api::Json* selector);

}  // namespace ingot::scheduler
