// glibc 2.36 declares its pidfd functions without C linkage for C++.
#pragma once

extern "C" {
#include <sys/pidfd.h>
}
