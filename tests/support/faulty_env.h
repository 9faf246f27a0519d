// A disk in memory for LevelDB that loses power, tears writes, fails and fills up, all from one seed.
//
// What it models, and what a power cut therefore may take away:
// - Bytes are durable once their file was synced. Of the tail that was not, a power cut keeps nothing, or with
//   `torn_writes` a prefix, whose last sector may read as zeros (a size that was journalled before its data). Of a LevelDB log,
//   which is written into zeros (runtime/direct_file.h), any blocks of it: a disk writes them in the order that it likes.
// - Directory operations (create, rename, remove) are durable in the order made, as in the journals of ext4, XFS and
//   btrfs: any sync of a file commits all that were made before it; of the others a power cut keeps a prefix. POSIX
//   promises less, but LevelDB relies on this too (its rename of CURRENT is followed by no sync of the directory).
// - A failed sync may have lost what it was to save for ever, although reads still show it and the next sync succeeds,
//   as Linux does since it marks the pages clean. Such a hole reads as zeros after a power cut.
// - A failed write may have written a prefix. Damaged bytes are read as they are: only LevelDB's checksums tell.
//
// Deterministic: everything, as long as one thread uses the databases on it and `settle()` is called before one of them
// is closed. LevelDB's background work is queued and runs inline on the thread that next appends to a log file: there
// LevelDB holds no lock, as DBImpl::Write shows, and that follows every switch of the memtable before LevelDB could
// wait for it. It also runs where a writer is slowed down (SleepForMicroseconds) and in `settle()`. Whoever forgets
// `settle()` is rescued by a thread after `rescue_after` of real time, with a line on stderr, and is not deterministic;
// DB::CompactRange always is such a case, because it waits for background work without appending.
#pragma once

#include <leveldb/env.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace carillon::testing {

// The distinct things that can go wrong. `fired()` counts each.
enum class Fault {
  kPowerCut,                // Every operation fails until after_restart().
  kLostTail,                // A power cut took unsynced bytes of a file.
  kTornWrite,               // A power cut kept a part of a file's unsynced bytes.
  kZeroedSector,            // A torn write's last sector reads as zeros.
  kLostBlock,               // A power cut took a part of a log's unsynced bytes, and left some behind it.
  kLostDirectoryOperation,  // A power cut undid a create, rename or remove.
  kWriteError,              // A write failed; it may have written a prefix.
  kSyncError,               // A sync failed.
  kLostSync,                // A failed sync lost its bytes for ever.
  kDiskFull,                // A write found no space.
  kCorruption,              // A byte on disk was changed.
  kProcessKill,             // The process died; what the kernel had been given is still there.
};
inline constexpr std::size_t kFaultKinds = 12;
std::string_view name_of(Fault fault);

// When what goes wrong. A write is an operation that changes the disk: append, create, rename, remove; counts start at
// 0 when the plan is given. Chances are per operation and drawn from the env's seed.
struct FaultPlan {
  std::optional<std::uint64_t>
      power_cut_after_writes;  // So many writes and syncs succeed; the next one cuts the power.
  std::optional<std::uint64_t> write_error_after_writes;
  std::optional<std::uint64_t> sync_error_after_syncs;
  std::optional<std::uint64_t> disk_bytes_max;  // Space for all files together.
  double power_cut_chance = 0;
  double write_error_chance = 0;
  double sync_error_chance = 0;
  bool torn_writes = true;  // Otherwise a power cut takes exactly what was not synced.
};

// Outlives the databases that use it.
class FaultyEnv final : public leveldb::Env {
 public:
  struct Options {
    std::uint64_t seed = 1;
    FaultPlan plan;
    std::chrono::milliseconds rescue_after{2'000};
  };

  FaultyEnv();
  explicit FaultyEnv(Options options);
  ~FaultyEnv() override;

  // --- For the test.

  // From now on `plan` holds, counted from here.
  void set_plan(const FaultPlan& plan);

  // Everything fails from now on. Close the databases, then restart.
  void power_cut();
  bool is_powered() const;
  // The machine starts again: what was not durable is gone, locks are free, the plan is empty. What still holds a file
  // of the former life gets errors. Cuts the power first if nobody has.
  leveldb::Env* after_restart();
  // The process starts again after a `kill -9`: all that was written is there, synced or not.
  leveldb::Env* after_kill();

  // Runs LevelDB's background work until there is none. Not to be called while LevelDB is on the stack.
  void settle();

  // Inverts bits of one byte on disk, at `offset` or anywhere; gives its offset, or nothing if the file has none.
  std::optional<std::uint64_t> corrupt(const std::string& path, std::optional<std::uint64_t> offset = {});
  // All files, sorted.
  std::vector<std::string> files() const;

  std::uint64_t writes() const;  // Since the env was made, as FaultPlan counts them.
  std::uint64_t syncs() const;
  std::uint64_t bytes_used() const;
  std::uint64_t fired(Fault fault) const;
  std::size_t fault_kinds_fired() const;

  // LevelDB's clock, used for its statistics only; every look moves it by a microsecond.
  void advance(std::chrono::microseconds time);

  // --- For LevelDB.

  leveldb::Status NewSequentialFile(const std::string& path, leveldb::SequentialFile** file) override;
  leveldb::Status NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** file) override;
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** file) override;
  leveldb::Status NewAppendableFile(const std::string& path, leveldb::WritableFile** file) override;
  bool FileExists(const std::string& path) override;
  leveldb::Status GetChildren(const std::string& directory, std::vector<std::string>* names) override;
  leveldb::Status RemoveFile(const std::string& path) override;
  leveldb::Status CreateDir(const std::string& path) override;
  leveldb::Status RemoveDir(const std::string& path) override;
  leveldb::Status GetFileSize(const std::string& path, std::uint64_t* bytes) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** lock) override;
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override;
  void Schedule(void (*function)(void*), void* argument) override;
  void StartThread(void (*function)(void*), void* argument) override;
  leveldb::Status GetTestDirectory(std::string* path) override;
  leveldb::Status NewLogger(const std::string& path, leveldb::Logger** logger) override;
  std::uint64_t NowMicros() override;
  void SleepForMicroseconds(int micros) override;

 private:
  class Reader;
  class RandomReader;
  class Writer;
  class Lock;

  struct Hole {
    std::size_t begin, end;
  };
  // One inode. What reads show is `bytes`; on disk are the first `durable_bytes` of them, but for the holes.
  struct File {
    std::string bytes;
    std::size_t durable_bytes = 0;
    std::vector<Hole> holes;
  };
  using Directory = std::map<std::string, std::shared_ptr<File>>;
  struct DirectoryOperation {
    std::string removed;         // Empty for none.
    std::string added;           // Empty for none.
    std::shared_ptr<File> file;  // What `added` names.
  };
  struct Work {
    void (*function)(void*);
    void* argument;
  };

  // All below with `mutex_` held.
  leveldb::Status usable(std::uint64_t life, const std::string& path) const;
  leveldb::Status before_write(const std::string& path, bool& failed);
  leveldb::Status change_directory(const std::string& path, DirectoryOperation operation);
  leveldb::Status append(File& file, const std::string& path, std::string_view data);
  leveldb::Status sync(File& file, const std::string& path);
  leveldb::Status read(const File& file, std::uint64_t offset, std::size_t bytes, leveldb::Slice* result,
                       char* scratch) const;
  std::shared_ptr<File> find(const std::string& path) const;
  std::uint64_t bytes_used_locked() const;
  void cut_power();
  void lose_what_is_not_durable(File& file);
  void lose_some_blocks(File& file, std::size_t begin);
  static void apply(const DirectoryOperation& operation, Directory& directory);
  void begin_life();
  std::uint64_t dice(std::uint64_t sides);  // 0 to `sides` - 1.
  bool chance(double probability);
  void count(Fault fault) { ++fired_[static_cast<std::size_t>(fault)]; }

  // Without it.
  void run_background_work();
  void rescue();

  // Everything is guarded by `mutex_`, for the sake of the rescue; LevelDB is never called with it held.
  mutable std::mutex mutex_;
  const std::chrono::milliseconds rescue_after_;
  std::mt19937_64 random_;
  FaultPlan plan_;
  bool torn_writes_ = true;        // Of the plan under which the power was cut.
  std::uint64_t plan_writes_ = 0;  // Counted since the plan was given.
  std::uint64_t plan_operations_ = 0;
  std::uint64_t plan_syncs_ = 0;
  std::uint64_t life_ = 0;  // Files and locks of a former one are dead.
  bool powered_ = true;
  std::uint64_t writes_ = 0;
  std::uint64_t syncs_ = 0;
  std::uint64_t now_micros_ = 1;
  std::array<std::uint64_t, kFaultKinds> fired_{};

  Directory names_;                          // As the running system sees them.
  Directory durable_names_;                  // As on disk.
  std::vector<DirectoryOperation> pending_;  // From the one to the other, in order.
  std::set<std::string> directories_;        // Durable at once.
  std::set<std::string> locks_;

  std::deque<Work> work_;
  bool stopping_ = false;
  std::condition_variable work_changed_;
  std::thread rescuer_;  // Started with the first work.
};

}  // namespace carillon::testing
