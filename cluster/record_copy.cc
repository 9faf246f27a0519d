#include "cluster/record_copy.h"

#include "runtime/key.h"

namespace carillon::cluster {

using runtime::Tag;
using runtime::tag_end;
using runtime::tag_prefix;

namespace {

struct Segment {
  std::string begin, end;
};

Segment segment(PartitionId partition, std::size_t number) {
  switch (number) {
    case 0:
      return {tag_end(partition, Tag::kApplied).text(), tag_prefix(partition, Tag::kEpoch).text()};
    case 1:
      return {tag_end(partition, Tag::kEpoch).text(), tag_prefix(partition, Tag::kLog).text()};
    default:
      return {tag_end(partition, Tag::kLog).text(),
              runtime::partition_prefix({static_cast<std::uint16_t>(partition.value + 1)}).text()};
  }
}

}  // namespace

RecordCopy::RecordCopy(PartitionId partition, const runtime::Storage& storage)
    : partition_(partition), storage_(&storage), from_(segment(partition, 0).begin) {}

Result<runtime::WriteSet> RecordCopy::next(std::size_t bytes) {
  runtime::WriteSet records;
  std::size_t taken = 0;
  while (!is_complete() && taken < bytes) {
    bool at_end = true;
    const auto scanned = storage_->scan(from_, segment(partition_, segment_).end, [&](auto key, auto value) {
      if (taken >= bytes) {
        from_ = key;
        return at_end = false;
      }
      records.put(key, value);
      taken += key.size() + value.size();
      return true;
    });
    if (!scanned) return scanned.error();
    if (at_end && ++segment_ < kSegments) from_ = segment(partition_, segment_).begin;
  }
  return records;
}

}  // namespace carillon::cluster
