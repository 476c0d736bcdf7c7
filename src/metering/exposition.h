// Prometheus' text exposition format, version 0.0.4: families of samples, each family in one piece whatever order its
// samples came in. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ingot::metering {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

class Exposition {
 public:
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  // `kind`: "gauge", "counter", "histogram". Families appear in the order they were first named.
  void family(std::string_view name, std::string_view kind, std::string_view help);
  // Of a family that was named. `suffix`: "_bucket", "_sum", "_count" of a histogram. Labels with empty values are left
  // out: to Prometheus both mean the same.
  void sample(std::string_view family, const Labels&, double value, std::string_view suffix = "");
  size_t samples() const { return samples_; }
  std::string text() const;

 private:
  struct Family {
    std::string head, body;
  };
  std::vector<Family> families_;
  std::map<std::string, size_t, std::less<>> index_;
  size_t samples_ = 0;
};

}  // namespace ingot::metering
