// One LevelDB database on one disk: the durable side of the storage interface.
//
// Reading: any thread. Writing: the journal's thread only, one synced batch at a time. After a failed write or sync the
// disk is unknown, so the store is read-only until the process starts again; what was acknowledged is still served.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/record.h"
#include "runtime/storage.h"

namespace leveldb {
class Cache;
class DB;
class Env;
class Logger;
}  // namespace leveldb

namespace carillon::runtime {

struct StoreOptions {
  std::filesystem::path directory;
  std::uint16_t partitions = 8;                 // Used when the store is created; an existing store keeps its own.
  leveldb::Env* env = nullptr;                  // Not owned; nullptr means that of direct_env.h.
  std::size_t write_buffer_bytes = 128u << 20;  // Up to two of them in memory, one to be replayed by a restart.
  std::size_t block_cache_bytes = 64u << 20;
  int open_files_max = 1'000;
  bool create_if_missing = true;
};

class Store final : public Storage {
 public:
  static constexpr std::uint32_t kFormatVersion = 1;

  // Whether there is one, whatever state it is in.
  static bool exists(const std::filesystem::path& directory);
  // Opens or creates. UNAVAILABLE with a sentence that names the cause: in use by another process, not writable, of an
  // unknown format (names both versions), damaged.
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);
  ~Store() override;

  const StoreFormat& format() const { return format_; }

  Result<std::optional<std::string>> get(std::string_view key) const override;
  Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) const override;
  Result<void> scan_past_damage(std::string_view from, std::string_view until, const Visit& visit) const override;
  Result<void> scan_back(std::string_view from, std::string_view until, const Visit& visit) const override;

  // Readable when it returns ok, and with `sync` durable, together with all that was written before. After a failure
  // every further write fails.
  Result<void> write(WriteSet& writes, bool sync = true);
  // Tables that no compaction has sorted in yet. LevelDB slows writers down at 8 and stops them at 12.
  std::size_t uncompacted_files() const;
  struct Room {
    std::uint64_t bytes = 0;       // Of the files in its directory.
    std::uint64_t free_bytes = 0;  // Of the disk, for this process.
  };
  // Nothing when the disk does not say. Looks at every file, of which there may be thousands. Any thread.
  std::optional<Room> room() const;
  bool read_only() const { return read_only_.load(std::memory_order_relaxed); }

 private:
  struct Database;
  Store(std::unique_ptr<Database> database, std::filesystem::path directory);
  Result<void> load_format(const StoreOptions& options);
  Result<void> write_format();

  std::unique_ptr<Database> database_;
  const std::filesystem::path directory_;
  StoreFormat format_;
  std::atomic<bool> read_only_{false};
};

}  // namespace carillon::runtime
