// What changes of Workflows, told with their nodes: read in a turn of its own, and put together beside the loop where there are
// many. One that changes faster than it can be told is told as it is by then.
//
// Thread rule: the loop. Invariants: told in the order of revisions; of each Workflow one state waits, and
// deletions up to so many bytes; of each tenant's watchers two have many nodes put together at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/context.h"
#include "apiserver/workflows.h"

namespace ingot::apiserver {

class WorkflowEvents : public std::enable_shared_from_this<WorkflowEvents> {
 public:
  struct Listener {
    virtual bool tell(std::string_view type, const api::ObjectPtr&) = 0;  // false: no more is wanted
    virtual void failed(const Error&) = 0;                                // nothing more comes
    virtual void told_all() = 0;

   protected:
    ~Listener() = default;
  };
  // `tenant`: whose watcher it is. The listener lives as long as this, or until drop().
  WorkflowEvents(std::shared_ptr<Services> services, Listener& listener, std::string tenant)
      : services_(std::move(services)), listener_(&listener), tenant_(std::move(tenant)) {}

  // False: too much was deleted that the watcher was not told yet.
  [[nodiscard]] bool add(std::string_view type, const api::ObjectPtr&);
  bool idle() const { return !busy_ && waiting_.empty(); }
  void drop() { listener_ = nullptr; }

 private:
  struct Change {
    std::string_view type;
    api::ObjectPtr object;
  };
  struct Read {
    std::string_view type;
    WorkflowParts parts;
  };
  using Batch = std::vector<Read>;

  void go_on();
  void read(store::Turn&);
  void put_together(std::shared_ptr<Batch>, bool many);
  void tell(const std::vector<Change>&);
  void later(std::function<void(WorkflowEvents&)>);

  const std::shared_ptr<Services> services_;
  Listener* listener_;
  const std::string tenant_;
  std::map<uint64_t, Change> waiting_;                   // in the order in which they are told
  std::map<std::string, uint64_t, std::less<>> places_;  // key → the newest of it in waiting_
  size_t gone_bytes_ = 0;                                // of deletions in waiting_
  uint64_t last_ = 0;
  bool busy_ = false;
};

}  // namespace ingot::apiserver
