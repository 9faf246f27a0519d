#include "cluster/entry.h"

#include <leveldb/write_batch.h>

#include "runtime/key.h"

namespace carillon::cluster {
namespace {

constexpr char kPut = 'p';
constexpr char kErase = 'e';
constexpr std::size_t kKeyBytesMax = 320;

void add_piece(std::string& bytes, std::string_view piece) {
  const auto size = static_cast<std::uint32_t>(piece.size());
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(size >> shift);
  bytes += piece;
}

class Encoder final : public leveldb::WriteBatch::Handler {
 public:
  explicit Encoder(std::string& bytes) : bytes_(bytes) {}

  void Put(const leveldb::Slice& key, const leveldb::Slice& record) override {
    bytes_ += kPut;
    add_piece(bytes_, {key.data(), key.size()});
    add_piece(bytes_, {record.data(), record.size()});
  }
  void Delete(const leveldb::Slice& key) override {
    bytes_ += kErase;
    add_piece(bytes_, {key.data(), key.size()});
  }

 private:
  std::string& bytes_;
};

// Takes a piece off the front of `bytes`; false when it is not all there.
bool take_piece(std::string_view& bytes, std::string_view& piece) {
  if (bytes.size() < 4) return false;
  std::uint32_t size = 0;
  for (int i = 3; i >= 0; --i) size = size << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  bytes.remove_prefix(4);
  if (bytes.size() < size) return false;
  piece = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

}  // namespace

std::string encode(const runtime::WriteSet& writes) {
  std::string bytes;
  bytes.reserve(writes.bytes() + 64);
  Encoder encoder(bytes);
  CHECK(writes.batch().Iterate(&encoder).ok());
  return bytes;
}

Result<runtime::WriteSet> decode_writes(PartitionId partition, std::string_view bytes) {
  const auto prefix = runtime::partition_prefix(partition);
  const auto malformed = [](const char* what) { return Error{ErrorCode::MALFORMED, what}; };
  runtime::WriteSet writes;
  while (!bytes.empty()) {
    const char kind = bytes.front();
    bytes.remove_prefix(1);
    std::string_view key, record;
    if ((kind != kPut && kind != kErase) || !take_piece(bytes, key))
      return malformed("an entry's writes do not decode");
    if (!key.starts_with(prefix) || key.size() <= std::string_view(prefix).size() || key.size() > kKeyBytesMax)
      return malformed("an entry writes what is not its partition's");
    switch (static_cast<runtime::Tag>(key[std::string_view(prefix).size()])) {
      case runtime::Tag::kApplied:
      case runtime::Tag::kEpoch:
      case runtime::Tag::kLog:
        return malformed("an entry writes what is the replication's own");
      default:
        break;
    }
    if (kind == kErase) {
      writes.erase(key);
      continue;
    }
    if (!take_piece(bytes, record)) return malformed("an entry's writes do not decode");
    if (!runtime::value_of_record(key, record)) return malformed("a record of an entry is damaged");
    writes.put_record(key, record);
  }
  return writes;
}

}  // namespace carillon::cluster
