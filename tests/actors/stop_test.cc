// A node that is stopped ends, whatever is under way, and leaves nothing to be done again.
#include <gmock/gmock.h>

#include <atomic>
#include <deque>
#include <list>
#include <thread>

#include "clients/cpp/session.h"
#include "examples/hunt/hunt.h"
#include "runtime/verify.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using ::testing::Contains;
using ::testing::Pair;

TEST(Stop, P5LeavesEveryHubSavedAndNoneUnfinished) {
  // Given a node with hubs that have just folded something.
  RunningNode node;
  for (const char* island : {"island/a", "island/b", "island/c"})
    ASSERT_TRUE(node.publish(island, to_json(hunt::Landed{.player = "Ada"}), "landed").ok());
  // When it is stopped at once.
  node.stop();
  // Then all of them are saved.
  const auto verification = runtime::verify(node.data());
  ASSERT_TRUE(verification.ok()) << verification.error().message;
  EXPECT_TRUE(verification->broken.empty());
  EXPECT_THAT(verification->counts, Contains(Pair("snapshots", 3)));
  EXPECT_THAT(verification->counts, Contains(Pair("unfinished hubs", 0)));
}

TEST(Stop, P7EndsWhileManyAskForFigures) {
  // Given clients of every thread of the gateway that ask what all of them have counted, again and again,
  RunningNode node({.arguments = {"--gateway-threads", "4"}, .data_directory = {}});
  std::atomic<int> answers = 0;
  std::vector<std::jthread> clients;
  for (int client = 0; client < 8; ++client)
    clients.emplace_back([&] {
      const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
      std::string bytes;
      for (RawSocket socket(node.http()); socket.send(request) && socket.receive_more(bytes); bytes.clear()) ++answers;
    });
  ASSERT_TRUE(eventually(std::chrono::seconds(20), [&] { return answers > 200; }));
  // when it is stopped, then it ends in time, and well.
  node.stop();
}

TEST(Stop, P7EndsWhileManyCallByRpc) {
  // Given native clients of every thread of the gateway, with calls under way at any time,
  RunningNode node({.arguments = {"--gateway-threads", "2"}, .data_directory = {}});
  std::atomic<int> answers = 0;
  std::vector<std::jthread> clients;
  for (int client = 0; client < 4; ++client)
    clients.emplace_back([&, client, address = node.rpc()] {
      client::Session session;
      auto connected = session.wait(client::Connection::connect(session.network(), session.timer(), address));
      const client::Publication event{"player/" + std::to_string(client), "note", "{}", 1};
      while (connected.ok() && (*connected)->alive()) {
        std::deque<kj::Promise<client::Answer<wire::Gateway::StatsResults>>> asked;
        for (int call = 0; call < 8; ++call) asked.push_back((*connected)->stats());
        answers += session.wait((*connected)->publish(std::to_string(client), {&event, 1})).ok() ? 1 : 0;
        for (auto& answer : asked) answers += session.wait(kj::mv(answer)).ok() ? 1 : 0;
      }
    });
  ASSERT_TRUE(eventually(std::chrono::seconds(20), [&] { return answers > 200; }));
  // when it is stopped, then it ends in time, and well.
  node.stop();
}

TEST(Stop, P7EndsWhileManyReadHistory) {
  // Given a long stream, and many who read it from its beginning, so that pages are on their way to them.
  constexpr int kBatches = 30, kBatch = 1'000;
  RunningNode node({.arguments = {"--retain", "player=all"}, .data_directory = {}});
  const auto payload = R"({"text":")" + std::string(400, 'x') + R"("})";
  Sequence sequence = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<client::Publication> events;
    for (int event = 0; event < kBatch; ++event) events.push_back({"player/reader", "note", payload, ++sequence});
    ASSERT_TRUE(node.session().publish("writer", events).ok());
  }
  std::list<RawSocket> sockets;
  for (int reader = 0; reader < 8; ++reader)
    ASSERT_TRUE(
        sockets.emplace_back(node.http())
            .send(
                "GET /streams/player/reader?from=1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"));
  std::atomic<std::size_t> read = 0;
  std::vector<std::jthread> readers;
  for (auto& socket : sockets)
    readers.emplace_back([&] {
      for (std::string bytes; socket.receive_more(bytes); bytes.clear()) read += bytes.size();
    });
  ASSERT_TRUE(eventually(std::chrono::seconds(20), [&] { return read > 8u << 20; }));
  // When it is stopped, then it ends in time,
  node.stop();
  readers.clear();
  // and has lost nothing.
  node.start();
  EXPECT_EQ(node.payloads("player/reader").size(), kBatches * kBatch);
}

TEST(Stop, P7EndsWhilePlayersArePresentWhoDoNotClose) {
  // Given players who are present on every thread of the gateway, and do not answer when it closes,
  RunningNode node({.arguments = {"--gateway-threads", "2"}, .data_directory = {}});
  std::list<WebSocket> players;
  for (int player = 0; player < 8; ++player) {
    auto& socket = players.emplace_back(node.http());
    ASSERT_TRUE(socket.say(R"({"follow":{"id":1,"entity":"player/)" + std::to_string(player) +
                           R"(","from":1,"present":true}})"));
    ASSERT_FALSE(socket.hear("following").empty());
  }
  // when it is stopped, then it ends in time, and well.
  node.stop();
}

}  // namespace
}  // namespace carillon::testing
