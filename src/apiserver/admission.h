// What may come in, and what is added on the way: namespaces' lives, pods' defaults and security, roles that would
// raise their author, kinds and names that are not a tenant's to touch. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

// Completes and judges a new object; warnings go to the call.
Result<void> admit_create(Call&, api::Json& object);
// `after` is what would be stored.
Result<void> admit_update(Call&, const api::Json& before, api::Json& after);
Result<void> admit_delete(Call&, const api::ObjectPtr&);
// What else is written together with a new object.
Result<void> after_create(Call&, const api::ObjectPtr&);
Result<void> after_update(Call&, const api::Json& before, const api::Json& after);
// What goes with an object that is gone.
Result<void> after_erase(Call&, const api::ObjectPtr&);

// Names nobody may write in this cluster: built-in objects, a tenant's nodes.
Result<void> check_writable(Call&, std::string_view name);
// Roles and bindings: nobody grants what he does not hold.
Result<void> check_escalation(Call&, const api::Json& object);

}  // namespace ingot::apiserver
