#include "bench/floor.h"

#include <fcntl.h>
#include <leveldb/db.h>
#include <leveldb/write_batch.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "bench/clock.h"
#include "bench/histogram.h"
#include "bench/interrupt.h"
#include "bench/row.h"

namespace carillon::bench {
namespace {

constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kJournalBytes = 64 * 1024 * 1024;
constexpr std::int64_t kIdlePauseNs = 10 * kMillisecond;  // At 100/s an event finds disk and processors asleep.
constexpr std::size_t kValueBytes = 120;
constexpr std::array kPuts = {'m', 'p', 's'};  // An event, a notification, a cursor.
constexpr std::size_t kWriteBufferBytes = 16 * 1024 * 1024;

Error broken(const std::string& what) { return {ErrorCode::UNAVAILABLE, what + ": " + std::strerror(errno)}; }

// Calls `step` for `seconds`, again and again with `pause_ns` before each call, and prints a row of how long each call took.
template <class Step>
Result<void> measure(std::string system, std::string version, double seconds, std::int64_t pause_ns,
                     double events_per_sync, Step&& step) {
  Histogram latencies;
  const std::int64_t start = now_ns();
  std::int64_t now = start;
  while (seconds_of(now - start) < seconds) {
    // Not when somebody has interrupted.
    if (auto going_on = sleep_until_ns(pause_ns > 0 ? now + pause_ns : 0); !going_on.ok()) return going_on;
    const std::int64_t began = now_ns();
    if (Result<void> done = step(); !done.ok()) return done;
    now = now_ns();
    latencies.add(now - began);
  }
  Row row{
      .system = std::move(system), .version = std::move(version), .mode = "floor", .guarantee = "fsync per confirm"};
  row.duration_s = seconds_of(now - start);
  row.events_per_s = static_cast<double>(latencies.count()) * events_per_sync / row.duration_s;
  row.take_latencies(latencies);
  print_line(json_of(row));
  return {};
}

struct File {
  int descriptor;
  std::string path;

  ~File() {
    if (descriptor < 0) return;
    close(descriptor);
    unlink(path.c_str());
  }
};

// Overwrites blocks of a file that has its size already, as a journal on recycled files does.
Result<void> measure_fdatasync(const FloorOptions& options) {
  const std::string path = options.directory + "/journal";
  const File file{open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600), path};
  if (file.descriptor < 0) return broken("cannot create " + path);
  const std::vector<char> block(kBlockBytes, 'x');
  const auto write_at = [&](std::size_t offset) -> Result<void> {
    if (pwrite(file.descriptor, block.data(), kBlockBytes, static_cast<off_t>(offset)) != ssize_t{kBlockBytes})
      return broken("cannot write " + path);
    return {};
  };
  for (std::size_t offset = 0; offset < kJournalBytes; offset += kBlockBytes)
    if (auto written = write_at(offset); !written.ok()) return written;
  if (fsync(file.descriptor) != 0) return broken("cannot sync " + path);

  std::size_t offset = 0;
  const auto sync_next = [&]() -> Result<void> {
    if (auto written = write_at(offset); !written.ok()) return written;
    if (fdatasync(file.descriptor) != 0) return broken("cannot sync " + path);
    offset = (offset + kBlockBytes) % kJournalBytes;
    return {};
  };
  if (auto busy = measure("fdatasync-4k", "", options.seconds, 0, 1, sync_next); !busy.ok()) return busy;
  return measure("fdatasync-4k-idle", "", options.seconds, kIdlePauseNs, 1, sync_next);
}

Result<void> measure_leveldb(const FloorOptions& options, int batch) {
  const std::string path = options.directory + "/leveldb-" + std::to_string(batch);
  const auto judged = [&](const leveldb::Status& status) -> Result<void> {
    if (status.ok()) return {};
    return Error{ErrorCode::UNAVAILABLE, path + ": " + status.ToString()};
  };
  leveldb::Options settings;
  settings.create_if_missing = true;
  settings.error_if_exists = true;
  settings.write_buffer_size = kWriteBufferBytes;
  settings.compression = leveldb::kNoCompression;
  leveldb::DB* opened = nullptr;
  if (auto open = judged(leveldb::DB::Open(settings, path, &opened)); !open.ok()) return open;
  std::unique_ptr<leveldb::DB> database(opened);

  leveldb::WriteOptions synced;
  synced.sync = true;
  const std::string value(kValueBytes, 'x');
  const std::string version = std::to_string(leveldb::kMajorVersion) + "." + std::to_string(leveldb::kMinorVersion);
  unsigned event = 0;
  auto measured = measure("leveldb-batch-" + std::to_string(batch), version, options.seconds, 0, batch, [&] {
    leveldb::WriteBatch writes;
    for (const unsigned end = event + static_cast<unsigned>(batch); event < end; ++event)
      for (const char put : kPuts) {
        std::array<char, 32> key;
        std::snprintf(key.data(), key.size(), "%c/%04u/%012u", put, event % 64, event);
        writes.Put(key.data(), value);
      }
    return judged(database->Write(synced, &writes));
  });
  database.reset();
  if (measured.ok()) measured = judged(leveldb::DestroyDB(path, settings));
  return measured;
}

}  // namespace

Result<void> measure_floor(const FloorOptions& given) {
  catch_interrupts();
  std::string directory = given.directory + "/carillon-floor-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return broken("cannot make a directory in " + given.directory);
  const auto remove = [](const std::string* path) {
    std::error_code ignored;
    std::filesystem::remove_all(*path, ignored);
  };
  const std::unique_ptr<std::string, decltype(remove)> removed_at_end(&directory, remove);
  auto options = given;
  options.directory = directory;
  if (auto measured = measure_fdatasync(options); !measured.ok()) return measured;
  for (const int batch : {1, 10, 100, 1'000})
    if (auto measured = measure_leveldb(options, batch); !measured.ok()) return measured;
  return {};
}

}  // namespace carillon::bench
