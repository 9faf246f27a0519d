// Real nodes that are killed, stopped, drained and wiped under load: clients keep a ledger, and it must balance.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "runtime/key.h"
#include "runtime/store.h"
#include "tests/cluster_nodes/load.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_etcd.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kHub = "hunt/0";  // One of the load's.

class FailOver : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_ETCD(); }

  // Lets the load go on for a while.
  static void go_on(client::Session& session, std::chrono::milliseconds time) {
    session.wait_at_most(time, kj::Promise<void>(kj::NEVER_DONE));
  }
};

TEST_F(FailOver, P1P2P3AKilledPrimaryTakesNothingWithItAndComesBack) {
  RunningCluster cluster;
  under_load(cluster, [&] {
    for (int round = 0; round < 2; ++round) {
      // Given a primary that is killed under load,
      const auto primary = cluster.primary_of(kHub);
      cluster.kill(primary);
      // when another one takes over, and the killed one comes back,
      cluster.await_successor(kHub, primary);
      cluster.start(primary);
      cluster.await_in_sync();
    }
  });  // then the ledger balances.
}

TEST_F(FailOver, P1P2P3DrainingAndRestartingEveryNodeInTurnRefusesNothing) {
  RunningCluster cluster;
  under_load(cluster, [&] {
    for (std::size_t node = 0; node < cluster.processes().size(); ++node) {
      cluster.stop(node);
      cluster.start(node);
      cluster.await_in_sync();
    }
  });
}

TEST_F(FailOver, P1P2P3WithoutEtcdEverythingGoesOnAndAfterwardsReconfigurationWorksAgain) {
  RunningCluster cluster;
  under_load(cluster, [&] {
    // Given that etcd is away for longer than any lease,
    cluster.processes().etcd().kill();
    go_on(cluster.session(), 4s);
    const auto started = cluster.processes().etcd().start();
    ASSERT_TRUE(started.ok()) << started.error().message;
    // when a primary is killed then,
    const auto primary = cluster.primary_of(kHub);
    cluster.kill(primary);
    // another one takes over all the same.
    cluster.await_successor(kHub, primary);
    cluster.start(primary);
    cluster.await_in_sync();
  });
}

TEST_F(FailOver, P1P7ANodeThatWasSilentWhileThereIsNoEtcdIsWaitedForNoLonger) {
  constexpr const char* kEntity = "player/ada";
  RunningCluster cluster;
  auto& session = cluster.session();
  Sequence sequence = 0;
  // Given no etcd, and a primary that is silent for so long that others would follow it if they could,
  const auto primary = cluster.primary_of(kEntity);
  cluster.processes().etcd().kill();
  cluster.freeze(primary);
  go_on(session, 2s);
  // when it wakes,
  cluster.thaw(primary);
  // then every node accepts and shows events again, still without an etcd.
  for (std::size_t node = 0; node < cluster.processes().size(); ++node) {
    ASSERT_TRUE(session.connect(cluster.node(node).address()).ok());
    const client::Publication event{kEntity, "note", "{}", ++sequence};
    EXPECT_TRUE(eventually(10s,
                           [&] {
                             const auto answer = session.publish("writer", {&event, 1});
                             // It may have been stored though nobody could say so.
                             return answer.ok() && answer->getAccepted() + answer->getDuplicates() == 1;
                           }))
        << "node " << node;
    EXPECT_TRUE(eventually(10s,
                           [&] {
                             const auto page = session.read(kEntity, 1, 10);
                             return page.ok() && page->getLastOffset() == sequence;
                           }))
        << "node " << node;
  }
  // And when there is one again, all is as before.
  ASSERT_TRUE(cluster.processes().etcd().start().ok());
  cluster.await_in_sync();
}

TEST_F(FailOver, P1AWipedNodeComesBackAsAStrangerAndIsBroughtInSync) {
  RunningCluster cluster;
  const auto stores = [&] {
    std::set<std::string> found;
    const auto all = cluster.processes().records();
    if (all.ok())
      for (const auto& [partition, record] : *all)
        for (const auto& replica : record.in_sync)
          if (replica.node == cluster.processes().name(1)) found.insert(replica.store);
    return found;
  };
  const auto before = stores();
  ASSERT_EQ(before.size(), 1u);
  under_load(cluster, [&] {
    go_on(cluster.session(), 500ms);
    cluster.kill(1);
    cluster.await_left_out(1);
    cluster.processes().wipe(1);
    cluster.start(1);
    cluster.await_in_sync();
  });
  // Another store is in sync under the same name,
  const auto after = stores();
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NE(*after.begin(), *before.begin());
  // and has everything: it alone is asked, when it is the primary of all that the others have left.
  cluster.kill(0);
  cluster.await_left_out(0);
  ASSERT_TRUE(cluster.session().connect(cluster.node(1).address()).ok());
  for (int hub = 0; hub < 8; ++hub) {
    const auto inspected = cluster.session().inspect("hunt/" + std::to_string(hub));
    ASSERT_TRUE(inspected.ok()) << inspected.error().message;
    EXPECT_GT(inspected->getInspection().getLastOffset(), 0u);
  }
}

TEST_F(FailOver, P1WhatAPrimaryCannotReadIsServedByAnother) {
  constexpr const char* kEntity = "player/ada";
  constexpr std::uint16_t kPartitions = 8;
  const auto of_ada = EntityId::parse(kEntity)->partition_of(kPartitions);
  RunningCluster cluster({.partitions = kPartitions});
  auto& session = cluster.session();
  const auto published = [&](std::size_t node, Sequence sequence) {
    const client::Publication event{kEntity, "note", "{}", sequence};
    return eventually(20s, [&] {
      if (!session.connected() && !session.connect(cluster.node(node).address()).ok()) return false;
      const auto answer = session.publish("writer", {&event, 1});
      return answer.ok() && answer->getAccepted() + answer->getDuplicates() == 1;
    });
  };
  constexpr Sequence kBefore = 20;
  for (Sequence sequence = 1; sequence <= kBefore; ++sequence) ASSERT_TRUE(published(0, sequence));
  // Given a node whose disk has lost one of a partition's batches, while it was away, and not of the last, which it applies anew,
  const auto broken = cluster.primary_of(kEntity);
  cluster.kill(broken);
  cluster.await_successor(kEntity, broken);
  {
    auto store = runtime::Store::open({.directory = cluster.processes().node(broken).data_directory()});
    ASSERT_TRUE(store.ok()) << store.error().message;
    runtime::WriteSet loss;
    loss.erase(runtime::batch_key(of_ada, runtime::Tag::kProgress, 2));
    ASSERT_TRUE((*store)->write(loss).ok());
  }
  cluster.start(broken);
  // when all primaries are to be there,
  const auto other = (broken + 1) % 3;
  ASSERT_TRUE(session.connect(cluster.node(other).address()).ok());
  for (const auto node : {other, (broken + 2) % 3})
    ASSERT_TRUE(session.drain(cluster.processes().name(node), wire::Drain::PRIMARIES).ok());
  // then that one goes to somebody who can read it,
  EXPECT_TRUE(eventually(30s, [&] {
    const auto records = cluster.processes().records();
    if (!records.ok()) return false;
    const auto has = [&](const cluster::PartitionRecord& record) {
      return std::ranges::any_of(record.in_sync,
                                 [&](const auto& copy) { return copy.node == cluster.processes().name(broken); });
    };
    return std::ranges::all_of(*records,
                               [&](const auto& entry) { return has(entry.second) == (entry.first != of_ada); });
  }));
  // the broken one says so, and nothing is lost.
  EXPECT_TRUE(eventually(10s, [&] {
    const auto health = http_get(cluster.node(broken).http_address(), "/healthz").body;
    return health.find("no usable copy here") != std::string::npos;
  }));
  EXPECT_TRUE(published(other, kBefore + 1));
  const auto page = session.read(kEntity, 1, 100);
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->getLastOffset(), kBefore + 1);
}

TEST_F(FailOver, ReadsThatMeetAHandOverAreAnsweredAndNotRefused) {
  constexpr const char* kEntity = "player/ada";
  RunningCluster cluster;
  auto& session = cluster.session();
  ASSERT_TRUE(session.connect(cluster.node(0).address()).ok());
  const client::Publication event{kEntity, "note", "{}", 1};
  ASSERT_TRUE(eventually(10s, [&] {
    const auto answer = session.publish("writer", {&event, 1});
    return answer.ok() && answer->getAccepted() + answer->getDuplicates() == 1;
  }));
  // Given somebody who reads and inspects all the time, through whichever node,
  std::size_t reads = 0;
  const auto read_once = [&](std::size_t node) {
    ++reads;
    if (reads % 20 == 1) {
      ASSERT_TRUE(session.connect(cluster.node(node).address()).ok());
    }
    const auto page = session.read(kEntity, 1, 10);
    ASSERT_TRUE(page.ok()) << page.error().message;
    EXPECT_EQ(page->getLastOffset(), 1u);
    const auto inspected = session.inspect(kEntity);
    ASSERT_TRUE(inspected.ok()) << inspected.error().message;
  };
  for (int round = 0; round < 4; ++round) {
    // when the primary hands over to another node, again and again,
    const auto primary = cluster.primary_of(kEntity);
    const auto name = cluster.processes().name(primary);
    ASSERT_TRUE(session.drain(name, wire::Drain::PRIMARIES).ok());
    EXPECT_TRUE(eventually(10s, [&] {
      for (int i = 0; i < 20; ++i) read_once(reads / 20 % 3);
      return HasFatalFailure() || cluster.primary_of(kEntity) != primary;
    }));
    ASSERT_TRUE(session.drain(name, wire::Drain::NOTHING).ok());
    for (int i = 0; i < 100; ++i) read_once(reads / 20 % 3);
    ASSERT_FALSE(HasFatalFailure());
  }
  // then no read was refused.
  EXPECT_GT(reads, 400u);
}

TEST_F(FailOver, WhatANodeHasCountedStandsWhenItIsPrimaryNoMore) {
  constexpr const char* kEntity = "player/ada";
  constexpr std::uint64_t kEvents = 50;
  RunningCluster cluster;
  auto& session = cluster.session();
  const auto primary = cluster.primary_of(kEntity);
  ASSERT_TRUE(session.connect(cluster.node(primary).address()).ok());
  const auto accepted = [&] {
    const auto stats = session.stats();
    if (!stats.ok()) return std::uint64_t{0};
    for (const auto counter : stats->getStats().getCounters())
      if (std::string_view(counter.getName().cStr()) == "events_accepted_total")
        return static_cast<std::uint64_t>(counter.getValue());
    return std::uint64_t{0};
  };
  // Given a primary that has accepted events,
  std::uint64_t published = 0;
  ASSERT_TRUE(eventually(10s, [&] {
    const client::Publication event{kEntity, "note", "{}", published + 1};
    const auto answer = session.publish("writer", {&event, 1});
    published += answer.ok() && answer->getRefusals().size() == 0;
    return published == kEvents;
  }));
  const auto before = accepted();
  ASSERT_GE(before, kEvents);
  // when another node becomes it, then they still count.
  ASSERT_TRUE(session.drain(cluster.processes().name(primary), wire::Drain::PRIMARIES).ok());
  cluster.await_successor(kEntity, primary);
  EXPECT_TRUE(eventually(5s, [&] { return accepted() >= before; }));
}

// Goal: P8 for a real process that sleeps through its own succession.
// Method: put a publish and reads into the sockets of a stopped primary, so that they are the first that it meets when it wakes.
// Seen to fail without the lease check, in every round; and without the epoch check (a replica follows whoever spoke last), in
// every run.
TEST_F(FailOver, P8AStoppedPrimaryThatWakesAcknowledgesNothingOfItsOwnAndServesNothingOld) {
  constexpr const char* kEntity = "player/ada";
  RunningCluster cluster;
  auto& session = cluster.session();
  Sequence sequence = 0;
  const auto publish = [&](client::Connection& connection, const std::string& producer, Sequence number) {
    const client::Publication event{kEntity, "note", "{}", number};
    return connection.publish(producer, {&event, 1});
  };
  for (int round = 0; round < 5; ++round) {
    SCOPED_TRACE(::testing::Message() << "round " << round);
    cluster.await_in_sync();
    const auto primary = cluster.primary_of(kEntity);
    const auto connect = [&](std::size_t node) {
      auto connected =
          session.wait(client::Connection::connect(session.network(), session.timer(), cluster.node(node).address()));
      EXPECT_TRUE(connected.ok()) << connected.error().message;
      return kj::mv(*connected);
    };
    auto old = connect(primary), other = connect((primary + 1) % 3);
    const auto accepted = [&](Sequence number) {
      const auto answer = session.wait(publish(*other, "writer", number));
      return answer.ok() && answer->getAccepted() == 1;
    };
    // A read that meets a hand-over is refused as unavailable, and asked again.
    const auto last_offset = [&] {
      Offset last = 0;
      EXPECT_TRUE(eventually(10s, [&] {
        const auto page = session.wait(other->read(kEntity, 1, 1'000));
        if (page.ok()) last = page->getLastOffset();
        return page.ok();
      }));
      return last;
    };
    ASSERT_TRUE(eventually(10s, [&] { return accepted(sequence + 1); }));
    ++sequence;
    // Given a primary that is stopped, requests that wait at its door,
    cluster.freeze(primary);
    const auto late = "late " + std::to_string(round);
    auto published = publish(*old, late, 1).eagerlyEvaluate(nullptr);
    auto read = old->read(kEntity, 1, 1'000).eagerlyEvaluate(nullptr);
    auto inspected = old->inspect(kEntity).eagerlyEvaluate(nullptr);
    // and a successor that has accepted something.
    cluster.await_successor(kEntity, primary);
    ASSERT_TRUE(eventually(10s, [&] { return accepted(sequence + 1); }));
    ++sequence;
    // When it wakes at once, while the others still have their links to it,
    cluster.thaw(primary);
    const auto publish_answer = session.wait(kj::mv(published));
    const auto page = session.wait(kj::mv(read));
    const auto inspection = session.wait(kj::mv(inspected));
    // then it has shown what its successor accepted, or nothing,
    const auto shown = [&](const auto& answer, auto last_offset_of) {
      return answer.ok() ? last_offset_of() : sequence;
    };
    EXPECT_GE(shown(page, [&] { return page->getLastOffset(); }), sequence);
    EXPECT_GE(shown(inspection, [&] { return inspection->getInspection().getLastOffset(); }), sequence);
    // and if it said "accepted", its successor has it.
    const bool was_accepted = publish_answer.ok() && publish_answer->getAccepted() == 1;
    if (was_accepted) ++sequence;
    EXPECT_GE(last_offset(), sequence);
    // Of whatever came late, at most this one may still be on its way: it must be known before the next round counts.
    if (!was_accepted) {
      ASSERT_TRUE(eventually(10s, [&] {
        const auto again = session.wait(publish(*other, late, 1));
        return again.ok() && again->getAccepted() + again->getDuplicates() == 1;
      }));
      ++sequence;
    }
    EXPECT_EQ(last_offset(), sequence) << "something is there twice, or missing";
  }
}

}  // namespace
}  // namespace carillon::testing
