#include "host/libcurl.h"

#include <dlfcn.h>

namespace ingot::host {

Result<const Libcurl*> Libcurl::load() {
  static const Libcurl* const loaded = []() -> const Libcurl* {
    void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) return nullptr;
    static Libcurl table;
#define X(name)                                                            \
  table.name = reinterpret_cast<decltype(&::name)>(dlsym(library, #name)); \
  if (!table.name) return nullptr;
    INGOT_LIBCURL(X)
#undef X
    return table.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? &table : nullptr;
  }();
  if (loaded) return loaded;
  return fail(Reason::InternalError, "nothing can be fetched: libcurl.so.4 is not there; install libcurl4");
}

}  // namespace ingot::host
