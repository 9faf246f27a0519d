// The server that `bench sockets` is held against (bench/node_ws) does what a node with the bench's hub does, as far as the
// bench can tell: otherwise the comparison would mean nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "bench/clock.h"
#include "bench/hunt/hunt_behaviour.h"
#include "bench/server_process.h"
#include "bench/socket_crowd.h"
#include "runtime/json.h"
#include "tests/support/running_node.h"

namespace carillon::bench {
namespace {

using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::SizeIs;
using ::testing::StartsWith;

const std::filesystem::path kSource = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
constexpr std::int64_t kWithinNs = 20 * kSecond;

// One of its sockets for each player, and the last one for whoever publishes.
class Conversation {
 public:
  Conversation(const client::Address& address, std::size_t players)
      : heard_(players + 1), crowd_(address, [this](std::size_t socket, std::string_view message) {
          heard_[socket].emplace_back(message);
          if (socket + 1 == heard_.size()) return;
          ++heard_by_players_;
          newest_ = message;
        }) {
    const auto opened = crowd_.open(players + 1);
    EXPECT_TRUE(opened.ok()) << to_string(opened.error());
    for (std::size_t player = 0; player < players; ++player) {
      const std::string number = std::to_string(player);
      crowd_.send(player, R"({"follow":{"id":)" + number + R"(,"entity":"player/p)" + number + R"(","from":1}})");
      hear(player, 1);
    }
  }

  // The newest message of this one, once it has heard `count`, and no more than those.
  std::string hear(std::size_t socket, std::size_t count) {
    wait_until([&] { return heard_[socket].size() >= count; });
    EXPECT_THAT(heard_[socket], SizeIs(count));
    return heard_[socket].empty() ? "" : heard_[socket].back();
  }

  // The newest message of any player, once they have heard `count` messages together.
  const std::string& newest(std::size_t count) {
    wait_until([&] { return heard_by_players_ >= count; });
    return newest_;
  }

  // Publishes as the bench does, and gives the answer.
  template <class Event>
  std::string publish(std::uint32_t sequence, std::uint32_t hub, const Event& event) {
    JsonWriter json;
    json.begin_object().key("publish").begin_object().field("id", sequence).field("producer", "bench").key("events");
    json.begin_array().begin_object().field("sequence", sequence).field("entity", "hunt/" + std::to_string(hub));
    json.field("type", Event::kType).key("payload").raw(to_json(event));
    const std::size_t publisher = heard_.size() - 1;
    crowd_.send(publisher, json.end_object().end_array().end_object().end_object().text());
    return hear(publisher, sequence);
  }

 private:
  template <class Done>
  void wait_until(Done done) {
    const std::int64_t give_up_ns = now_ns() + kWithinNs;
    while (!done() && !crowd_.failed() && now_ns() < give_up_ns) crowd_.poll(now_ns() + 10 * kMillisecond);
    EXPECT_TRUE(done()) << (crowd_.failed() ? crowd_.failed()->message : "too late");
  }

  std::vector<std::vector<std::string>> heard_;  // [socket]
  std::size_t heard_by_players_ = 0;
  std::string newest_;
  SocketCrowd crowd_;
};

Result<Find> find_in(const std::string& message) {
  constexpr std::string_view kPayload = R"("payload":)";
  const auto at = message.find(kPayload);
  if (at == std::string::npos) return Error{ErrorCode::MALFORMED, "there is no payload"};
  return decode_find(std::string_view(message).substr(at + kPayload.size(), kPayloadBytes));
}

// A muster of three players, then a dig in hub 1, whose audience are players 2 and 3. Gives what the players heard.
std::vector<std::string> play(const client::Address& address) {
  constexpr std::uint32_t kPlayers = 4, kMustered = 3, kAudience = 2;
  constexpr std::int64_t kAt = 45'000'000'000'123;
  constexpr std::uint64_t kDig = (std::uint64_t{3} << 40) + 5;
  Conversation talk(address, kPlayers);
  std::vector<std::string> messages;
  const auto expect_find = [&](const std::string& message, std::uint64_t id) {
    messages.push_back(message);
    const auto find = find_in(message);
    EXPECT_TRUE(find.ok()) << message;
    EXPECT_EQ(find.ok() ? find->id : 0, id);
    EXPECT_EQ(find.ok() ? find->at : 0, kAt);
    return find.ok() ? find->player : kPlayers;
  };

  EXPECT_EQ(talk.publish(1, 0, Muster{.id = 7, .at = kAt, .players = kMustered}),
            R"({"published":{"id":1,"accepted":1,"duplicates":0,"refusals":[]}})");
  for (std::uint32_t player = 0; player < kMustered; ++player) {
    const std::string message = talk.hear(player, 2);
    EXPECT_THAT(message, StartsWith(R"({"events":{"id":)" + std::to_string(player) + R"(,"first":1,"events":[{)"));
    EXPECT_EQ(expect_find(message, 7), 0u);  // The same for all.
  }

  EXPECT_THAT(talk.publish(2, 1, Dig{.id = kDig, .at = kAt, .hub = 1, .k = 1, .audience = kAudience, .filler = {}}),
              EndsWith(R"("accepted":1,"duplicates":0,"refusals":[]}})"));
  EXPECT_THAT(expect_find(talk.newest(8), kDig), AnyOf(2, 3));
  return messages;
}

TEST(NodeWs, SpeaksAndSendsAsANodeDoes) {
  ServerProcess peer({.program = kSource / "bench" / "node_ws" / "run"});
  if (const auto started = peer.start(); !started.ok()) {
    if (peer.last_words().find("skipped: ") != std::string::npos) GTEST_SKIP() << peer.last_words();
    FAIL() << to_string(started.error());
  }
  ServerProcess node({.program = carillon::testing::carillon_program()});
  const auto started = node.start();
  ASSERT_TRUE(started.ok()) << to_string(started.error());
  // When both are asked the same,
  const auto theirs = play(peer.http_address()), ours = play(node.http_address());
  // then both send frames of the same size.
  ASSERT_EQ(theirs.size(), ours.size());
  for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_EQ(theirs[i].size(), ours[i].size()) << theirs[i] << ours[i];
  const auto stopped = peer.stop();
  EXPECT_TRUE(stopped.ok()) << to_string(stopped.error());
}

}  // namespace
}  // namespace carillon::bench
