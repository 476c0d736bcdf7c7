// ASSERT: for our own bugs, never for bad input. On in release; prints one line and aborts.
#pragma once

namespace ingot {
[[noreturn]] void assert_failed(const char* expression, const char* file, int line);
}

#define ASSERT(expression)                                     \
  do {                                                         \
    if (!(expression)) [[unlikely]]                            \
      ::ingot::assert_failed(#expression, __FILE__, __LINE__); \
  } while (false)
