// The narrow interface between the pure parts and a disk: read what is committed, collect what is to be written.
//
// Reads may be made from any thread at any time; what was read stays valid because it is copied or visited in place.
#pragma once

#include <leveldb/write_batch.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "messages/result.h"

namespace carillon::runtime {

class Storage {
 public:
  virtual ~Storage() = default;

  // The value under `key`; nothing when there is none. UNAVAILABLE when it cannot be read or is damaged.
  virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;

  // Called with key and value, valid during the call; false ends the scan.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  // Visits [from, until) in ascending order.
  virtual Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) const = 0;
  // The same, but goes on behind what is damaged, and returns the first damage at the end. Stops at what cannot be read just now.
  virtual Result<void> scan_past_damage(std::string_view from, std::string_view until, const Visit& visit) const = 0;
  // Visits [from, until) in descending order.
  virtual Result<void> scan_back(std::string_view from, std::string_view until, const Visit& visit) const = 0;
};

// A record on disk is its value followed by a checksum of key and value (XXH3, 8 bytes). LevelDB has checksums of blocks,
// but its compactions do not look at them: a damaged byte would get a new, right one, and be served as good.
// The value of a record as stored under `key`; nothing when it is damaged.
std::optional<std::string_view> value_of_record(std::string_view key, std::string_view record);

// What one commit writes, all or nothing, in this order. Owned by one thread at a time; moved to the journal, and empty when moved
// from. (LevelDB's own batch has no move: it would be copied at each hand-over.)
class WriteSet {
 public:
  WriteSet() = default;
  WriteSet(const WriteSet& other) : batch_(copy_of(other)) {}
  WriteSet(WriteSet&&) noexcept = default;
  WriteSet& operator=(const WriteSet& other) {
    if (this != &other) batch_ = copy_of(other);
    return *this;
  }
  WriteSet& operator=(WriteSet&&) noexcept = default;
  ~WriteSet() = default;

  void put(std::string_view key, std::string_view value);
  // A record that has its checksum already.
  void put_record(std::string_view key, std::string_view record) {
    batch().Put({key.data(), key.size()}, {record.data(), record.size()});
  }
  void erase(std::string_view key) { batch().Delete({key.data(), key.size()}); }
  void append(const WriteSet& other) {
    if (!other.empty()) batch().Append(*other.batch_);
  }
  void append(WriteSet&& other) {
    if (empty())
      batch_ = std::move(other.batch_);
    else
      append(std::as_const(other));
  }
  void clear() { batch_.reset(); }

  bool empty() const { return batch_ == nullptr; }
  std::size_t bytes() const { return batch_ == nullptr ? 0 : batch_->ApproximateSize(); }
  const leveldb::WriteBatch& batch() const {
    static const leveldb::WriteBatch kEmpty;
    return batch_ == nullptr ? kEmpty : *batch_;
  }
  leveldb::WriteBatch& batch() {
    if (batch_ == nullptr) batch_ = std::make_unique<leveldb::WriteBatch>();
    return *batch_;
  }

 private:
  static std::unique_ptr<leveldb::WriteBatch> copy_of(const WriteSet& other) {
    return other.batch_ == nullptr ? nullptr : std::make_unique<leveldb::WriteBatch>(*other.batch_);
  }

  std::unique_ptr<leveldb::WriteBatch> batch_;
};

}  // namespace carillon::runtime
