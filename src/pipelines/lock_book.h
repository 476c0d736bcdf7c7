// The locks of every cluster's runs (workflow/locks.h). They are not stored: a run and its nodes say what they hold, so
// after reset() nothing is given until every Workflow that was there has been read.
// Thread rule: the loop, in the turn given.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/object.h"
#include "store/shard.h"
#include "workflow/locks.h"

namespace ingot::pipelines {

class LockBook {
 public:
  void reset();
  // A Workflow that is there; that it has been read; that no other is to be expected.
  void expect(const std::string& workflow);
  void read(const std::string& workflow) { unread_.erase(workflow); }
  void expected_all() { all_expected_ = true; }

  workflow::Locks& of(const store::Turn&, const api::Key& workflow);
  // While what a run holds is read again, nobody else gets it.
  class Again {
   public:
    Again(LockBook&, const store::Turn&, const api::Key& workflow);
    ~Again();
    Again(const Again&) = delete;
    Again& operator=(const Again&) = delete;

   private:
    workflow::Locks* locks_ = nullptr;  // nullptr: it held nothing
  };
  void forget(const store::Turn&, const api::Key& workflow);
  void resized(const store::Turn&, const api::Key& config_map);
  // Runs that were given something since the last call.
  std::vector<api::Key> told(const store::Turn&);

 private:
  struct Size {
    Revision of;  // of its ConfigMap
    workflow::Or<int64_t> value;
  };
  struct Book {
    workflow::Locks locks;
    std::map<std::string, Size, std::less<>> sizes;  // by ConfigMap and key: read once a change
  };
  Book& book(const store::Turn&, std::string_view cluster);

  std::map<std::string, Book, std::less<>> books_;  // by cluster
  std::set<std::string> touched_;                   // of them, since told()
  std::set<std::string> unread_;
  bool all_expected_ = false, open_ = false;
};

}  // namespace ingot::pipelines
