#include "cluster/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "runtime/key.h"
#include "tests/cluster/replica_group.h"

namespace carillon::cluster {
namespace {

using runtime::Tag;
using testing::MemoryStorage;

constexpr PartitionId kPartition{0};

runtime::WriteSet writes_of(const std::string& name) {
  runtime::WriteSet writes;
  writes.put(runtime::entity_key(kPartition, Tag::kCursor, EntityId::trusted("thing/" + name)), "value");
  return writes;
}

void append(Log& log, Epoch epoch, const std::string& name = "x") {
  const auto writes = writes_of(name);
  log.append({epoch, std::make_shared<const std::string>(encode(writes))}, writes);
}

// A log on a disk in memory; writes are carried out when told.
struct LogOnDisk {
  explicit LogOnDisk(ReplicaLimits with = {}) : limits(with), log(Log::open(kPartition, limits, disk).value()) {}

  std::uint64_t send() {
    auto write = log.take_write();
    CHECK(write.has_value());
    disk.write(write->writes);
    return write->number;
  }
  void write() { log.written(send()); }
  Result<Log> reopened() const { return Log::open(kPartition, limits, disk); }

  ReplicaLimits limits;
  MemoryStorage disk;
  Log log;
};

TEST(Log, P1IsTheSameAfterARestart) {
  LogOnDisk at;
  append(at.log, 1);
  append(at.log, 1);
  append(at.log, 4);
  at.write();
  ASSERT_TRUE(at.log.apply(2).ok());
  at.write();
  at.log.settle();
  at.write();
  ASSERT_TRUE(at.log.apply(3).ok());  // Says what was applied before the sync that has just been answered.
  at.write();
  const auto again = at.reopened();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->end(), 3u);
  EXPECT_EQ(again->durable(), 3u);
  EXPECT_EQ(again->applied(), 2u);
  EXPECT_EQ(again->epoch_at(2), 1u);
  EXPECT_EQ(again->epoch_at(3), 4u);
  EXPECT_EQ(again->read(1, 1u << 20).value().size(), 3u);
}

// A disk writes its blocks in any order, and LevelDB goes on behind one that was not written.
TEST(Log, P1AWriteWithoutASyncMayBeLostThoughALaterOneIsNot) {
  // Given an entry that was applied, and a power cut that takes just that.
  LogOnDisk at;
  append(at.log, 1, "first");
  at.write();
  ASSERT_TRUE(at.log.apply(1).ok());
  const auto lost = at.log.take_write();
  ASSERT_TRUE(lost && !lost->sync);
  at.log.written(lost->number);
  append(at.log, 1, "second");
  ASSERT_TRUE(at.log.apply(2).ok());
  (void)at.send();
  // Then it is applied again.
  auto again = at.reopened();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->end(), 2u);
  ASSERT_TRUE(again->apply(2).ok());
  at.disk.write(again->take_write()->writes);
  for (const auto* name : {"first", "second"})
    EXPECT_TRUE(
        at.disk.get(runtime::entity_key(kPartition, Tag::kCursor, EntityId::trusted("thing/" + std::string(name))))
            .value())
        << name;
}

// Whoever copies the records, or cuts the log, has to know.
TEST(Log, P1WhatTheRecordsMayShowIsKnownAfterARestart) {
  LogOnDisk at;
  for (int i = 0; i < 3; ++i) append(at.log, 1);
  at.write();
  ASSERT_TRUE(at.log.apply(3).ok());
  at.write();
  auto again = at.reopened();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->applied(), 0u);
  EXPECT_EQ(again->applying(), 3u);
  ASSERT_TRUE(again->apply(1).ok());
  at.disk.write(again->take_write()->writes);
  EXPECT_EQ(at.reopened()->applying(), 3u);
}

TEST(Log, P1NothingTakesThePlaceOfWhatWasCutBeforeThatIsDurable) {
  LogOnDisk at;
  for (int i = 0; i < 3; ++i) append(at.log, 1);
  at.write();
  at.log.truncate(1);
  const auto cut = at.log.take_write();
  ASSERT_TRUE(cut);
  EXPECT_TRUE(cut->sync);
}

TEST(Log, P1WhatWasTruncatedIsNotDurableWhenItsWriteIsAnswered) {
  // Given three entries on their way to the disk.
  LogOnDisk at;
  for (int i = 0; i < 3; ++i) append(at.log, 1, std::to_string(i));
  const auto first = at.send();
  // When two of them are replaced meanwhile.
  at.log.truncate(1);
  append(at.log, 2, "another");
  const auto second = at.send();
  // Then the answer to the first write says nothing about what stands in their places now.
  at.log.written(first);
  EXPECT_EQ(at.log.durable(), 1u);
  at.log.written(second);
  EXPECT_EQ(at.log.durable(), 2u);
  const auto again = at.reopened();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->end(), 2u);
  EXPECT_EQ(again->end_epoch(), 2u);
}

TEST(Log, AHoleIsDamage) {
  LogOnDisk at;
  for (int i = 0; i < 3; ++i) append(at.log, 1);
  at.write();
  at.disk.records.erase(runtime::batch_key(kPartition, Tag::kLog, 2).text());
  EXPECT_FALSE(at.reopened().ok());
}

TEST(Log, SaysWhereEpochsEndAlsoThoseWithoutEntries) {
  LogOnDisk at;
  append(at.log, 1);
  append(at.log, 1);
  append(at.log, 5);
  at.log.begin_epoch(7);
  const auto ending = [&](Epoch epoch) {
    const auto end = at.log.end_of(epoch);
    return end ? std::pair(end->epoch, end->end) : std::pair<Epoch, Index>(99, 99);
  };
  EXPECT_EQ(ending(0), (std::pair<Epoch, Index>(0, 0)));
  EXPECT_EQ(ending(1), (std::pair<Epoch, Index>(1, 2)));
  EXPECT_EQ(ending(4), (std::pair<Epoch, Index>(1, 2)));
  EXPECT_EQ(ending(5), (std::pair<Epoch, Index>(5, 3)));
  EXPECT_EQ(ending(7), (std::pair<Epoch, Index>(5, 3)));
  append(at.log, 7);
  EXPECT_EQ(ending(7), (std::pair<Epoch, Index>(7, 4)));
}

TEST(Log, P8RemembersWhichEpochItBeganWhateverBecomesOfIt) {
  LogOnDisk at;
  append(at.log, 1);
  at.log.begin_epoch(3);
  append(at.log, 3);
  at.write();
  at.log.truncate(1);
  append(at.log, 2);
  at.write();
  const auto again = at.reopened();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->begun(), 3u);
  EXPECT_EQ(again->end_epoch(), 2u);
}

TEST(Log, P7KeepsNoMoreThanItIsTo) {
  ReplicaLimits limits;
  limits.log_entries_kept = 8;
  limits.cache_bytes = 0;
  LogOnDisk at(limits);
  for (int i = 0; i < 100; ++i) {
    append(at.log, 1 + static_cast<Epoch>(i) / 10, std::to_string(i));
    at.write();
    ASSERT_TRUE(at.log.apply(at.log.end()).ok());
    at.write();
  }
  EXPECT_GE(at.log.end() - at.log.base(), 8u);
  EXPECT_LE(at.log.end() - at.log.base(), 12u);
  EXPECT_EQ(at.log.epoch_at(at.log.base()), 9u + (at.log.base() > 90));
  EXPECT_FALSE(at.log.end_of(8).has_value());
  std::size_t stored = 0;
  for (const auto& [key, record] : at.disk.records) stored += key[2] == 'l';
  EXPECT_EQ(stored, at.log.end() - at.log.base());
  EXPECT_TRUE(at.reopened().ok());
}

TEST(Log, P7KeepsNoMoreBytesThanItIsTo) {
  ReplicaLimits limits;
  limits.log_entries_kept = 64;
  limits.log_bytes_kept = 2'000;
  limits.cache_bytes = 0;
  LogOnDisk at(limits);
  for (int i = 0; i < 100; ++i) {
    append(at.log, 1, std::string(100, 'x'));
    at.write();
    ASSERT_TRUE(at.log.apply(at.log.end()).ok());
    at.write();
  }
  std::size_t stored = 0, bytes = 0;
  for (const auto& [key, record] : at.disk.records) {
    stored += key[2] == 'l';
    bytes += key[2] == 'l' ? record.size() : 0;
  }
  // With what a step of trimming leaves, and what is beside an entry's bytes.
  EXPECT_GE(stored, 8u);
  EXPECT_LE(stored, 36u);
  EXPECT_GE(bytes, limits.log_bytes_kept / 2);
  EXPECT_TRUE(at.reopened().ok());
}

TEST(Log, P7WhatIsToBeAppliedAfterALongCopyIsNotWrittenAllAtOnce) {
  // Given far more committed entries than one write applies.
  ReplicaLimits limits;
  limits.apply_bytes_max = 1'000;
  LogOnDisk at(limits);
  for (int i = 0; i < 1'000; ++i) append(at.log, 1, std::to_string(i));
  at.write();
  // When the disk answers nothing, however often it is asked for more,
  std::deque<std::uint64_t> under_way;
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(at.log.apply(at.log.end()).ok());
    if (auto write = at.log.take_write()) {
      at.disk.write(write->writes);
      under_way.push_back(write->number);
    }
  }
  // then only so much is under way,
  EXPECT_LT(at.log.applying(), 100u);
  // and all is applied in the end.
  while (!under_way.empty()) {
    at.log.written(under_way.front());
    under_way.pop_front();
    ASSERT_TRUE(at.log.apply(at.log.end()).ok());
    if (auto write = at.log.take_write()) {
      at.disk.write(write->writes);
      under_way.push_back(write->number);
    }
  }
  EXPECT_EQ(at.log.applied(), 1'000u);
}

TEST(Log, AnEntryThatNobodyNeedsAndThatCannotBeReadStopsNothing) {
  // Given a log that keeps little, and an old entry that is damaged.
  ReplicaLimits limits;
  limits.log_entries_kept = 8;
  limits.cache_bytes = 0;
  LogOnDisk at(limits);
  for (int i = 0; i < 100; ++i) {
    append(at.log, 1, std::to_string(i));
    at.write();
    for (auto& [key, record] : at.disk.records)
      if (i == 5 && key[2] == 'l' && runtime::batch_of(key) <= 4) record.back() = static_cast<char>(~record.back());
    // Then it goes with time, as all others do.
    ASSERT_TRUE(at.log.apply(at.log.end()).ok());
    at.write();
  }
  EXPECT_LE(at.log.end() - at.log.base(), 12u);
  EXPECT_TRUE(at.reopened().ok());
}

TEST(Log, ACopyThatDidNotEndLeavesNothingToRelyOn) {
  LogOnDisk at;
  for (int i = 0; i < 5; ++i) append(at.log, 2);
  at.write();
  at.log.begin_install(40, 3);
  at.log.put_records(writes_of("copied"));
  append(at.log, 3);
  at.write();
  const auto again = at.reopened();
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->is_installing());
  EXPECT_FALSE(again->is_whole());
}

TEST(Log, P1ACopyIsWholeOnlyWhenItsEndIsOnDisk) {
  LogOnDisk at;
  at.log.begin_install(40, 3);
  at.write();
  at.log.end_install(42);
  EXPECT_FALSE(at.log.is_whole());
  at.write();
  EXPECT_TRUE(at.log.is_whole());
  EXPECT_EQ(at.log.applied(), 40u);
  EXPECT_EQ(at.log.whole_from(), 42u);
}

}  // namespace
}  // namespace carillon::cluster
