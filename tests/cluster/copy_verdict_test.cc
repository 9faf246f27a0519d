#include "cluster/copy_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/log.h"
#include "runtime/key.h"
#include "tests/cluster/replica_group.h"

namespace carillon::cluster {
namespace {

constexpr PartitionId kPartition{0};

class CopyVerdictTest : public ::testing::Test {
 protected:
  void append(int entries) {
    for (int i = 0; i < entries; ++i)
      log.append({1, std::make_shared<const std::string>(encode(runtime::WriteSet()))}, {});
    write();
  }
  void write() {
    auto write = log.take_write();
    ASSERT_TRUE(write);
    disk.write(write->writes);
    log.written(write->number);
  }

  testing::MemoryStorage disk;
  Log log = std::move(*Log::open(kPartition, {}, disk));
};

TEST_F(CopyVerdictTest, OneThatIsNoReplicasIsComplete) { EXPECT_TRUE(judge_copy(kPartition, disk).is_complete); }

TEST_F(CopyVerdictTest, OneThatIsBeingMadeIsNotUntilItsEndIsReplayed) {
  // Given a copy that has begun at entry 5,
  log.begin_install(5, 1);
  write();
  EXPECT_FALSE(judge_copy(kPartition, disk).is_complete);
  // and has come to its end, for which two entries more are needed,
  append(2);
  log.end_install(7);
  write();
  EXPECT_FALSE(judge_copy(kPartition, disk).is_complete);
  // then it is complete once they are applied, though a power cut may still take that.
  ASSERT_TRUE(log.apply(7).ok());
  write();
  EXPECT_FALSE(judge_copy(kPartition, disk).is_applied);
  EXPECT_TRUE(judge_copy(kPartition, disk).is_complete);
}

TEST_F(CopyVerdictTest, ALogWithAHoleIsBroken) {
  append(1);
  append(1);
  append(1);
  disk.records.erase(runtime::batch_key(kPartition, runtime::Tag::kLog, 2).text());
  EXPECT_THAT(judge_copy(kPartition, disk).broken, ::testing::Not(::testing::IsEmpty()));
}

}  // namespace
}  // namespace carillon::cluster
