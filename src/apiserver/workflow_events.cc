#include "apiserver/workflow_events.h"

namespace ingot::apiserver {
namespace {

constexpr size_t kBatch = 64;           // read in a turn
constexpr size_t kMostGone = 64 << 20;  // bytes of what is no more and waits to be told: nobody else has them
constexpr size_t kMostOfTenant = 2;     // of its watchers put many nodes together at a time
constexpr Duration kRetry = std::chrono::milliseconds(100);

}  // namespace

bool WorkflowEvents::add(std::string_view type, const api::ObjectPtr& object) {
  if (type == "DELETED") gone_bytes_ += object->json.size();
  if (gone_bytes_ > kMostGone) return false;
  const std::string& key = object->key.text();
  if (const auto place = places_.find(key); place != places_.end()) {
    const auto before = waiting_.find(place->second);
    if (before->second.type == "ADDED" && type == "MODIFIED") type = "ADDED";
    if (before->second.type != "DELETED") waiting_.erase(before);
  }
  waiting_.emplace(++last_, Change{type, object});
  places_.insert_or_assign(key, last_);
  go_on();
  return true;
}

void WorkflowEvents::go_on() {
  if (busy_ || !listener_) return;
  if (waiting_.empty()) return listener_->told_all();
  busy_ = true;
  const auto taken = services_->shard.submit(
      [weak = weak_from_this()](store::Turn& turn) {
        if (const auto self = weak.lock()) self->read(turn);
      },
      store::Shard::Kind::Reads);
  if (taken) return;
  later([](WorkflowEvents& at) {
    at.busy_ = false;
    at.go_on();
  });
}

void WorkflowEvents::read(store::Turn& turn) {
  const auto batch = std::make_shared<Batch>();
  size_t nodes = 0;
  while (!waiting_.empty() && batch->size() < kBatch && nodes <= kManyNodes) {
    const auto first = waiting_.begin();
    const api::ObjectPtr& object = first->second.object;
    if (first->second.type == "DELETED") gone_bytes_ -= object->json.size();
    const ClusterView view(turn, ClusterId{std::string(object->key.cluster())});
    batch->push_back({first->second.type, workflow_parts(view, object)});
    nodes += batch->back().parts.nodes.size();
    if (const auto place = places_.find(object->key.text()); place->second == first->first)
      places_.erase(place);
    waiting_.erase(first);
  }
  turn.then(turn.revision(), [weak = weak_from_this(), batch, nodes](const Result<void>& durable) {
    const auto self = weak.lock();
    if (!self || !self->listener_) return;
    if (!durable) return self->listener_->failed(durable.error());
    self->put_together(batch, nodes > kManyNodes);
  });
}

void WorkflowEvents::put_together(std::shared_ptr<Batch> batch, bool many) {
  const auto whole = std::make_shared<std::vector<Change>>();
  auto work = [whole, batch] {
    for (const Read& one : *batch) whole->push_back({one.type, whole_workflow(one.parts)});
    batch->clear();
  };
  if (!many || !services_->writer) return work(), tell(*whole);
  size_t& of_tenant = services_->telling[tenant_];
  if (of_tenant >= kMostOfTenant) return later([batch](WorkflowEvents& at) { at.put_together(batch, true); });
  ++of_tenant;
  services_->writer->run(std::move(work),
                         [weak = weak_from_this(), services = services_, tenant = tenant_, whole] {
                           if (const auto count = services->telling.find(tenant); --count->second == 0)
                             services->telling.erase(count);
                           if (const auto self = weak.lock()) self->tell(*whole);
                         });
}

void WorkflowEvents::tell(const std::vector<Change>& all) {
  const auto keep = shared_from_this();
  for (const Change& one : all)
    if (!listener_ || !listener_->tell(one.type, one.object)) return;
  busy_ = false;
  go_on();
}

void WorkflowEvents::later(std::function<void(WorkflowEvents&)> what) {
  services_->env.loop.at(services_->env.clock.now() + kRetry,
                         [weak = weak_from_this(), what = std::move(what)] {
                           if (const auto self = weak.lock(); self && self->listener_) what(*self);
                         });
}

}  // namespace ingot::apiserver
