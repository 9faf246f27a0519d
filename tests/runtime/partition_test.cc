#include "runtime/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/key.h"
#include "tests/support/one_partition.h"

namespace carillon::runtime {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::OnePartition;
using ::testing::SizeIs;
using ::testing::Truly;

// Of one event.
bool is_unavailable(const Published& answer) {
  return answer.accepted == 0 && answer.refusals.size() == 1 && answer.refusals[0].error.code == ErrorCode::UNAVAILABLE;
}

TEST(Partition, P1AnswersAPublishOnlyWhenItIsDurable) {
  // Given a publish whose commit is on its way.
  OnePartition node;
  node.add("counter/a", 1, 1);
  ASSERT_TRUE(node.work());
  // Then nothing is said before the commit,
  EXPECT_THAT(node.answers, IsEmpty());
  // and the event is accepted after it.
  node.commit();
  node.settle();
  ASSERT_THAT(node.answers, SizeIs(1));
  EXPECT_EQ(node.answers[0].accepted, 1u);
}

TEST(Partition, P1AnswersARepetitionOnlyWhenItsOriginalIsDurable) {
  // Given an event on its way to the disk.
  OnePartition node;
  node.add("counter/a", 1, 1);
  node.work();
  // When it is sent again.
  node.add("counter/a", 1, 1);
  node.work();
  // Then the second answer waits for the first one's commit.
  EXPECT_THAT(node.answers, IsEmpty());
  node.commit();
  node.settle();
  ASSERT_THAT(node.answers, SizeIs(2));
  EXPECT_EQ(node.answers[1].duplicates, 1u);
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(1));
}

TEST(Partition, P1ConfirmsNothingWhenTheDiskFails) {
  // Given a disk whose next sync fails.
  OnePartition node;
  node.add("counter/a", 1, 1);
  node.settle();
  node.answers.clear();
  node.env().set_plan({.sync_error_after_syncs = 0});
  // When something is published, and more after that.
  node.add("counter/a", 2, 2);
  node.settle();
  node.add("counter/a", 3, 3);
  node.settle();
  // Then both are refused as unavailable, and what was acknowledged before can be read.
  ASSERT_THAT(node.answers, SizeIs(2));
  EXPECT_THAT(node.answers, Each(Truly(is_unavailable)));
  EXPECT_TRUE(node.store().read_only());
  EXPECT_EQ(read_mailbox(node.store(), {0}, EntityId::trusted("counter/a"), 1, {})->events.size(), 1u);
}

TEST(Partition, P7OneCommitTakesInNoMoreThanItsLimit) {
  // Given a limit that any event reaches.
  Limits limits;
  limits.commit_bytes_max = 1;
  OnePartition node(limits);
  // When three come at the same time.
  for (Sequence sequence = 1; sequence <= 3; ++sequence) node.add("counter/a", 10 * sequence, sequence);
  // Then each commit brings one of them, and is followed by the next without any other input,
  for (std::size_t commits = 1; commits <= 3; ++commits) {
    ASSERT_TRUE(node.work());
    EXPECT_THAT(node.answers, SizeIs(commits - 1));
    node.commit();
    EXPECT_THAT(node.mailbox("counter/a"), SizeIs(commits));
  }
  node.settle();
  EXPECT_THAT(node.answers, SizeIs(3));
  // in the order in which they came.
  EXPECT_EQ(node.mailbox("counter/a")[0].sequence, 1u);
  EXPECT_EQ(node.mailbox("counter/a")[2].sequence, 3u);
}

TEST(Partition, P7OneCommitTakesInNoMoreRemindersThanItsLimit) {
  // Given a limit that any event reaches, and three reminders of one time.
  Limits limits;
  limits.commit_bytes_max = 1;
  OnePartition node(limits);
  for (Sequence sequence = 1; sequence <= 3; ++sequence)
    node.remind("counter/a", "player/ada", node.now + 500, 10, sequence);
  node.settle();
  // When it has come.
  node.now += 1'000;
  node.partition().tick(node.now);
  // Then each commit brings one.
  for (std::size_t commits = 1; commits <= 3; ++commits) {
    ASSERT_TRUE(node.work());
    node.commit();
    EXPECT_THAT(node.mailbox("player/ada"), SizeIs(commits));
  }
}

TEST(Partition, P7SnapshotsThatAreALotByThemselvesAreNotGathered) {
  // Given a limit that any snapshot reaches, and a snapshot that is due.
  Limits limits;
  limits.commit_bytes_max = 1;
  limits.events_per_snapshot = 1;
  OnePartition node(limits);
  node.add("counter/a", 10, 1);
  node.settle();
  // Then it is durable, though nothing else has come.
  const auto snapshot = node.store().get(entity_key({0}, Tag::kSnapshot, EntityId::trusted("counter/a")));
  ASSERT_TRUE(snapshot.ok());
  EXPECT_TRUE(snapshot->has_value());
}

TEST(Partition, P7SnapshotsOfManyHubsAtATimeAreNotAllOfOneCommit) {
  // Given a commit that takes its time, and many hubs whose snapshots are due meanwhile.
  Limits limits;
  limits.commit_bytes_max = 1'000;
  limits.events_per_snapshot = 1;
  OnePartition node(limits);
  const auto hub = [](int number) { return "counter/" + std::to_string(number); };
  constexpr int kHubs = 100;
  for (int i = 0; i < kHubs; ++i) node.add(hub(i), 1, static_cast<Sequence>(i) + 1);
  // When all is done,
  node.settle();
  // then some were saved and others left out,
  int saved = 0;
  for (int i = 0; i < kHubs; ++i)
    saved += node.store().get(entity_key({0}, Tag::kSnapshot, EntityId::trusted(hub(i)))).value().has_value();
  EXPECT_GT(saved, 0);
  EXPECT_LT(saved, kHubs);
  // and none has lost anything.
  node.restart();
  for (int i = 0; i < kHubs; ++i) EXPECT_EQ(node.state_of(hub(i)), R"({"events":1,"sum":1})");
}

TEST(Partition, P5P7HubsThatAreAllPutToRestAtOnceAreSavedInSeveralCommits) {
  // Given a node with many hubs.
  Limits limits;
  limits.commit_bytes_max = 1'000;
  OnePartition node(limits);
  const auto hub = [](int number) { return "counter/" + std::to_string(number); };
  constexpr int kHubs = 100;
  for (int i = 0; i < kHubs; ++i) node.add(hub(i), 1, static_cast<Sequence>(i) + 1);
  node.settle();
  const auto batches = node.partition().counters().batches;
  // When it stops, and all of them are put to rest at once,
  node.partition().finish();
  node.rest_idle_hubs();
  // then all are saved, a few in each commit.
  EXPECT_GE(node.partition().counters().batches, batches + 10);
  EXPECT_EQ(node.partition().counters().active_hubs, 0u);
  for (int i = 0; i < kHubs; ++i)
    EXPECT_TRUE(node.store().get(entity_key({0}, Tag::kSnapshot, EntityId::trusted(hub(i)))).value().has_value());
}

TEST(Partition, AHubThatKeepsUpReadsNothingFromDisk) {
  for (const bool fold_before_commit : {true, false}) {
    // Given a hub that is active.
    OnePartition node({}, 1, {}, fold_before_commit);
    node.add("counter/a", 10, 1);
    node.settle();
    const auto before = node.catch_ups;
    // When more comes, a commit at a time.
    for (Sequence sequence = 2; sequence <= 6; ++sequence) {
      node.add("counter/a", 10, sequence);
      node.settle();
    }
    // Then it is handed what was committed.
    EXPECT_EQ(node.catch_ups, before);
    EXPECT_EQ(node.state_of("counter/a"), R"({"events":6,"sum":60})");
  }
}

TEST(Partition, P5AHubIsGivenACommitThatIsTooMuchForMemoryFromDisk) {
  for (const bool fold_before_commit : {true, false}) {
    // Given an active hub that may have two events before it.
    Limits limits;
    limits.hub_events_ahead_max = 2;
    OnePartition node(limits, 1, {}, fold_before_commit);
    node.add("counter/a", 10, 1);
    node.settle();
    const auto before = node.catch_ups;
    // When one commit brings five, and nothing follows.
    for (Sequence sequence = 2; sequence <= 6; ++sequence) node.add("counter/a", 10, sequence);
    node.settle();
    // Then it has them all the same.
    EXPECT_GT(node.catch_ups, before);
    EXPECT_EQ(node.state_of("counter/a"), R"({"events":6,"sum":60})");
  }
}

TEST(Partition, P3EmissionsThatWaitForTheNextCommitKeepTheirOrder) {
  // Given a limit that any event reaches, and a hub that notifies a player of each of its events.
  Limits limits;
  limits.commit_bytes_max = 1;
  OnePartition node(limits);
  for (Sequence sequence = 1; sequence <= 5; ++sequence) node.add("counter/a", 10, sequence, "ada");
  // When all is done.
  node.settle();
  // Then the player has each once, in order.
  std::vector<Sequence> sequences;
  for (const auto& event : node.mailbox("player/ada")) sequences.push_back(event.sequence);
  EXPECT_THAT(sequences, ElementsAre(1, 2, 3, 4, 5));
}

TEST(Partition, P1RefusesWhatWaitsForTheNextCommitWhenTheDiskFails) {
  // Given a commit on its way, and an event that waits for the next one.
  Limits limits;
  limits.commit_bytes_max = 1;
  OnePartition node(limits);
  for (Sequence sequence = 1; sequence <= 3; ++sequence) node.add("counter/a", 10, sequence);
  node.work();
  // When the disk fails.
  node.env().set_plan({.sync_error_after_syncs = 0});
  node.settle();
  // Then all are refused, none is left without an answer, and nothing waits for ever.
  ASSERT_THAT(node.answers, SizeIs(3));
  EXPECT_THAT(node.answers, Each(Truly(is_unavailable)));
  EXPECT_TRUE(node.partition().at_rest());
}

TEST(Partition, P2RemembersWhatItHasSeenAcrossARestart) {
  // Given an accepted event, and a node that was killed.
  OnePartition node;
  node.add("counter/a", 5, 7);
  node.settle();
  node.restart();
  // When its producer sends it again, and the next one.
  node.add("counter/a", 5, 7);
  node.add("counter/a", 6, 8);
  node.settle();
  // Then it stands in the mailbox once.
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(2));
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":2,"sum":11})");
}

TEST(Partition, P2DropsEmissionsThatAreRepeatedAfterACrash) {
  // Given a hub that has notified a player, and whose acknowledgement was never saved.
  OnePartition node;
  node.add("counter/a", 5, 1, "ada");
  node.settle();
  ASSERT_TRUE(node.has_marker("counter/a"));
  // When the power fails and the hub is computed again.
  node.power_cut();
  node.settle();
  // Then the player has one notification.
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":5})"));
  EXPECT_GT(node.partition().counters().emission_duplicates, 0u);
}

TEST(Partition, P3KeepsTheOrderInWhichAProducerSent) {
  OnePartition node;
  for (Sequence s = 1; s <= 200; ++s) {
    node.add("counter/a", s, s, "ada");
    if (s % 7 == 0) node.work();
  }
  node.settle();
  const auto events = node.mailbox("counter/a");
  ASSERT_THAT(events, SizeIs(200));
  for (Sequence s = 1; s <= 200; ++s) EXPECT_EQ(events[s - 1].sequence, s);
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(200));
}

// Reads of what belongs to an entity or a producer.
auto reads_of(const std::string& name) {
  return [name](std::string_view key) { return key.find(name) != key.npos; };
}
constexpr auto kNoReads = [](std::string_view) { return false; };

TEST(Partition, P3WhatFollowsAReadErrorIsRefusedUntilThatEventComesAgain) {
  // Given an event whose mailbox could not be read.
  OnePartition node;
  node.read_fails = reads_of("counter/a");
  node.add("counter/a", 1, 1);
  node.read_fails = kNoReads;
  // When the next one comes, which was on its way already, then it does not overtake;
  node.add("counter/a", 2, 2);
  // what is of others has nothing to do with it,
  node.publish("counter/a", "add", to_json(testing::Add{.amount = 10}), 1, "another");
  // and when the producer begins again there, all is taken.
  node.add("counter/a", 1, 1);
  node.add("counter/a", 2, 2);
  node.settle();
  ASSERT_THAT(node.answers, SizeIs(5));
  EXPECT_TRUE(is_unavailable(node.answers[0]));
  ASSERT_THAT(node.answers[1].refusals, SizeIs(1));
  EXPECT_EQ(node.answers[1].refusals[0].error.code, ErrorCode::OVERLOADED);
  EXPECT_EQ(node.answers[2].accepted, 1u);
  const auto events = node.mailbox("counter/a");
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[1].sequence, 1u);
  EXPECT_EQ(events[2].sequence, 2u);
  EXPECT_EQ(node.partition().counters().unreadable, 1u);
}

TEST(Partition, P3WhatFollowsAnUnreadableWindowIsRefusedToo) {
  OnePartition node;
  node.read_fails = reads_of("tester");
  node.add("counter/a", 1, 1);
  node.read_fails = kNoReads;
  node.add("counter/a", 2, 2);
  node.settle();
  EXPECT_THAT(node.mailbox("counter/a"), IsEmpty());
  node.add("counter/a", 1, 1);
  node.add("counter/a", 2, 2);
  node.settle();
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(2));
}

TEST(Partition, P7AnEventThatDoesNotComeAgainIsNotWaitedForForEver) {
  // Given a producer that has given up an event, and goes on with the next one.
  OnePartition node;
  node.read_fails = reads_of("counter/a");
  node.add("counter/a", 1, 1);
  node.read_fails = kNoReads;
  for (int i = 0; i < 30; ++i) {
    node.add("counter/a", 2, 2);
    node.pass_time(std::chrono::seconds(1));
  }
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(1));
}

TEST(Partition, P6ManyWhoNeverComeAgainKeepNobodyElseOut) {
  OnePartition node;
  node.read_fails = reads_of("counter/a");
  for (int i = 0; i < 2'000; ++i)
    node.publish("counter/a", "add", to_json(testing::Add{.amount = 1}), 1, "once" + std::to_string(i));
  node.publish("counter/b", "add", to_json(testing::Add{.amount = 1}), 1, "another");
  node.settle();
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(1));
}

TEST(Partition, P5EmissionsToAMailboxThatCouldNotBeReadAreRepeatedInOrder) {
  // Given a hub that emits to a player whose mailbox cannot be read.
  OnePartition node;
  node.read_fails = reads_of("player/ada");
  node.add("counter/a", 1, 1, "ada");
  node.settle();
  // When it can be read again and the hub goes on, then nothing overtakes what was not taken,
  node.read_fails = kNoReads;
  node.add("counter/a", 1, 2, "ada");
  node.settle();
  EXPECT_THAT(node.mailbox("player/ada"), IsEmpty());
  // and all comes a moment later, without another event.
  node.pass_time(std::chrono::milliseconds(Partition::kRepeatAfterMs));
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":1})", R"({"sum":2})"));
}

TEST(Partition, P7AHubThatGetsNowhereRepeatsItselfLessAndLessOften) {
  // Given a hub that emits to a player whose mailbox cannot be read for good.
  OnePartition node;
  node.read_fails = reads_of("player/ada");
  node.add("counter/a", 1, 1, "ada");
  node.settle();
  node.activations.clear();
  // When ten minutes pass, then it began anew a few times only,
  node.pass_time(std::chrono::minutes(10));
  EXPECT_GE(node.activations.size(), 5u);
  EXPECT_LE(node.activations.size(), 10u);
  // and it goes on once that can be read.
  node.read_fails = kNoReads;
  node.pass_time(std::chrono::minutes(5));
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(1));
}

TEST(Partition, P5EmissionsOfAHubWhoseWindowCouldNotBeReadAreRepeated) {
  OnePartition node;
  const auto window = window_key({0}, ProducerId::hub(EntityId::trusted("counter/a"))).text();
  node.read_fails = [&](auto key) { return key == window; };
  node.add("counter/a", 1, 1, "ada");
  node.settle();
  node.read_fails = kNoReads;
  EXPECT_THAT(node.mailbox("player/ada"), IsEmpty());
  node.pass_time(std::chrono::milliseconds(Partition::kRepeatAfterMs));
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(1));
}

TEST(Partition, P5AHubGoesOnWhenItsTargetHasLostWhatItAcknowledged) {
  // Given a hub that knows that three of its notifications arrived.
  OnePartition node;
  for (Sequence sequence = 1; sequence <= 3; ++sequence) node.add("counter/a", 5, sequence, "ada");
  node.settle();
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  // When what received them begins again from an older copy that has none of them.
  const auto ada = EntityId::trusted("player/ada");
  node.erase(entity_key({0}, Tag::kMailbox, ada, 1), entity_end({0}, Tag::kMailbox, ada));
  for (const auto tag : {Tag::kMovedWindows, Tag::kWindow}) node.erase(tag_prefix({0}, tag), tag_end({0}, tag));
  node.restart();
  // Then the next ones arrive, in order.
  for (Sequence sequence = 4; sequence <= 5; ++sequence) node.add("counter/a", 5, sequence, "ada");
  node.settle();
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":20})", R"({"sum":25})"));
}

// Of `counter/far` to ada, numbered from `first`.
HubEmissions emissions_of_another_node(Sequence first, std::size_t count, Sequence acknowledged) {
  HubEmissions emissions{EntityId::trusted("counter/far"), first, {}, acknowledged};
  for (auto sequence = first; sequence < first + count; ++sequence)
    emissions.emissions.push_back({EntityId::trusted("player/ada"),
                                   {.type = "note",
                                    .payload = R"({"n":)" + std::to_string(sequence) + "}",
                                    .producer = ProducerId::hub(emissions.hub),
                                    .sequence = sequence}});
  return emissions;
}

TEST(Partition, P3AHubThatSendsAgainWhatItsTargetHasLostBringsNothingOutOfOrder) {
  // Given a partition that has lost what it acknowledged up to 100, and is sent what follows.
  OnePartition node;
  node.partition().emissions_arrived({0}, {emissions_of_another_node(101, 1, 100)}, node.now);
  node.settle();
  // When the hub starts anew, from a cursor that is further back,
  node.partition().emissions_arrived({0}, {emissions_of_another_node(51, 50, 50)}, node.now);
  node.partition().emissions_arrived({0}, {emissions_of_another_node(101, 2, 50)}, node.now);
  node.settle();
  // then what was given up stays so, and what is new arrives.
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"n":101})", R"({"n":102})"));
}

TEST(Partition, P5AHubWhoseMailboxCannotBeReadAtTheStartIsActiveOnceItCan) {
  // Given a hub with unfinished work.
  OnePartition node;
  node.add("counter/a", 5, 1, "ada");
  ASSERT_TRUE(node.work());
  node.commit();
  // When its mailbox cannot be read as the node starts,
  node.read_fails = reads_of("counter/a");
  node.power_cut();
  node.settle();
  EXPECT_FALSE(node.is_active("counter/a"));
  // then it is found as soon as it can, with nothing new coming in.
  node.read_fails = kNoReads;
  node.pass_time(std::chrono::milliseconds(100));
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":5})"));
}

TEST(Fold, P7WaitsWhileWhatHubsHaveComputedIsNotStoredYet) {
  // Given a hub with two events, each with a notification, and a node on which hubs hold too much already.
  OnePartition node;
  for (Sequence sequence = 1; sequence <= 2; ++sequence) node.add("counter/a", 5, sequence, "ada");
  node.work();
  node.commit();
  Limits limits;
  limits.emission_bytes_max = 1'000;
  const auto held = std::make_shared<EmissionBytes>(2'000);
  {
    auto fold =
        Fold::open({EntityId::trusted("counter/a"), 1, limits, held}, testing::counter_behaviour(1), node.store());
    ASSERT_TRUE(fold.ok());
    fold->catch_up(2);
    // Then it folds nothing,
    const auto crowded = fold->step(10);
    ASSERT_TRUE(crowded.ok());
    EXPECT_TRUE(crowded->crowded);
    EXPECT_FALSE(crowded->more);
    EXPECT_EQ(fold->folded(), 0u);
    // who holds nothing himself goes on before that is gone,
    *held = 1'500;
    const auto first = fold->step(10);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(fold->folded(), 1u);
    EXPECT_TRUE(first->crowded);
    EXPECT_GT(*held, 1'500u);
    // and what is stored is not held any more.
    fold->acknowledged({0}, 1);
    EXPECT_EQ(*held, 1'500u);
    ASSERT_TRUE(fold->step(10).ok());
    EXPECT_EQ(fold->folded(), 2u);
    EXPECT_GT(*held, 1'500u);
  }
  EXPECT_EQ(*held, 1'500u) << "nor by one that is gone";
}

TEST(Partition, P5ADamagedMarkerHidesNoOtherHub) {
  // Given two hubs with unfinished work, and the marker of the first worn out.
  OnePartition node;
  node.add("counter/a", 5, 1, "ada");
  node.add("counter/b", 6, 2, "bo");
  ASSERT_TRUE(node.work());
  node.commit();
  node.damage(entity_key({0}, Tag::kUnfinished, EntityId::trusted("counter/a")));
  // When the node starts again, then the second one finishes.
  node.power_cut();
  node.settle();
  EXPECT_THAT(node.payloads("player/bo"), ElementsAre(R"({"sum":6})"));
}

TEST(Partition, P5FinishesAfterACrashWhatAHubHadBegun) {
  // Given an event that is durable, and a crash before its hub could do anything.
  OnePartition node;
  node.add("counter/a", 5, 1, "ada");
  ASSERT_TRUE(node.work());
  node.commit();
  node.power_cut();
  // When the node is back, with nothing new coming in.
  node.settle();
  // Then the player is told.
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":5})"));
}

TEST(Partition, P7HubsWithALongBacklogWorkItOffAsideButNotTooManyAtATime) {
  // Given three hubs with a hundred events each on disk, and room for one of them aside.
  runtime::Limits limits;
  limits.events_aside = 20;
  limits.hubs_aside_max = 1;
  OnePartition node(limits);
  Sequence sequence = 0;
  for (int i = 0; i < 100; ++i)
    for (const auto* hub : {"counter/1", "counter/2", "counter/3"}) node.add(hub, 1, ++sequence);
  ASSERT_TRUE(node.work());
  node.commit();
  node.restart();
  node.activations.clear();
  node.most_aside = 0;
  // When they work it off.
  node.settle();
  // Then never more than one was aside, none is in the end, and nobody has lost anything.
  EXPECT_EQ(node.most_aside, 1u);
  EXPECT_EQ(node.aside(), 0u);
  EXPECT_LT(node.activations.size(), 10u);  // They do not go to and fro.
  for (const auto* hub : {"counter/1", "counter/2", "counter/3"})
    EXPECT_THAT(node.state_of(hub), ::testing::HasSubstr("100")) << hub;
}

TEST(Partition, P5PutsAnIdleHubToRestAndFindsItsStateAgain) {
  // Given a hub with a state, at rest.
  OnePartition node;
  node.add("counter/a", 5, 1, "ada");
  node.settle();
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(2));
  EXPECT_FALSE(node.is_active("counter/a"));
  EXPECT_FALSE(node.has_marker("counter/a"));
  // When the node starts again, nothing is activated;
  node.restart();
  node.settle();
  EXPECT_FALSE(node.is_active("counter/a"));
  // and the next event finds the state.
  node.add("counter/a", 6, 2, "ada");
  node.settle();
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":5})", R"({"sum":11})"));
}

TEST(Partition, P5BeforeAStopSavesWhatHubsAndWindowsAre) {
  // Given a partition that is to finish while a hub is active.
  OnePartition node;
  node.add("counter/a", 5, 1);
  node.settle();
  node.partition().finish();
  node.settle();
  EXPECT_FALSE(node.partition().at_rest());
  // When the hub is put to rest.
  node.rest_idle_hubs();
  // Then the hub's state and its producer's window are on disk, and it is at rest.
  EXPECT_TRUE(node.partition().at_rest());
  EXPECT_FALSE(node.has_marker("counter/a"));
  EXPECT_TRUE(node.store().get(entity_key({0}, Tag::kSnapshot, EntityId::trusted("counter/a")))->has_value());
  EXPECT_TRUE(node.store().get(window_key({0}, *ProducerId::client("tester")))->has_value());
}

TEST(Partition, P5ASnapshotThatHadNoRoomIsSavedWhenItsHubRests) {
  // Given two hubs whose snapshots come together, and commits with room for one of them.
  Limits limits;
  limits.events_per_snapshot = 1;
  limits.commit_bytes_max = 300;
  OnePartition node(limits);
  node.add("counter/a", 5, 1);
  node.add("counter/b", 5, 2);
  node.settle();
  // When both are put to rest, then both are saved.
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  for (const char* hub : {"counter/a", "counter/b"}) {
    EXPECT_FALSE(node.is_active(hub)) << hub;
    EXPECT_TRUE(node.store().get(entity_key({0}, Tag::kSnapshot, EntityId::trusted(hub)))->has_value()) << hub;
  }
}

TEST(Partition, P5ChainsOfHubsEndInOneNotification) {
  OnePartition node;
  node.publish("counter/a", "pass", R"({"to":"counter/b","amount":3,"player":"ada"})", 1);
  node.settle();
  EXPECT_EQ(node.state_of("counter/b"), R"({"events":1,"sum":3})");
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":3})"));
}

TEST(Partition, P6SendsAnEventThatKeepsFailingToTheDeadLettersAndGoesOn) {
  // Given good events around a bad one.
  OnePartition node;
  node.add("counter/a", 1, 1, "ada");
  node.publish("counter/a", "fail", "{}", 2);
  node.add("counter/a", 2, 3, "ada");
  // When it has been tried again three times.
  node.settle();
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":1})"));
  node.pass_time(std::chrono::seconds(2));
  // Then it is a dead letter with its reason, the next event was folded, and no trace of the attempts is left.
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":1})", R"({"sum":3})"));
  const auto letters = node.partition().dead_letters(std::nullopt, 10);
  ASSERT_TRUE(letters.ok());
  ASSERT_THAT(*letters, SizeIs(1));
  EXPECT_EQ((*letters)[0].offset, 2u);
  EXPECT_EQ((*letters)[0].letter.attempts, 4u);
  EXPECT_THAT((*letters)[0].letter.reason, ::testing::HasSubstr("this event always fails"));
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":2,"sum":3})");
}

TEST(Partition, P6RedrivesADeadLetterOnce) {
  // Given a dead letter.
  OnePartition node;
  node.publish("counter/a", "fail", "{}", 1);
  node.pass_time(std::chrono::seconds(2));
  const auto a = EntityId::trusted("counter/a");
  // When two operators redrive it at the same time, and one later.
  node.partition().redrive(a, 1, 1, node.now);
  node.partition().redrive(a, 1, 2, node.now);
  node.settle();
  node.partition().redrive(a, 1, 3, node.now);
  node.settle();
  // Then it is appended once, naming the old offset.
  ASSERT_THAT(node.redriven, SizeIs(3));
  int done = 0;
  for (const auto& answer : node.redriven) done += answer.outcome.ok();
  EXPECT_EQ(done, 1);
  const auto events = node.mailbox("counter/a");
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[1].redrive_of, 1u);
}

const auto kTrace = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

TEST(Partition, AnEventAndAllThatItCausesAreOfOneTrace) {
  // Given an event with a trace that one hub passes on to another one, which tells a player; and one without, the same way.
  OnePartition node;
  node.publish("counter/a", "pass", R"({"to":"counter/b","amount":3,"player":"ada"})", 1, "tester", kTrace);
  node.publish("counter/a", "pass", R"({"to":"counter/b","amount":3,"player":"ada"})", 2);
  // When all is done, and after a restart too,
  node.settle();
  node.restart();
  node.settle();
  // then each hop has the trace of its cause.
  for (const auto* entity : {"counter/a", "counter/b", "player/ada"}) {
    const auto events = node.mailbox(entity);
    ASSERT_THAT(events, SizeIs(2)) << entity;
    EXPECT_EQ(events[0].traceparent, kTrace) << entity;
    EXPECT_EQ(events[1].traceparent, std::nullopt) << entity;
  }
}

TEST(Partition, P5EmissionsThatAreRepeatedAfterACrashKeepTheirTrace) {
  // Given an event of a trace that is durable, and a crash before anything that it causes is.
  OnePartition node;
  node.publish("counter/a", "add", R"({"amount":1,"player":"ada"})", 1, "tester", kTrace);
  ASSERT_TRUE(node.work());
  node.commit();
  node.power_cut();
  ASSERT_THAT(node.mailbox("player/ada"), IsEmpty());
  // When the hub folds it again, then what it sends has the trace.
  node.settle();
  ASSERT_THAT(node.mailbox("player/ada"), SizeIs(1));
  EXPECT_EQ(node.mailbox("player/ada")[0].traceparent, kTrace);
}

TEST(Partition, P2AnEventThatIsSentAgainWithAnotherTraceIsADuplicate) {
  OnePartition node;
  node.publish("player/ada", "note", "{}", 1, "tester", kTrace);
  node.publish("player/ada", "note", "{}", 1);
  node.settle();
  ASSERT_THAT(node.mailbox("player/ada"), SizeIs(1));
  EXPECT_EQ(node.mailbox("player/ada")[0].traceparent, kTrace);
}

TEST(Partition, P6ADeadLetterAndItsRedriveKeepTheirTrace) {
  // Given a dead letter with a trace.
  OnePartition node;
  node.publish("counter/a", "fail", "{}", 1, "tester", kTrace);
  node.pass_time(std::chrono::seconds(2));
  // Then the log can name it, and whoever looks at the letter sees it.
  ASSERT_THAT(node.dead_lettered, SizeIs(1));
  EXPECT_EQ(node.dead_lettered[0].hub.text(), "counter/a");
  EXPECT_EQ(node.dead_lettered[0].offset, 1u);
  EXPECT_EQ(node.dead_lettered[0].traceparent, kTrace);
  const auto letters = node.partition().dead_letters(std::nullopt, 10);
  ASSERT_TRUE(letters.ok());
  ASSERT_THAT(*letters, SizeIs(1));
  EXPECT_EQ((*letters)[0].event.traceparent, kTrace);
  // When it is redriven, then the new event is of the same trace.
  node.partition().redrive(EntityId::trusted("counter/a"), 1, 1, node.now);
  node.settle();
  EXPECT_EQ(node.mailbox("counter/a").at(1).traceparent, kTrace);
}

TEST(Partition, P6OpenDeadLettersAreCountedWhateverBecomesOfThem) {
  OnePartition node;
  const auto hub = EntityId::trusted("counter/a");
  const auto counted = [&] { return node.partition().inspect(hub).value().dead_letters; };
  EXPECT_EQ(counted(), 0u);
  for (Sequence sequence = 1; sequence <= 3; ++sequence) node.publish("counter/a", "fail", "{}", sequence);
  node.pass_time(std::chrono::seconds(5));
  EXPECT_EQ(counted(), 3u);
  // One of them is discarded, and asked for before and after that is durable.
  node.partition().discard(hub, 1, 1);
  ASSERT_TRUE(node.work());
  EXPECT_EQ(counted(), 3u);
  node.commit();
  node.settle();
  EXPECT_EQ(counted(), 2u);
  // One is redriven, and fails again.
  node.partition().redrive(hub, 2, 2, node.now);
  node.settle();
  EXPECT_EQ(counted(), 1u);
  node.pass_time(std::chrono::seconds(2));
  EXPECT_EQ(counted(), 2u);
}

TEST(Partition, P7AHubKeepsItsNewestDeadLetters) {
  // Given a hub that may have three dead letters, of five events that fail, one of which is discarded meanwhile.
  Limits limits;
  limits.dead_letters_max = 3;
  OnePartition node(limits);
  const auto hub = EntityId::trusted("counter/a");
  const auto fail = [&](Sequence sequence) {
    node.publish("counter/a", "fail", "{}", sequence);
    node.pass_time(std::chrono::seconds(2));
  };
  const auto offsets = [&] {
    std::vector<Offset> open;
    for (const auto& letter : node.partition().dead_letters(hub, 10).value()) open.push_back(letter.offset);
    return open;
  };
  for (Sequence sequence = 1; sequence <= 3; ++sequence) fail(sequence);
  EXPECT_THAT(offsets(), ElementsAre(1u, 2u, 3u));
  node.partition().discard(hub, 2, 1);
  node.settle();
  fail(4);
  EXPECT_THAT(offsets(), ElementsAre(1u, 3u, 4u));
  EXPECT_EQ(node.partition().counters().dead_letters_dropped, 0u);
  // When it has as many again, then the oldest goes for the next, which is told; and so after a restart.
  fail(5);
  EXPECT_THAT(offsets(), ElementsAre(3u, 4u, 5u));
  EXPECT_EQ(node.dead_lettered.back().in_place_of, 1u);
  EXPECT_EQ(node.partition().inspect(hub)->dead_letters, 3u);
  node.restart();
  fail(6);
  EXPECT_THAT(offsets(), ElementsAre(4u, 5u, 6u));
  EXPECT_EQ(node.partition().inspect(hub)->dead_letters, 3u);
  EXPECT_EQ(node.partition().counters().dead_letters_dropped, 1u);
  // Its fold goes on, and begins anew, as if they were there.
  node.add("counter/a", 7, 7);
  node.settle();
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":1,"sum":7})");
}

TEST(Partition, P6ALetterWhoseEventCannotBeReadIsListedAndCanBeDiscarded) {
  // Given dead letters of two hubs, and damage in the event of one of them.
  OnePartition node;
  node.publish("counter/a", "fail", "{}", 1);
  node.publish("counter/b", "fail", "{}", 2);
  node.pass_time(std::chrono::seconds(2));
  const auto damaged = EntityId::trusted("counter/a");
  node.damage(entity_key({0}, Tag::kMailbox, damaged, 1));
  // When they are listed, then both are there, and the damage is told of the one that has it.
  const auto letters = node.partition().dead_letters(std::nullopt, 10);
  ASSERT_TRUE(letters.ok()) << letters.error().message;
  ASSERT_THAT(*letters, SizeIs(2));
  for (const auto& letter : *letters) {
    EXPECT_THAT(letter.letter.reason, ::testing::HasSubstr("this event always fails"));
    EXPECT_EQ(letter.event.type, letter.entity == damaged ? "unknown" : "fail");
    EXPECT_EQ(letter.letter.reason.find("cannot be read") != std::string::npos, letter.entity == damaged);
  }
  // When it is redriven, then that is refused; when it is discarded, it is gone.
  node.partition().redrive(damaged, 1, 1, node.now);
  node.settle();
  ASSERT_THAT(node.redriven, SizeIs(1));
  ASSERT_FALSE(node.redriven[0].outcome.ok());
  EXPECT_EQ(node.redriven[0].outcome.error().code, ErrorCode::UNAVAILABLE);
  node.partition().discard(damaged, 1, 2);
  node.settle();
  EXPECT_THAT(*node.partition().dead_letters(std::nullopt, 10), SizeIs(1));
}

TEST(Partition, P6DiscardedLettersAreSkippedByEveryReplay) {
  OnePartition node;
  node.publish("counter/a", "fail", "{}", 1);
  node.add("counter/a", 4, 2);
  node.pass_time(std::chrono::seconds(2));
  node.partition().discard(EntityId::trusted("counter/a"), 1, 1);
  node.settle();
  ASSERT_THAT(node.redriven, SizeIs(1));
  EXPECT_TRUE(node.redriven[0].outcome.ok());
  EXPECT_THAT(*node.partition().dead_letters(std::nullopt, 10), IsEmpty());
  node.restart();
  node.settle();
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":1,"sum":4})");
}

TEST(Partition, P7FeedsAHubFromDiskWhenItIsTooFarBehind) {
  // Given a hub that may be two events ahead in memory.
  Limits limits;
  limits.hub_events_ahead_max = 2;
  OnePartition node(limits);
  // When it gets many more in one batch.
  for (Sequence s = 1; s <= 50; ++s) node.add("counter/a", 1, s, "ada");
  node.settle();
  // Then it has folded all of them, in order.
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":50,"sum":50})");
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(50));
}

TEST(Partition, P7FeedsHubsFromDiskWhileTooManyCommitsAreHeldInMemory) {
  // Given a node that holds no commit beside the one that is under way.
  Limits limits;
  limits.commits_held_bytes_max = 1;
  for (const bool fold_before_commit : {true, false}) {
    OnePartition node(limits, 1, {}, fold_before_commit);
    node.add("counter/a", 10, 1, "ada");
    node.settle();
    const auto before = node.catch_ups;
    // When more comes.
    for (Sequence sequence = 2; sequence <= 6; ++sequence) {
      node.add("counter/a", 10, sequence, "ada");
      node.settle();
    }
    // Then hubs read it, and miss nothing.
    EXPECT_GT(node.catch_ups, before);
    EXPECT_EQ(node.state_of("counter/a"), R"({"events":6,"sum":60})");
    EXPECT_THAT(node.mailbox("player/ada"), SizeIs(6));
  }
}

TEST(Partition, P7CommitsThatNobodyHoldsAnyMoreCountNoMore) {
  // Given a node that may hold a few commits.
  Limits limits;
  limits.commits_held_bytes_max = 10'000;
  OnePartition node(limits);
  node.add("counter/a", 10, 1);
  node.settle();
  const auto before = node.catch_ups;
  // When many come, one after the other.
  for (Sequence sequence = 2; sequence <= 500; ++sequence) {
    node.add("counter/a", 10, sequence);
    node.settle();
  }
  // Then none is read from disk.
  EXPECT_EQ(node.catch_ups, before);
}

TEST(Partition, P7SendsNoMoreThanTheReceiversWindowHolds) {
  // Given an event with ten times as many notifications as may be unacknowledged.
  Limits limits;
  limits.emissions_unacknowledged_max = 8;
  OnePartition node(limits);
  node.publish("counter/a", "add", R"({"amount":1,"player":"ada","times":80})", 1);
  node.add("counter/a", 1, 2, "ada");
  // When everything goes on.
  node.settle();
  // Then all arrive, in order, and no more were under way at any time than its receiver can tell apart.
  EXPECT_EQ(node.most_unacknowledged, 8u);
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(81));
  EXPECT_EQ(node.mailbox("player/ada").back().payload, R"({"sum":2})");
}

TEST(Partition, P7ActivatesNoMoreHubsThanAllowedAndForgetsNone) {
  Limits limits;
  limits.active_hubs_max = 2;
  limits.mailboxes_cached = 3;
  OnePartition node(limits);
  for (Sequence s = 1; s <= 40; ++s) node.add("counter/" + std::to_string(s), s, s, "ada");
  for (int round = 0; round < 100; ++round) {
    node.settle();
    EXPECT_LE(node.partition().counters().active_hubs, 2u);
    node.rest_idle_hubs();
    node.pass_time(std::chrono::milliseconds(100));
  }
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(40));
  // Nor are their mailboxes in memory for ever: others take their places.
  for (Sequence s = 41; s <= 80; ++s) {
    node.publish("player/" + std::to_string(s), "note", "{}", s);
    node.settle();
  }
  EXPECT_LE(node.partition().mailboxes_cached(), 4u);
}

TEST(Partition, P7WindowsThatAreNotInUseLeaveTheMemory) {
  Limits limits;
  limits.windows_cached = 4;
  OnePartition node(limits);
  for (int i = 0; i < 3'000; ++i) {
    node.publish("player/ada", "note", "{}", 1, "producer " + std::to_string(i));
    if (i % 100 == 0) node.settle();
  }
  node.settle();
  // Then those are in memory that have moved since they were saved, 1,024 and those of one commit at most.
  EXPECT_LE(node.partition().windows_cached(), 1'200u);
}

TEST(Partition, P7HubsThatHaveNothingToDoAreAskedToRestWhenOthersWaitForTheirPlace) {
  // Given as many active hubs as are allowed, all but one of them idle,
  Limits limits;
  limits.active_hubs_max = 3;
  OnePartition node(limits);
  node.add("counter/a", 1, 1, "ada");
  node.add("counter/b", 1, 2, "ada");
  node.settle();
  node.add("counter/c", 1, 3, "ada");
  node.work();
  EXPECT_EQ(node.partition().counters().active_hubs, 3u);
  // while nobody waits they stay,
  node.partition().tick(node.now += 100);
  node.work();
  EXPECT_THAT(node.rests, IsEmpty());
  // when there is an event for another one, then the idle ones are asked to go, and that one gets its turn.
  node.add("counter/d", 4, 4, "bo");
  node.commit();
  node.work();
  node.partition().tick(node.now += 100);
  node.work();
  EXPECT_THAT(node.rests, ::testing::IsSupersetOf({EntityId::trusted("counter/a"), EntityId::trusted("counter/b")}));
  node.settle();
  node.rest_idle_hubs();
  node.pass_time(std::chrono::milliseconds(100));
  EXPECT_THAT(node.payloads("player/bo"), ElementsAre(R"({"sum":4})"));
}

TEST(Partition, P7WhoAsksForTheStateOfAHubIsToldWhenTooManyAreActive) {
  Limits limits;
  limits.active_hubs_max = 1;
  OnePartition node(limits);
  node.add("counter/a", 1, 1);
  node.add("counter/b", 1, 2);
  node.settle();
  const auto woken = node.partition().wake(EntityId::trusted("counter/c"));
  ASSERT_FALSE(woken.ok());
  EXPECT_EQ(woken.error().code, ErrorCode::OVERLOADED);
  EXPECT_EQ(node.partition().counters().active_hubs, 1u);
  // It is no longer so when the idle one, which is asked to, has gone.
  node.rests.clear();
  node.partition().tick(node.now += 100);
  node.work();
  EXPECT_THAT(node.rests, SizeIs(1));
}

TEST(Partition, P5AllUnfinishedHubsAreActiveSoonAfterARestart) {
  OnePartition node;
  constexpr Sequence kHubs = 1'000;
  for (Sequence s = 1; s <= kHubs; ++s) node.add("counter/" + std::to_string(s), s, s);
  node.settle();
  node.restart();
  node.work();
  EXPECT_EQ(node.partition().counters().active_hubs, kHubs);
}

TEST(Partition, P6EventsOfAKindThatIsNotInstalledWaitAndStandInNobodysWay) {
  Limits limits;
  limits.active_hubs_max = 1;
  OnePartition node(limits);
  // Given a hub of a kind for which there is no behaviour (any more),
  node.publish("door/front", "knock", "{}", 1);
  node.publish("door/back", "knock", "{}", 2);
  node.settle();
  node.restart();
  node.pass_time(std::chrono::milliseconds(200));
  // then it takes nobody's place, its events are kept, and somebody is told, once for its kind.
  EXPECT_EQ(node.partition().counters().active_hubs, 0u);
  EXPECT_TRUE(node.has_marker("door/front"));
  EXPECT_THAT(node.mailbox("door/front"), SizeIs(1));
  EXPECT_THAT(node.not_installed, SizeIs(2));  // Before the restart and after it.
  node.add("counter/a", 1, 3, "ada");
  node.settle();
  EXPECT_THAT(node.mailbox("player/ada"), SizeIs(1));
  // A node can stop without waiting for it.
  node.rest_idle_hubs();
  node.partition().finish();
  node.settle();
  EXPECT_TRUE(node.partition().at_rest());
  EXPECT_EQ(node.partition().wake(EntityId::trusted("door/front")).error().code, ErrorCode::UNKNOWN_KIND);
}

TEST(Partition, P6SaysHowManyHubsStandStillForWantOfABehaviour) {
  // Given events for two hubs of a kind for which there is no behaviour, and for one of another.
  OnePartition node;
  node.publish("door/front", "knock", "{}", 1);
  node.publish("door/back", "knock", "{}", 2);
  node.publish("door/back", "knock", "{}", 3);
  node.add("counter/a", 1, 4);
  node.settle();
  // When somebody asks for a third one, to which nothing has come.
  EXPECT_EQ(node.partition().wake(EntityId::trusted("door/cellar")).error().code, ErrorCode::UNKNOWN_KIND);
  // Then it tells of the two, also after a restart.
  for (const auto* when : {"before", "after"}) {
    SCOPED_TRACE(when);
    EXPECT_EQ(node.partition().not_installed().hubs, 2u);
    EXPECT_EQ(node.partition().not_installed().one, EntityId::trusted("door/back"));
    EXPECT_EQ(node.partition().not_computed().hubs, 0u);
    node.restart();
    node.settle();
  }
}

TEST(Partition, P6AHubThatIsLostStandsStillUntilItHasGotFurther) {
  OnePartition node;
  auto& partition = node.partition();
  const auto a = EntityId::trusted("counter/a");
  // Given a hub that was lost when it had handled one event, and another event for it.
  node.add("counter/a", 1, 1);
  node.settle();
  EXPECT_EQ(partition.not_computed().hubs, 0u);
  partition.hub_lost(a, node.activations.back().incarnation, node.now);
  node.add("counter/a", 2, 2);
  node.settle();
  EXPECT_EQ(partition.not_computed().hubs, 1u);
  EXPECT_EQ(partition.not_computed().one, a);
  // When it is started anew and comes as far as before,
  const auto starts = [&] {
    partition.tick(node.now += 2'000);
    const auto outputs = partition.take();
    return outputs.activations.empty() ? 0 : outputs.activations.front().incarnation;
  };
  const auto reports = [&](std::uint64_t incarnation, Offset folded) {
    partition.report({a, incarnation, folded, folded, {}, {}, {}}, node.now);
  };
  const auto second = starts();
  reports(second, 1);
  // then it stands still, however often;
  EXPECT_EQ(partition.not_computed().hubs, 1u);
  partition.hub_lost(a, second, node.now);
  const auto third = starts();
  reports(third, 1);
  EXPECT_EQ(partition.not_computed().hubs, 1u);
  // once it has handled the next event it does not.
  reports(third, 2);
  EXPECT_EQ(partition.not_computed().hubs, 0u);
}

TEST(Partition, P6AHubThatWasLostWithNothingToDoStandsStillUntilItIsBack) {
  OnePartition node;
  node.add("counter/a", 1, 1);
  node.settle();
  node.partition().hub_lost(EntityId::trusted("counter/a"), node.activations.back().incarnation, node.now);
  EXPECT_EQ(node.partition().not_computed().hubs, 1u);
  node.pass_time(std::chrono::milliseconds(2'100));
  EXPECT_EQ(node.partition().not_computed().hubs, 0u);
  EXPECT_TRUE(node.is_active("counter/a"));
}

TEST(Partition, P7RemembersNoMoreHubsThatStandStillThanItsLimit) {
  OnePartition node;
  constexpr auto kMost = Partition::kStandingStillMax;
  for (Sequence s = 1; s <= kMost + 1; ++s) node.publish("door/" + std::to_string(s), "knock", "{}", s);
  node.settle();
  EXPECT_EQ(node.partition().not_installed().hubs, kMost);
}

TEST(Partition, CountsWhatHubsInMemoryHaveNotHandledYet) {
  for (const bool fold_before_commit : {true, false}) {
    // Given a hub that has handled its event.
    OnePartition node({}, 1, {}, fold_before_commit);
    auto& partition = node.partition();
    const auto backlog = [&] { return partition.counters().backlog_events; };
    node.add("counter/a", 1, 1);
    node.settle();
    EXPECT_EQ(backlog(), 0u);
    // When two more are accepted, and one of them is handled.
    node.add("counter/a", 2, 2);
    node.add("counter/a", 3, 3);
    auto outputs = partition.take();
    ASSERT_TRUE(outputs.commit && node.store().write(*outputs.commit).ok());
    partition.committed(node.now);
    EXPECT_EQ(backlog(), 2u);
    const auto a = EntityId::trusted("counter/a");
    const auto incarnation = node.activations.back().incarnation;
    partition.report({a, incarnation, 2, 2, {}, {}, {}}, node.now);
    // Then one is left, and is no hub's in memory when that one has gone.
    EXPECT_EQ(backlog(), 1u);
    partition.hub_lost(a, incarnation, node.now);
    EXPECT_EQ(backlog(), 0u);
    // When it is back it handles that one, too.
    node.pass_time(std::chrono::milliseconds(2'100));
    EXPECT_TRUE(node.is_active("counter/a"));
    EXPECT_EQ(backlog(), 0u);
  }
}

TEST(Partition, P7AQuestionForDeadLettersBringsNoMoreThanIsToBeShown) {
  // Given dead letters of 60 KB each, more than a MiB.
  OnePartition node;
  const auto payload = R"({"amount":")" + std::string(60'000, 'x') + "\"}";
  for (Sequence s = 1; s <= 40; ++s) node.publish("counter/a", "add", payload, s);
  node.settle();
  ASSERT_THAT(node.dead_lettered, SizeIs(40));
  // Then a list ends behind the one that makes it too long, by which it is seen that there are more.
  const auto letters = node.partition().dead_letters(std::nullopt, 1'000);
  ASSERT_TRUE(letters.ok());
  std::size_t bytes = 0;
  for (const auto& letter : *letters) bytes += letter.bytes();
  EXPECT_GT(bytes, runtime::Partition::kDeadLetterBytes);
  EXPECT_LE(bytes - letters->back().bytes(), runtime::Partition::kDeadLetterBytes);
}

TEST(Partition, P6AnEventThatCannotBeReadIsADeadLetterAtOnce) {
  OnePartition node;
  // Given an event whose fields are not those of its type, and one behind it.
  node.publish("counter/a", "add", R"({"amount":"many"})", 1);
  node.add("counter/a", 2, 2, "ada");
  // Then it is not tried again: no time passes.
  node.settle();
  ASSERT_THAT(node.dead_lettered, SizeIs(1));
  EXPECT_EQ(node.dead_lettered[0].attempts, 1u);
  EXPECT_THAT(node.payloads("player/ada"), ElementsAre(R"({"sum":2})"));
}

TEST(Partition, P4DeliversWhatIsCommittedToFollowers) {
  // Given a follower of a stream with one notification.
  OnePartition node;
  node.add("player/ada", 1, 1);
  node.settle();
  const auto extent = node.partition().follow(EntityId::trusted("player/ada"), {9, 3});
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(extent->last, 1u);
  // When another one is committed.
  node.add("player/ada", 2, 2);
  node.work();
  EXPECT_THAT(node.deliveries, IsEmpty());
  node.settle();
  // Then it is delivered under the follower's number with its offset.
  ASSERT_THAT(node.deliveries[9], SizeIs(1));
  EXPECT_EQ(node.deliveries[9][0].follow, 3u);
  EXPECT_EQ(node.deliveries[9][0].events.first, 2u);
  // And nothing comes after the session is gone.
  node.partition().unfollow(9);
  node.add("player/ada", 3, 3);
  node.settle();
  EXPECT_THAT(node.deliveries[9], SizeIs(1));
}

TEST(Partition, P4AFollowThatIsAskedForAgainIsToldOnce) {
  OnePartition node;
  const auto ada = EntityId::trusted("player/ada");
  for (const std::uint32_t follow : {1u, 2u, 1u}) ASSERT_TRUE(node.partition().follow(ada, {9, follow}).ok());
  node.add("player/ada", 1, 1);
  node.settle();
  EXPECT_THAT(node.deliveries[9], SizeIs(2));
  node.partition().unfollow(ada, {9, 1});
  node.add("player/ada", 2, 2);
  node.settle();
  EXPECT_THAT(node.deliveries[9], SizeIs(3));
}

TEST(Partition, P4ForgetsOneFollowOfASession) {
  // Given a session that follows a stream twice, and another one.
  OnePartition node;
  const auto ada = EntityId::trusted("player/ada");
  for (const std::uint32_t follow : {1u, 2u}) ASSERT_TRUE(node.partition().follow(ada, {9, follow}).ok());
  ASSERT_TRUE(node.partition().follow(EntityId::trusted("player/bo"), {9, 3}).ok());
  // When one of the two ends.
  node.partition().unfollow(ada, {9, 1});
  node.partition().unfollow(ada, {9, 7});
  node.partition().unfollow(ada, {8, 2});
  // Then the others go on.
  node.add("player/ada", 1, 1);
  node.add("player/bo", 2, 2);
  node.settle();
  ASSERT_THAT(node.deliveries[9], SizeIs(2));
  EXPECT_THAT((std::set{node.deliveries[9][0].follow, node.deliveries[9][1].follow}), ::testing::ElementsAre(2u, 3u));
  // And end, one with its session.
  node.partition().unfollow(ada, {9, 2});
  node.partition().unfollow(9);
  node.add("player/ada", 3, 3);
  node.add("player/bo", 4, 4);
  node.settle();
  EXPECT_THAT(node.deliveries[9], SizeIs(2));
}

TEST(Partition, P2ForgetsAClientsWindowOnlyBeyondTheHorizon) {
  Limits limits;
  limits.deduplication_horizon = std::chrono::hours(1);
  OnePartition node(limits);
  node.add("counter/a", 1, 1);
  node.settle();
  node.now += 3'000'000;  // 50 minutes.
  node.pass_time(std::chrono::seconds(12));
  node.add("counter/a", 1, 1);
  node.settle();
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(1));
  node.now += 4'000'000;
  node.pass_time(std::chrono::seconds(12));
  node.add("counter/a", 1, 1);
  node.settle();
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(2));
}

TEST(Partition, P5ANewBehaviourVersionIsComputedFromHistoryWithoutRepeatingEmissions) {
  Limits limits;
  OnePartition node(limits, 1);
  for (Sequence s = 1; s <= 3; ++s) node.add("counter/a", s, s, "ada");
  node.settle();
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(2));
  // What a newer program would find on the same disk.
  auto fold = Fold::open({EntityId::trusted("counter/a"), 1, limits}, testing::counter_behaviour(2), node.store());
  ASSERT_TRUE(fold.ok());
  fold->catch_up(3);
  const auto outcome = fold->step(100);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(fold->state_json(), R"({"events":3,"sum":6})");
  EXPECT_THAT(outcome->emissions, IsEmpty());
}

// Goal: a rebuild that is interrupted begins again, rather than at a state with the emission counters of a later one: what comes
// after would have numbers that its targets wait for in vain.
TEST(Partition, P5ARebuildSavesNothingBeforeItIsWhereTheOldSnapshotWas) {
  // Given a hub that has emitted, with a snapshot at its end.
  Limits limits;
  limits.events_per_snapshot = 10;
  OnePartition node(limits, 1);
  for (Sequence s = 1; s <= 55; ++s) node.add("counter/a", s, s, "ada");
  node.settle();
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  // When a newer version computes it anew, in steps.
  auto fold = Fold::open({EntityId::trusted("counter/a"), 1, limits}, testing::counter_behaviour(2), node.store());
  ASSERT_TRUE(fold.ok());
  fold->catch_up(55);
  std::vector<Snapshot> saved;
  for (bool more = true; more;) {
    const auto outcome = fold->step(7);
    ASSERT_TRUE(outcome.ok());
    more = outcome->more;
    if (outcome->snapshot) saved.push_back(*outcome->snapshot);
  }
  // Then it saves its state at the end.
  if (const auto snapshot = fold->final_snapshot()) saved.push_back(*snapshot);
  ASSERT_THAT(saved, SizeIs(1));
  EXPECT_EQ(saved[0].offset, 55u);
  EXPECT_EQ(saved[0].emissions.at(0).sequence, 55u);
}

TEST(Partition, P6ARebuildPassesOverOldEventsOfATypeThatIsNoMore) {
  // Given a hub with a snapshot, behind events of two types,
  Limits limits;
  OnePartition node(limits, 1);
  node.add("counter/a", 1, 1);
  node.publish("counter/a", "pass", R"({"to":"counter/b","amount":1,"player":""})", 2);
  node.add("counter/a", 2, 3);
  node.settle();
  node.rest_idle_hubs();
  node.pass_time(std::chrono::seconds(12));
  // and one of the second type after it.
  node.publish("counter/a", "pass", R"({"to":"counter/b","amount":1,"player":""})", 4);
  node.settle();
  // When a newer version has no handler for that type any more,
  const auto newer = Behaviour::of<testing::Count>("counter", 2).on<testing::Add>();
  auto fold = Fold::open({EntityId::trusted("counter/a"), 1, limits}, newer, node.store());
  ASSERT_TRUE(fold.ok());
  fold->catch_up(4);
  const auto outcome = fold->step(100);
  // then those that were handled are passed over, and the one that was not yet, by the snapshot, is for a person to decide.
  ASSERT_TRUE(outcome.ok());
  ASSERT_TRUE(outcome->failure);
  EXPECT_EQ(outcome->failure->offset, 4u);
  EXPECT_EQ(fold->folded(), 3u);
  EXPECT_EQ(fold->state_json(), R"({"events":2,"sum":3})");
}

}  // namespace
}  // namespace carillon::runtime
