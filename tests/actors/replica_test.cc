// A replica's actor and the partition above it, whose journal, etcd and clock a test plays: what happens around a copy that cannot
// be read. The protocol itself is tested with cluster::Replica.
#include "actors/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/key.h"
#include "tests/support/counting_hub.h"
#include "tests/support/eventually.h"
#include "tests/support/stepped_actors.h"
#include "tests/support/store_on.h"

namespace carillon::actors {
namespace {

using namespace std::chrono_literals;

constexpr PartitionId kPartition{0};

class Copy : public ::testing::Test {
 protected:
  Copy() {
    // Three batches, of which the one in the middle is missing.
    for (const std::uint64_t batch : {1, 3}) write_witness(batch);
  }
  ~Copy() override {
    for (const auto& actor : actors_to_end_) actors_.end(actor);
    env_.settle();
  }

  void write_witness(std::uint64_t batch) {
    runtime::WriteSet writes;
    writes.put(runtime::batch_key(kPartition, runtime::Tag::kProgress, batch), {});
    CHECK(store_->write(writes).ok());
  }
  PartitionOptions partition_options() {
    return {{kPartition, 1, testing::counter_catalogue(), {}, {}}, store_, journal(), {}, {}};
  }
  // Writes at once.
  caf::actor journal() {
    return ending(actors_.system().spawn([store = store_](caf::event_based_actor*) {
      return caf::behavior{[store](Commit& commit) {
        CHECK(store->write(commit.writes, commit.sync).ok());
        caf::anon_send(commit.reply_to, Committed{});
      }};
    }));
  }
  // Of the node ant.
  ReplicaOptions replica_options() {
    std::vector<std::unique_ptr<Standing>> standings;
    standings.push_back(std::make_unique<Standing>());
    return {{kPartition, {"ant", "s1"}, 1, {}, {}},
            partition_options(),
            journal(),
            std::make_shared<const std::vector<std::unique_ptr<Standing>>>(std::move(standings)),
            [](PartitionId, const cluster::Proposal&) {}};
  }
  Partitions routes() {
    return std::make_shared<std::vector<caf::actor>>(
        std::vector{ending(actors_.listener<Serving, RestartHubs>([](const auto&) {}))});
  }
  caf::actor ending(caf::actor actor) {
    actors_to_end_.push_back(actor);
    return actor;
  }

  testing::FaultyEnv env_;
  std::shared_ptr<runtime::Store> store_ = testing::store_on(env_);
  testing::SteppedActors actors_;
  std::vector<caf::actor> actors_to_end_;
};

TEST_F(Copy, APartitionThatCannotBeReadIsLoadedOnceItCan) {
  // Given a node that is alone, and another of its partitions.
  auto options = partition_options();
  int unreadable = 0, reloaded = 0, restarts = 0;
  options.unreadable = [&](const Error&) { ++unreadable; };
  options.reloaded = [&](PartitionId, std::uint64_t) { ++reloaded; };
  const auto other = ending(actors_.listener<RestartHubs>([&](RestartHubs) { ++restarts; }));
  const auto actor = ending(actors_.system().spawn(partition, std::move(options)));
  actors_.tell(actor, Peers{std::make_shared<std::vector<caf::actor>>(std::vector{actor, other})});
  actors_.pass(30s);
  EXPECT_GT(unreadable, 1);
  // When it can be read again,
  write_witness(2);
  actors_.pass(10s);
  // then it answers, and others send again what it has not taken.
  std::optional<Result<runtime::Partition::Inspection>> inspected;
  actors_.tell(actor, InspectEntity{EntityId::trusted("player/ada"), [&](auto answer) { inspected = answer; }});
  ASSERT_TRUE(inspected);
  EXPECT_TRUE(inspected->ok());
  EXPECT_GT(restarts, 0);
  EXPECT_GT(reloaded, 0);
}

class NotedAnswers final : public SessionHost {
 public:
  void published(runtime::Published answer) override { answers.push_back(std::move(answer)); }
  void following(runtime::SessionId, Following) override {}
  void committed(std::vector<News>, Clock::time_point) override {}
  void reloaded(runtime::SessionId, PartitionId) override {}

  std::vector<runtime::Published> answers;
};

TEST_F(Copy, P1APartitionThatCannotBeReadRefusesNothingButItsPartOfACall) {
  // Given a call of which the second event is for a partition that cannot be read.
  const auto actor = ending(actors_.system().spawn(partition, partition_options()));
  actors_.tell(actor, Peers{std::make_shared<std::vector<caf::actor>>(std::vector{actor})});
  const auto session = std::make_shared<NotedAnswers>();
  actors_.tell(actor, SessionOpened{1, session});
  runtime::PublishRequest request{1, 7, {}};
  request.items.push_back(
      {1, EntityId::trusted("player/ada"),
       Event{.type = "note", .payload = "{}", .producer = *ProducerId::client("tester"), .sequence = 1}});
  // When that is published, then the answer is to this one.
  actors_.tell(actor, Publish{std::move(request), 0});
  ASSERT_EQ(session->answers.size(), 1u);
  EXPECT_EQ(session->answers[0].first_index, 1u);
  ASSERT_EQ(session->answers[0].refusals.size(), 1u);
  EXPECT_EQ(session->answers[0].refusals[0].index, 1u);
}

TEST_F(Copy, WhatAStrangerHadNotErasedWhenItStoppedGoesAfterTheStart) {
  // Given a node that stopped in the middle of erasing what it is to have no longer.
  auto log = std::move(cluster::Log::open(kPartition, {}, *store_).value());
  log.begin_install(0, 0);
  CHECK(store_->write(log.take_write()->writes).ok());
  cluster::PartitionRecord record;
  record.epoch = 2;
  record.primary = {"bee", "s2"};
  record.in_sync = {record.primary};
  record.replicas = {"bee"};
  auto options = replica_options();
  options.replica.timeouts.discard_after = 1ms;
  const auto actor = ending(actors_.system().spawn(replica, std::move(options)));
  actors_.tell(actor, Peers{routes()});
  actors_.tell(actor, RecordChanged{record, 1});
  // When it is there for a while, then all of that goes.
  const auto is_gone = [&] {
    actors_.tell(actor, TickDue{});
    const auto witness = store_->get(runtime::batch_key(kPartition, runtime::Tag::kProgress, 3));
    return witness.ok() && !witness->has_value();
  };
  EXPECT_TRUE(testing::eventually(20s, is_gone));
  actors_.tell(actor, Stop{});
}

TEST_F(Copy, AnUnreadableOneJoinsAgainOnceItCanBeRead) {
  // Given a replica that is alone in sync, and whose copy cannot be read.
  cluster::PartitionRecord record;
  record.epoch = 1;
  record.primary = {"ant", "s1"};
  record.in_sync = {record.primary};
  record.replicas = {"ant"};
  std::vector<cluster::Proposal> proposals;
  auto options = replica_options();
  options.propose = [&](PartitionId, cluster::Proposal proposal) { proposals.push_back(std::move(proposal)); };
  const auto actor = ending(actors_.system().spawn(replica, std::move(options)));
  actors_.tell(actor, Peers{routes()});
  std::uint64_t revision = 1;
  actors_.tell(actor, RecordChanged{record, revision});
  const auto stats = [&] {
    ReplicaStats now;
    actors_.tell(actor, AskReplica{[&](ReplicaStats answer) { now = std::move(answer); }});
    return now;
  };
  // The protocol has a clock of its own, which is real.
  const auto until = [&](auto holds) {
    return testing::eventually(20s, [&] {
      actors_.pass(100ms);
      actors_.tell(actor, TickDue{});
      for (auto& proposal : std::exchange(proposals, {}))
        actors_.tell(actor, ProposalAnswered{proposal.number, cluster::Replica::Swap::kWon, ++revision});
      return holds(stats());
    });
  };
  ASSERT_TRUE(until([](const ReplicaStats& now) { return now.unreadable; }));
  actors_.pass(30s);
  EXPECT_TRUE(stats().unreadable);
  // When it can be read again, then it leads as before.
  write_witness(2);
  EXPECT_TRUE(until([](const ReplicaStats& now) { return now.ready && !now.unreadable; }));
  actors_.tell(actor, Stop{});
}

TEST_F(Copy, P1ABackupWithAHoleIsFoundBeforeItIsNeeded) {
  // Given a backup that is in sync, in whose copy a batch is missing.
  cluster::PartitionRecord record;
  record.epoch = 1;
  record.primary = {"bee", "s2"};
  record.in_sync = {record.primary, {"ant", "s1"}};
  record.replicas = {"ant", "bee"};
  const auto actor = ending(actors_.system().spawn(replica, replica_options()));
  actors_.tell(actor, Peers{routes()});
  actors_.tell(actor, RecordChanged{record, 1});
  const auto is_unreadable = [&] {
    actors_.tell(actor, TickDue{});
    bool unreadable = false;
    actors_.tell(actor, AskReplica{[&](const ReplicaStats& now) { unreadable = now.unreadable; }});
    return unreadable;
  };
  // When it looks what is due, then it says so, and is not waited for any more.
  EXPECT_TRUE(is_unreadable());
  // When it can be read again, then it is a copy like others.
  write_witness(2);
  EXPECT_TRUE(testing::eventually(20s, [&] {
    actors_.pass(10s);
    return !is_unreadable();
  }));
  actors_.tell(actor, Stop{});
}

}  // namespace
}  // namespace carillon::actors
