// One entry of a partition's log, and the bytes in which its WriteSet is kept and sent.
//
// Records travel with the checksum that they got when they were first written (runtime/storage.h), so that whoever reads
// them last still sees damage done on the way. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cluster/partition_record.h"
#include "messages/entity_id.h"
#include "messages/result.h"
#include "runtime/storage.h"

namespace carillon::cluster {

using Index = std::uint64_t;  // A place in a partition's log, from 1 without gaps; 0 is before the first.

struct Entry {
  Epoch epoch = 0;
  std::shared_ptr<const std::string> bytes;  // Of its WriteSet; shared by log, backups and whoever applies it.

  std::size_t size() const { return bytes->size(); }
  bool operator==(const Entry& other) const { return epoch == other.epoch && *bytes == *other.bytes; }
};

// A WriteSet as bytes: for each put and erase, in order, `p` or `e`, the key and (of a put) the record, each behind its
// length in four bytes.
std::string encode(const runtime::WriteSet& writes);

// MALFORMED when `bytes` are not of that form, or touch a key that is not among the records of `partition`: another
// partition's, or the replication's own.
Result<runtime::WriteSet> decode_writes(PartitionId partition, std::string_view bytes);

}  // namespace carillon::cluster
