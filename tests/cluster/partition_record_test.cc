#include "cluster/partition_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::cluster {
namespace {

const PartitionRecord kRecord{
    .epoch = 7, .primary = {"ant", "s1"}, .in_sync = {{"ant", "s1"}, {"bee", "s2"}}, .replicas = {"ant", "bee", "cat"}};

TEST(PartitionRecord, ReadsWhatItWrote) {
  const auto read = decode_partition_record(encode(kRecord));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, kRecord);
}

TEST(PartitionRecord, P1RemembersInWhichEpochAnOlderCopyWasNamed) {
  // Given a record that was recovered in an epoch,
  auto record = kRecord;
  record.recovered = 6;
  // then it is read as it was,
  const auto read = decode_partition_record(encode(record));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, record);
  // and one of an epoch that is still to come is refused.
  record.recovered = 8;
  EXPECT_FALSE(decode_partition_record(encode(record)).ok());
}

TEST(PartitionRecord, P8APrimaryThatIsNotInSyncIsRefused) {
  auto record = kRecord;
  record.primary.store = "another disk";
  const auto read = decode_partition_record(encode(record));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::MALFORMED);
}

TEST(PartitionRecord, WhoIsNamedTwiceIsRefused) {
  auto record = kRecord;
  record.in_sync.push_back(record.in_sync.back());
  EXPECT_FALSE(decode_partition_record(encode(record)).ok());
}

TEST(PartitionRecord, WhatIsNoRecordIsRefused) {
  for (const auto* text : {"", "{}", "[]", R"({"epoch":0})", R"({"epoch":1,"primary":{},"in_sync":[],"replicas":[]})"})
    EXPECT_FALSE(decode_partition_record(text).ok()) << text;
}

TEST(Member, ReadsWhatItWrote) {
  const Member member{"ant", "s1", "10.0.0.1:7500", "10.0.0.1:7411", "10.0.0.1:7480"};
  const auto read = decode_member(encode(member));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, member);
}

TEST(ClusterFormat, ReadsWhatItWroteAndRefusesWhatItDoesNotKnow) {
  ClusterFormat format{.cluster_id = "c1", .partitions = 8};
  const auto read = decode_cluster_format(encode(format));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, format);
  format.version = 2;
  EXPECT_FALSE(decode_cluster_format(encode(format)).ok());
}

}  // namespace
}  // namespace carillon::cluster
