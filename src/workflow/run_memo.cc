// A run: what its templates gave before, and what is to be kept of what they give.
#include <algorithm>

#include "expr/template.h"
#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

// Whether the node has ended at once: with what is remembered, or because that cannot be read.
bool Run::remembered(NodeIndex node, WallTime now) {
  const Json* memoize = api::find(nodes_[size_t(node)].runs->body, {"memoize"});
  if (!memoize) return false;
  Json filled = *memoize;
  JsonObject variables = globals(now);
  add_inputs(variables, nodes_[size_t(node)]);
  int64_t left = kFillSteps;
  const auto done =
      expr::fill_json(filled, expr::Variables(std::move(variables)), left, {.surroundings = {now}});
  const Or<MemoKey> key = done ? memo_key(filled) : std::unexpected(done.error().message);
  Or<std::optional<Values>> found = std::nullopt;
  if (!key)
    found = std::unexpected(key.error());
  else if (const auto given = std::ranges::find_if(
               wanted_.memos,
               [&](const Memo& m) { return !m.hit && m.map == key->map && m.key == key->key; });
           given != wanted_.memos.end())
    found = given->outputs;  // in this very turn
  else if (recall_)
    found = recall_(*key);
  if (!found) {
    end(node, Phase::Error, found.error(), now);
    return true;
  }
  Node& n = nodes_[size_t(node)];
  n.memo = std::make_shared<const Json>(JsonObject{
      {"cacheName", text_json(key->map)}, {"hit", found->has_value()}, {"key", text_json(key->key)}});
  touch(node);
  if (!*found) return false;
  n.outputs = **found;
  wanted_.memos.push_back({.node = node, .map = key->map, .key = key->key, .hit = true});
  end(node, Phase::Succeeded, "", now);
  return true;
}

// What ended well is kept.
void Run::memorize(NodeIndex node) {
  const Node& n = nodes_[size_t(node)];
  if (n.phase != Phase::Succeeded || api::bool_at(*n.memo, {"hit"})) return;
  wanted_.memos.push_back({.node = node,
                           .map = std::string(api::string_at(*n.memo, {"cacheName"})),
                           .key = std::string(api::string_at(*n.memo, {"key"})),
                           .node_id = n.id,
                           .outputs = n.outputs});
}

void Run::not_memorized(NodeIndex node, std::string why) {
  nodes_[size_t(node)].message = std::move(why);
  touch(node);
}

}  // namespace ingot::workflow
