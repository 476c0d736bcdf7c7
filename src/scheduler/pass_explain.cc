#include "base/quantity.h"
#include "scheduler/pass.h"

namespace ingot::scheduler {

// First those without any reason, then, as far as the work allowed for a pass goes, those whose reason is
// older than the last change.
void Pass::explain_waiting() {
  for (const UnitState* waiting : waiting_) {
    const UnitState& u = *waiting;
    if (u.reason || u.classes.front()->reason) continue;
    if (may_explain())
      explain_class(*u.classes.front());
    else
      out_.more = true;
  }
  for (const UnitState* waiting : waiting_) {
    const UnitState& u = *waiting;
    if (u.reason) {
      out_.waiting.push_back({u.unit.id, u.reason});
      continue;
    }
    Class& c = *u.classes.front();
    if (may_explain()) explain_class(c);
    if (c.reason) out_.waiting.push_back({u.unit.id, c.reason});
  }
}

void Pass::explain_class(Class& c) {
  if (c.reason && c.explained_at == journal_end()) return;
  Explanation e = explain_now(c);
  c.explained_at = journal_end();
  c.lacks_room = e.lacks_room;
  if (!c.reason || *c.reason != e.text) c.reason = std::make_shared<const std::string>(std::move(e.text));
}

std::shared_ptr<const std::string> Pass::gang_reason(UnitState& u, size_t placed) {
  const Explanation e = explain_now(*u.classes[placed]);
  u.lacks_room = e.lacks_room;
  return std::make_shared<const std::string>(std::to_string(placed) + " of " +
                                             std::to_string(u.classes.size()) +
                                             " pods of the gang fit: " + e.text);
}

std::shared_ptr<const std::string> Pass::too_large(UnitState& u) {
  if (u.classes.size() < 2) return nullptr;
  ModelSet models = 0;
  for (const Class* c : u.classes) {
    if (c->request.share() || c->request.cuts()) return nullptr;  // their reasons name what they ask for
    models |= c->request.models;
  }
  int64_t offered = 0;
  for (const auto& [model, milli] : m_.capacity_.models)
    if (models >> model & 1) offered += milli;
  if (u.asks.gpu_milli <= offered) return nullptr;
  u.lacks_room = false;
  return std::make_shared<const std::string>("gang " + u.unit.id.substr(u.unit.id.rfind('/') + 1) +
                                             " needs " + format_milli(u.asks.gpu_milli) +
                                             " GPUs together; the factory has " + format_milli(offered) +
                                             (models == kAnyModel ? "" : " of the models it takes"));
}

Explanation Pass::explain_now(const Class& c) {
  if (nodes_.empty() || looked_at_ != journal_end()) {
    looked_at_ = journal_end();
    nodes_.clear();
    for (const auto& [name, slot] : m_.slots_)
      if (m_.nodes_[size_t(slot)].known) nodes_.push_back(&m_.nodes_[size_t(slot)]);
  }
  m_.checks_ += nodes_.size();
  const auto slot = [&](const Node& n) { return m_.slots_.find(n.name)->second; };
  return explain(c.request, nodes_,
                 {.open = [&](const Node& n) { return m_.open_to(n.pool, c.tenant); },
                  .kept = [&](const Node& n) { return kept_.contains(slot(n)); },
                  .cuts = [&](const Node& n) { return c.cuts(m_, slot(n)); },
                  .places = [&](const NodeState& s) { return c.places(m_, slot(s.node), false); },
                  .most = [&](const NodeState& s) { return c.places(m_, slot(s.node), true); }});
}

}  // namespace ingot::scheduler
