// metadata.managedFields: who wrote which fields, kept from the first write on. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

// Takes managedFields from what is stored (a client's are not listened to) and adds this write's entry.
void record_manager(Call&, const api::Json* before, api::Json& after);

}  // namespace ingot::apiserver
