// Who is there, when a node takes its clients with it and does not come back.
#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_cluster.h"
#include "tests/support/running_etcd.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;

TEST(PresenceInACluster, WhoWasConnectedToANodeThatVanishedHasLeft) {
  SKIP_WITHOUT_ETCD();
  RunningCluster cluster({.arguments = {"--presence-grace", "500"}});
  cluster.await_in_sync();
  const auto connections = [&](std::string_view player) {
    const auto body = http_get(cluster.node(1).http_address(), "/entities/presence/" + std::string(player)).body;
    std::size_t count = 0;
    for (auto at = body.find("gateway/"); at != std::string::npos; at = body.find("gateway/", at + 1)) ++count;
    return count;
  };
  const auto follow = [](WebSocket& socket, std::string_view player) {
    return socket.say(R"({"follow":{"id":1,"from":1,"present":true,"entity":"player/)" + std::string(player) + "\"}}");
  };
  // Given somebody who is connected to one node, and somebody who is connected to two,
  WebSocket ada(cluster.node(0).http_address()), bo(cluster.node(0).http_address()),
      bo_elsewhere(cluster.node(2).http_address());
  ASSERT_TRUE(follow(ada, "ada") && follow(bo, "bo") && follow(bo_elsewhere, "bo"));
  ASSERT_TRUE(eventually(10s, [&] { return connections("ada") == 1 && connections("bo") == 2; }));
  // when the first node dies and stays away,
  cluster.kill(0);
  // then the one has left, and the other is still there.
  EXPECT_TRUE(eventually(60s, [&] { return connections("ada") == 0; }));
  EXPECT_TRUE(eventually(10s, [&] { return connections("bo") == 1; }));
}

TEST(PresenceInACluster, WhoIsConnectedToANodeThatWasTakenForVanishedIsHereAgain) {
  SKIP_WITHOUT_ETCD();
  RunningCluster cluster({.arguments = {"--presence-grace", "500"}});
  cluster.await_in_sync();
  const auto asked = [&] { return http_get(cluster.node(1).http_address(), "/entities/presence/ada").body; };
  const auto is_here = [&] { return asked().find("gateway/") != std::string::npos; };
  const auto is_gone = [&] {
    const auto answer = asked();
    return answer.find("\"state\"") != std::string::npos && answer.find("gateway/") == std::string::npos;
  };
  // Given somebody who is connected to a node that stands still until the others take it for vanished.
  WebSocket ada(cluster.node(0).http_address());
  const auto follow = [&] { return ada.say(R"({"follow":{"id":1,"from":1,"present":true,"entity":"player/ada"}})"); };
  ASSERT_TRUE(follow());
  ASSERT_TRUE(eventually(10s, is_here)) << asked();
  cluster.freeze(0);
  ASSERT_TRUE(eventually(60s, is_gone)) << asked();
  // When it goes on, then that player is here; a follow that has ended meanwhile is begun again, as clients do.
  cluster.thaw(0);
  const auto is_here_again = [&] { return (ada.hear("ended", 1ms).empty() || follow()) && is_here(); };
  EXPECT_TRUE(eventually(30s, is_here_again)) << asked() << cluster.node(0).last_words();
}

}  // namespace
}  // namespace carillon::testing
