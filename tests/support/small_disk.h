// A disk of a few megabytes that is full when a test wants it, or read-only: a tmpfs of its own.
//
// Mounted in a mount namespace of the calling thread and of the processes that it starts from then on; the machine does
// not see it, and the kernel takes it down with them. That takes root: a test skips where `made()` is false.
#pragma once

#include <cstddef>
#include <filesystem>

#include "tests/support/temporary_directory.h"

namespace carillon::testing {

class SmallDisk {
 public:
  explicit SmallDisk(std::size_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool made() const { return made_; }
  const std::filesystem::path& path() const { return directory_.path(); }

  // From now on it has room for that much.
  void resize(std::size_t bytes);
  // No file may be open for writing.
  void make_read_only();

 private:
  void mount_again(unsigned long flags);

  TemporaryDirectory directory_;
  std::size_t bytes_;
  bool made_ = false;
};

}  // namespace carillon::testing

// NOLINTNEXTLINE: a macro, for it returns from the test.
#define SKIP_WITHOUT(disk) \
  if (!(disk).made()) GTEST_SKIP() << "a small disk cannot be mounted here (that takes root): not tested"
