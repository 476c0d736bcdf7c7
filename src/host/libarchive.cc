#include "host/libarchive.h"

#include <dlfcn.h>

namespace ingot::host {

Result<const Libarchive*> Libarchive::load() {
  static const Libarchive* const loaded = []() -> const Libarchive* {
    void* library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
    if (!library) return nullptr;
    static Libarchive table;
#define X(name)                                                            \
  table.name = reinterpret_cast<decltype(&::name)>(dlsym(library, #name)); \
  if (!table.name) return nullptr;
    INGOT_LIBARCHIVE(X)
#undef X
    return &table;
  }();
  if (loaded) return loaded;
  return fail(Reason::InternalError,
              "archives cannot be unpacked: libarchive.so.13 is not there; install libarchive13");
}

}  // namespace ingot::host
