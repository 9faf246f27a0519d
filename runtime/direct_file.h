// A file that LevelDB appends to, written past the page cache (O_DIRECT) in large aligned pieces.
//
// A page cache costs more than it gives here: a log is read once after a crash, a table is read through a mapping of its
// own, and every cached page is allocated, accounted, written back and freed by the kernel, which took more of a busy
// node's time than anything else (docs/decisions.md). Where the file system knows no O_DIRECT it is done without.
//
// A file of zeros ahead (a log) is longer than what was appended, until it is closed: a sync of a file that grows must
// also commit its new size, and on ext4 that costs half as much again. LevelDB's log reader takes zeros for the end of
// the log (log_reader.cc, "preallocated files").
#pragma once

#include <leveldb/env.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace carillon::runtime {

// Used by one thread at a time. Errors are statuses; after one the file is of no further use but to be closed.
class DirectFile final : public leveldb::WritableFile {
 public:
  // A new, empty file; one of that name is replaced. `zeros_ahead_bytes` is a multiple of 4 KiB, 0 for none.
  static leveldb::Status create(const std::string& name, std::size_t zeros_ahead_bytes, leveldb::WritableFile** file);
  ~DirectFile() override;

  leveldb::Status Append(const leveldb::Slice& data) override;
  // Nothing: LevelDB flushes after every block and every record, and only what was synced counts.
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override;
  leveldb::Status Close() override;

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };

  DirectFile(std::string name, int file, std::size_t zeros_ahead_bytes);
  // Writes what is buffered, the last block filled up with zeros; that block stays buffered, for it is written again.
  leveldb::Status write_out();
  leveldb::Status trim();
  int write_at(const char* data, std::size_t size, std::size_t at);
  std::size_t length() const { return buffer_at_ + buffered_; }

  const std::string name_;
  int file_;
  const std::size_t zeros_ahead_bytes_;
  std::unique_ptr<char, Free> buffer_;
  std::size_t buffer_at_ = 0;  // Its place in the file, a multiple of the block size.
  std::size_t buffered_ = 0;
  bool fresh_ = false;          // Something was appended since the last write.
  std::size_t file_bytes_ = 0;  // With what follows the last byte appended.
};

}  // namespace carillon::runtime
