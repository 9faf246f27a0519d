// Against a real etcd.
#include "cluster/etcd_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/cluster/etcd_test.h"

namespace carillon::cluster {
namespace {

using carillon::testing::free_port;
using carillon::testing::RunningEtcd;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

class EtcdClientTest : public EtcdTest {
 protected:
  // The values of the watch's next changes, until there are that many.
  std::vector<std::string> values(EtcdWatch& watch, std::size_t count) {
    std::vector<std::string> values;
    while (values.size() < count)
      for (const auto& change : wait(watch.next()).changes)
        values.push_back(change.erased ? "erased" : change.entry.value);
    return values;
  }
};

TEST_F(EtcdClientTest, ReadsWhatItWroteWhateverTheBytes) {
  const std::string value("\0\xff\"\n", 4);
  const auto revision = written(client_->put("/a/1", value));
  written(client_->put("/a/2", ""));
  written(client_->put("/b", "not asked for"));
  const auto one = wait(client_->get("/a/1"));
  ASSERT_TRUE(one.ok()) << one.error().message;
  EXPECT_THAT(one->entries, ElementsAre(EtcdEntry{"/a/1", value, revision, 0}));
  const auto range = wait(client_->range("/a/"));
  ASSERT_TRUE(range.ok()) << range.error().message;
  EXPECT_THAT(range->entries, ElementsAre(Field(&EtcdEntry::key, "/a/1"), Field(&EtcdEntry::key, "/a/2")));
  EXPECT_EQ(range->revision, revision + 2);
}

TEST_F(EtcdClientTest, P8OfTwoWhoSwapOneWinsAndTheOtherIsToldWhatStandsThere) {
  // Given two clients that have read the same.
  EtcdClient other(network(), timer(), {etcd_->endpoint()}, kTimeouts);
  const auto before = written(client_->create("/epoch", "1"));
  // When both swap at once.
  auto mine = client_->swap("/epoch", before, "mine").eagerlyEvaluate(nullptr);
  auto theirs = other.swap("/epoch", before, "theirs").eagerlyEvaluate(nullptr);
  const auto first = wait(kj::mv(mine)), second = wait(kj::mv(theirs));
  // Then exactly one has done it.
  ASSERT_NE(first.done(), second.done());
  const auto& winner = first.done() ? first : second;
  const auto& loser = first.done() ? second : first;
  ASSERT_TRUE(loser.lost()) << loser.error.message;
  ASSERT_TRUE(loser.current);
  EXPECT_EQ(loser.current->value, first.done() ? "mine" : "theirs");
  EXPECT_EQ(loser.current->modified, winner.revision);
}

TEST_F(EtcdClientTest, CreatesAndErasesOnlyWhatIsThere) {
  const auto created = written(client_->create("/a", "1"));
  EXPECT_TRUE(wait(client_->create("/a", "2")).lost());
  const auto changed = written(client_->swap("/a", created, "3"));
  EXPECT_TRUE(wait(client_->erase_if("/a", created)).lost());
  written(client_->erase_if("/a", changed));
  const auto lost = wait(client_->swap("/a", changed, "4"));
  EXPECT_TRUE(lost.lost());
  EXPECT_FALSE(lost.current);
  written(client_->erase("/a"));
}

TEST_F(EtcdClientTest, WhatIsBoundToALeaseGoesWithIt) {
  const auto lease = wait(client_->grant_lease(std::chrono::seconds(1)));
  ASSERT_TRUE(lease.ok()) << lease.error().message;
  written(client_->put("/here", "yes", *lease));
  auto watch = client_->watch("/here");
  EXPECT_THAT(wait(watch->next()).entries, ElementsAre(Field(&EtcdEntry::lease, *lease)));
  // When nobody renews it.
  EXPECT_THAT(values(*watch, 1), ElementsAre("erased"));
  // Then it cannot be renewed or used any more, and ending it again is no error.
  const auto renewed = wait(client_->keep_alive(*lease));
  ASSERT_TRUE(renewed.ok()) << renewed.error().message;
  EXPECT_FALSE(*renewed);
  EXPECT_EQ(wait(client_->put("/here", "again", *lease)).kind, WriteOutcome::Kind::kUnknown);
  EXPECT_TRUE(wait(client_->revoke_lease(*lease)).ok());
}

TEST_F(EtcdClientTest, ALeaseLastsWhileItIsRenewedAndEndsWhenRevoked) {
  const auto lease = wait(client_->grant_lease(std::chrono::seconds(1)));
  ASSERT_TRUE(lease.ok());
  written(client_->put("/here", "yes", *lease));
  const auto until = timer().now() + 2'500 * kj::MILLISECONDS;
  while (timer().now() < until) {
    wait(timer().afterDelay(100 * kj::MILLISECONDS));
    const auto renewed = wait(client_->keep_alive(*lease));
    ASSERT_TRUE(renewed.ok() && *renewed);
  }
  EXPECT_EQ(wait(client_->get("/here"))->entries.size(), 1u);
  EXPECT_TRUE(wait(client_->revoke_lease(*lease)).ok());
  EXPECT_EQ(wait(client_->get("/here"))->entries.size(), 0u);
}

TEST_F(EtcdClientTest, AWatchBeginsWithAllThereIsAndGoesOnFromThere) {
  written(client_->put("/a/1", "one"));
  auto watch = client_->watch("/a/");
  const auto all = wait(watch->next());
  EXPECT_TRUE(all.reset);
  EXPECT_THAT(all.entries, ElementsAre(Field(&EtcdEntry::value, "one")));
  written(client_->put("/b", "of others"));
  written(client_->put("/a/2", "two"));
  written(client_->erase("/a/1"));
  EXPECT_THAT(values(*watch, 2), ElementsAre("two", "erased"));
  // From a revision on: only what came after.
  auto later = client_->watch("/a/", all.revision);
  EXPECT_THAT(values(*later, 2), ElementsAre("two", "erased"));
}

TEST_F(EtcdClientTest, AWatchMissesNothingWhenItsPromiseIsDroppedOrEtcdRestarts) {
  auto watch = client_->watch("/a/");
  wait(watch->next());
  {
    auto dropped = watch->next().eagerlyEvaluate(nullptr);
    wait(timer().afterDelay(20 * kj::MILLISECONDS));
  }
  written(client_->put("/a/1", "before"));
  EXPECT_THAT(values(*watch, 1), ElementsAre("before"));
  // When etcd dies and comes back while the watch waits.
  auto next = watch->next().eagerlyEvaluate(nullptr);
  etcd_->kill();
  wait(timer().afterDelay(100 * kj::MILLISECONDS));  // It tries in vain meanwhile.
  etcd_->start();
  written(client_->put("/a/1", "after"));
  const auto batch = wait(kj::mv(next));
  EXPECT_FALSE(batch.reset);
  ASSERT_EQ(batch.changes.size(), 1u);
  EXPECT_EQ(batch.changes[0].entry.value, "after");
}

TEST_F(EtcdClientTest, AWatchWhoseHistoryWasCompactedAwayReadsAllAnew) {
  auto watch = client_->watch("/a/");
  const auto begin = wait(watch->next()).revision;
  // Given changes that were compacted away before the watch could see them.
  written(client_->put("/a/1", "one"));
  written(client_->put("/a/2", "two"));
  const auto last = written(client_->erase("/a/1"));
  ASSERT_TRUE(wait(client_->compact(last)).ok());
  auto late = client_->watch("/a/", begin);
  const auto batch = wait(late->next());
  EXPECT_TRUE(batch.reset);
  EXPECT_THAT(batch.entries, ElementsAre(Field(&EtcdEntry::value, "two")));
  // Then it goes on as ever.
  written(client_->put("/a/3", "three"));
  EXPECT_THAT(values(*late, 1), ElementsAre("three"));
}

TEST_F(EtcdClientTest, AnEtcdThatLostItsDataIsReadAnew) {
  written(client_->put("/a/1", "one"));
  written(client_->put("/a/2", "two"));
  auto watch = client_->watch("/a/");
  wait(watch->next());
  etcd_->wipe();
  etcd_->start();
  const auto batch = wait(watch->next());
  EXPECT_TRUE(batch.reset);
  EXPECT_TRUE(batch.entries.empty());
}

TEST_F(EtcdClientTest, TakesTheNextEndpointWhenOneIsGoneOrHangs) {
  RunningEtcd hanging;
  EtcdClient client(network(), timer(),
                    {"127.0.0.1:" + std::to_string(free_port()), hanging.endpoint(), etcd_->endpoint()}, kTimeouts);
  hanging.freeze();
  const auto range = wait(client.range("/"));
  EXPECT_TRUE(range.ok()) << range.error().message;
  hanging.thaw();
}

TEST_F(EtcdClientTest, AWatchLeavesAnEndpointThatHangs) {
  // Given a watch at an etcd that then hangs, its connections open; and another one (here: with other data).
  auto first = std::make_unique<RunningEtcd>();
  EtcdClient client(network(), timer(), {first->endpoint(), etcd_->endpoint()}, kTimeouts);
  auto watch = client.watch("/a/");
  wait(watch->next());
  auto next = watch->next().eagerlyEvaluate(nullptr);
  wait(timer().afterDelay(50 * kj::MILLISECONDS));
  first->freeze();
  // Then it hears of what happens there.
  written(client_->put("/a/1", "elsewhere"));
  written(client_->put("/a/2", "elsewhere"));
  const auto batch = wait(kj::mv(next));
  EXPECT_TRUE(batch.reset || !batch.changes.empty());
  first->thaw();
}

TEST_F(EtcdClientTest, AWriteWhoseAnswerDoesNotComeIsUnknown) {
  EtcdClient client(network(), timer(), {etcd_->endpoint()}, kTimeouts);
  etcd_->freeze();
  const auto outcome = wait(client.put("/a", "1"));
  EXPECT_EQ(outcome.kind, WriteOutcome::Kind::kUnknown);
  EXPECT_EQ(outcome.error.code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(outcome.error.message, HasSubstr("did not answer in time"));
  etcd_->thaw();
}

TEST_F(EtcdClientTest, AWriteThatReachedNoEtcdWasNotSent) {
  EtcdClient client(network(), timer(), {"127.0.0.1:" + std::to_string(free_port())}, kTimeouts);
  const auto outcome = wait(client.put("/a", "1"));
  EXPECT_EQ(outcome.kind, WriteOutcome::Kind::kNotSent);
  EXPECT_THAT(outcome.error.message, HasSubstr("cannot be reached"));
  // But one that found an etcd at one of two may have arrived.
  etcd_->freeze();
  EtcdClient other(network(), timer(), {"127.0.0.1:" + std::to_string(free_port()), etcd_->endpoint()}, kTimeouts);
  EXPECT_EQ(wait(other.put("/a", "1")).kind, WriteOutcome::Kind::kUnknown);
  etcd_->thaw();
}

TEST_F(EtcdClientTest, SaysWhenThereIsNoEtcd) {
  const auto message_of = [&](const std::string& endpoint) {
    EtcdClient client(network(), timer(), {endpoint}, kTimeouts);
    const auto answer = wait(client.get("/a"));
    EXPECT_FALSE(answer.ok());
    return answer.ok() ? "" : answer.error().message;
  };
  EXPECT_THAT(message_of("127.0.0.1:" + std::to_string(free_port())), HasSubstr("cannot be reached"));

  // Whoever answers with this instead.
  const auto message_for = [&](std::string garbage) {
    auto address = network().parseAddress("127.0.0.1").wait(io_.waitScope);
    auto port = address->listen();
    kj::Own<kj::AsyncIoStream> peer;
    auto serving = port->accept()
                       .then([&](kj::Own<kj::AsyncIoStream> stream) {
                         peer = kj::mv(stream);
                         return peer->write(garbage.data(), garbage.size());
                       })
                       .then([&] { peer->shutdownWrite(); })
                       .eagerlyEvaluate(nullptr);
    return message_of("127.0.0.1:" + std::to_string(port->getPort()));
  };
  EXPECT_THAT(message_for("SSH-2.0-OpenSSH_9.2\r\n\r\n"), HasSubstr("no etcd"));
  EXPECT_THAT(message_for("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"), HasSubstr("no etcd"));
  EXPECT_THAT(message_for("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), HasSubstr("no etcd"));
  EXPECT_THAT(message_for("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), HasSubstr("closed the connection"));
  EXPECT_THAT(message_for(""), HasSubstr("closed the connection"));
  EXPECT_THAT(message_for(std::string(1'000'000, 'x')), HasSubstr("no etcd"));
}

TEST(EtcdEndpoints, AreUrlsOfHostAndPort) {
  const auto good = EtcdClient::parse_endpoints("http://a:2379,http://[::1]:1/");
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_THAT(*good, ElementsAre("a:2379", "[::1]:1"));
  for (const auto* text : {"", "a:1", "http://", "http://a", "http://a:", "http://a:0", "http://a:70000", "http://a:1x",
                           "http://a:1/v3", "http://a:1,", "https://a:1", "http://u@a:1"})
    EXPECT_FALSE(EtcdClient::parse_endpoints(text).ok()) << text;
}

}  // namespace
}  // namespace carillon::cluster
