// create, update, patch, delete, deletecollection. Loop thread, inside the turn.
//
// Invariants: metadata that only the server writes (uid, creationTimestamp, generation, deletionTimestamp,
// resourceVersion) never comes from a client; a write that changes nothing makes no revision; an object with
// finalizers leaves only when the last one is gone.
#pragma once

#include "api/deletion.h"
#include "apiserver/context.h"

namespace ingot::apiserver {

Result<Outcome> create_object(Call&);
Result<Outcome> update_object(Call&);
Result<Outcome> patch_object(Call&);
Result<Outcome> delete_object(Call&);
Result<Outcome> delete_collection(Call&);

struct DeleteOptions {
  api::Deletion how;
  std::string uid, resource_version;  // preconditions
};
// From the query, then the body (metav1.DeleteOptions) where the query is silent.
Result<DeleteOptions> read_delete_options(Call&, const api::Json* body);

struct Removed {
  api::ObjectPtr object;  // the last state, or the one that now waits for finalizers or grace
  bool gone = false;
};
Result<Removed> remove_object(Call&, const api::ObjectPtr& stored, const DeleteOptions&);

// Stores `after` in the place of `stored` under the rules of an update; `subresource` as in the path. The answer's
// body is what is stored.
// Without `with_nodes`, a Workflow's are not among what is seen, and stay as they are.
Result<Outcome> replace_object(Call&, const api::ObjectPtr& stored, const api::Json& before, api::Json after,
                               bool with_nodes = true);

// An answer that shows one object.
Outcome show(Call&, int code, const api::ObjectPtr&);

}  // namespace ingot::apiserver
