// Who did what, with which outcome. A row of a change is part of the change's transaction; rows of refusals and of
// the operator's reads are written a moment later, so that no reply waits for them, and no faster than a bound.
// Loop thread.
#pragma once

#include <map>
#include <string>

#include "apiserver/context.h"

namespace ingot::apiserver {

struct AuditEntry {
  Identity who;  // empty name: nobody known
  std::string_view verb;
  std::string cluster, tenant;
  bool allowed = true;
  int code = 200;
  Revision wrote{};
};

class Audit {
 public:
  explicit Audit(Services& services) : services_(services) {}
  void with_change(store::Turn&, const Prepared&, const AuditEntry&);
  void later(const Prepared&, const AuditEntry&);

 private:
  struct Bucket {
    double tokens = 0;
    Instant filled{};
    uint64_t suppressed = 0;
  };
  // Whether one more row may be written now on behalf of `home`; how many were not since the last one.
  std::optional<uint64_t> take(const std::string& home);
  std::string text(const Prepared&, const AuditEntry&, uint64_t suppressed) const;

  Services& services_;
  Lru<std::string, Bucket> buckets_{4096};
};

}  // namespace ingot::apiserver
