#include "controllers/queue_book.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "scheduler/objects.h"

namespace ingot::controllers {

using scheduler::Pool;
using scheduler::QueueObject;

const QueueObject* QueueBook::find(std::string_view name) const {
  const auto found = queues_.find(name);
  return found == queues_.end() ? nullptr : &found->second;
}

template <class Visit>
bool QueueBook::upwards(std::string_view name, Visit visit) const {
  const QueueObject* queue = find(name);
  for (size_t steps = 0; queue && steps <= queues_.size(); ++steps) {  // parents may form a ring
    if (visit(*queue)) return true;
    queue = find(queue->queue.parent);
  }
  return false;
}

bool QueueBook::set_queue(std::string_view name, const api::Json* object) {
  const QueueObject* before = find(name);
  if (!object) {
    if (!before) return false;
    queues_.erase(queues_.find(name));
    model_.erase_queue(name);
    return true;
  }
  QueueObject now =
      scheduler::queue_from(*object, [&](std::string_view model) { return model_.model_id(model); });
  if (before && *before == now) return false;
  const bool matters = !before || before->tenants != now.tenants || before->least_run != now.least_run ||
                       before->queue.parent != now.queue.parent;
  model_.set_queue(now.queue);
  queues_.insert_or_assign(std::string(name), std::move(now));
  return matters;
}

void QueueBook::set_pool(std::string_view name, const api::Json* object) {
  if (!object) {
    if (const auto found = pools_.find(name); found != pools_.end()) pools_.erase(found);
    return model_.erase_pool(name);
  }
  Pool pool = scheduler::pool_from(*object);
  show_pool(pool);
  pools_.insert_or_assign(std::string(name), std::move(pool));
}

void QueueBook::show_pool(Pool pool) {
  std::set<std::string> ids;
  for (const std::string& name : pool.tenants) {
    if (name == kRootCluster.value) ids.insert(name);
    if (const auto tenant = tenants_.find(name); tenant != tenants_.end()) ids.insert(tenant->second.cluster);
  }
  pool.tenants = std::move(ids);
  model_.set_pool(std::move(pool));
}

bool QueueBook::set_tenant(std::string_view name, std::string_view cluster, std::string_view queue) {
  const auto before = tenants_.find(name);
  if (before == tenants_.end() && cluster.empty()) return false;
  if (before != tenants_.end() && before->second.cluster == cluster && before->second.queue == queue)
    return false;
  if (cluster.empty())
    tenants_.erase(before);
  else
    tenants_.insert_or_assign(std::string(name), Tenant{std::string(cluster), std::string(queue)});
  for (const auto& [pool_name, pool] : pools_)
    if (pool.tenants.contains(std::string(name))) show_pool(pool);
  return true;
}

void QueueBook::clear() {
  queues_.clear();
  pools_.clear();
  tenants_.clear();
}

std::expected<std::string, std::string> QueueBook::resolve(std::string_view tenant,
                                                           std::string_view label) const {
  if (label.empty()) return "";
  const bool listed = tenant == kRootCluster.value || upwards(label, [&](const QueueObject& q) {
                        return q.tenants.contains(std::string(tenant));
                      });
  if (listed && find(label)) return std::string(label);
  if (label == tenant) return "";
  if (tenant == kRootCluster.value)
    return std::unexpected(
        fmt::format("label {} names queue \"{}\", which does not exist", scheduler::kQueueLabel, label));
  // Whether a queue exists that it may not use is not a tenant's to know.
  return std::unexpected(fmt::format(
      "label {} names queue \"{}\", which does not exist or is not open to tenant {}: without the label "
      "its own queue is used; an operator opens another by listing the tenant in the Queue's spec.tenants",
      scheduler::kQueueLabel, label, tenant));
}

std::vector<std::string> QueueBook::chain(std::string_view tenant, std::string_view queue) const {
  std::vector<std::string> out{std::string(queue.empty() ? tenant : queue)};
  std::string_view from = queue;
  if (queue.empty()) {
    const auto found = tenants_.find(tenant);
    if (found != tenants_.end()) from = found->second.queue;
  }
  upwards(from, [&](const QueueObject& q) {
    if (q.queue.name != out.back()) out.push_back(q.queue.name);
    return false;
  });
  return out;
}

Duration QueueBook::least_run(std::string_view tenant, std::string_view queue) const {
  std::string_view from = queue;
  if (const auto found = tenants_.find(tenant); from.empty() && found != tenants_.end())
    from = found->second.queue;
  Duration least{};
  upwards(from, [&](const QueueObject& q) {
    least = q.least_run;
    return least.count() > 0;
  });
  return least;
}

}  // namespace ingot::controllers
