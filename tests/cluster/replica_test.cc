#include "cluster/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/key.h"
#include "tests/cluster/replica_group.h"

namespace carillon::cluster {
namespace {

using namespace std::chrono_literals;
using testing::ReplicaGroup;

const std::vector<std::string> kThree = {"ant", "bee", "cat"};

template <class Body>
std::size_t count_of(const ReplicaGroup& group) {
  return static_cast<std::size_t>(std::ranges::count_if(
      group.sent, [](const Outgoing& outgoing) { return std::holds_alternative<Body>(outgoing.message.body); }));
}

// --- Committing.

TEST(Replica, P1CommitsOnlyWhatTheWholeInSyncSetHasOnDisk) {
  // Given three in sync, one of which is slow to write.
  ReplicaGroup group(kThree);
  group["cat"].journal_held = true;
  // When the primary appends.
  group.put("ant", "x", "1");
  group.pass(100ms);
  // Then nothing is committed, and nothing can be read, before the slow one has it.
  EXPECT_EQ(group["ant"].committed, 0u);
  EXPECT_EQ(group.value("ant", "x"), "");
  group["cat"].journal_held = false;
  group.settle();
  EXPECT_EQ(group["ant"].committed, 1u);
  EXPECT_EQ(group.value("ant", "x"), "1");
  // And the backups apply it as soon as they hear that it is committed.
  group.pass(100ms);
  EXPECT_EQ(group.value("cat", "x"), "1");
}

TEST(Replica, P1CommitsOnlyWhatIsOnThePrimarysOwnDisk) {
  ReplicaGroup group(kThree);
  group["ant"].journal_held = true;
  group.put("ant", "x", "1");
  group.pass(100ms);
  EXPECT_EQ(group["ant"].committed, 0u);
  group["ant"].journal_held = false;
  group.settle();
  EXPECT_EQ(group["ant"].committed, 1u);
}

TEST(Replica, APrimaryWhoseDiskHangsIsReplacedByOneWhoseDiskDoesNot) {
  // Given a primary whose disk answers nothing any more, without an error.
  ReplicaGroup group(kThree);
  group["ant"].journal_held = true;
  group.put("ant", "x", "1");
  // When that lasts for long, then another one leads, with what it has.
  ASSERT_TRUE(group.until([&] { return group.primary() == "bee" || group.primary() == "cat"; }));
  EXPECT_FALSE(group.is_in_sync("ant"));
  EXPECT_EQ(group["ant"].lost, 1);
  const auto successor = group.primary();
  EXPECT_EQ(group.value(successor, "x"), "1");
  group.put(successor, "y", "2");
  group.pass(100ms);
  EXPECT_EQ(group.value(successor, "y"), "2");
  // When it goes on, it comes in sync again.
  group["ant"].journal_held = false;
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("ant"); }));
  group.pass(1s);
  EXPECT_EQ(group.value("ant", "y"), "2");
}

TEST(Replica, APrimaryWhoseDiskHangsBeforeWhatItHasCommittedCanBeReadIsReplaced) {
  // Given an entry that is on all disks, and the primary's disk hangs before it is readable.
  ReplicaGroup group(kThree);
  for (const auto& name : {"bee", "cat"}) group[name].journal_held = true;
  group.put("ant", "x", "1");
  group.pass(100ms);
  group["ant"].journal_held = true;
  for (const auto& name : {"bee", "cat"}) group[name].journal_held = false;
  group.pass(100ms);
  ASSERT_EQ(group["ant"].committed, 0u);
  // When that lasts for long, then another one leads, and has it.
  ASSERT_TRUE(group.until([&] { return group.primary() == "bee" || group.primary() == "cat"; }));
  group.pass(100ms);
  EXPECT_EQ(group.value(group.primary(), "x"), "1");
}

TEST(Replica, APrimaryWhoseDiskHangsStaysWhereTheOthersHangAsWell) {
  // Given disks that all hang.
  ReplicaGroup group(kThree);
  for (const auto& name : kThree) group[name].journal_held = true;
  group.put("ant", "x", "1");
  group.pass(10s);
  // Then all stay where they are, for each of them may be the first to go on.
  for (const auto& name : kThree) EXPECT_TRUE(group.is_in_sync(name)) << name;
  for (const auto& name : kThree) group[name].journal_held = false;
  group.settle();
  EXPECT_EQ(group.primary(), "ant");
  EXPECT_EQ(group["ant"].committed, 1u);
}

TEST(Replica, APrimaryWhoseDiskHangsIsReplacedByTheFirstWhoseDiskGoesOn) {
  ReplicaGroup group(kThree);
  for (const auto& name : kThree) group[name].journal_held = true;
  group.put("ant", "x", "1");
  group.pass(10s);
  for (const auto& name : {"bee", "cat"}) group[name].journal_held = false;
  ASSERT_TRUE(group.until([&] { return group.primary() == "bee" || group.primary() == "cat"; }));
  group.pass(100ms);
  EXPECT_EQ(group.value(group.primary(), "x"), "1");
}

TEST(Replica, APrimaryThatSleptDoesNotTakeThatForAHangingDisk) {
  // Given a primary that is stopped with an entry on its way to disk, for a time in which nobody takes over.
  ReplicaGroup group({"ant", "bee"});
  group["bee"].etcd_hangs = true;
  for (const auto& name : {"ant", "bee"}) group[name].journal_held = true;
  group.put("ant", "x", "1");
  group["ant"].stopped = true;
  group["bee"].journal_held = false;
  group.pass(10s);
  // When it wakes, and hears first that the other has got it,
  group["ant"].stopped = false;
  group.settle();
  group.pass(10ms);
  // then it goes on.
  group["ant"].journal_held = false;
  group["bee"].etcd_hangs = false;
  group.pass(100ms);
  EXPECT_EQ(group.primary(), "ant");
  EXPECT_EQ(group["ant"].committed, 1u);
}

// Goal: what etcd answers is of the replica that asked. Method: one that is thrown away with a proposal under way, and the next one of
// the same disk, which has one of its own.
TEST(Replica, P8TakesNoAnswerToWhatAnEarlierOneHadProposed) {
  testing::MemoryStorage disk;
  PartitionRecord record;
  record.epoch = 1;
  record.primary = {"ant", "s1"};
  record.in_sync = {{"ant", "s1"}, {"bee", "s2"}};
  record.replicas = {"ant", "bee"};
  std::vector<std::uint64_t> proposals;
  const auto opened = [&](std::uint32_t life) {
    auto opening = Replica::open({.partition = {0}, .self = {"ant", "s1"}, .life = life}, disk, Instant(life * 10s));
    auto replica = std::move(*opening);
    replica->record_changed(record, 1, Instant(life * 10s));
    for (auto now = Instant(life * 10s); proposals.size() < life && now < Instant((life + 1) * 10s); now += 10ms) {
      replica->link_lost("bee", now);
      auto outputs = replica->take();
      for (const auto& write : outputs.writes) {
        disk.write(write.writes);
        replica->written(write.number, now);
      }
      if (outputs.proposal) proposals.push_back(outputs.proposal->number);
    }
    return replica;
  };
  opened(1);
  const auto replica = opened(2);
  ASSERT_EQ(proposals.size(), 2u);
  replica->proposal_answered(proposals[0], Replica::Swap::kWon, 2, Instant(40s));
  EXPECT_EQ(replica->record(), record);
  replica->proposal_answered(proposals[1], Replica::Swap::kWon, 2, Instant(40s));
  EXPECT_NE(replica->record(), record);
}

TEST(Replica, P1WaitsForWhomItIsAdding) {
  // Given a third replica that has caught up, and a swap that adds it of which no answer comes.
  ReplicaGroup group(kThree);
  group.kill("cat");
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  group.start("cat");
  group["ant"].etcd_cut = true;  // The swap is on its way, and may be done at any time.
  group.pass(200ms);
  ASSERT_FALSE(group.is_in_sync("cat"));
  // When it does not get an entry to disk.
  group["cat"].journal_held = true;
  group.put("ant", "x", "1");
  group.pass(100ms);
  // Then the entry is not committed: the replica may be in sync already, and become primary.
  EXPECT_EQ(group["ant"].committed, 0u);
  group["cat"].journal_held = false;
  group.settle();
  EXPECT_EQ(group["ant"].committed, 1u);
}

TEST(Replica, P1ReadsNothingOnABackupThatIsNotCommitted) {
  ReplicaGroup group(kThree);
  group["ant"].journal_held = true;
  group.put("ant", "x", "1");
  group.pass(100ms);
  EXPECT_EQ(group.replica("bee").log_end(), 1u);
  EXPECT_EQ(group.value("bee", "x"), "");
}

// --- Epochs.

TEST(Replica, P8RefusesALowerEpochAndSaysWhichIsHigher) {
  ReplicaGroup group(kThree);
  const auto epoch = group.record().epoch;
  group.sent.clear();
  // When a primary of former times sends an entry.
  group.inject("bee", {group.kPartition, group["cat"].id(), epoch - 1, Append{0, 0, {}, 0, 1}});
  // Then it is answered with the epoch of now.
  ASSERT_EQ(count_of<Refusal>(group), 1u);
  const auto refusal = std::ranges::find_if(
      group.sent, [](const Outgoing& outgoing) { return std::holds_alternative<Refusal>(outgoing.message.body); });
  EXPECT_EQ(refusal->message.epoch, epoch);
  EXPECT_EQ(group.replica("bee").counters().refused, 1u);
  // One that is primary still, and has not heard of the epoch, is told the record instead.
  group.inject("bee", {group.kPartition, group["ant"].id(), epoch - 1, Append{0, 0, {}, 0, 1}});
  EXPECT_EQ(count_of<Refusal>(group), 1u);
  const auto& told = group.sent.back();
  EXPECT_EQ(told.to, "ant");
  ASSERT_TRUE(std::holds_alternative<Nomination>(told.message.body));
  EXPECT_EQ(std::get<Nomination>(told.message.body).record, group.record());
}

TEST(Replica, P8APrimaryThatWasCutOffCommitsNothingAndFollowsItsSuccessor) {
  // Given a primary that nothing reaches any more, and that does not notice.
  ReplicaGroup group(kThree);
  group.isolate("ant", false);
  group.put("ant", "x", "of the old one");
  // When another one takes over.
  ASSERT_TRUE(group.until([&] { return !group.primary().empty() && group.primary() != "ant"; }));
  group.put(group.primary(), "x", "of the new one");
  group.pass(1s);
  EXPECT_EQ(group["ant"].committed, 0u);
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
  // Then the old one gives up when it is back, and has what the others have.
  group.rejoin("ant");
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("ant"); }));
  group.pass(100ms);
  EXPECT_EQ(group["ant"].lost, 1u);
  EXPECT_EQ(group["ant"].committed, 0u);
  EXPECT_EQ(group.records("ant"), group.records(group.primary()));
}

TEST(Replica, P8APrimaryThatStartsAgainRaisesTheEpoch) {
  // Given a primary whose entry reached a backup, but not its own disk.
  ReplicaGroup group({"ant", "bee"});
  group["ant"].journal_held = true;
  group.put("ant", "x", "1");
  ASSERT_EQ(group.replica("bee").log_end(), 1u);
  const auto epoch = group.record().epoch;
  // When it starts again before anybody takes over.
  group.kill("ant");
  group["ant"].journal_held = false;
  group.start("ant");
  ASSERT_TRUE(group.until([&] { return !group.primary().empty(); }));
  // Then it does not go on in that epoch, where the same index would mean two entries.
  EXPECT_GT(group.record().epoch, epoch);
  group.put(group.primary(), "y", "2");
  group.pass(500ms);
  EXPECT_EQ(group.records("ant"), group.records("bee"));
  EXPECT_EQ(group.value("bee", "y"), "2");
}

// --- Truncation.

// KIP-101: two replicas whose logs are equally long, and differ.
TEST(Replica, P1TruncatesByTheHistoryOfEpochsWhereLengthsAgree) {
  ReplicaGroup group(kThree);
  group.put("ant", "a", "1");
  // Given an entry that only the old primary has.
  group.isolate("ant", false);
  group.put("ant", "x", "of the old one");
  ASSERT_EQ(group.replica("ant").log_end(), 2u);
  // And another one with the same index, committed by its successor.
  ASSERT_TRUE(group.until([&] { return group.primary() == "bee" || group.primary() == "cat"; }));
  const auto successor = group.primary();
  group.put(successor, "y", "of the new one");
  ASSERT_TRUE(group.until([&] { return group[successor].committed == 1; }));
  ASSERT_EQ(group.replica(successor).log_end(), 2u);
  // When the old one is back.
  group.rejoin("ant");
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("ant"); }));
  group.pass(100ms);
  // Then its own entry is gone, and the committed one is there.
  EXPECT_EQ(group.value("ant", "x"), "");
  EXPECT_EQ(group.value("ant", "y"), "of the new one");
  EXPECT_EQ(group.replica("ant").counters().truncations, 1u);
  EXPECT_EQ(group.records("ant"), group.records(successor));
}

TEST(Replica, P1ANewPrimaryCommitsWhatItInherited) {
  // Given an entry that the backups have, and of whose commit nobody has heard.
  ReplicaGroup group(kThree);
  group["ant"].journal_held = true;
  group.put("ant", "x", "1");
  // When the primary dies.
  group.kill("ant");
  ASSERT_TRUE(group.until([&] { return !group.primary().empty(); }));
  // Then the entry is committed before anything else may be done.
  EXPECT_EQ(group.value(group.primary(), "x"), "1");
}

// --- Removal and nomination.

TEST(Replica, ASilentBackupIsRemovedAndThenNotWaitedFor) {
  ReplicaGroup group(kThree);
  group.stop("cat");
  group.put("ant", "x", "1");
  EXPECT_EQ(group["ant"].committed, 0u);
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  group.settle();
  EXPECT_EQ(group["ant"].committed, 1u);
  EXPECT_TRUE(group.is_in_sync("bee"));
  EXPECT_TRUE(group.replica("ant").is_under_replicated());
  EXPECT_EQ(group["ant"].lost, 0u);
  // And comes back by itself.
  group.resume("cat");
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  EXPECT_FALSE(group.replica("ant").is_under_replicated());
}

TEST(Replica, P8NobodyNominatesItselfWithinTheLeaseThatItGave) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  // When the link to the primary is gone, although the primary lives.
  const auto epoch = group.record().epoch;
  group.isolate("ant");
  group.pass(ReplicaTimeouts{}.read_lease - 45ms);
  // Then it may read as long as nobody else can be primary, and not longer.
  EXPECT_EQ(group.record().epoch, epoch);
  EXPECT_TRUE(group.until([&] { return group.record().epoch > epoch; }));
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, AFailoverTakesLessThanThreeHundredMilliseconds) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  const auto begin = group.now();
  group.kill("ant");
  ASSERT_TRUE(group.until([&] { return !group.primary().empty(); }));
  EXPECT_LE(group.now() - begin, 300ms);
}

TEST(Replica, MembersNominateThemselvesOneAfterTheOther) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  group.kill("ant");
  ASSERT_TRUE(group.until([&] { return !group.primary().empty(); }));
  EXPECT_EQ(group.primary(), group.record().in_sync.front().node);
  for (const auto* name : {"bee", "cat"}) EXPECT_EQ(group.replica(name).counters().nominations_lost, 0u) << name;
}

TEST(Replica, P1WhoIsNotInSyncNeverBecomesPrimary) {
  ReplicaGroup group(kThree);
  group.isolate("cat");
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  group.put("ant", "x", "1");
  group.kill("ant");
  group.kill("bee");
  group["cat"].etcd_cut = false;
  group.pass(5s);
  EXPECT_EQ(group.primary(), "");
  group.start("bee");
  for (const auto* name : {"bee", "cat"}) {
    group.mend("cat", name == std::string("cat") ? "bee" : name);
    group.mend("bee", "cat");
  }
  ASSERT_TRUE(group.until([&] { return group.primary() == "bee" && group.is_in_sync("cat"); }));
  group.pass(100ms);
  EXPECT_EQ(group.value("cat", "x"), "1");
}

// --- Coming back.

TEST(Replica, WhoWasAwayCatchesUpFromTheLog) {
  ReplicaGroup group(kThree);
  group.kill("cat");
  for (int i = 0; i < 50; ++i) group.put("ant", std::to_string(i), "value");
  group.start("cat");
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  group.pass(100ms);
  EXPECT_EQ(group.records("cat"), group.records("ant"));
  EXPECT_EQ(group.replica("ant").counters().copies_sent, 0u);
}

ReplicaLimits short_log() {
  ReplicaLimits limits;
  limits.log_entries_kept = 8;
  limits.chunk_bytes = 200;
  limits.chunks_ahead = 2;
  limits.erase_keys_max = 3;
  limits.apply_bytes_max = 300;
  limits.append_bytes_max = 500;
  limits.cache_bytes = 300;
  return limits;
}

TEST(Replica, WhoWasAwayForTooLongGetsACopyWhileEntriesGoOn) {
  ReplicaGroup group(kThree, short_log());
  for (int i = 0; i < 20; ++i) group.put("ant", "early" + std::to_string(i), "value");
  group.pass(100ms);
  group.kill("cat");
  for (int i = 0; i < 100; ++i) group.put("ant", std::to_string(i), "value");
  // When it comes back, and the records change with every message of the copy.
  int more = 0;
  group.passes = [&](const std::string&, const PeerMessage& message) {
    if (std::holds_alternative<CopyChunk>(message.body) && more < 60) {
      runtime::WriteSet writes;
      writes.put(runtime::entity_key({0}, runtime::Tag::kCursor, EntityId::trusted("thing/" + std::to_string(more))),
                 "later");
      writes.erase(runtime::entity_key({0}, runtime::Tag::kCursor,
                                       EntityId::trusted("thing/early" + std::to_string(more++ % 20))));
      group.replica("ant").append(writes, group.now());
    }
    return true;
  };
  group.start("cat");
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  group.pass(200ms);
  EXPECT_GE(more, 10);
  EXPECT_GE(group.replica("ant").counters().copies_sent, 1u);
  EXPECT_EQ(group.records("cat"), group.records("ant"));
}

std::size_t entry_bytes_sent(const ReplicaGroup& group, const std::string& to) {
  std::size_t bytes = 0;
  for (const auto& outgoing : group.sent)
    if (const auto* append = std::get_if<Append>(&outgoing.message.body); append != nullptr && outgoing.to == to)
      for (const auto& entry : append->entries) bytes += entry.size();
  return bytes;
}

TEST(Replica, P7WhoIsNotInSyncIsSentLittleAtATime) {
  auto limits = short_log();
  limits.log_entries_kept = 1'000;
  limits.catching_up_bytes_max = 2'000;
  ReplicaGroup group(kThree, limits);
  group.kill("cat");
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  for (int i = 0; i < 200; ++i) group.put("ant", std::to_string(i), std::string(100, 'x'));
  // Given one that comes back and gets nothing to disk,
  group.sent.clear();
  group["cat"].journal_held = true;
  group.start("cat");
  group.pass(1s);
  // then no more is sent to it than it may be behind with, and what one message holds;
  const auto bytes = entry_bytes_sent(group, "cat");
  EXPECT_GT(bytes, 1'000u);
  EXPECT_LE(bytes, limits.catching_up_bytes_max + limits.append_bytes_max);
  // and all of it, once it does.
  group["cat"].journal_held = false;
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  group.pass(100ms);
  EXPECT_EQ(group.records("cat"), group.records("ant"));
}

TEST(Replica, P7WhoIsInSyncAndAnswersNothingIsSentLittleAtATime) {
  // Given a backup that is waited for and whose disk stops for a moment, and entries that go on.
  auto limits = short_log();
  limits.log_entries_kept = 1'000;
  limits.unanswered_bytes_max = 2'000;
  ReplicaGroup group(kThree, limits);
  group["cat"].journal_held = true;
  group.sent.clear();
  for (int i = 0; i < 200; ++i) {
    runtime::WriteSet writes;
    writes.put(runtime::entity_key({0}, runtime::Tag::kCursor, EntityId::trusted("thing/" + std::to_string(i))),
               std::string(100, 'x'));
    group.replica("ant").append(writes, group.now());
  }
  group.pass(100ms);
  ASSERT_TRUE(group.is_in_sync("cat"));
  // Then no more is sent to it than it may be behind with, and what one message holds;
  const auto bytes = entry_bytes_sent(group, "cat");
  EXPECT_GT(bytes, 1'000u);
  EXPECT_LE(bytes, limits.unanswered_bytes_max + limits.append_bytes_max);
  // and all of it, once its disk goes on.
  group["cat"].journal_held = false;
  ASSERT_TRUE(group.until([&] { return group.records("cat") == group.records("ant"); }));
}

TEST(Replica, P1ACopyThatDidNotEndBeginsAgain) {
  ReplicaGroup group(kThree, short_log());
  for (int i = 0; i < 50; ++i) group.put("ant", std::to_string(i), "value");
  for (int chunks = 0; chunks < 5; ++chunks) {
    // Given a copy that is cut short by a crash.
    int left = chunks;
    group.passes = [&](const std::string&, const PeerMessage& message) {
      return !std::holds_alternative<CopyChunk>(message.body) || --left >= 0;
    };
    group.wipe("cat");
    group.pass(20ms);
    ASSERT_TRUE(group.replica("cat").is_worthless()) << chunks;
    group.kill("cat");
    // When it starts once more.
    group.passes = nullptr;
    group.start("cat");
    EXPECT_TRUE(group.replica("cat").is_worthless() || chunks == 0) << chunks;
    // Then it ends up with everything.
    ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); })) << chunks;
    group.pass(100ms);
    EXPECT_EQ(group.records("cat"), group.records("ant")) << chunks;
  }
}

TEST(Replica, ACopyWaitsForADiskThatTakesItsTime) {
  // Given a node that is being given a copy, and whose disk stops for a while in the middle.
  ReplicaGroup group(kThree, short_log());
  for (int i = 0; i < 50; ++i) group.put("ant", std::to_string(i), "value");
  int chunks = 0;
  group.passes = [&](const std::string&, const PeerMessage& message) {
    if (std::holds_alternative<CopyChunk>(message.body) && ++chunks == 3) group["cat"].journal_held = true;
    return true;
  };
  group.wipe("cat");
  group.pass(5s);
  EXPECT_FALSE(group.is_in_sync("cat"));
  group["cat"].journal_held = false;
  // Then it goes on where it was.
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  EXPECT_EQ(group.replica("ant").counters().copies_sent, 1u);
  EXPECT_EQ(group.records("cat"), group.records("ant"));
}

TEST(Replica, ACopyThatEndsWhileEntriesComeIsMadeOnce) {
  // Given a node whose disk holds when the last chunk of a copy has come, and entries behind it.
  ReplicaGroup group(kThree, short_log());
  for (int i = 0; i < 50; ++i) group.put("ant", std::to_string(i), "value");
  bool is_last = false;
  group.passes = [&](const std::string&, const PeerMessage& message) {
    if (const auto* chunk = std::get_if<CopyChunk>(&message.body); chunk != nullptr && chunk->last)
      is_last = group["cat"].journal_held = true;
    return true;
  };
  group.wipe("cat");
  ASSERT_TRUE(group.until([&] { return is_last; }));
  for (int i = 0; i < 5; ++i) group.put("ant", "behind " + std::to_string(i), "value");
  group.pass(20ms);
  // When the disk goes on, and more comes.
  group["cat"].journal_held = false;
  for (int i = 0; i < 50 && !group.is_in_sync("cat"); ++i) {
    group.put("ant", "later " + std::to_string(i), "value");
    group.pass(10ms);
  }
  // Then it is not made anew.
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  EXPECT_EQ(group.replica("ant").counters().copies_sent, 1u);
  EXPECT_TRUE(group.until([&] { return group.records("cat") == group.records("ant"); }));
}

TEST(Replica, P1ANodeWithAnotherDiskIsAStranger) {
  ReplicaGroup group(kThree);
  group.put("ant", "x", "1");
  group.kill("cat");
  // When it comes back at once, empty, before anybody has missed it.
  const auto old = group["cat"].id();
  group.wipe("cat");
  EXPECT_EQ(group.replica("cat").role(), Role::kJoining);
  // Then its old self leaves the in-sync set, and it comes in with all that is committed.
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  EXPECT_FALSE(group.record().is_in_sync(old));
  group.pass(100ms);
  EXPECT_EQ(group.value("cat", "x"), "1");
}

TEST(Replica, P1AnEmptyDiskDoesNotBecomePrimaryUnderItsOldName) {
  ReplicaGroup group({"ant", "bee"});
  group.put("ant", "x", "1");
  group.kill("bee");
  group.kill("ant");
  group.wipe("bee");
  group.pass(3s);
  EXPECT_EQ(group.primary(), "");
  group.start("ant");
  ASSERT_TRUE(group.until([&] { return group.primary() == "ant" && group.is_in_sync("bee"); }));
  group.pass(100ms);
  EXPECT_EQ(group.value("bee", "x"), "1");
}

TEST(Replica, EverythingThatWasLostOnTheWayIsSentAgain) {
  ReplicaGroup group(kThree);
  int seen = 0;
  group.passes = [&](const std::string&, const PeerMessage&) { return ++seen % 3 != 0; };
  for (int i = 0; i < 30; ++i) {
    group.put("ant", std::to_string(i), "value");
    group.pass(50ms);
  }
  group.passes = nullptr;
  ASSERT_TRUE(group.until([&] { return group.record().in_sync.size() == 3; }));
  group.pass(500ms);
  EXPECT_EQ(group["ant"].committed, 30u);
  EXPECT_EQ(group.records("bee"), group.records("ant"));
  EXPECT_EQ(group.records("cat"), group.records("ant"));
}

// --- Placement.

TEST(Replica, WithFewerThanMinInSyncPublishingIsRefusedAndReadingGoesOn) {
  ReplicaGroup group({"ant", "bee"}, {}, false);
  group.min_in_sync = 2;
  group.kill("ant");
  group.kill("bee");
  group.start("ant");
  group.start("bee");
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("bee") && group.primary() == "ant"; }));
  EXPECT_TRUE(group.replica("ant").may_publish());
  group.kill("bee");
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("bee"); }));
  EXPECT_FALSE(group.replica("ant").may_publish());
  EXPECT_TRUE(group.replica("ant").is_ready());
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, AHandOverNamesASuccessorThatHasEverything) {
  ReplicaGroup group(kThree);
  group["cat"].journal_held = true;
  group.put("ant", "x", "1");
  ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
  group.put("ant", "y", "waits");
  group.pass(100ms);
  // Given something uncommitted, it goes on being primary, takes nothing in, and waits.
  EXPECT_EQ(group.record().primary.node, "ant");
  EXPECT_FALSE(group.replica("ant").may_publish());
  group["cat"].journal_held = false;
  group.settle();
  // When that is committed, the other one is primary, and nobody has left the in-sync set.
  EXPECT_EQ(group["ant"].committed, 1u);
  ASSERT_TRUE(group.until([&] { return group.primary() == "bee"; }));
  EXPECT_EQ(group.record().in_sync.size(), 3u);
  EXPECT_EQ(group["ant"].lost, 1u);
  EXPECT_EQ(group.value("bee", "x"), "1");
  EXPECT_EQ(group.value("bee", "y"), "");
}

TEST(Replica, AHandOverThatDoesNotComeAboutIsGivenUp) {
  ReplicaGroup group(kThree);
  group["bee"].journal_held = true;
  group.put("ant", "x", "1");
  ASSERT_TRUE(group.replica("ant").hand_over(std::nullopt, group.now()).ok());
  group.put("ant", "y", "2");
  group.pass(ReplicaTimeouts{}.hand_over_max + 50ms);
  EXPECT_TRUE(group.replica("ant").may_publish());
  group["bee"].journal_held = false;
  group.settle();
  EXPECT_EQ(group["ant"].committed, 2u);
  EXPECT_EQ(group.primary(), "ant");
}

TEST(Replica, P8APrimaryThatNamesItsSuccessorReadsNothingBeforeTheAnswer) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  ASSERT_TRUE(group.replica("ant").may_read(group.now()));
  group["ant"].etcd_hangs = true;
  ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
  group.pass(20ms);
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, ASuccessorServesAtOnceWhatItWasHandedOver) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
  group.settle();
  EXPECT_EQ(group.primary(), "bee");
}

TEST(Replica, P7ASuccessorServesAlthoughEtcdDiesBeforeItTellsIt) {
  // Given a hand-over whose swap was done and answered, and an etcd that has told nobody else and is gone.
  ReplicaGroup group(kThree);
  group.put("ant", "x", "1");
  group.pass(100ms);
  group["bee"].etcd_gone = group["cat"].etcd_gone = true;
  ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
  group.settle();
  ASSERT_EQ(group.record().primary.node, "bee");
  group["ant"].etcd_gone = true;
  // Then the one before has told its successor, which serves at once, and the third one follows.
  EXPECT_EQ(group.primary(), "bee");
  group.put("bee", "y", "2");
  EXPECT_EQ(group["bee"].committed, 1u);
  group.pass(ReplicaTimeouts{}.heartbeat);
  EXPECT_TRUE(group.replica("bee").may_read(group.now()));
  EXPECT_EQ(group.value("cat", "y"), "2");
}

TEST(Replica, AHandOverThatEtcdDoesNotHearOfHoldsNobodyUp) {
  // Given a hand-over that is begun when etcd has just gone.
  ReplicaGroup group(kThree);
  group.pass(100ms);
  group["ant"].etcd_gone = true;
  ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
  // When the primary is given something.
  group.put("ant", "x", "1");
  // Then it is committed at once, and read as well, on new leases.
  EXPECT_EQ(group["ant"].committed, 1u);
  EXPECT_TRUE(group.replica("ant").may_publish());
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, APrimaryThatCannotHaveADeadBackupRemovedIsReplacedByOneThatCan) {
  for (const bool hangs : {true, false}) {
    SCOPED_TRACE(hangs ? "its etcd hangs" : "its etcd is gone");
    // Given a primary that alone does not reach etcd, which bothers nobody,
    ReplicaGroup group(kThree);
    (hangs ? group["ant"].etcd_hangs : group["ant"].etcd_gone) = true;
    group.pass(10s);
    ASSERT_TRUE(group.replica("ant").may_publish());
    // when one of those that it waits for dies,
    group.kill("cat");
    // then the other one takes over, and commits.
    ASSERT_TRUE(group.until([&] { return group["bee"].ready; }));
    group.pass(100ms);
    EXPECT_FALSE(group["ant"].ready);
    group.put("bee", "later", "value");
    EXPECT_TRUE(group.until([&] { return group.records("ant") == group.records("bee"); }));
  }
}

TEST(Replica, P1APrimaryWhoseDiskHasGoneBackInTimeIsReplacedByOneThatHasEverything) {
  for (const bool short_of_log : {false, true})
    for (const bool news_are_late : {false, true}) {
      SCOPED_TRACE(short_of_log ? "the others' logs begin later" : "their logs overlap");
      SCOPED_TRACE(news_are_late ? "etcd's news reach the primary alone at first" : "etcd's news reach all");
      // Given nodes that stop, and a primary that starts again with a disk as it was before, as after a backup was put back.
      ReplicaGroup group(kThree, short_of_log ? short_log() : ReplicaLimits());
      for (int i = 0; i < 5; ++i) group.put("ant", std::to_string(i), "value");
      group.pass(100ms);
      const auto before = group["ant"].disk.records;
      for (int i = 5; i < 60; ++i) group.put("ant", std::to_string(i), "value");
      group.pass(1s);
      const auto all = group.records("bee");
      for (const auto* node : {"ant", "bee", "cat"}) group.kill(node);
      group["ant"].disk.records = before;
      for (const auto* node : {"bee", "cat", "ant"}) {
        group.start(node);
        group[node].etcd_gone = news_are_late && node != std::string("ant");
      }
      group.pass(1s);
      for (const auto* node : {"bee", "cat"}) group[node].etcd_gone = false;
      // Then nothing is lost: whoever has everything leads, and the others are brought up to that.
      ASSERT_TRUE(group.until(
          [&] { return group.is_in_sync("ant") && group.records("ant") == all && !group.primary().empty(); }));
      EXPECT_EQ(group.records("bee"), all);
      EXPECT_EQ(group.records("cat"), all);
    }
}

TEST(Replica, P1ACopyThatIsNotInSyncAndHasMoreThanItsPrimaryIsKeptUntilSomebodyDecides) {
  for (const bool short_of_log : {false, true})
    for (const int later : {0, 3, 30, 100}) {
      SCOPED_TRACE(short_of_log ? "logs begin late" : "logs overlap");
      SCOPED_TRACE("published since: " + std::to_string(later));
      // Given a node that died, out of sync then, and two others to which old copies of their directories were put back.
      ReplicaGroup group(kThree, short_of_log ? short_log() : ReplicaLimits());
      for (int i = 0; i < 5; ++i) group.put("ant", std::to_string(i), "value");
      group.pass(100ms);
      const auto of_ant = group["ant"].disk.records, of_bee = group["bee"].disk.records;
      for (int i = 5; i < 60; ++i) group.put("ant", std::to_string(i), "value");
      group.pass(1s);
      const auto all = group.records("cat");
      group.kill("cat");
      ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
      for (const auto* node : {"ant", "bee"}) group.kill(node);
      group["ant"].disk.records = of_ant;
      group["bee"].disk.records = of_bee;
      // When all are started,
      for (const auto& node : kThree) group.start(node);
      ASSERT_TRUE(group.until([&] { return group["ant"].ready || group["bee"].ready; }));
      const auto leader = group.primary();
      for (int i = 0; i < later; ++i) group.put(leader, "later " + std::to_string(i), "value");
      group.pass(5s);
      // then what that one has stays, also while the others go on,
      EXPECT_TRUE(group.replica(leader).may_publish());
      EXPECT_TRUE(group.replica("cat").keeps_missing_entries());
      EXPECT_FALSE(group.is_in_sync("cat"));
      EXPECT_EQ(group.records("cat"), all);
      // while that one knows why, and offers it nothing any more,
      const auto offered = group.replica(leader).counters().copies_sent;
      group.pass(5s);
      EXPECT_EQ(group.replica(leader).counters().copies_sent, offered);
      EXPECT_TRUE(std::ranges::any_of(group.replica(leader).backups(), [](const auto& backup) {
        return backup.id.node == "cat" && backup.keeps_missing_entries && !backup.copying;
      }));
      // and when it is started again behind a primary that has long been beyond it,
      group.kill("cat");
      group.start("cat");
      group.pass(5s);
      EXPECT_TRUE(group.replica("cat").keeps_missing_entries());
      EXPECT_EQ(group.records("cat"), all);
      // until somebody names it, and so gives up what the others have.
      for (const auto* node : {"ant", "bee"}) group.kill(node);
      group.recover("cat");
      for (const auto* node : {"ant", "bee"}) group.start(node);
      ASSERT_TRUE(group.until([&] { return group.is_in_sync("ant") && group.is_in_sync("bee"); }));
      EXPECT_FALSE(group.replica("cat").keeps_missing_entries());
      group.pass(1s);
      for (const auto& node : kThree) EXPECT_EQ(group.records(node), all);
    }
}

TEST(Replica, ABackupThatHasNotBeenThereSinceTheStartIsSaidToBeAway) {
  // Given a node that dies, and a primary that is started again without it.
  ReplicaGroup group({"ant", "bee", "cat"});
  for (const auto* node : {"cat", "ant"}) group.kill(node);
  group.start("ant");
  ASSERT_TRUE(group.until([&] { return !group.primary().empty(); }));
  // When the primary is asked for its backups, then the dead one is away, and the other is not.
  for (const auto& backup : group.replica(group.primary()).backups())
    EXPECT_EQ(backup.linked, backup.id.node != "cat") << backup.id.node;
}

TEST(Replica, P1WhatAStrangerKeepsIsNotDiscarded) {
  // Given a node that has more than its primary.
  ReplicaGroup group({"ant", "bee", "cat"});
  const auto old = group["ant"].disk.records;
  group.put("ant", "some", "value");
  group.pass(100ms);
  const auto all = group.records("cat");
  for (const auto* node : {"cat", "bee"}) {
    group.kill(node);
    ASSERT_TRUE(group.until([&] { return !group.is_in_sync(node); }));
  }
  group.kill("ant");
  group["ant"].disk.records = old;
  for (const auto* node : {"ant", "cat"}) group.start(node);
  ASSERT_TRUE(group.until([&] { return group.replica("cat").keeps_missing_entries(); }));
  // When it is to have no copy any more, and is started again,
  group.kill("cat");
  group.set_replicas({"ant", "bee"});
  group.start("cat");
  group.pass(5s);
  group.replica("cat").discard(group.now());
  group.pass(1s);
  // then what it has stays,
  EXPECT_EQ(group.records("cat"), all);
  // until somebody has given it up, by naming the copy that lacks it.
  group.recover("ant");
  group.set_replicas({"ant", "bee"});
  group.pass(5s);
  group.replica("cat").discard(group.now());
  group.pass(1s);
  EXPECT_TRUE(group.records("cat").empty());
}

TEST(Replica, P1APrimaryWhoseDiskFailedNamesNoDiskOfWhichItHasNotHeardSinceTheLinkCameUp) {
  // Given a backup in sync whose node comes back with another disk, and has said nothing yet.
  ReplicaGroup group({"ant", "bee"});
  const auto ant = group["ant"].id();
  group["ant"].etcd_gone = true;
  group.kill("bee");
  group.pass(10ms);
  group["ant"].etcd_gone = false;
  group.passes = [](const std::string&, const PeerMessage&) { return false; };
  group.wipe("bee");
  ASSERT_EQ(group.record().in_sync.size(), 2u);
  // When the primary's disk fails at that moment,
  group["ant"].disk_broken = true;
  group.put("ant", "some", "value");
  // then it does not leave the partition to the disk that is gone.
  group.pass(2s);
  EXPECT_EQ(group.record().primary, ant);
}

TEST(Replica, P1ABackupWhoseOwnDiskHasGoneBackToWhatWasGivenUpTakesNothingFromTheOthers) {
  // Given entries that an operator has given up, by naming a copy that lacks them,
  ReplicaGroup group({"ant", "bee"});
  group.put("ant", "common", "value");
  group.pass(100ms);
  group.kill("ant");
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("ant") && group.primary() == "bee"; }));
  for (int i = 0; i < 3; ++i) group.put("bee", "given up " + std::to_string(i), "value");
  group.pass(100ms);
  const auto before = group["bee"].disk.records;
  group.kill("bee");
  group.recover("ant");
  for (const auto* node : {"ant", "bee"}) group.start(node);
  const auto is_whole = [&] { return group.is_in_sync("bee") && group.primary() == "ant"; };
  ASSERT_TRUE(group.until(is_whole));
  for (int i = 0; i < 10; ++i) group.put("ant", "later " + std::to_string(i), "value");
  group.pass(1s);
  const auto all = group.records("ant");
  // when a node starts again with its disk of before that,
  for (const auto* node : {"ant", "bee"}) group.kill(node);
  group["bee"].disk.records = before;
  for (const auto* node : {"bee", "ant"}) group.start(node);
  // then it is given what the other one has.
  ASSERT_TRUE(group.until([&] { return is_whole() && group.records("bee") == all; }));
  EXPECT_EQ(group.records("ant"), all);
}

TEST(Replica, APrimaryWhoseBackupComesBackInTimeStays) {
  // Given an etcd that nobody reaches, and a backup that is gone for so long that the primary says that it is stuck.
  ReplicaGroup group(kThree);
  for (const auto* node : {"ant", "bee", "cat"}) group[node].etcd_gone = true;
  group["cat"].stopped = true;
  group.pass(8s);
  EXPECT_TRUE(group["ant"].ready);
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
  // When it is back, then all goes on as before.
  group["cat"].stopped = false;
  ASSERT_TRUE(group.until([&] { return group.replica("ant").may_read(group.now()); }));
  group.put("ant", "later", "value");
  group.pass(200ms);
  EXPECT_EQ(group.records("cat"), group.records("ant"));
  EXPECT_EQ(group.replica("ant").epoch(), group.replica("bee").epoch());
}

TEST(Replica, P7AWishThatEtcdDoesNotHearOfIsTriedSeldom) {
  constexpr std::chrono::milliseconds kFor = 20s, kEvery = 250ms;
  for (const bool hangs : {true, false}) {
    SCOPED_TRACE(hangs ? "etcd hangs" : "etcd is gone");
    // Given an etcd that is away while another primary is wished for, again and again.
    ReplicaGroup group(kThree);
    (hangs ? group["ant"].etcd_hangs : group["ant"].etcd_gone) = true;
    group.swaps_asked = 0;
    auto stopped = 0ms;
    for (auto time = 0ms; time < kFor; time += 5ms) {
      if (time % kEvery == 0ms) (void)group.replica("ant").hand_over(group["cat"].id(), group.now());
      if (!group.replica("ant").may_publish()) stopped += 5ms;
      group.pass(5ms);
    }
    // Then publishing does not stop for it again and again.
    EXPECT_LE(stopped, ReplicaTimeouts{}.hand_over_max + 50ms);
    EXPECT_LE(group.swaps_asked, 1 + kFor / (2 * ReplicaTimeouts{}.hand_over_max));
  }
}

TEST(Replica, P7AWishOfWhichEtcdIsLateToSayThatItDidNotHearIsTriedEverMoreSeldom) {
  // Given an etcd to which no connection comes about, which takes its time to show, while another primary is wished for.
  constexpr std::chrono::milliseconds kFor = 300s, kShows = 1'500ms;
  ReplicaGroup group(kThree);
  group["ant"].etcd_hangs = true;
  auto stopped = 0ms;
  for (auto time = 0ms; time < kFor; time += 5ms) {
    if (time % 250ms == 0ms) (void)group.replica("ant").hand_over(group["cat"].id(), group.now());
    if (time % kShows == 0ms && group["ant"].unanswered != 0)
      group.replica("ant").proposal_answered(std::exchange(group["ant"].unanswered, 0), Replica::Swap::kNotSent, 0,
                                             group.now());
    if (!group.replica("ant").may_publish()) stopped += 5ms;
    group.pass(5ms);
  }
  // Then publishing stops for it some times, and not all the time.
  EXPECT_GE(stopped, 500ms);
  EXPECT_LE(stopped, kFor / 20);
}

TEST(Replica, P7AHandOverIsNotBegunWhereNobodyCouldFollowNow) {
  // Given a successor that is wished for, in sync, and dead.
  ReplicaGroup group(kThree);
  group["ant"].etcd_gone = true;
  const auto bee = group["bee"].id();
  group.kill("bee");
  group.pass(5ms);
  // Then nobody waits for it.
  EXPECT_FALSE(group.replica("ant").hand_over(bee, group.now()).ok());
  EXPECT_TRUE(group.replica("ant").may_publish());
}

TEST(Replica, P7AnOrderedHandOverThatReachedNoEtcdIsTriedAgainAndStopsNobodyMeanwhile) {
  // Given a node that is told again and again to hand over, for it ends, and an etcd that is gone.
  ReplicaGroup group(kThree);
  group["ant"].etcd_gone = true;
  const auto order = [&] { (void)group.replica("ant").hand_over(std::nullopt, group.now()); };
  for (auto time = 0ms; time < 1s; time += 50ms) {
    order();
    group.pass(50ms);
    EXPECT_TRUE(group.replica("ant").may_publish());
  }
  // When etcd is back, then it does.
  group["ant"].etcd_gone = false;
  EXPECT_TRUE(group.until([&] {
    if (group.primary() == "ant") order();
    return group.primary() == "bee" || group.primary() == "cat";
  }));
}

TEST(Replica, P1P8AHandOverOfUnknownEndHoldsNobodyUpAndNothingOldIsReadAfterIt) {
  // Given a hand-over whose swap was done, and an etcd that died before it told anybody.
  ReplicaGroup group(kThree);
  group.pass(100ms);
  group["ant"].etcd_cut = group["cat"].etcd_cut = true;
  group["bee"].etcd_gone = true;
  ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
  group.settle();
  group.name_primary("bee");
  // When the old primary is given something, it is committed, and reading goes on with new leases.
  group.put("ant", "x", "1");
  EXPECT_EQ(group["ant"].committed, 1u);
  EXPECT_TRUE(group.replica("ant").may_publish());
  group.pass(ReplicaTimeouts{}.heartbeat + 10ms);
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
  // When the new one hears of the record, and the old one hears nothing.
  group.isolate("ant", false);
  group["bee"].etcd_gone = false;
  group.pass(5ms);
  // Then it waits until the old one reads no more, and has what was committed.
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
  EXPECT_FALSE(group["bee"].ready);
  ASSERT_TRUE(group.until([&] { return group["bee"].ready; }));
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
  EXPECT_EQ(group.value("bee", "x"), "1");
}

TEST(Replica, P8LeasesThatWereGivenBackAreNotReadOnWhenAHandOverFails) {
  // Given a primary that has given its leases back, while answers that granted some are still on their way.
  ReplicaGroup group(kThree);
  group.pass(100ms);
  group["ant"].etcd_gone = true;
  std::vector<PeerMessage> answers;
  group.passes = [&](const std::string& to, const PeerMessage& message) {
    if (to == "ant" && std::holds_alternative<AppendAnswer>(message.body)) answers.push_back(message);
    return to != "ant";
  };
  group.pass(ReplicaTimeouts{}.heartbeat + 5ms);
  const auto late = std::exchange(answers, {});
  ASSERT_FALSE(late.empty());
  // When nothing comes of the hand-over, and the answers arrive.
  ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
  group.settle();
  for (const auto& message : late) group.inject("ant", message);
  // Then they count for nothing; those to what it has claimed since do.
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
  for (const auto& message : std::exchange(answers, {})) group.inject("ant", message);
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, AHandOverThatEtcdDoesNotAnswerIsGivenUpInTime) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  group["ant"].etcd_hangs = true;
  ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
  group.put("ant", "x", "1");
  group.pass(ReplicaTimeouts{}.hand_over_max - 100ms);
  EXPECT_FALSE(group.replica("ant").may_publish());
  group.pass(200ms);
  EXPECT_EQ(group["ant"].committed, 1u);
  EXPECT_TRUE(group.replica("ant").may_publish());
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, APrimaryHandsOverToTheFirstOfTheReplicas) {
  ReplicaGroup group(kThree);
  group.put("ant", "x", "1");
  group.set_replicas({"cat", "ant", "bee"});
  ASSERT_TRUE(group.until([&] { return group.primary() == "cat"; }));
  EXPECT_EQ(group.record().in_sync.size(), 3u);
  group.pass(5s);
  EXPECT_EQ(group.primary(), "cat");
}

TEST(Replica, P8APrimaryWaitsForTheLeasesThatItMayHaveGivenBeforeItStarted) {
  // Given a backup that has just given a lease, and whose nomination is made after its process has died.
  ReplicaGroup group(kThree);
  group.pass(100ms);
  group.isolate("ant", false);
  group.kill("bee");
  group.nominate("bee");
  // When it starts again at once.
  group.start("bee");
  group.settle();
  // Then it is primary, and does nothing as long as the old one reads.
  while (group.replica("ant").may_read(group.now())) {
    EXPECT_EQ(group.primary(), "");
    group.pass(5ms);
  }
  EXPECT_TRUE(group.until([&] { return group.primary() == "bee"; }));
}

TEST(Replica, APrimaryThatIsNotWantedHandsOverAndLeaves) {
  ReplicaGroup group({"ant", "bee", "cat"});
  group.put("ant", "x", "1");
  group.set_replicas({"bee", "cat"});
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("ant") && !group.primary().empty(); }));
  EXPECT_EQ(group.replica("ant").role(), Role::kStranger);
  ASSERT_TRUE(group.until([&] {
    group.replica("ant").discard(group.now());
    return group["ant"].discarded == 1;
  }));
  EXPECT_THAT(group.records("ant"), ::testing::IsEmpty());
  EXPECT_EQ(group.value(group.primary(), "x"), "1");
}

TEST(Replica, P1WhoHasErasedItsCopyWithoutKnowingThatItIsInSyncDoesNotLead) {
  // Given one that comes in sync, and hears neither of that nor that it is wanted,
  ReplicaGroup group(kThree);
  group.put("ant", "x", "1");
  group.set_replicas({"ant", "bee"});
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  group["cat"].etcd_gone = true;
  group.passes = [epoch = group.record().epoch](const std::string& to, const PeerMessage& message) {
    return to != "cat" || message.epoch <= epoch;
  };
  group.set_replicas(kThree);
  ASSERT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  // and the others gone before they notice. It takes itself for a stranger, and erases what it has.
  group.kill("ant");
  group.kill("bee");
  ASSERT_TRUE(group.until([&] {
    group.replica("cat").discard(group.now());
    return group["cat"].discarded == 1;
  }));
  // When it begins anew and hears that it is in sync,
  group.kill("cat");
  group["cat"].etcd_gone = false;
  group.passes = nullptr;
  group.start("cat");
  group.pass(10s);
  // then it waits for one that has what was committed.
  EXPECT_EQ(group.primary(), "");
  group.start("bee");
  ASSERT_TRUE(group.until([&] { return group.primary() == "bee" && group.is_in_sync("cat"); }));
  EXPECT_EQ(group.value("cat", "x"), "1");
}

TEST(Replica, P1WhoMayBeInSyncByARecordThatItDoesNotKnowKeepsItsCopy) {
  // Given one that has left, is wanted again, and has not heard of that.
  ReplicaGroup group(kThree);
  group.put("ant", "x", "1");
  group.set_replicas({"ant", "bee"});
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  group["cat"].etcd_gone = true;
  group.set_replicas(kThree);
  ASSERT_EQ(group.replica("cat").role(), Role::kStranger);
  // When its owner would have it erase what it has, all the time,
  const auto pass = [&](std::chrono::milliseconds time) {
    for (const auto end = group.now() + time; group.now() < end; group.pass(10ms))
      group.replica("cat").discard(group.now());
  };
  pass(2 * ReplicaTimeouts{}.discard_after);
  // then it is in sync, and has everything, also when it hears of nobody any more.
  ASSERT_TRUE(group.is_in_sync("cat"));
  group.isolate("cat");
  pass(2 * ReplicaTimeouts{}.discard_after);
  EXPECT_EQ(group.value("cat", "x"), "1");
  EXPECT_EQ(group["cat"].discarded, 0u);
}

// --- Leases.

TEST(Replica, P8APrimaryThatSleptReadsNothingUntilItHasHeardOfTheOthers) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
  group.stop("ant");
  group.pass(200ms);
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, P8APrimaryReadsOnlyWithTheLeaseOfEveryMember) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  group.cut("cat", "ant", false);  // What cat says does not arrive.
  group.pass(ReplicaTimeouts{}.read_lease + 10ms);
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
  // And again once it is no member.
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, AloneInSyncAPrimaryNeedsNobodysLease) {
  ReplicaGroup group({"ant"});
  group.put("ant", "x", "1");
  EXPECT_EQ(group["ant"].committed, 1u);
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
}

// --- Disks.

TEST(Replica, P1ABackupWhoseDiskFailedLeavesTheInSyncSet) {
  ReplicaGroup group(kThree);
  group["cat"].disk_broken = true;
  group.put("ant", "x", "1");
  EXPECT_FALSE(group.is_in_sync("cat"));
  EXPECT_EQ(group["ant"].committed, 1u);
  group.pass(5s);
  EXPECT_FALSE(group.is_in_sync("cat"));
}

TEST(Replica, P1ABackupWhoseDiskFailedComesBackInSyncWhenItWasStartedAgain) {
  // Given a backup that was left out because its disk refused a write.
  ReplicaGroup group(kThree);
  group["cat"].disk_broken = true;
  group.put("ant", "x", "1");
  ASSERT_FALSE(group.is_in_sync("cat"));
  // When there is room again, and it is started with the same disk, without a new primary in between.
  group.kill("cat");
  group["cat"].disk_broken = false;
  group.start("cat");
  // Then it is in sync again.
  EXPECT_TRUE(group.until([&] { return group.is_in_sync("cat"); }));
  EXPECT_EQ(group.primary(), "ant");
  EXPECT_EQ(group.value("cat", "x"), "1");
}

TEST(Replica, P1APrimaryWhoseDiskFailedIsReplaced) {
  ReplicaGroup group(kThree);
  group.pass(100ms);
  group["ant"].disk_broken = true;
  group.put("ant", "x", "1");
  ASSERT_TRUE(group.until([&] { return !group.primary().empty() && group.primary() != "ant"; }));
  EXPECT_EQ(group["ant"].disk_failures, 1u);
  EXPECT_EQ(group["ant"].committed, 0u);
  EXPECT_FALSE(group.is_in_sync("ant"));
  group.put(group.primary(), "y", "2");
  EXPECT_EQ(group[group.primary()].committed, 1u);
}

TEST(Replica, P1P8APrimaryWhoseDiskFailsSaysNothingInAnEpochThatIsNotOnIt) {
  ReplicaGroup group(kThree);
  group.kill("cat");
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  // Given a primary whose disk does not take the epoch that begins when another replica is added,
  const auto epoch = group.record().epoch;
  group["ant"].disk_broken = true;
  group.sent.clear();
  group.start("cat");
  ASSERT_TRUE(group.until([&] { return group["ant"].disk_failures == 1; }));
  group.pass(100ms);
  // then nobody hears of it in that epoch, for after a restart it would not know,
  for (const auto& outgoing : group.sent)
    EXPECT_FALSE(outgoing.message.from == group["ant"].id() && outgoing.message.epoch == epoch + 1);
  // and another one takes over.
  EXPECT_TRUE(group.until([&] { return !group.primary().empty() && group.primary() != "ant"; }));
}

TEST(Replica, ADiskThatFailsWithNobodyElseLeavesAPrimaryThatReads) {
  ReplicaGroup group({"ant"});
  group.put("ant", "x", "1");
  group["ant"].disk_broken = true;
  group.put("ant", "x", "2");
  EXPECT_EQ(group["ant"].disk_failures, 1u);
  EXPECT_FALSE(group.replica("ant").may_publish());
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
  EXPECT_EQ(group.value("ant", "x"), "1");
}

// --- etcd.

TEST(Replica, WithoutEtcdEverythingGoesOnThatNeedsNoChange) {
  ReplicaGroup group(kThree);
  for (const auto& name : kThree) group[name].etcd_cut = true;
  group.pass(60s);
  group.put("ant", "x", "1");
  EXPECT_EQ(group["ant"].committed, 1u);
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, ASwapWithoutAnAnswerIsSeenInTheWatch) {
  ReplicaGroup group(kThree);
  group.etcd_is_silent = true;
  group.kill("cat");
  group.pass(200ms);
  EXPECT_FALSE(group.is_in_sync("cat"));
  group.put("ant", "x", "1");
  EXPECT_EQ(group["ant"].committed, 1u);
  EXPECT_EQ(group["ant"].lost, 0u);
}

// How the record of three in sync changes, with "ant" as primary before.
enum class Change { kHandOver, kNomination, kRemoval, kAddition };

void bring_about(ReplicaGroup& group, Change change) {
  switch (change) {
    case Change::kHandOver:
      ASSERT_TRUE(group.replica("ant").hand_over(group["bee"].id(), group.now()).ok());
      return;
    case Change::kNomination:
      group["ant"].etcd_gone = true;  // Or it would remove the other one.
      group.cut("ant", "bee");
      group.cut("bee", "ant");
      return;
    case Change::kRemoval:
      group.kill("cat");
      return;
    case Change::kAddition:
      group.kill("cat");
      ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
      group.start("cat");
      return;
  }
}

// What the change comes to, as everybody's metrics have it together.
void expect_counted(ReplicaGroup& group, Change change) {
  Replica::Counters sum;
  for (const auto& name : kThree) {
    if (!group[name].replica) continue;
    sum.removals += group.replica(name).counters().removals;
    sum.nominations += group.replica(name).counters().nominations;
    sum.nominations_lost += group.replica(name).counters().nominations_lost;
    sum.hand_overs += group.replica(name).counters().hand_overs;
  }
  EXPECT_EQ(sum.hand_overs, change == Change::kHandOver ? 1u : 0u);
  EXPECT_EQ(sum.nominations, change == Change::kNomination ? 1u : 0u);
  EXPECT_EQ(sum.nominations_lost, 0u);
  EXPECT_EQ(sum.removals, change == Change::kRemoval || change == Change::kAddition ? 1u : 0u);
}

void expect_served_after(Change change, const ReplicaGroup::LastWords& words, bool watches_are_faster) {
  // Given three, and an etcd that tells so much of a change and then no more.
  ReplicaGroup group(kThree);
  group.put("ant", "x", "1");
  group.pass(100ms);
  group.watches_are_faster = watches_are_faster;
  const auto epoch = group.record().epoch + (change == Change::kAddition ? 2 : 1);
  if (change != Change::kAddition) group.last_words = words;
  bring_about(group, change);
  if (change == Change::kAddition) group.last_words = words;
  ASSERT_TRUE(group.until([&] { return group.record().epoch == epoch; }));
  group.mend("ant", "bee");
  group.mend("bee", "ant");
  // Then whom the record names serves soon,
  group.pass(300ms);
  const auto primary = group.record().primary.node;
  ASSERT_EQ(group.primary(), primary);
  group.put(primary, "y", "2");
  group.pass(100ms);
  EXPECT_EQ(group.value(primary, "y"), "2");
  EXPECT_TRUE(group.replica(primary).may_read(group.now()));
  // and once everybody has heard of the change, it was counted once.
  for (const auto& name : kThree) group[name].etcd_gone = false;
  group.pass(5ms);
  expect_counted(group, change);
}

// Goal: when etcd has taken a change and dies, whoever has heard of it, players are served as before.
// Method: every change, told to every choice of those who may hear, in both orders.
TEST(Replica, P7WhoeverHearsOfAChangeBeforeEtcdDiesAPrimaryServes) {
  for (const auto change : {Change::kHandOver, Change::kNomination, Change::kRemoval, Change::kAddition})
    for (const bool watches_are_faster : {false, true})
      for (unsigned choice = 1; choice < 16; ++choice) {
        ReplicaGroup::LastWords words{.answer = (choice & 1u) != 0, .watches = {}};
        for (unsigned i = 0; i < kThree.size(); ++i)
          if ((choice & (2u << i)) != 0) words.watches.insert(kThree[i]);
        if (change == Change::kRemoval && !words.answer && words.watches == std::set<std::string>{"cat"})
          continue;  // It is dead.
        SCOPED_TRACE(::testing::Message() << "change " << static_cast<int>(change) << (words.answer ? ", answered" : "")
                                          << (watches_are_faster ? ", watches first" : "") << ", told are "
                                          << ::testing::PrintToString(words.watches));
        expect_served_after(change, words, watches_are_faster);
      }
}

// Ant and bee hear nothing of each other for so long.
void lose_touch(ReplicaGroup& group, std::chrono::milliseconds time) {
  group.cut("ant", "bee");
  group.cut("bee", "ant");
  group.pass(time);
  group.mend("ant", "bee");
  group.mend("bee", "ant");
}

TEST(Replica, ANominationOfWhichNobodyKnowsDoesNotKeepLeasesBackForEver) {
  // Given a backup that nominated itself and has no answer; the swap was never made.
  ReplicaGroup group({"ant", "bee"});
  group.pass(100ms);
  group["ant"].etcd_cut = group["bee"].etcd_cut = true;
  lose_touch(group, 400ms);
  // When the link is back, and so is etcd.
  group["ant"].etcd_cut = group["bee"].etcd_cut = false;
  // Then the primary soon reads with its lease.
  ASSERT_TRUE(group.until([&] { return group.record().in_sync.size() == 2 && !group.primary().empty(); }));
  EXPECT_TRUE(group.until([&] { return group.replica(group.primary()).may_read(group.now()); }));
}

TEST(Replica, ANominationThatReachedNoEtcdKeepsNoLeaseBack) {
  // Given a backup that hears nothing of the primary for a while, and no etcd to be nominated by.
  ReplicaGroup group({"ant", "bee"});
  group.pass(100ms);
  group["ant"].etcd_gone = group["bee"].etcd_gone = true;
  lose_touch(group, 2s);
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
  // When it hears of it again, and there still is no etcd.
  group.pass(1s);
  // Then all is as before.
  EXPECT_TRUE(group.replica("ant").may_read(group.now()));
  group.put("ant", "x", "1");
  EXPECT_EQ(group["ant"].committed, 1u);
}

TEST(Replica, ANominationThatAnotherOneCameBeforeKeepsNoLeaseBack) {
  // Given two that nominate themselves when the primary dies: one has no answer, and the other wins with etcd's last breath.
  ReplicaGroup group(kThree);
  group["bee"].etcd_cut = true;
  group.last_words = {.answer = true, .watches = {}};
  group.kill("ant");
  ASSERT_TRUE(group.until([&] { return group.primary() == "cat"; }));
  ASSERT_TRUE(group.is_in_sync("bee"));
  // When the first hears of the other one's epoch, then it grants it leases: what it asked for can not be done any more.
  group.pass(ReplicaTimeouts{}.heartbeat);
  EXPECT_TRUE(group.replica("cat").may_read(group.now()));
}

TEST(Replica, ANominationThatMayHaveArrivedKeepsLeasesBackWhateverBecomesOfTheNext) {
  // Given a backup that asked an etcd for its nomination and got no answer,
  ReplicaGroup group({"ant", "bee"});
  group.pass(100ms);
  group["ant"].etcd_cut = group["bee"].etcd_cut = true;
  lose_touch(group, 2s);
  // when what it asks for next reaches none,
  group["ant"].etcd_gone = group["bee"].etcd_gone = true;
  group.pass(1s);
  // then the primary still has no lease: the first may yet be done.
  EXPECT_FALSE(group.replica("ant").may_read(group.now()));
}

TEST(Replica, AnAdditionOfWhichNobodyKnowsDoesNotHoldUpCommitsForEver) {
  // Given a swap that adds a replica, of which no answer comes and which was never made.
  ReplicaGroup group(kThree);
  group.kill("cat");
  ASSERT_TRUE(group.until([&] { return !group.is_in_sync("cat"); }));
  group["ant"].etcd_cut = true;
  group.start("cat");
  group.pass(200ms);
  // When that replica dies, and etcd can be reached again.
  group.kill("cat");
  group.put("ant", "x", "1");
  EXPECT_EQ(group["ant"].committed, 0u);
  group["ant"].etcd_cut = false;
  // Then it is not waited for any longer than it takes to make sure.
  EXPECT_TRUE(group.until([&] { return group["ant"].committed == 1; }));
}

// --- Bad input.

TEST(Replica, WhatNoReplicaSendsIsMalformed) {
  ReplicaGroup group(kThree);
  group.put("ant", "x", "1");
  auto& bee = group.replica("bee");
  const auto epoch = group.record().epoch;
  const auto from_primary = [&](auto body) {
    return bee.received({group.kPartition, group["ant"].id(), epoch, std::move(body)}, group.now());
  };
  const auto garbage = std::make_shared<const std::string>("garbage");
  EXPECT_FALSE(from_primary(Append{1, epoch, {{epoch, garbage}}, 1, 1}).ok());
  EXPECT_FALSE(from_primary(Append{0, 0, {{epoch - 1, garbage}}, 1, 1}).ok());  // Another entry than the known one.
  EXPECT_FALSE(bee.received({group.kPartition, group["cat"].id(), epoch, Append{}}, group.now()).ok());
  EXPECT_FALSE(bee.received({{1}, group["ant"].id(), epoch, Append{}}, group.now()).ok());
  EXPECT_FALSE(bee.received({group.kPartition, group["bee"].id(), epoch, Append{}}, group.now()).ok());
  EXPECT_FALSE(
      group.replica("ant")
          .received({group.kPartition, group["bee"].id(), epoch, AppendAnswer{99, 99, 0, false, false}}, group.now())
          .ok());
  group.settle();
  group.put("ant", "y", "2");
  EXPECT_EQ(group["ant"].committed, 2u);
}

}  // namespace
}  // namespace carillon::cluster
