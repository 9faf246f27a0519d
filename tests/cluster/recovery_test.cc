#include "cluster/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr PartitionId kPartition{3};

// A partition whose in-sync set is ant alone; bee and cat have older copies.
class RecoveryTest : public ::testing::Test {
 protected:
  RecoveryTest() {
    put(keys_.partition(kPartition),
        encode(PartitionRecord{
            .epoch = 7, .primary = {"ant", "s1"}, .in_sync = {{"ant", "s1"}}, .replicas = {"ant", "bee", "cat"}}));
    join("bee", "s2");
    join("cat", "s3");
    join("dan", "s4");
  }

  void join(const NodeName& node, const std::string& store) {
    put(keys_.member(node), encode(Member{node, store, "p", "r", "h"}));
  }
  void put(const std::string& key, const std::string& value) {
    ++revision_;
    view_.apply({.changes = {{{key, value, revision_, 0}, false}}, .revision = revision_});
  }

  ClusterKeys keys_{"home"};
  ClusterView view_{"home"};
  Revision revision_ = 0;
};

TEST_F(RecoveryTest, P8TheNamedCopyIsPrimaryAloneInANewEpoch) {
  const auto recovery = recovery_from(view_, kPartition, "cat");
  ASSERT_TRUE(recovery.ok()) << recovery.error().message;
  EXPECT_EQ(recovery->expected, 1u);
  EXPECT_EQ(recovery->record.epoch, 8u);
  EXPECT_EQ(recovery->record.recovered, 8u);
  EXPECT_EQ(recovery->record.primary, (ReplicaId{"cat", "s3"}));
  EXPECT_THAT(recovery->record.in_sync, ElementsAre(ReplicaId{"cat", "s3"}));
  EXPECT_THAT(recovery->record.replicas, ElementsAre("cat", "ant", "bee"));
}

TEST_F(RecoveryTest, P8ARaisedRecordIsBeyondAllEpochsAndOtherwiseTheSame) {
  const auto& before = view_.find(kPartition)->value;
  auto after = raised(before);
  EXPECT_GE(after.epoch, before.epoch + 100'000);
  after.epoch = before.epoch;
  EXPECT_EQ(after, before);
}

TEST_F(RecoveryTest, P1NothingIsGivenUpWhileACopyThatIsInSyncIsHere) {
  join("ant", "s1");
  const auto recovery = recovery_from(view_, kPartition, "cat");
  ASSERT_FALSE(recovery.ok());
  EXPECT_EQ(recovery.error().code, ErrorCode::FORBIDDEN);
  EXPECT_THAT(recovery.error().message, HasSubstr("node ant is here"));
}

TEST_F(RecoveryTest, ANodeThatIsBackWithAnotherDiskIsNoReasonToWait) {
  join("ant", "another disk");
  EXPECT_TRUE(recovery_from(view_, kPartition, "bee").ok());
  // Its own copy is empty: whoever names it is obeyed.
  const auto recovery = recovery_from(view_, kPartition, "ant");
  ASSERT_TRUE(recovery.ok());
  EXPECT_EQ(recovery->record.primary, (ReplicaId{"ant", "another disk"}));
}

TEST_F(RecoveryTest, WhoHasNoCopyOrIsNotHereIsRefused) {
  EXPECT_EQ(recovery_from(view_, kPartition, "dan").error().code, ErrorCode::FORBIDDEN);
  EXPECT_EQ(recovery_from(view_, kPartition, "eel").error().code, ErrorCode::NOT_FOUND);
  EXPECT_EQ(recovery_from(view_, {4}, "cat").error().code, ErrorCode::NOT_FOUND);
}

}  // namespace
}  // namespace carillon::cluster
