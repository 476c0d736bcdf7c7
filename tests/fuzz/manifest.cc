// A manifest from a blob that anybody may have stored: what is read writes itself back, and its names stay beneath.
#include "data/manifest.h"

#include <cstdlib>

using namespace ingot;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto manifest = data::parse_manifest(text)) {
    if (data::to_text(*manifest) != text) std::abort();
    for (const data::ManifestFile& file : manifest->files)
      if (!data::check_file_name(file.name)) std::abort();
  }
  (void)data::check_file_name(text);
  return 0;
}
