// Reminders: a hub's durable timers (P1, P2, P5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/key.h"
#include "runtime/partition.h"
#include "tests/support/one_partition.h"

namespace carillon::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OnePartition;
using ::testing::SizeIs;

constexpr std::chrono::milliseconds kMinute{60'000};

TEST(Reminder, ComesWhenItIsDueAndNotBefore) {
  // Given a hub that wants to be reminded in a minute.
  OnePartition node;
  const auto due = node.now + kMinute.count();
  node.remind("counter/a", "counter/a", due, 5, 1);
  node.settle();
  // When less than that has passed, then nothing came.
  node.pass_time(kMinute - std::chrono::milliseconds(200));
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(1));
  // When it is due, then it is an event of the hub's reminders, accepted now, that the hub has folded.
  node.pass_time(std::chrono::milliseconds(400));
  const auto mailbox = node.mailbox("counter/a");
  ASSERT_THAT(mailbox, SizeIs(2));
  EXPECT_EQ(mailbox[1].producer.text(), "reminder counter/a");
  EXPECT_GE(mailbox[1].accepted_at_ms, due);
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":2,"sum":5})");
  // And it never comes again.
  node.pass_time(kMinute);
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(2));
}

TEST(Reminder, ComesAtOnceWhenItWasDueBefore) {
  OnePartition node;
  node.remind("counter/a", "counter/b", node.now - 1, 5, 1);
  node.remind("counter/a", "counter/b", -7, 5, 2);
  node.settle();
  EXPECT_EQ(node.state_of("counter/b"), R"({"events":2,"sum":10})");
}

TEST(Reminder, ThoseThatAreDueEarlierComeEarlier) {
  // Given reminders that were set in another order than they are due.
  OnePartition node;
  node.remind("counter/a", "player/ada", node.now + 3'000, 3, 1);
  node.remind("counter/b", "player/ada", node.now + 1'000, 1, 2);
  node.remind("counter/a", "player/ada", node.now + 2'000, 2, 3);
  node.settle();
  // When all are due at the same time.
  node.pass_time(std::chrono::milliseconds(5'000));
  // Then they come in the order in which they were due.
  EXPECT_THAT(node.payloads("player/ada"),
              ElementsAre(HasSubstr(R"("amount":1)"), HasSubstr(R"("amount":2)"), HasSubstr(R"("amount":3)")));
}

TEST(Reminder, WaitsForTheNextStartWhenItsNodeIsAboutToStop) {
  // Given a reminder that comes due while its partition finishes what it has.
  OnePartition node;
  node.remind("counter/a", "counter/b", node.now + 1'000, 5, 1);
  node.settle();
  node.partition().finish();
  // When its time comes, then it makes no more work,
  node.pass_time(std::chrono::milliseconds(3'000));
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(0));
  // and it is there after the start.
  node.restart();
  node.pass_time(std::chrono::milliseconds(200));
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(1));
}

TEST(Reminder, P1OutlivesItsNode) {
  // Given a reminder, and a power cut before it is due.
  OnePartition node;
  node.remind("counter/a", "counter/a", node.now + kMinute.count(), 5, 1);
  node.settle();
  node.power_cut();
  // When its time comes while nobody is there, then it comes as soon as there is somebody.
  node.now += 2 * kMinute.count();
  node.pass_time(std::chrono::milliseconds(200));
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":2,"sum":5})");
}

TEST(Reminder, P2ComesOnceWhenTheNodeDiesWhileItComes) {
  // Given a reminder that came due, of which the commit is on its way.
  OnePartition node;
  node.remind("counter/a", "counter/a", node.now + 1'000, 5, 1);
  node.settle();
  node.now += 1'000;
  node.partition().tick(node.now);
  ASSERT_TRUE(node.work());
  // When further time passes before it is durable, and then the node dies and it is not.
  node.now += 1'000;
  node.partition().tick(node.now);
  node.work();
  node.restart();
  node.pass_time(std::chrono::milliseconds(200));
  // Then it came once.
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":2,"sum":5})");
  // And once only when the node dies again behind it, and what the hub has sent before is computed again.
  node.restart();
  node.pass_time(kMinute);
  EXPECT_EQ(node.state_of("counter/a"), R"({"events":2,"sum":5})");
}

TEST(Reminder, P2ComesOnceWhileItsCommitIsUnderWay) {
  OnePartition node;
  node.remind("counter/a", "counter/a", node.now + 1'000, 5, 1);
  node.settle();
  node.now += 1'000;
  for (int ticks = 0; ticks < 3; ++ticks) {
    node.partition().tick(node.now += 100);
    node.work();
  }
  node.settle();
  EXPECT_THAT(node.mailbox("counter/a"), SizeIs(2));
}

TEST(Reminder, P7ManyThatAreDueAtOnceComeInSeveralCommits) {
  // Given more than one commit takes.
  OnePartition node;
  constexpr Sequence kReminders = 600;
  for (Sequence i = 1; i <= kReminders; ++i) node.remind("counter/a", "counter/b", node.now + 1'000, 1, i);
  node.settle();
  const auto before = node.partition().counters().batches;
  // When all are due, then all come, though no further time passes.
  node.pass_time(std::chrono::milliseconds(1'100));
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(kReminders));
  EXPECT_GE(node.partition().counters().batches, before + 3);
  EXPECT_EQ(node.partition().counters().reminders, kReminders);
}

TEST(Reminder, P7NoMoreWaitForACommitThanItTakesHoweverLongThatIs) {
  // Given many that are due, and a disk that does not answer.
  OnePartition node;
  constexpr Sequence kReminders = 900;
  for (Sequence i = 1; i <= kReminders; ++i) node.remind("counter/a", "counter/b", node.now + 1'000, 1, i);
  node.settle();
  // When time passes, then only those of the commit on its way and of the next one are in memory,
  node.now += 1'000;
  for (int ticks = 0; ticks < 20; ++ticks) {
    node.partition().tick(node.now += 100);
    node.work();
  }
  EXPECT_EQ(node.partition().counters().reminders, 2 * 256u);
  // and all of them come once it answers.
  node.settle();
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(kReminders));
}

TEST(Reminder, OneThatCannotBeReadKeepsNoOtherBackAndIsCounted) {
  // Given a reminder that is garbage on disk, and a sound one behind it.
  OnePartition node;
  WriteSet garbage;
  garbage.put(reminder_key({0}, node.now + 500, EntityId::trusted("counter/a"), 77), "not Cap'n Proto");
  ASSERT_TRUE(node.store().write(garbage).ok());
  node.remind("counter/a", "counter/b", node.now + 1'000, 5, 1);
  node.settle();
  // When both are due, then the sound one comes, and the other one is told of.
  node.pass_time(std::chrono::milliseconds(1'200));
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(1));
  EXPECT_GE(node.partition().counters().unreadable, 1u);
}

TEST(Reminder, P7TheyComeAlsoWhileMoreIsPublishedThanCommitsTakeIn) {
  // Given commits that one event fills, many of which wait, and a reminder.
  Limits limits;
  limits.commit_bytes_max = 1;
  OnePartition node(limits);
  node.remind("counter/a", "counter/b", node.now + 500, 5, 1);
  node.settle();
  node.now += 1'000;
  for (Sequence sequence = 1; sequence <= 50; ++sequence) node.publish("player/ada", "note", "{}", sequence);
  // When it is due, then it comes before all of that is stored.
  for (int commits = 0; commits < 20 && node.mailbox("counter/b").empty(); ++commits) {
    node.partition().tick(node.now += 100);
    ASSERT_TRUE(node.work());
    node.commit();
  }
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(1));
  EXPECT_LT(node.mailbox("player/ada").size(), 50u);
}

TEST(Reminder, OneThatIsDamagedKeepsNoOtherBackAndIsCounted) {
  // Given a reminder that is worn out on disk, and a sound one behind it.
  OnePartition node;
  node.damage(reminder_key({0}, node.now + 500, EntityId::trusted("counter/a"), 77));
  node.remind("counter/a", "counter/b", node.now + 1'000, 5, 1);
  node.settle();
  // When both are due, then the sound one comes, and the other one is told of.
  node.pass_time(std::chrono::milliseconds(1'200));
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(1));
  EXPECT_GE(node.partition().counters().unreadable, 1u);
}

TEST(Reminder, P3OneWhoseMailboxCannotBeReadIsNotOvertakenByTheNext) {
  // Given two reminders of one entity and one of another,
  OnePartition node;
  node.remind("counter/a", "counter/b", node.now + 950, 1, 1);
  node.remind("counter/a", "counter/b", node.now + 951, 2, 2);
  node.remind("counter/a", "counter/c", node.now + 952, 3, 3);
  node.settle();
  // When all are due, and the first mailbox cannot be read once,
  bool once = true;
  node.read_fails = [&](auto key) { return key.find("counter/b") != key.npos && std::exchange(once, false); };
  node.pass_time(std::chrono::milliseconds(1'200));
  // then only the other one has come;
  EXPECT_FALSE(once);
  EXPECT_THAT(node.mailbox("counter/b"), SizeIs(0));
  EXPECT_THAT(node.mailbox("counter/c"), SizeIs(1));
  // those come a little later, in the order in which they were due.
  node.pass_time(std::chrono::milliseconds(2'000));
  const auto came = node.mailbox("counter/b");
  ASSERT_THAT(came, SizeIs(2));
  EXPECT_EQ(came[0].sequence, 1u);
  EXPECT_EQ(came[1].sequence, 2u);
}

TEST(Reminder, KeepsTheTraceOfItsCause) {
  OnePartition node;
  const auto trace = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  node.publish("counter/a", "later", to_json(testing::Later{.to = "player/ada", .due = node.now + 1'000, .amount = 1}),
               1, "tester", trace);
  node.settle();
  node.pass_time(std::chrono::milliseconds(1'200));
  EXPECT_EQ(node.mailbox("player/ada").at(0).traceparent, trace);
}

}  // namespace
}  // namespace carillon::runtime
