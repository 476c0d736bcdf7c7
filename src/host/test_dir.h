// A private directory for one test, removed with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/assert.h"

namespace ingot::host {

class TestDir {
 public:
  TestDir() { ASSERT(::mkdtemp(path_.data()) != nullptr); }
  ~TestDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestDir(const TestDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "ingot-test-XXXXXX").string();
};

}  // namespace ingot::host
