// libcurl, loaded on first use, in a worker: who fetches nothing does not pay for it.
#pragma once

#include <curl/curl.h>

#include "base/error.h"

namespace ingot::host {

// clang-format off
#define INGOT_LIBCURL(X) \
  X(curl_global_init) \
  X(curl_easy_init) \
  X(curl_easy_cleanup) \
  X(curl_easy_setopt) \
  X(curl_easy_perform) \
  X(curl_easy_getinfo) \
  X(curl_easy_strerror) \
  X(curl_slist_append) \
  X(curl_slist_free_all)
// clang-format on

// Their headers make macros of some of these.
#undef curl_easy_setopt
#undef curl_easy_getinfo

struct Libcurl {
#define X(name) decltype(&::name) name = nullptr;
  INGOT_LIBCURL(X)
#undef X
  // An error says how to come by it.
  static Result<const Libcurl*> load();
};

}  // namespace ingot::host
