#include "tests/support/small_disk.h"

#include <sched.h>
#include <sys/mount.h>

#include <string>

namespace carillon::testing {
namespace {

// Once for the thread: what it mounts from now on, nobody else sees.
bool leave_the_namespace_of_the_machine() {
  thread_local const bool left =
      unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  return left;
}

std::string size_option(std::size_t bytes) { return "size=" + std::to_string(bytes); }

}  // namespace

SmallDisk::SmallDisk(std::size_t bytes) : bytes_(bytes) {
  made_ = leave_the_namespace_of_the_machine() &&
          mount("carillon-test", path().c_str(), "tmpfs", 0, size_option(bytes).c_str()) == 0;
}

SmallDisk::~SmallDisk() {
  if (made_) umount2(path().c_str(), MNT_DETACH);
}

void SmallDisk::resize(std::size_t bytes) {
  bytes_ = bytes;
  mount_again(0);
}

void SmallDisk::make_read_only() { mount_again(MS_RDONLY); }

void SmallDisk::mount_again(unsigned long flags) {
  CHECK(mount("carillon-test", path().c_str(), "tmpfs", MS_REMOUNT | flags, size_option(bytes_).c_str()) == 0);
}

}  // namespace carillon::testing
