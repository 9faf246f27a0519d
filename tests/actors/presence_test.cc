// Who is here, through a real node: a player whose socket opens, closes, and dies with the node's process.
#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class PresenceOfPlayers : public ::testing::Test {
 protected:
  void SetUp() override { restart_with_grace("0"); }
  void TearDown() override {
    node.expect_sound();
    node.stop();
  }

  void restart_with_grace(const char* ms) {
    node.stop();
    node.process().set_arguments({"--presence-grace", ms});
    node.start();
  }
  std::string connections_of_ada() {
    const auto body = http_get(node.http(), "/entities/presence/ada").body;
    const auto from = body.find("\"connections\":");
    return from == std::string::npos ? body : body.substr(from, body.find(']', from) + 1 - from);
  }
  bool is_here() { return connections_of_ada().find("gateway/") != std::string::npos; }
  static bool follow(WebSocket& socket, std::string_view entity = "player/ada") {
    return socket.say("{\"follow\":{\"id\":1,\"entity\":\"" + std::string(entity) + "\",\"from\":1,\"present\":true}}");
  }

  RunningNode node;
};

TEST_F(PresenceOfPlayers, LastsAsLongAsTheFollow) {
  WebSocket socket(node.http());
  ASSERT_TRUE(follow(socket));
  EXPECT_TRUE(eventually(10s, [&] { return is_here(); }));
  ASSERT_TRUE(socket.say(R"({"unfollow":{"id":1}})"));
  EXPECT_TRUE(eventually(10s, [&] { return !is_here(); }));
}

TEST_F(PresenceOfPlayers, EndsWithTheLastOfSeveralConnections) {
  WebSocket phone(node.http()), tablet(node.http());
  ASSERT_TRUE(follow(phone) && follow(tablet));
  EXPECT_TRUE(eventually(10s, [&] { return connections_of_ada().find(',') != std::string::npos; }));
  phone.close();
  EXPECT_TRUE(eventually(10s, [&] { return connections_of_ada().find(',') == std::string::npos; }));
  EXPECT_TRUE(is_here());
  tablet.close();
  EXPECT_TRUE(eventually(10s, [&] { return !is_here(); }));
}

TEST_F(PresenceOfPlayers, P5EndsWhenTheProcessDied) {
  restart_with_grace("600000");
  {
    WebSocket socket(node.http());
    ASSERT_TRUE(follow(socket));
    ASSERT_TRUE(eventually(10s, [&] { return is_here(); }));
    node.kill();
  }
  node.start();
  EXPECT_TRUE(eventually(10s, [&] { return !is_here(); }));
}

TEST_F(PresenceOfPlayers, OnlyPlayersCanBePresent) {
  WebSocket socket(node.http());
  ASSERT_TRUE(follow(socket, "match/1"));
  EXPECT_THAT(socket.hear("ended"), HasSubstr("\"error\":\"malformed\""));
}

}  // namespace
}  // namespace carillon::testing
