#include "controllers/plan.h"

#include <algorithm>

namespace ingot::controllers {

void Plan::create(const Snapshot& in, std::string_view resource, Json object) {
  std::string_view name = api::string_at(object, {"metadata", "name"});
  if (name.empty()) name = "-";
  Key key(in.cluster(), resource, api::string_at(object, {"metadata", "namespace"}), name);
  writes.push_back({.op = Write::Op::Create, .key = std::move(key), .object = std::move(object)});
}
void Plan::update(const ObjectPtr& before, Json object) {
  writes.push_back({Write::Op::Update, before->key, std::move(object), before->revision});
}
void Plan::remove(const ObjectPtr& object) {
  writes.push_back({Write::Op::Delete, object->key, {}, object->revision});
}
void Plan::erase(const ObjectPtr& object) {
  writes.push_back({Write::Op::Erase, object->key, {}, object->revision});
}

void Plan::revisit(Duration after) {
  after = std::max<Duration>(after, std::chrono::milliseconds(1));
  revisit_after = revisit_after ? std::min(*revisit_after, after) : after;
}

}  // namespace ingot::controllers
