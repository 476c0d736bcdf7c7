// Two JSON texts, split at the first zero byte: an object and a patch for it.
#include "api/patch.h"
#include "api/decode.h"
#include "api/managed_fields.h"

using namespace ingot;
using namespace ingot::api;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const Registry> registry = Registry::builtin();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t split = text.find('\0');
  if (split == text.npos) return 0;
  Result<Json> object = parse_json(text.substr(0, split)), patch = parse_json(text.substr(split + 1));
  if (!object || !patch) return 0;
  (void)json_patch(*object, *patch);
  (void)merge_patch(*object, *patch);
  const Resource& pods = *registry->find("", "v1", "pods");
  Result<Json> merged = strategic_merge_patch(*pods.schema, *object, *patch);
  if (!merged) return 0;
  Result<Decoded> conformed = conform(*registry, pods, std::move(*merged), FieldValidation::Warn);
  if (conformed)
    record_fields(*pods.schema, &*object, conformed->object, {.manager = "fuzz", .at = WallTime{}});
  return 0;
}
