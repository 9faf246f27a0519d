#include "cluster/entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/key.h"

namespace carillon::cluster {
namespace {

using runtime::Tag;

constexpr PartitionId kPartition{3};

runtime::WriteSet some_writes() {
  runtime::WriteSet writes;
  writes.put(runtime::batch_key(kPartition, Tag::kProgress, 7), "");
  writes.put(runtime::entity_key(kPartition, Tag::kCursor, EntityId::trusted("guild/7")), std::string(5'000, 'x'));
  writes.erase(runtime::batch_key(kPartition, Tag::kProgress, 1));
  return writes;
}

TEST(Entry, P1KeepsEveryPutAndEraseOfAWriteSet) {
  const auto bytes = encode(some_writes());
  const auto read = decode_writes(kPartition, bytes);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(encode(*read), bytes);
}

TEST(Entry, WritesToAnotherPartitionAreRefused) {
  const auto read = decode_writes({4}, encode(some_writes()));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::MALFORMED);
}

TEST(Entry, WritesToTheReplicationsOwnRecordsAreRefused) {
  for (const auto tag : {Tag::kLog, Tag::kEpoch, Tag::kApplied}) {
    runtime::WriteSet writes;
    writes.put(runtime::batch_key(kPartition, tag, 1), "x");
    EXPECT_FALSE(decode_writes(kPartition, encode(writes)).ok()) << static_cast<char>(tag);
  }
}

TEST(Entry, EveryChangedByteIsNoticedOrHarmless) {
  const auto bytes = encode(some_writes());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    const auto read = decode_writes(kPartition, changed);
    // The key of an erase has no checksum; everything else has.
    if (read.ok()) {
      EXPECT_GT(at, bytes.size() - 16) << at;
    }
  }
}

TEST(Entry, WhatIsCutShortIsRefused) {
  const auto bytes = encode(some_writes());
  std::size_t whole = 0;
  for (std::size_t size = 1; size < bytes.size(); ++size)
    whole += decode_writes(kPartition, std::string_view(bytes).substr(0, size)).ok();
  EXPECT_EQ(whole, 2u);  // Behind the first and the second record.
}

}  // namespace
}  // namespace carillon::cluster
