// What a scanner of images reports, as Trivy's JSON or CycloneDX 1.4 to 1.6, counted by severity. Pure; any thread.
// Whoever made the report may be anybody: depth, size and every list are bounded, and what does not read is told of by field.
//
// Facts: aquasecurity/trivy (pkg/types/report.go: SchemaVersion 2), CycloneDX (bom-1.6.schema.json: vulnerabilities).
// Of one finding in several packages of one result each counts, as Trivy's own tables count; one that CycloneDX's analysis calls
// false_positive, not_affected or resolved does not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/time.h"

namespace ingot::policy {

inline constexpr size_t kLargestReport = 32u << 20;

struct ScanReport {
  std::string format;  // "trivy", "cyclonedx"
  std::string scanner;
  std::string image;  // what it calls the image
  std::vector<std::string>
      digests;  // "sha256:…" that it gives it: the image's id first, then those of repositories
  std::optional<WallTime> at;
  int64_t critical = 0, high = 0, medium = 0, low = 0, unknown = 0;
  std::vector<std::string> worst;  // ids of the most severe, with their packages
};

// Invalid: what it is not, and what would do.
Result<ScanReport> parse_scan_report(std::string_view text);
// An ImageScan's spec, without `report`.
api::JsonObject scan_spec(const ScanReport&, std::string_view digest, WallTime otherwise);

}  // namespace ingot::policy
