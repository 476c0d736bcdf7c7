// Webhooks of Git hosts: POST /clusters/NAME/hooks/NAMESPACE/REPOSITORY. Nobody's credential is asked for: the Repository's
// secret signs the body (git/hook.h), and only then is it read. What is good marks the Repository to be looked at
// (git/repository.h: kSyncAnnotation); a webhook itself starts nothing, so one that is sent again is harmless.
//
// Thread rule: the loop. Bounds: so many at once, so many a second of one address, bodies of kLargestHook. Whoever does not
// know the secret cannot tell a wrong signature from a repository, tenant or webhook that is not there.
#pragma once

#include <memory>
#include <string>

#include "apiserver/audit.h"
#include "apiserver/context.h"

namespace ingot::apiserver {

class Hooks {
 public:
  Hooks(Services& services, Audit& audit) : services_(services), audit_(audit) {}

  // Its place among those on their way; MethodNotAllowed, RequestEntityTooLarge, TooManyRequests.
  Result<std::shared_ptr<void>> admit(const Prepared&);
  // In the turn.
  Answer handle(store::Turn&, const Prepared&);

 private:
  struct Bucket {
    double tokens = 0;
    Instant filled{};
  };
  struct Target {
    ClusterId cluster;
    api::ObjectPtr repository;
    std::string provider, secret;
  };
  Target find(const store::Turn&, const Route&) const;
  Answer take(store::Turn&, const Prepared&, const Target&, AuditEntry);

  Services& services_;
  Audit& audit_;
  InFlight going_;
  Lru<std::string, Bucket> buckets_{4'096};  // by address
  Lru<std::string, bool> deliveries_{8'192};
};

}  // namespace ingot::apiserver
