#include "pipelines/memos.h"

#include <map>

#include "api/names.h"
#include "base/encoding.h"

namespace ingot::pipelines {

using api::Json;
using api::Key;
using workflow::Memo;

namespace {

Key map_key(const Key& workflow, std::string_view name) {
  return {ClusterId{std::string(workflow.cluster())}, "configmaps", workflow.ns(), name};
}

}  // namespace

const Json* Memos::read(const store::Turn& turn, const Key& map) {
  const api::ObjectPtr object = turn.get(map);
  if (!object) return nullptr;
  if (!last_map_ || last_.text() != map.text() || last_revision_ != object->revision) {
    last_ = map;
    last_revision_ = object->revision;
    last_map_ = object->parse();
  }
  return &*last_map_;
}

workflow::Recall Memos::recall(const store::Turn& turn, const Key& workflow) {
  return [this, &turn, workflow](const workflow::MemoKey& memo) {
    return workflow::recall(read(turn, map_key(workflow, memo.map)), memo, env_.clock.wall());
  };
}

std::vector<Memos::Lost> Memos::keep(store::Turn& turn, const Key& workflow, const std::vector<Memo>& memos) {
  std::vector<Lost> lost;
  std::map<std::string, std::vector<const Memo*>> by_map;
  for (const Memo& memo : memos) by_map[memo.map].push_back(&memo);
  for (const auto& [name, of] : by_map) {
    if (!api::dns_subdomain_fault(name).empty()) continue;  // written by hand into a node
    const Key key = map_key(workflow, name);
    const Json* before = read(turn, key);
    std::optional<Json> after = workflow::remember(before, of, env_.clock.wall(), lost);
    if (!after) continue;
    if (!before) {
      api::set(*after, {"metadata", "namespace"}, workflow.ns());
      api::set(*after, {"metadata", "uid"}, uuid(env_.entropy.next(), env_.entropy.next()));
      api::set(*after, {"metadata", "creationTimestamp"}, to_rfc3339(env_.clock.wall()));
    }
    if (const auto put = turn.put(key, *std::move(after)); !put)
      for (const Memo* memo : of) lost.push_back({memo->node, "memoize: " + put.error().message});
  }
  return lost;
}

}  // namespace ingot::pipelines
