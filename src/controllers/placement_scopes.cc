#include "controllers/placement_scopes.h"

#include <string>

#include "controllers/budget_book.h"
#include "controllers/claims.h"
#include "controllers/gatekeeper.h"
#include "controllers/placement_writes.h"
#include "controllers/reservation_book.h"
#include "controllers/run_book.h"

namespace ingot::controllers {

std::vector<store::Scope> placement_scopes() {
  const std::string root = kRootCluster.value;
  return {{root, std::string(kAllocations), ""},
          {root, std::string(kTenants), ""},
          {root, std::string(kQueues), ""},
          {root, std::string(kPools), ""},
          {root, std::string(kReservations), ""},
          {root, std::string(kPastRuns), ""},
          {root, std::string(kNodes), ""},
          {root, std::string(kSlices), ""},
          {root, std::string(kBudgets), ""},
          {root, std::string(kPriceLists), ""},
          {"", std::string(kNamespaces), ""},
          {"", std::string(kGroups), ""},
          {"", std::string(kClaims), ""},
          {"", std::string(kClaimTemplates), ""},
          {"", std::string(kClasses), ""},
          {"", std::string(kPods), ""},
          {root, std::string(policy::kGates), ""},
          {root, std::string(policy::kGateExceptions), ""},
          {root, std::string(policy::kImageScans), ""},
          {root, std::string(kImages), ""},
          {"", std::string(kDatasets), ""}};
}

}  // namespace ingot::controllers
