// get, list and watch. Loop thread, inside the turn.
#pragma once

#include "api/selector.h"
#include "apiserver/context.h"

namespace ingot::apiserver {

Result<Outcome> get_object(Call&);
Result<Outcome> list_objects(Call&);
Result<Outcome> watch_objects(Call&);

// What a collection request selects: parsed from the query, checked against what the type can be selected by.
struct Selection {
  api::LabelSelector labels;
  api::FieldSelector fields;
  std::string node;  // that objects must belong to, "" if any may: told from api::Object without parsing it
  bool node_alone = false;
  bool everything() const { return labels.everything() && fields.everything(); }
  // `parsed(object)` is called only where fields or labels must be looked at.
  template <class Parsed>
  bool matches(const api::ObjectPtr& object, Parsed&& parsed) const {
    if (everything()) return true;
    if (!node.empty() && object->node != node) return false;
    return node_alone || selects(parsed(object));
  }
  bool matches(const api::ObjectPtr& object) const {
    return matches(object, [](const api::ObjectPtr& o) { return o->parse(); });
  }

 private:
  bool selects(const api::Json& object) const;
};
Result<Selection> read_selection(const api::Resource&, const Route&);

// Where the next page of a list starts. Opaque to clients; harmless when forged: it names a revision and a place
// inside whatever range the request itself may read.
struct Continue {
  Revision revision;
  std::string after;  // "namespace/name"
};
std::string encode_continue(const Continue&);
Result<Continue> decode_continue(std::string_view token);

}  // namespace ingot::apiserver
