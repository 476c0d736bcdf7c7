// A scan report that anybody may have written: what is read is bounded, and what becomes of it is an ImageScan that is valid.
#include "policy/scan_report.h"

#include <cstdlib>

#include "base/digest.h"

using namespace ingot;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto report = policy::parse_scan_report({reinterpret_cast<const char*>(data), size});
  if (!report) {
    if (report.error().message.empty()) std::abort();
    return 0;
  }
  if (report->worst.size() > 50 || report->critical < 0 || report->unknown < 0) std::abort();
  for (const std::string& line : report->worst)
    for (const char c : line)
      if (line.size() > 256 || static_cast<unsigned char>(c) < 0x20) std::abort();
  for (const std::string& digest : report->digests)
    if (!Digest::parse(digest)) std::abort();
  (void)api::to_text(policy::scan_spec(*report, "", {}));
  return 0;
}
