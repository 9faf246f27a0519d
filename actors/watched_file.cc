#include "actors/watched_file.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>

namespace carillon::actors {

WatchedFile::Mark WatchedFile::mark_now() const {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) return {};
  constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
  const auto nanoseconds = [](const timespec& time) { return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec; };
  return {nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim),
          status.st_mode,
          status.st_uid,
          status.st_gid,
          static_cast<std::int64_t>(status.st_ino),
          status.st_size};
}

bool WatchedFile::has_changed() const { return mark_now() != mark_; }

Result<std::string> WatchedFile::read() {
  mark_ = mark_now();  // Before the content: what changes in between is seen the next time.
  std::ifstream file(path_, std::ios::binary);
  const auto cannot_read = [this] {
    mark_ = {};  // It may have been a bad moment.
    return Error{ErrorCode::UNAVAILABLE,
                 "cannot read " + path_.string() + ": is it there, and may this program's user read it?", 0};
  };
  if (!file) return cannot_read();
  if (mark_.bytes > static_cast<std::int64_t>(kBytesMax))
    return Error{ErrorCode::UNAVAILABLE, path_.string() + " is longer than 256 KiB", 0};
  std::string content(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return cannot_read();
  return content;
}

}  // namespace carillon::actors
