// What /metrics says, gathered from the rooms, a piece at a time so that the loop is never held up.
//
// An operator's page (cluster root) shows everything; a tenant's (/clusters/NAME/metrics) what it holds and used, and
// nothing of others. Cardinality: every label's value is the name of an object that exists (nodes, boards, tenants,
// queues, and pods only while they hold a GPU), never text a tenant chose freely; one series a holder and figure; at
// most kMostHolders holders and kMostTenants tenants and queues on a page, and `ingot_metrics_left_out` says how many
// were not shown.
//
// Thread rule: the loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apiserver/server.h"
#include "controllers/device_health.h"
#include "controllers/idleness.h"
#include "controllers/node_lifecycle.h"
#include "controllers/placement.h"
#include "gpu/telemetry.h"
#include "metering/exposition.h"
#include "metering/gpu_view.h"
#include "metering/ledger.h"
#include "pipelines/engine.h"
#include "pipelines/repositories.h"

namespace ingot {

struct MetricSources {
  env::Env& env;
  store::Shard& shard;
  const gpu::Telemetry& telemetry;
  metering::GpuView& gpus;
  const controllers::DeviceHealth& device_health;
  const controllers::NodeLifecycle& node_lifecycle;
  const controllers::Idleness& idleness;
  controllers::Placement& placement;
  metering::Ledger& ledger;
  const pipelines::Engine& pipelines;
  const pipelines::Repositories& repositories;
};

inline constexpr size_t kMostHolders = 50'000, kMostTenants = 10'000;

// Serves while there are `sources`; what is behind the reference outlives the server.
apiserver::ExtraRoute metrics_route(const std::shared_ptr<const MetricSources>& sources);

// One page.
class MetricsPage {
 public:
  // Whose page; none: the operator's.
  struct Viewer {
    std::string cluster, tenant;
  };
  MetricsPage(const MetricSources& sources, std::optional<Viewer> viewer);
  // Adds what comes next; false: nothing is left.
  bool step();
  std::string text();

 private:
  bool shows(const metering::BoardHolder&) const;
  void describe();
  void factory();
  void tenants();
  void queues();
  void budgets();
  void board(const metering::BoardView&);
  void holder(const metering::BoardView&, const gpu::Sample*, const metering::BoardHolder*);

  const MetricSources& sources_;
  const std::optional<Viewer> viewer_;
  metering::Exposition page_;
  std::optional<metering::GpuView::Place> last_;  // the board shown last
  std::string node_;                              // whose look this is
  gpu::Telemetry::Look look_;
  size_t holders_ = 0, left_out_ = 0;
};

}  // namespace ingot
