// A selector's text, tried as both kinds.
#include "api/selector.h"

using namespace ingot::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const JsonObject labels{{"app", "web"}, {"n", "5"}};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto selector = LabelSelector::parse(text)) (void)selector->matches(labels);
  if (auto selector = FieldSelector::parse(text)) {
    (void)selector->matches(Json{{"metadata", {{"name", "x"}, {"labels", labels}}}});
    (void)selector->pinned("metadata.name");
  }
  return 0;
}
