// A file whose content may be replaced while the node runs: keys, certificates. Whoever wants to know looks, once a second.
//
// Not thread-safe. Files are to be replaced by renaming: what is written in place may be seen half written, and is read again
// once it changes again.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "messages/result.h"

namespace carillon::actors {

class WatchedFile {
 public:
  static constexpr std::size_t kBytesMax = 256 * 1024;

  explicit WatchedFile(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  // Whether it is another file, or has changed, since the last read(). Also when it is gone, or has come.
  bool has_changed() const;
  // All of it. UNAVAILABLE says what is wrong, without showing content.
  Result<std::string> read();

 private:
  struct Mark {
    std::int64_t modified_ns = -1;  // All -1: it was not there, or not to be read.
    std::int64_t changed_ns = -1;   // Also its owner and mode, if the file system's clock is fine enough.
    std::int64_t mode = -1, owner = -1, group = -1;
    std::int64_t inode = -1;
    std::int64_t bytes = -1;
    bool operator==(const Mark&) const = default;
  };
  Mark mark_now() const;

  std::filesystem::path path_;
  Mark mark_;
};

}  // namespace carillon::actors
