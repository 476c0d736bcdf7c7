#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace ingot {
void assert_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "ASSERT %s at %s:%d\n", expression, file, line);
  std::abort();
}
}  // namespace ingot
