// A run: the locks of its own and of its nodes.
#include <algorithm>

#include "expr/template.h"
#include "workflow/run.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::string_at;

// Whether the run may begin, or go on: it has the locks of `spec.synchronization`.
bool Run::admitted(WallTime now) {
  if (admitted_ || over_) return admitted_;
  const Json* wants = api::find(flow_->spec(), {"synchronization"});
  if (!wants) return admitted_ = true;
  if (waits_) {
    if (!locks_->holds(holder())) return false;
  } else if (!own_locks_.empty()) {
    locks_->hold({.holder = holder(), .locks = own_locks_});
  } else {
    Json filled = *wants;
    int64_t left = kFillSteps;
    const auto done = expr::fill_json(filled, expr::Variables(globals(now)), left, {.surroundings = {now}});
    auto names = done ? lock_names(filled, facts_.ns) : std::unexpected(done.error().message);
    Or<Locks::Answer> answer = std::unexpected(names ? "nobody keeps locks here" : names.error());
    if (names && locks_)
      answer = locks_->take(
          {.holder = holder(), .locks = *names, .priority = facts_.priority, .created = facts_.created});
    if (!answer) {
      finish(Phase::Error, "Failed to acquire the synchronization lock. " + answer.error(), now);
      return false;
    }
    own_locks_ = *std::move(names);
    waits_ = !answer->held;
    message_ = answer->message;
  }
  locks_changed_ = true;
  if (waits_ && !locks_->holds(holder())) return false;
  waits_ = false;
  message_.clear();
  admitted_ = true;
  if (!kept_.empty()) read_again(std::exchange(kept_, {}), now);
  return true;
}

void Run::restore_locks(const Json& status) {
  for (const std::string_view kind : {"mutex", "semaphore"})
    for (const Json& entry : array_at(status, {kind, "holding"})) {
      bool ours = string_at(entry, {"holder"}) == holder();
      for (const Json& who : array_at(entry, {"holders"})) ours |= string_at(who, {}) == holder();
      if (ours) own_locks_.emplace_back(string_at(entry, {kind}));
    }
}

Claim Run::claim_of(NodeIndex node) const {
  const Node& n = nodes_[size_t(node)];
  Claim out{.holder = holder() + "/" + n.id,
            .locks = n.locks ? n.locks->names : std::vector<std::string>{},
            .priority = facts_.priority,
            .created = facts_.created,
            .above = {holder()}};
  for (NodeIndex up = n.parent; up != kNobody; up = nodes_[size_t(up)].parent) {
    // A group has no locks, but what it is of may.
    if (nodes_[size_t(up)].locks) out.above.push_back(holder() + "/" + nodes_[size_t(up)].id);
    if (nodes_[size_t(up)].parent == up || out.above.size() > kMostClaimed) break;
  }
  return out;
}

// Whether the node has the locks of its template; else it waits for them, or has ended. `known`: it was begun before.
bool Run::take_locks(NodeIndex node, bool known, WallTime now) {
  Node& n = nodes_[size_t(node)];
  const Json* wants = api::find(n.runs->body, {"synchronization"});
  if (!wants) return true;
  Json filled = *wants;
  JsonObject variables = globals(now);
  add_inputs(variables, n);
  int64_t left = kFillSteps;
  const auto done =
      expr::fill_json(filled, expr::Variables(std::move(variables)), left, {.surroundings = {now}});
  auto names = done ? lock_names(filled, facts_.ns) : std::unexpected(done.error().message);
  Or<Locks::Answer> answer = std::unexpected(names ? "nobody keeps locks here" : names.error());
  if (names && locks_) {
    n.locks = std::make_shared<const NodeLocks>(NodeLocks{.names = *names});
    answer = locks_->take(claim_of(node));
  }
  locks_changed_ = true;
  touch(node);
  if (!answer) {
    end(node, Phase::Error, "Failed to acquire the synchronization lock. " + answer.error(), now);
    return false;
  }
  if (answer->held) return true;
  n.locks = std::make_shared<const NodeLocks>(NodeLocks{*std::move(names), answer->lock});
  n.phase = Phase::Pending;
  n.message = answer->message;
  waiting_[node] = known;
  return false;
}

// Nodes that were given what they waited for go on.
void Run::locks_given(WallTime now) {
  if (!locks_ || waiting_.empty() || suspended_) return;
  for (const std::string& who : locks_->given(holder())) {
    const NodeIndex node = by_id(std::string_view(who).substr(std::min(who.size(), holder().size() + 1)));
    const auto at = waiting_.find(node);
    if (at == waiting_.end()) continue;
    const bool known = at->second;
    waiting_.erase(at);
    const size_t before = nodes_.size();
    if (known) note_below();
    open_locked(node, known, now);
    if (known) reopen_all(node, before, now);
  }
}

// Who waited has its locks.
void Run::open_locked(NodeIndex node, bool known, WallTime now) {
  Node& n = nodes_[size_t(node)];
  n.locks = std::make_shared<const NodeLocks>(NodeLocks{.names = n.locks->names});
  n.message.clear();
  if (!works(n.type)) n.phase = Phase::Running;
  if (!known) n.started = now;
  locks_changed_ = true;
  touch(node);
  if (known && n.type != NodeType::Suspend)
    reopen(node, now);
  else
    open_node(node, now);
}

void Run::release(Node& n) {
  if (locks_) locks_->release(holder() + "/" + n.id);
  n.locks = nullptr;
  waiting_.erase(by_id(n.id));
  locks_changed_ = true;
}

bool Run::ends_at_once(NodeIndex node) const {
  const NodeType type = nodes_[size_t(node)].type;
  return works(type) || type == NodeType::Suspend || waiting_.contains(node);
}

// After a restart: a node holds what it held; whether it is not to go on yet.
bool Run::reopen_locked(NodeIndex node, WallTime now) {
  Node& n = nodes_[size_t(node)];
  if (!n.runs || !locks_ || n.retried || n.type == NodeType::StepGroup || n.type == NodeType::TaskGroup ||
      n.type == NodeType::Container)  // its pod holds them
    return false;
  if (n.locks && n.locks->waits_for.empty()) {
    locks_->hold(claim_of(node));
    locks_changed_ = true;
    return false;
  }
  if (!api::find(n.runs->body, {"synchronization"})) return false;
  // And ended, and to be tried again.
  bool begun = !n.locks && !works(n.type);
  for (size_t i = 0; i < nodes_.size() && !begun && !works(n.type); ++i) begun = above(NodeIndex(i)) == node;
  if (take_locks(node, begun, now)) open_locked(node, begun, now);
  return true;
}

std::optional<Json> Run::synchronization() {
  if (!locks_ || !std::exchange(locks_changed_, false)) return std::nullopt;
  return locks_->status_of(holder());
}

}  // namespace ingot::workflow
