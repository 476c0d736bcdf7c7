// A watch: changes of a scope, filtered and encoded, pumped into an Exchange until its time is over. Loop thread.
#pragma once

#include <memory>

#include "apiserver/context.h"
#include "apiserver/read.h"

namespace ingot::apiserver {

// Encodes each event once for all the watchers that get it one after another.
class EventEncoder {
 public:
  explicit EventEncoder(Services& services) : services_(services) {}
  const api::Json& parsed(const api::ObjectPtr&);
  Piece event(std::string_view type, const api::Resource&, const Wanted&, const api::ObjectPtr&,
              bool definitions);
  // As watchers of every cluster see it, untouched otherwise.
  Piece event_with_cluster(std::string_view type, const api::ObjectPtr&);
  // The object as tenants watching nodes and slices see it.
  api::ObjectPtr projected(const api::ObjectPtr&);

 private:
  struct Encoded {
    api::ObjectPtr object;
    std::string_view type;
    Piece piece;
  };
  Services& services_;
  api::ObjectPtr parsed_object_, parsed_before_;
  api::Json parsed_value_, parsed_before_value_;
  Encoded last_, clustered_;
};

struct WatchPlan {
  store::Scope scope;
  Revision from{};                      // 0: everything first
  std::vector<api::ObjectPtr> builtin;  // sent before the rest when from is 0
  Selection selection;
  Wanted wanted;
  const api::Resource* type = nullptr;
  bool every_cluster = false, projected = false;
  bool with_nodes = false;  // of Workflows
  std::string tenant;       // whose watch it is
  bool bookmarks = false, mark_initial = false;
  Duration timeout{};
};
// A place among the open watches and followed logs of the asker's home; 429 at the limit.
Result<std::shared_ptr<void>> enter_watch(Call&);
// Begins the stream on `exchange`.
void start_watch(std::shared_ptr<Services>, WatchPlan, ExchangePtr, std::shared_ptr<void> ticket);

}  // namespace ingot::apiserver
