// libarchive, loaded on first use: who unpacks nothing does not pay for it. Any thread once loaded.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

namespace ingot::host {

// clang-format off
#define INGOT_LIBARCHIVE(X) \
  X(archive_read_new) \
  X(archive_read_free) \
  X(archive_read_open_fd) \
  X(archive_read_next_header) \
  X(archive_read_data_block) \
  X(archive_read_support_filter_gzip) \
  X(archive_read_support_format_tar) \
  X(archive_read_support_format_gnutar) \
  X(archive_read_support_format_zip) \
  X(archive_error_string) \
  X(archive_errno) \
  X(archive_filter_bytes) \
  X(archive_entry_pathname) \
  X(archive_entry_pathname_utf8) \
  X(archive_entry_symlink) \
  X(archive_entry_symlink_utf8) \
  X(archive_entry_hardlink) \
  X(archive_entry_hardlink_utf8) \
  X(archive_entry_filetype) \
  X(archive_entry_perm) \
  X(archive_entry_size)
// clang-format on

struct Libarchive {
#define X(name) decltype(&::name) name = nullptr;
  INGOT_LIBARCHIVE(X)
#undef X
  // An error says how to come by it.
  static Result<const Libarchive*> load();
};

}  // namespace ingot::host
