// A gateway of several threads is to its clients as one of a single thread: whichever they come to, they meet the same streams,
// keys, limits and figures.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <list>
#include <map>
#include <regex>

#include "tests/support/eventually.h"
#include "tests/support/key_file.h"
#include "tests/support/running_node.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr int kThreads = 4, kClients = 2 * kThreads;  // Two for each thread: connections go where the fewest are.

class GatewayThreads : public ::testing::Test {
 protected:
  enum class Keys { kNone, kOwn };
  explicit GatewayThreads(Keys with = Keys::kNone, std::vector<std::string> more = {})
      : node({.arguments = arguments(with, std::move(more))}) {}
  void TearDown() override { node.stop(); }

  std::vector<std::string> arguments(Keys with, std::vector<std::string> more) const {
    const auto threads = std::to_string(kThreads);
    more.insert(more.end(), {"--gateway-threads", threads, "--worker-threads", threads, "--presence-grace", "0"});
    if (with == Keys::kOwn) more.insert(more.end(), {"--keys", keys.path()});
    return more;
  }
  void connect(const std::string& header = "") {
    for (int client = 0; client < kClients; ++client) {
      sockets.emplace_back(node.http(), header);
      EXPECT_THAT(sockets.back().hear(), HasSubstr("welcome"));
    }
  }

  KeyFile keys;
  RunningNode node;
  std::list<WebSocket> sockets;
};

// How many files each event loop of the process watches, by the file of its epoll (proc(5), fdinfo).
std::map<std::string, int> watched_by_loop(pid_t process) {
  const auto directory = "/proc/" + std::to_string(process) + "/";
  std::map<std::string, int> watched;
  for (const auto& file : std::filesystem::directory_iterator(directory + "fd")) {
    std::error_code closed_meanwhile;
    if (std::filesystem::read_symlink(file.path(), closed_meanwhile) != "anon_inode:[eventpoll]") continue;
    const auto name = file.path().filename().string();
    std::ifstream info(directory + "fdinfo/" + name);
    for (std::string line; std::getline(info, line);) watched[name] += line.starts_with("tfd:") ? 1 : 0;
  }
  return watched;
}

TEST_F(GatewayThreads, AConnectionGoesToTheOneThatHasTheFewest) {
  const auto process = node.process().process();
  const auto before = watched_by_loop(process);
  ASSERT_EQ(before.size(), std::size_t{kThreads});
  connect();
  for (const auto& [loop, watched] : watched_by_loop(process))
    EXPECT_EQ(watched, before.at(loop) + kClients / kThreads) << loop;
}

TEST_F(GatewayThreads, P3EveryThreadPublishesToAndFollowsTheSameStream) {
  // Given clients of every thread that follow one stream,
  connect();
  for (auto& socket : sockets)
    ASSERT_TRUE(socket.say(R"({"follow":{"id":1,"entity":"player/ada","from":1}})") &&
                !socket.hear("following").empty());
  // when each publishes to it,
  int last = 0;
  for (auto& socket : sockets) {
    const auto name = std::to_string(++last);
    ASSERT_TRUE(socket.say(R"({"publish":{"id":2,"producer":")" + name +
                           R"(","events":[{"sequence":1,"entity":"player/ada","type":"note","payload":{"by":)" + name +
                           "}}]}}"));
  }
  // then all of them hear of all, in the order of the stream.
  const auto stored = [&] { return node.payloads("player/ada"); };
  ASSERT_TRUE(eventually(10s, [&] { return stored().size() == kClients; }));
  for (auto& socket : sockets) {
    std::vector<std::string> heard;
    while (heard.size() < kClients) {
      const auto message = socket.hear("events");
      ASSERT_FALSE(message.empty());
      const std::regex payload(R"(\{"by":\d+\})");
      for (std::sregex_iterator found(message.begin(), message.end(), payload), end; found != end; ++found)
        heard.push_back(found->str());
    }
    EXPECT_EQ(heard, stored());
  }
}

TEST(Threads, AreAsManyAsAreAskedFor) {
  const auto threads_with = [](const char* workers, const char* gateway) {
    RunningNode node({.arguments = {"--worker-threads", workers, "--gateway-threads", gateway}, .data_directory = {}});
    const std::filesystem::directory_iterator threads("/proc/" + std::to_string(node.process().process()) + "/task");
    const auto count = std::distance(begin(threads), end(threads));
    node.stop();
    return count;
  };
  const auto fewest = threads_with("1", "1");
  EXPECT_EQ(threads_with("6", "1"), fewest + 5);
  EXPECT_EQ(threads_with("1", "4"), fewest + 3);
}

TEST_F(GatewayThreads, FiguresAreThoseOfAllThreads) {
  connect();
  EXPECT_EQ(node.figure("connections"), kClients + 1);  // The test's own.
  const auto calls = node.figure("publish_calls_total");
  for (auto& socket : sockets)
    ASSERT_TRUE(socket.say(R"({"publish":{"id":1,"producer":"p","events":[]}})") && !socket.hear("published").empty());
  EXPECT_EQ(node.figure("publish_calls_total"), calls + kClients);
  sockets.clear();
  EXPECT_TRUE(eventually(10s, [&] { return node.figure("connections") == 1; }));
}

TEST_F(GatewayThreads, P5OnePresenceHasThePlayersOfAllThreads) {
  const auto here = [&] { return http_get(node.http(), "/entities/presence/ada").body; };
  connect();
  for (auto& socket : sockets)
    ASSERT_TRUE(socket.say(R"({"follow":{"id":1,"entity":"player/ada","from":1,"present":true}})"));
  const auto connections = [&] {
    const auto body = here();
    const std::regex one("gateway/");
    return std::distance(std::sregex_iterator(body.begin(), body.end(), one), std::sregex_iterator());
  };
  EXPECT_TRUE(eventually(10s, [&] { return connections() == kClients; })) << here();
  sockets.clear();
  EXPECT_TRUE(eventually(10s, [&] { return connections() == 0; })) << here();
}

class GatewayThreadsWithKeys : public GatewayThreads {
 protected:
  GatewayThreadsWithKeys() : GatewayThreads(Keys::kOwn) {}
};

TEST_F(GatewayThreadsWithKeys, P9AWithdrawnKeyEndsTheConnectionsOfEveryThread) {
  connect("Authorization: Bearer " + keys.forge.sign(KeyFile::of_player("ada")) + "\r\n");
  const auto next = TokenForge::ed25519();
  keys.trust(next);
  for (auto& socket : sockets) EXPECT_EQ(socket.hear_close(), 4401);
  sockets.clear();
  connect("Authorization: Bearer " + next.sign(KeyFile::of_player("ada")) + "\r\n");
}

class GatewayThreadsWithLimits : public GatewayThreads {
 protected:
  GatewayThreadsWithLimits() : GatewayThreads(Keys::kNone, {"--connections-max", std::to_string(kClients + 1)}) {}
};

TEST_F(GatewayThreadsWithLimits, P7AllThreadsTogetherHaveTheNodesConnections) {
  connect();
  EXPECT_FALSE(WebSocket(node.http()).opened());
  sockets.pop_back();
  EXPECT_TRUE(eventually(10s, [&] { return WebSocket(node.http()).opened(); }));
  EXPECT_GE(node.figure("connections_refused_total"), 1);
}

}  // namespace
}  // namespace carillon::testing
