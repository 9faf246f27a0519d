// Retention: what an operator may set, what mailboxes keep, and that a hub is cut only behind what it begins anew at.
#include "runtime/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/key.h"
#include "tests/support/one_partition.h"

namespace carillon::runtime {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::OnePartition;
using ::testing::SizeIs;

const EntityId kCounter = EntityId::trusted("counter/a");

RetentionTable keeping(const std::string& settings) {
  RetentionTable table;
  const std::vector<std::string> kinds{"counter"};
  EXPECT_TRUE(table.take_in(settings, kinds).ok()) << settings;
  return table;
}

Extent extent_of(OnePartition& node, const std::string& entity) {
  return *extent_of_mailbox(node.store(), {0}, EntityId::trusted(entity));
}

void add_events(OnePartition& node, Sequence from, Sequence to, const std::string& player = "") {
  for (Sequence s = from; s <= to; ++s) {
    node.add("counter/a", s, s, player);
    node.settle();
  }
}

std::string sum_of(std::uint64_t events) {
  return R"({"events":)" + std::to_string(events) + R"(,"sum":)" + std::to_string(events * (events + 1) / 2) + "}";
}

// --- The setting.

TEST(Retention, HasADefaultForEachKind) {
  const RetentionTable table;
  EXPECT_EQ(table.of("player"), (Retention{10'000, std::chrono::hours(30 * 24)}));
  for (const auto* built_in : {"reader", "gateway", "presence"}) EXPECT_EQ(table.of(built_in), (Retention{1'000, {}}));
  EXPECT_TRUE(table.of("guild").keeps_all());
  EXPECT_EQ(table.text(), "gateway=1000 player=10000,30d presence=1000 reader=1000");
}

TEST(Retention, IsSetForEachKindAndLeavesTheOthers) {
  const std::vector<std::string> kinds{"guild", "match"};
  RetentionTable table;
  ASSERT_TRUE(table.take_in("guild=5000,90d  player=all match=all,7d", kinds).ok());
  ASSERT_TRUE(table.take_in("guild=6000", kinds).ok());
  EXPECT_EQ(table.of("guild"), (Retention{6'000, {}}));
  EXPECT_EQ(table.of("match"), (Retention{Retention::kAllEvents, std::chrono::hours(7 * 24)}));
  EXPECT_TRUE(table.of("player").keeps_all());
  EXPECT_EQ(table.of("reader"), (Retention{1'000, {}}));
  // And is told as it is set.
  RetentionTable same;
  ASSERT_TRUE(
      same.take_in(table.text(), std::vector<std::string>{"guild", "match", "gateway", "presence", "reader"}).ok());
  EXPECT_EQ(same.text(), table.text());
}

TEST(Retention, WhatIsNotUnderstoodChangesNothingAndSaysWhatToWrite) {
  const std::vector<std::string> kinds{"guild"};
  for (const auto* wrong :
       {"guild", "guild=", "guild=0", "guild=-1", "guild=1e3", "guild=5,", "guild=5,30", "guild=5,0d", "guild=5,d",
        "guild=5,40000d", "guild=99999999999999999999", "guild=5,30d,1", "guild=all,all"}) {
    RetentionTable table;
    const auto taken = table.take_in(std::string("player=7 ") + wrong, kinds);
    ASSERT_FALSE(taken.ok()) << wrong;
    EXPECT_THAT(taken.error().message, AllOf(HasSubstr(std::string("'") + wrong), HasSubstr("player=10000,30d")));
    EXPECT_EQ(table.text(), RetentionTable().text());
  }
  RetentionTable table;
  const auto taken = table.take_in("gild=5", kinds);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().message, "no kind is called 'gild'; there are: player, guild");
}

// --- Player streams.

TEST(Retention, KeepsTheNewestNotifications) {
  OnePartition node({}, 1, keeping("player=16"));
  for (Sequence s = 1; s <= 100; ++s) {
    node.add("player/ada", s, s);
    node.settle();
  }
  node.pass_time(std::chrono::seconds(2));
  const auto extent = extent_of(node, "player/ada");
  EXPECT_EQ(extent.last, 100u);
  EXPECT_LE(extent.first, 85u);
  EXPECT_GE(extent.first, 82u);
  const auto behind = read_mailbox(node.store(), {0}, EntityId::trusted("player/ada"), 1, {});
  ASSERT_FALSE(behind.ok());
  EXPECT_EQ(behind.error().code, ErrorCode::TRUNCATED);
  EXPECT_EQ(behind.error().first_offset, extent.first);
}

// Five for one player, and more than a day.
void give_notifications_that_get_old(OnePartition& node) {
  for (Sequence s = 1; s <= 5; ++s) {
    node.add("player/ada", s, s);
    node.settle();
  }
  node.now += 25 * 3'600'000;
  node.pass_time(std::chrono::seconds(3));
}

TEST(Retention, ForgetsOldNotificationsButNotTheStreamsPlace) {
  OnePartition node({}, 1, keeping("player=10000,1d"));
  give_notifications_that_get_old(node);
  EXPECT_EQ(extent_of(node, "player/ada").first, 5u);
  node.add("player/ada", 6, 6);
  node.settle();
  EXPECT_EQ(extent_of(node, "player/ada").last, 6u);
}

TEST(Retention, ADamagedRecordKeepsNoOtherStreamFromBeingCut) {
  // Given a stream that nothing comes to, behind a record that is worn out.
  OnePartition node({}, 1, keeping("player=10000,1d"));
  node.damage(entity_key({0}, Tag::kMailbox, EntityId::trusted("player/aaron"), 1));
  // When its events are old, then they go.
  give_notifications_that_get_old(node);
  EXPECT_EQ(extent_of(node, "player/ada").first, 5u);
}

// --- Hubs.

class HubRetention : public ::testing::Test {
 protected:
  HubRetention() { limits.events_per_snapshot = 10; }
  Limits limits;
};

TEST_F(HubRetention, P5AHubIsCutBehindItsSnapshotAndRecoversFromIt) {
  // Given a kind that keeps five events.
  OnePartition node(limits, 1, keeping("counter=5"));
  // When a hundred come.
  add_events(node, 1, 100, "ada");
  // Then few of them are kept, who asks for others is told where to go on,
  const auto extent = extent_of(node, "counter/a");
  EXPECT_EQ(extent.last, 100u);
  EXPECT_GE(extent.size(), 5u);
  EXPECT_LE(extent.size(), 5u + 10u + 1u);
  const auto behind = read_mailbox(node.store(), {0}, kCounter, 1, {});
  ASSERT_FALSE(behind.ok());
  EXPECT_EQ(behind.error().code, ErrorCode::TRUNCATED);
  EXPECT_EQ(behind.error().first_offset, extent.first);
  // and a power cut changes nothing that anyone can observe.
  node.power_cut();
  node.settle();
  EXPECT_EQ(node.state_of("counter/a"), sum_of(100));
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(100));
  add_events(node, 101, 103, "ada");
  EXPECT_EQ(node.state_of("counter/a"), sum_of(103));
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(103));
}

TEST_F(HubRetention, P5NothingGoesBeforeASnapshotIsDurable) {
  limits.events_per_snapshot = 1'000;
  OnePartition node(limits, 1, keeping("counter=5"));
  add_events(node, 1, 50);
  node.pass_time(std::chrono::seconds(12));
  EXPECT_EQ(extent_of(node, "counter/a").first, 1u);
  // When the hub is put to rest, its state is saved, and behind that the mailbox is cut.
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(24));
  EXPECT_EQ(extent_of(node, "counter/a").first, 46u);
  node.power_cut();
  EXPECT_EQ(node.state_of("counter/a"), sum_of(50));
}

TEST_F(HubRetention, KindsThatAreNotNamedKeepEverything) {
  OnePartition node(limits, 1);
  add_events(node, 1, 100);
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  EXPECT_EQ(extent_of(node, "counter/a").first, 1u);
}

TEST_F(HubRetention, WhatIsTooOldGoesButForTheLastRecord) {
  OnePartition node(limits, 1, keeping("counter=all,1d"));
  add_events(node, 1, 20);
  node.rest_idle_hubs();
  node.now += 25 * 3'600'000;
  node.pass_time(std::chrono::seconds(13));
  EXPECT_EQ(extent_of(node, "counter/a").first, 20u);
  EXPECT_EQ(node.state_of("counter/a"), sum_of(20));
}

TEST_F(HubRetention, P7AMailboxThatNothingComesToIsCutABatchAtATime) {
  // Given a hub at rest with more records than one batch may erase.
  OnePartition node(limits, 1);
  add_events(node, 1, 1'500);
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  // When its kind is to keep less.
  node.retention = keeping("counter=100");
  node.restart();
  for (Offset before = 1; extent_of(node, "counter/a").size() > 100;) {
    node.pass_time(std::chrono::milliseconds(100));
    const auto first = extent_of(node, "counter/a").first;
    ASSERT_LE(first - before, 1'024u);
    ASSERT_LT(node.now, 1'000'000 + 60'000) << "it is not cut";
    before = first;
  }
  // Then it does.
  EXPECT_EQ(extent_of(node, "counter/a").first, 1'401u);
  EXPECT_EQ(node.state_of("counter/a"), sum_of(1'500));
}

TEST_F(HubRetention, P7AHubThatCannotBeCutHoldsUpNoOther) {
  // Given a hub at rest with more records than one batch may erase, of which a dead letter is damaged; and a stream behind it.
  limits.retries = 0;
  OnePartition node(limits, 1);
  give_notifications_that_get_old(node);
  node.publish("counter/a", "nonsense", "{}", 1, "somebody else");
  add_events(node, 6, 1'505);
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  node.damage(entity_key({0}, Tag::kDeadLetter, kCounter, 1));
  // When both are to be cut, then the stream is, and nothing is written for the hub.
  node.retention = keeping("counter=100");
  ASSERT_TRUE(node.retention.take_in("player=10000,1d", std::vector<std::string>{"counter"}).ok());
  node.restart();
  node.pass_time(std::chrono::seconds(13));
  EXPECT_EQ(extent_of(node, "player/ada").first, 5u);
  EXPECT_EQ(extent_of(node, "counter/a").first, 1u);
  const auto batches = node.partition().counters().batches;
  node.pass_time(std::chrono::seconds(8));
  EXPECT_LE(node.partition().counters().batches, batches + 1);
}

// --- Dead letters.

TEST_F(HubRetention, P6AnOpenDeadLetterOutlivesItsPlaceInTheMailbox) {
  // Given an event that its hub cannot handle, in a batch with another one, and so many after it that it is cut.
  limits.retries = 0;
  OnePartition node(limits, 1, keeping("counter=5"));
  node.publish("counter/a", "add", R"({"amount":1})", 1);
  node.publish("counter/a", "nonsense", R"({"by":"mistake"})", 2);
  node.settle();
  for (Sequence s = 3; s <= 40; ++s) {
    node.add("counter/a", 1, s);
    node.settle();
  }
  ASSERT_GT(extent_of(node, "counter/a").first, 2u);
  node.restart();
  // Then an operator still sees it whole,
  const auto letters = node.partition().dead_letters(kCounter, 10);
  ASSERT_TRUE(letters.ok()) << letters.error().message;
  ASSERT_THAT(*letters, SizeIs(1));
  EXPECT_EQ(letters->front().offset, 2u);
  EXPECT_EQ(letters->front().event.type, "nonsense");
  EXPECT_EQ(letters->front().event.payload, R"({"by":"mistake"})");
  EXPECT_EQ(letters->front().event.sequence, 2u);
  // and redrives it, once.
  for (std::uint64_t call : {7u, 8u}) node.partition().redrive(kCounter, 2, call, node.now);
  node.settle();
  ASSERT_THAT(node.redriven, SizeIs(2));
  EXPECT_EQ(node.redriven[0].outcome.error().code, ErrorCode::NOT_FOUND);
  ASSERT_TRUE(node.redriven[1].outcome.ok());
  EXPECT_EQ(node.mailbox("counter/a").back().redrive_of, 2u);
  EXPECT_EQ(node.mailbox("counter/a").back().payload, R"({"by":"mistake"})");
}

TEST_F(HubRetention, ASettledDeadLetterGoesWithItsPlaceInTheMailbox) {
  limits.retries = 0;
  OnePartition node(limits, 1, keeping("counter=5"));
  node.publish("counter/a", "nonsense", "{}", 1);
  node.settle();
  node.partition().discard(kCounter, 1, 7);
  node.settle();
  const auto letter = [&] { return *node.store().get(entity_key({0}, Tag::kDeadLetter, kCounter, 1)); };
  ASSERT_TRUE(letter().has_value());
  for (Sequence s = 2; s <= 40; ++s) {
    node.add("counter/a", 1, s);
    node.settle();
  }
  EXPECT_FALSE(letter().has_value());
  node.restart();
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":39,"sum":39})");
}

// --- Versions of behaviours.

// A hub of version 1 whose history is cut, and what another program finds of it.
TEST_F(HubRetention, P5NothingIsCutBehindASnapshotThatTheInstalledVersionDoesNotRead) {
  // Given a hub at rest that has kept all its events.
  OnePartition node(limits, 1, {});
  add_events(node, 1, 50);
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  // When its behaviour has another version, which begins with the first event, and less is to be kept,
  node.behaviour_version = 2;
  node.retention = keeping("counter=5");
  node.restart();
  node.pass_time(std::chrono::seconds(13));
  // then nothing goes before that version has come to the end.
  EXPECT_EQ(extent_of(node, "counter/a").first, 1u);
  EXPECT_EQ(node.state_of("counter/a"), sum_of(50));
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(30));
  EXPECT_GT(extent_of(node, "counter/a").first, 1u);
  EXPECT_EQ(node.state_of("counter/a"), sum_of(50));
}

TEST(Retention, P7WhatIsOldGoesHoweverManyThereAre) {
  // Given more players and producers than are looked at in one go, and a hub that tells all of them.
  constexpr int kPlayers = 200;
  Limits limits;
  limits.deduplication_horizon = std::chrono::hours(1);
  OnePartition node(limits, 1, keeping("player=10000,1d"));
  const auto player = [](int i) { return "player " + std::to_string(i); };
  for (int i = 0; i < kPlayers; ++i) {
    node.publish("player/" + player(i), "note", "{}", 1, player(i));
    node.add("counter/a", 1, static_cast<Sequence>(i) + 1, player(i));
    node.settle();
  }
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  // When a day and more has passed.
  node.now += 25 * 3'600'000;
  node.pass_time(std::chrono::seconds(30));
  // Then of each stream only the last record is left, and no window but that of the hub, which is needed whenever it sends again.
  for (int i = 0; i < kPlayers; ++i) EXPECT_EQ(extent_of(node, "player/" + player(i)).first, 2u) << i;
  std::vector<std::string> windows;
  ASSERT_TRUE(node.store()
                  .scan(tag_prefix({0}, Tag::kWindow), tag_end({0}, Tag::kWindow),
                        [&](auto key, auto) {
                          windows.emplace_back(key.substr(3));
                          return true;
                        })
                  .ok());
  ASSERT_THAT(windows, SizeIs(1));
  EXPECT_EQ(windows.front().front(), 'h');
}

class CutHub : public HubRetention {
 protected:
  CutHub() : node(limits, 1, keeping("counter=5")) {
    add_events(node, 1, 50, "ada");
    node.rest_idle_hubs();
    node.pass_time(std::chrono::seconds(12));
    EXPECT_GT(extent_of(node, "counter/a").first, 1u);
  }
  Result<Fold> open(const Behaviour& behaviour) { return Fold::open({kCounter, 1, limits}, behaviour, node.store()); }

  OnePartition node;
};

TEST_F(CutHub, P5AnotherVersionFailsRatherThanFoldFromTheMiddle) {
  const auto fold = open(testing::counter_behaviour(2));
  ASSERT_FALSE(fold.ok());
  EXPECT_EQ(fold.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(fold.error().message,
              AllOf(HasSubstr("counter/a"), HasSubstr("of version 1"), HasSubstr("version 2 does not read"),
                    HasSubstr("gone by retention"), HasSubstr("reads snapshots of version 1")));
}

TEST_F(CutHub, P5AVersionThatReadsTheSnapshotGoesOnFromItAndSavesItsOwn) {
  auto fold = open(Behaviour::of<testing::Count>("counter", 2).on<testing::Add>().reads_snapshots_since(1));
  ASSERT_TRUE(fold.ok()) << fold.error().message;
  fold->catch_up(50);
  const auto outcome = fold->step(100);
  ASSERT_TRUE(outcome.ok());
  EXPECT_THAT(outcome->emissions, IsEmpty());
  EXPECT_EQ(fold->state_json(), sum_of(50));
  ASSERT_TRUE(outcome->snapshot.has_value());
  EXPECT_EQ(outcome->snapshot->behaviour_version, 2u);
  EXPECT_EQ(outcome->snapshot->offset, 50u);
}

struct Strange {
  std::string sum;  // A number in the snapshot.
};
template <class Fields>
void inspect(Fields& fields, Strange& strange) {
  fields("sum", strange.sum);
}
Effects on(Strange&, const testing::Add&, const Context&) { return {}; }

TEST_F(CutHub, P5ASnapshotThatDoesNotDecodeFailsWithTheWayOut) {
  const auto fold = open(Behaviour::of<Strange>("counter", 3).on<testing::Add>().reads_snapshots_since(1));
  ASSERT_FALSE(fold.ok());
  EXPECT_THAT(fold.error().message, AllOf(HasSubstr("does not fit its behaviour"), HasSubstr("gone by retention"),
                                          HasSubstr("reads snapshots of version 1")));
}

TEST_F(CutHub, P5ALostSnapshotIsNamed) {
  WriteSet writes;
  writes.erase(entity_key({0}, Tag::kSnapshot, kCounter));
  ASSERT_TRUE(node.store().write(writes).ok());
  const auto fold = open(testing::counter_behaviour(1));
  ASSERT_FALSE(fold.ok());
  EXPECT_EQ(fold.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(fold.error().message, AllOf(HasSubstr("gone by retention"), HasSubstr("has no snapshot")));
}

TEST_F(CutHub, P5ASnapshotThatDoesNotReachTheMailboxIsNamed) {
  WriteSet writes;
  writes.put(entity_key({0}, Tag::kSnapshot, kCounter), encode(Snapshot{3, 1, "{}", {}}));
  ASSERT_TRUE(node.store().write(writes).ok());
  auto fold = open(testing::counter_behaviour(1));
  ASSERT_TRUE(fold.ok());
  fold->catch_up(50);
  const auto outcome = fold->step(100);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(outcome.error().message, AllOf(HasSubstr("begins at"), HasSubstr("carillon verify")));
}

TEST(Retention, ABehaviourReadsSnapshotsOfVersionsThatThereAre) {
  for (const std::uint32_t since : {0u, 3u}) {
    Catalogue catalogue;
    const auto added =
        catalogue.add(Behaviour::of<testing::Count>("counter", 2).on<testing::Add>().reads_snapshots_since(since));
    ASSERT_FALSE(added.ok());
    EXPECT_EQ(added.error().code, ErrorCode::MALFORMED);
  }
}

}  // namespace
}  // namespace carillon::runtime
