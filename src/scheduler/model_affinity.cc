#include <utility>

#include "scheduler/model.h"

namespace ingot::scheduler {

// A subject is acquired while it waits, for only then its own asks are looked at.
void Model::seat(SubjectState& s, int slot) {
  const int before = std::exchange(s.slot, slot);
  if (before == slot) return;
  if (slot >= 0) affinity_.place(s.id, slot, 1, s.ending);
  if (before < 0) return affinity_.release(s.id);
  if (slot < 0) affinity_.acquire(s.id);
  affinity_.place(s.id, before, -1, s.ending);
}

void Model::set_subject(std::string_view uid, const Subject& subject, bool ending) {
  const AffinityIndex::Id id = affinity_.acquire(subject);
  auto found = subjects_.find(uid);
  if (found != subjects_.end() && found->second.id == id && found->second.ending == ending)
    return affinity_.release(id);
  if (found == subjects_.end()) {
    found = subjects_.emplace(std::string(uid), SubjectState{}).first;
  } else {
    seat(found->second, -1);
    affinity_.release(found->second.id);
  }
  found->second = {.id = id, .ending = ending};
  if (const Allocation* a = allocation(uid)) seat(found->second, this->slot(a->node));
  ++version_;
}

void Model::erase_subject(std::string_view uid) {
  const auto found = subjects_.find(uid);
  if (found == subjects_.end()) return;
  if (found->second.slot >= 0) ++version_;
  seat(found->second, -1);
  affinity_.release(found->second.id);
  subjects_.erase(found);
}

void Model::set_space(const std::string& cluster, const std::string& space, Labels labels) {
  if (affinity_.set_space(cluster, space, std::move(labels))) ++version_;
}

void Model::erase_space(const std::string& cluster, const std::string& space) {
  affinity_.erase_space(cluster, space);
  ++version_;
}

}  // namespace ingot::scheduler
