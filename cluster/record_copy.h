// A copy of a partition's records for a replica that the log does not reach: read in chunks, in the order of the keys,
// while the partition goes on changing.
//
// The copy need not be of one moment. Entries put and erase whole records, so a replica that has applied all entries from
// the one at which the copy began up to the one at which it ended has the records of that moment.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/entry.h"
#include "messages/result.h"
#include "runtime/storage.h"

namespace carillon::cluster {

class RecordCopy {
 public:
  RecordCopy(PartitionId partition, const runtime::Storage& storage);

  // The next records, about `bytes` of them. Empty when there are no more.
  Result<runtime::WriteSet> next(std::size_t bytes);
  bool is_complete() const { return segment_ == kSegments; }

 private:
  // All tags but those of the replication itself lie in three segments.
  static constexpr std::size_t kSegments = 3;

  PartitionId partition_;
  const runtime::Storage* storage_;
  std::size_t segment_ = 0;
  std::string from_;  // In the segment.
};

}  // namespace carillon::cluster
