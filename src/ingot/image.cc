// ingot image load
#include <fmt/format.h>

#include "ingot/client.h"
#include "ingot/output.h"

namespace ingot {

int image_load(const Common& common, const ImageOptions& options) { return kOk; }

}  // namespace ingot
