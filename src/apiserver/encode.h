// Stored objects to a reply in the form the client wants: as they are, as a Table, or metadata alone. Pure but for
// the clock's reading in a Table's ages. Any thread.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

// The encoding of one object in `wanted`'s form; for Plain the stored bytes themselves. `definitions`: with a Table's
// columns.
Piece encode_object(const Wanted&, const api::Resource&, const api::ObjectPtr&, WallTime now,
                    bool definitions = true);

struct ListMeta {
  Revision revision;
  std::string next;  // continue token
};
Reply encode_list(const Wanted&, const api::Resource&, const std::vector<api::ObjectPtr>&, const ListMeta&,
                  WallTime now);

}  // namespace ingot::apiserver
