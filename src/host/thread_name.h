// The calling thread's name, as top -H and a debugger show it: one without a name of its own has that of who started it.
// Any thread.
#pragma once

#include <pthread.h>

#include <string>
#include <string_view>

namespace ingot::host {

inline void name_thread(std::string_view name) {
  pthread_setname_np(pthread_self(), std::string(name.substr(0, 15)).c_str());  // all that the kernel keeps
}

}  // namespace ingot::host
