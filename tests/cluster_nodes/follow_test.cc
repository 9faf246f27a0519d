// Following through a node that does not own what is followed.
#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_cluster.h"
#include "tests/support/running_etcd.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(FollowInACluster, NothingComesOfWhatWasUnfollowedAtAnotherNodesStreamAndItCanBeginAgain) {
  SKIP_WITHOUT_ETCD();
  // Given a stream that another node owns than the one that a WebSocket is connected to.
  RunningCluster cluster;
  cluster.await_in_sync();
  const auto owner = cluster.primary_of("player/ada");
  const auto owners_port = cluster.node(owner).http_address();
  WebSocket socket(cluster.node((owner + 1) % 3).http_address());
  const auto publish = [&](std::string_view note) {
    EXPECT_EQ(http_post(owners_port, "/events/player/ada?type=note", "{\"note\":\"" + std::string(note) + "\"}").status,
              200);
  };
  const auto follow = [](int id, int from) {
    return R"({"follow":{"entity":"player/ada","id":)" + std::to_string(id) + R"(,"from":)" + std::to_string(from) +
           "}}";
  };
  // It is followed twice, and what comes arrives for both.
  ASSERT_TRUE(socket.say(follow(1, 1)));
  ASSERT_THAT(socket.hear("following"), HasSubstr(R"("id":1,)"));
  ASSERT_TRUE(socket.say(follow(2, 1)));
  ASSERT_THAT(socket.hear("following"), HasSubstr(R"("id":2,)"));
  publish("first");
  for (int both = 0; both < 2; ++both) ASSERT_THAT(socket.hear("events"), HasSubstr("first"));
  // When one of them is unfollowed,
  ASSERT_TRUE(socket.say(R"({"unfollow":{"id":1}})"));
  ASSERT_EQ(socket.hear("unfollowed"), R"({"unfollowed":{"id":1}})");
  // then what comes arrives for the other one only: had the first one still been served, each event would come twice.
  for (const auto* note : {"second", "third", "fourth"}) {
    publish(note);
    const auto events = socket.hear("events");
    EXPECT_THAT(events, StartsWith(R"({"events":{"id":2,)"));
    EXPECT_THAT(events, HasSubstr(note));
  }
  // The number is free for another follow, which gets what it missed.
  ASSERT_TRUE(socket.say(follow(1, 2)));
  ASSERT_EQ(socket.hear("following"), R"({"following":{"id":1,"next":2,"last":4}})");
  const auto missed = socket.hear("events");
  EXPECT_THAT(missed, StartsWith(R"({"events":{"id":1,"first":2,)"));
  EXPECT_THAT(missed, HasSubstr("second"));
}

TEST(FollowInACluster, ATraceComesFromOneNodeOverAHubOfTheNextToAPlayerOfAThirdAndOutlivesThem) {
  SKIP_WITHOUT_ETCD();
  // Given an island of one node, a player of another, and a WebSocket at the third that follows the player.
  RunningCluster cluster;
  cluster.await_in_sync();
  const auto players = cluster.primary_of("player/ada");
  std::string island;
  for (int i = 0; island.empty() && i < 1'000; ++i)
    if (cluster.primary_of("island/" + std::to_string(i)) != players) island = "island/" + std::to_string(i);
  ASSERT_FALSE(island.empty());
  const auto third = 3 - players - cluster.primary_of(island);
  WebSocket socket(cluster.node(third).http_address());
  ASSERT_TRUE(socket.say(R"({"follow":{"entity":"player/ada","id":1,"from":1}})"));
  ASSERT_THAT(socket.hear("following"), HasSubstr(R"("id":1,)"));
  // When she lands on the island, in a trace, through the third node,
  const std::string trace = R"("traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")";
  const auto landed =
      R"({"sequence":1,"entity":")" + island + R"(","type":"landed","payload":{"player":"ada"},)" + trace;
  ASSERT_TRUE(socket.say(R"({"publish":{"id":2,"producer":"p","events":[)" + landed + "}]}}"));
  // then what she is told is of that trace,
  EXPECT_THAT(socket.hear("events"), HasSubstr(trace));
  // and is so still when the node that had it first is lost.
  cluster.kill(players);
  cluster.await_successor("player/ada", players);
  const auto is_read = [&](const std::string& entity) {
    return eventually(10s, [&] {
      return http_get(cluster.node(third).http_address(), "/events/" + entity).body.find(trace) != std::string::npos;
    });
  };
  EXPECT_TRUE(is_read("player/ada"));
  EXPECT_TRUE(is_read(island));
}

}  // namespace
}  // namespace carillon::testing
