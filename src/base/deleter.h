// For values of C libraries in a unique_ptr: std::unique_ptr<BIO, Deleter<BIO_free_all>>.
#pragma once

namespace ingot {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* value) const {
    Free(value);
  }
};

}  // namespace ingot
