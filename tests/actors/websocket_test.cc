// WebSockets as clients meet them (docs/protocol.md): each message, each close, and that what is promised holds on this way too.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include "tests/support/eventually.h"
#include "tests/support/running_node.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string entry(int number) { return R"("payload":{"entry":)" + std::to_string(number) + "}"; }

// Publishes one event of type note.
std::string publish(int id, std::string_view producer, int sequence, std::string_view entity,
                    std::string_view payload) {
  return R"({"publish":{"id":)" + std::to_string(id) + R"(,"producer":")" + std::string(producer) +
         R"(","events":[{"sequence":)" + std::to_string(sequence) + R"(,"entity":")" + std::string(entity) +
         R"(","type":"note","payload":)" + std::string(payload) + "}]}}";
}
std::string follow(int id, std::string_view entity, std::string_view from) {
  return R"({"follow":{"id":)" + std::to_string(id) + R"(,"entity":")" + std::string(entity) + R"(","from":)" +
         std::string(from) + "}}";
}

class WebSockets : public ::testing::Test {
 protected:
  WebSockets() : WebSockets(std::vector<std::string>{}) {}
  explicit WebSockets(std::vector<std::string> arguments)
      : node({.arguments = std::move(arguments), .data_directory = {}}) {}
  void SetUp() override { node.publish_to_ledger(5); }
  void TearDown() override {
    node.expect_sound();
    node.stop();
  }

  // Opened and welcomed.
  WebSocket open(std::string_view header = {}, int receive_buffer_bytes = 0) {
    WebSocket socket(node.http(), header, receive_buffer_bytes);
    EXPECT_TRUE(socket.opened());
    EXPECT_THAT(socket.hear(), StartsWith(R"({"welcome":{"version":)"));
    return socket;
  }
  // Hears events of follow `id` until that of the ledger's entry `last`, each once and in order, beginning with `first`.
  void expect_entries(WebSocket& socket, int id, int first, int last) {
    for (int next = first; next <= last;) {
      const auto events = socket.hear("events");
      ASSERT_THAT(events, HasSubstr(R"("id":)" + std::to_string(id) + R"(,"first":)" + std::to_string(next) + ","));
      std::size_t at = 0;
      while (next <= last) {
        const auto found = events.find(entry(next), at);
        if (found == std::string::npos) break;
        at = found + 1;
        ++next;
      }
      ASSERT_GT(at, 0u) << events.substr(0, 300);
    }
  }

  RunningNode node;
};

TEST_F(WebSockets, AnswerTheHandshakeAndWelcome) {
  RawSocket socket(node.http());
  ASSERT_TRUE(
      socket.send("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                  "Sec-WebSocket-Protocol: other, carillon.v1\r\n\r\n"));
  const auto answer = socket.receive_until("}}");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(answer, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  EXPECT_THAT(answer, HasSubstr("Sec-WebSocket-Protocol: carillon.v1\r\n"));
  for (const auto* member : {"version", "ping_every_ms", "idle_timeout_ms", "payload_bytes_max", "batch_events_max",
                             "message_bytes_max", "follows_max"})
    EXPECT_THAT(answer, HasSubstr("\"" + std::string(member) + "\":"));
}

TEST_F(WebSockets, ThatAreNotAskedForProperlyAreRefusedByHttp) {
  const auto ask = [&](std::string_view lines) {
    RawSocket socket(node.http());
    EXPECT_TRUE(socket.send("GET /ws HTTP/1.1\r\nHost: localhost\r\n" + std::string(lines) + "\r\n"));
    return socket.receive_until("}", 5s);
  };
  const std::string upgrade =
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  for (const auto& lines : {std::string(), upgrade + "Sec-WebSocket-Version: 13\r\n",
                            upgrade + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: carillon.v2\r\n",
                            upgrade + "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Protocol: carillon.v1\r\n",
                            std::string("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                        "Sec-WebSocket-Protocol: carillon.v1\r\n")})
    EXPECT_THAT(ask(lines), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("\"malformed\""))) << lines;
}

// Goal: no frame comes past the guard. Method: frames in the packet of the request, with the end of a header behind or in front of them;
// KJ would take them in unseen, and the guard begin in the middle of one.
TEST_F(WebSockets, P9NothingMayComeBehindTheRequest) {
  const std::string upgrade =
      "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Protocol: carillon.v1\r\n";
  const std::string end = "\r\n\r\n";
  for (const auto& request :
       {upgrade + "\r\n" + frame_of("x" + end, {.masked = false}), upgrade + "\r\n" + end, upgrade + "\r\n\r\n",
        upgrade + "\r\nGET / HTTP/1.1" + end, upgrade + "Content-Length: 4" + end + end}) {
    RawSocket socket(node.http());
    ASSERT_TRUE(socket.send(request));
    EXPECT_THAT(socket.receive_until("}", 5s), Not(HasSubstr("101 "))) << ::testing::PrintToString(request);
  }
  // Behind another request it is as good as any.
  RawSocket socket(node.http());
  ASSERT_TRUE(socket.send("POST /events/player/ada?type=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}" +
                          upgrade + "\r\n"));
  EXPECT_THAT(socket.receive_until("welcome", 5s), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("HTTP/1.1 101 ")));
}

TEST_F(WebSockets, P2PublishIsAnsweredAndARepetitionIsADuplicate) {
  auto socket = open();
  ASSERT_TRUE(socket.say(publish(1, "ana/tab", 1, "player/ana", R"({ "x" : 1.0 })")));
  EXPECT_EQ(socket.hear(), R"({"published":{"id":1,"accepted":1,"duplicates":0,"refusals":[]}})");
  ASSERT_TRUE(socket.say(publish(2, "ana/tab", 1, "player/ana", "{}")));
  EXPECT_EQ(socket.hear(), R"({"published":{"id":2,"accepted":0,"duplicates":1,"refusals":[]}})");
  // Letter by letter as it was sent.
  EXPECT_THAT(node.payloads("player/ana"), ::testing::ElementsAre(R"({ "x" : 1.0 })"));
}

TEST_F(WebSockets, PublishRefusesEventByEvent) {
  auto socket = open();
  const std::string large(70'000, 'x');
  ASSERT_TRUE(socket.say(R"({"publish":{"id":3,"producer":"p","events":[
      {"sequence":1,"entity":"dragon/1","type":"note","payload":{}},
      {"sequence":2,"entity":"player/ana","type":"note","payload":[]},
      {"sequence":3,"entity":"player/ana","type":"note","payload":{"a":")" +
                         large + R"("}},
      {"sequence":0,"entity":"player/ana","type":"note","payload":{}},
      {"sequence":5,"entity":"player/ana","type":"note"},
      {"sequence":6,"entity":"player/ana","type":"note","payload":{}}]}})"));
  const auto answer = socket.hear();
  EXPECT_THAT(
      answer,
      StartsWith(R"({"published":{"id":3,"accepted":1,"duplicates":0,"refusals":[{"index":0,"error":"unknown_kind")"));
  EXPECT_THAT(answer, HasSubstr(R"({"index":1,"error":"malformed")"));
  EXPECT_THAT(answer, HasSubstr(R"({"index":2,"error":"payload_too_large")"));
  EXPECT_THAT(answer, HasSubstr(R"({"index":3,"error":"malformed")"));
  EXPECT_THAT(answer, HasSubstr(R"({"index":4,"error":"malformed")"));
  ASSERT_TRUE(socket.say(publish(4, "", 1, "player/ana", "{}")));
  EXPECT_THAT(socket.hear(), StartsWith(R"({"refused":{"id":4,"error":"malformed")"));
}

TEST_F(WebSockets, P4FollowFromDiskThenLiveWithoutASeam) {
  auto socket = open();
  ASSERT_TRUE(socket.say(follow(2, "player/ledger", "3")));
  EXPECT_EQ(socket.hear(), R"({"following":{"id":2,"next":3,"last":5}})");
  expect_entries(socket, 2, 3, 5);
  node.publish_to_ledger(2'000);
  expect_entries(socket, 2, 6, 2'005);
}

TEST_F(WebSockets, FollowFromTheEnd) {
  auto socket = open();
  ASSERT_TRUE(socket.say(follow(1, "player/ledger", R"("end")")));
  EXPECT_EQ(socket.hear(), R"({"following":{"id":1,"next":6,"last":5}})");
  node.publish_to_ledger(1);
  expect_entries(socket, 1, 6, 6);
}

TEST_F(WebSockets, FollowsThatCannotBeServedEnd) {
  auto socket = open();
  for (const auto& [asked, error] : std::vector<std::pair<std::string, std::string>>{
           {follow(1, "player/ledger", "99"), R"({"ended":{"id":1,"error":"beyond_end")"},
           {follow(1, "player/ledger", "0"), R"({"ended":{"id":1,"error":"malformed")"},
           {follow(1, "dragon/1", "1"), R"({"ended":{"id":1,"error":"unknown_kind")"}}) {
    ASSERT_TRUE(socket.say(asked));
    EXPECT_THAT(socket.hear(), StartsWith(error));
  }
  // The id is free again; one that is not, is not.
  ASSERT_TRUE(socket.say(follow(1, "player/ledger", "6")));
  EXPECT_EQ(socket.hear(), R"({"following":{"id":1,"next":6,"last":5}})");
  ASSERT_TRUE(socket.say(follow(1, "player/other", "1")));
  EXPECT_THAT(socket.hear(), StartsWith(R"({"refused":{"id":1,"error":"malformed")"));
}

TEST_F(WebSockets, NothingComesBehindUnfollowedAndTheFollowCanBeginAgain) {
  auto socket = open();
  ASSERT_TRUE(socket.say(follow(1, "player/ledger", "1")));
  expect_entries(socket, 1, 1, 5);
  ASSERT_TRUE(socket.say(follow(2, "player/ledger", "1")));
  expect_entries(socket, 2, 1, 5);
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(socket.say(R"({"unfollow":{"id":1}})"));
    ASSERT_EQ(socket.hear("unfollowed"), R"({"unfollowed":{"id":1}})");
    node.publish_to_ledger(10);
    // The other one goes on; only it.
    ASSERT_TRUE(socket.say(R"({"ping":{}})"));
    for (auto message = socket.hear(); message != R"({"pong":{}})"; message = socket.hear())
      ASSERT_THAT(message, StartsWith(R"({"events":{"id":2,)"));
    ASSERT_TRUE(socket.say(follow(1, "player/ledger", std::to_string(6 + 10 * round))));
    ASSERT_THAT(socket.hear("following"), StartsWith(R"({"following":{"id":1,)"));
    for (int next = 6 + 10 * round; next < 16 + 10 * round;) {
      const auto events = socket.hear("events");
      if (!events.starts_with(R"({"events":{"id":1,)")) continue;
      ASSERT_THAT(events, HasSubstr(R"("first":)" + std::to_string(next) + ","));
      while (events.find(entry(next)) != std::string::npos) ++next;
    }
  }
  // What was unfollowed at once never begins.
  ASSERT_TRUE(socket.say(follow(9, "player/ledger", "1")));
  ASSERT_TRUE(socket.say(R"({"unfollow":{"id":9}})"));
  ASSERT_TRUE(socket.say(R"({"unfollow":{"id":10}})"));
  EXPECT_EQ(socket.hear("unfollowed"), R"({"unfollowed":{"id":9}})");
  EXPECT_EQ(socket.hear("unfollowed"), R"({"unfollowed":{"id":10}})");
}

TEST_F(WebSockets, P4ResumeAfterTheNodeWasKilled) {
  auto socket = open();
  ASSERT_TRUE(socket.say(follow(1, "player/ledger", "1")));
  expect_entries(socket, 1, 1, 5);
  node.kill();
  EXPECT_EQ(socket.hear_close(), 0);
  node.start();
  node.publish_to_ledger(3);
  auto again = open();
  ASSERT_TRUE(again.say(follow(1, "player/ledger", "6")));
  expect_entries(again, 1, 6, 8);
}

TEST_F(WebSockets, AcknowledgedPositionsAreKeptAndFollowedFrom) {
  auto socket = open();
  ASSERT_TRUE(socket.say(R"({"acknowledge":{"id":1,"entity":"player/ledger","device":"phone","offset":3}})"));
  EXPECT_EQ(socket.hear(), R"({"acknowledged":{"id":1,"entity":"player/ledger","device":"phone","offset":3}})");
  ASSERT_TRUE(socket.say(R"({"acknowledge":{"id":2,"entity":"player/ledger","device":"phone","offset":2}})"));
  EXPECT_EQ(socket.hear(), R"({"acknowledged":{"id":2,"entity":"player/ledger","device":"phone","offset":3}})");
  ASSERT_TRUE(socket.say(R"({"positions":{"id":3,"entity":"player/ledger"}})"));
  EXPECT_EQ(socket.hear(), R"({"positions_are":{"id":3,"entity":"player/ledger","last":5,)"
                           R"("devices":[{"device":"phone","offset":3,"unread":2}]}})");
  ASSERT_TRUE(socket.say(R"({"acknowledge":{"id":4,"entity":"player/ledger","device":"phone","offset":9}})"));
  EXPECT_THAT(socket.hear(), StartsWith(R"({"refused":{"id":4,"error":"beyond_end")"));
  ASSERT_TRUE(socket.say(R"({"follow":{"id":5,"entity":"player/ledger","from":"acknowledged","device":"phone"}})"));
  EXPECT_EQ(socket.hear(), R"({"following":{"id":5,"next":4,"last":5}})");
  expect_entries(socket, 5, 4, 5);
  ASSERT_TRUE(socket.say(R"({"follow":{"id":6,"entity":"player/ledger","from":"acknowledged","device":"tablet"}})"));
  EXPECT_EQ(socket.hear(), R"({"following":{"id":6,"next":1,"last":5}})");
}

TEST_F(WebSockets, WhatNoDeviceCanBeCalledHasAcknowledgedNothingAndIsRefused) {
  auto socket = open();
  for (const auto& device : {std::string(), std::string(65, 'x')}) {
    ASSERT_TRUE(socket.say(R"({"follow":{"id":1,"entity":"player/ledger","from":"acknowledged","device":")" + device +
                           R"("}})"));
    EXPECT_THAT(socket.hear(), StartsWith(R"({"ended":{"id":1,"error":"malformed")"));
  }
}

class ForgetfulWebSockets : public WebSockets {
 protected:
  ForgetfulWebSockets() : WebSockets({"--retain", "player=1"}) {}
};

TEST_F(ForgetfulWebSockets, P4WhoHasReadSomethingIsToldThatWhatFollowedIsGone) {
  // Given a device that has read the first notification, of a stream that keeps the last one.
  const auto notify = [&] { ASSERT_TRUE(node.publish("player/bo", "{}").ok()); };
  notify();
  auto socket = open();
  ASSERT_TRUE(socket.say(R"({"acknowledge":{"id":1,"entity":"player/bo","device":"phone","offset":1}})"));
  EXPECT_THAT(socket.hear(), StartsWith(R"({"acknowledged")"));
  for (int i = 0; i < 6; ++i) notify();
  // When it goes on behind that, then it is told so; one that has read nothing begins with what there is.
  ASSERT_TRUE(socket.say(R"({"follow":{"id":2,"entity":"player/bo","from":"acknowledged","device":"phone"}})"));
  EXPECT_THAT(socket.hear(), StartsWith(R"({"ended":{"id":2,"error":"truncated")"));
  ASSERT_TRUE(socket.say(R"({"follow":{"id":3,"entity":"player/bo","from":"acknowledged","device":"tablet"}})"));
  EXPECT_THAT(socket.hear(), StartsWith(R"({"following":{"id":3,"next":)"));
}

TEST_F(WebSockets, AnswerPingsOfBothKinds) {
  auto socket = open();
  ASSERT_TRUE(socket.say(R"({"ping":{}})"));
  EXPECT_EQ(socket.hear(), R"({"pong":{}})");
  ASSERT_TRUE(socket.send(frame_of("are you there", {.opcode = Opcode::kPing})));
  EXPECT_EQ(socket.hear_pong(), "are you there");
  for (int i = 0; i < 3'000; ++i) {
    const auto payload = std::to_string(i);
    ASSERT_TRUE(socket.send(frame_of(payload, {.opcode = Opcode::kPing})));
    ASSERT_EQ(socket.hear_pong(), payload);
  }
  ASSERT_TRUE(socket.say(R"({"authenticate":{"id":1,"token":"x"}})"));
  EXPECT_THAT(socket.hear(), StartsWith(R"({"refused":{"id":1,)"));
}

TEST_F(WebSockets, AMessageMayComeInFragmentsWithPingsBetween) {
  auto socket = open();
  const std::string text = publish(1, "p", 1, "player/ana", R"({"a":"b"})");
  std::string frames;
  for (std::size_t i = 0; i < text.size(); i += 10)
    frames += frame_of(text.substr(i, 10),
                       {.opcode = i == 0 ? Opcode::kText : Opcode::kContinuation, .last = i + 10 >= text.size()}) +
              frame_of("", {.opcode = Opcode::kPing});
  ASSERT_TRUE(socket.send(frames));
  EXPECT_EQ(socket.hear(), R"({"published":{"id":1,"accepted":1,"duplicates":0,"refusals":[]}})");
}

TEST_F(WebSockets, CloseWhenTheClientCloses) {
  auto socket = open();
  ASSERT_TRUE(socket.say(follow(1, "player/ledger", "1")));
  EXPECT_EQ(socket.close(), 1000);
  EXPECT_TRUE(eventually(5s, [&] { return node.figure("connections") == 1; }));  // The fixture's own.
}

TEST_F(WebSockets, CloseWith1001WhenTheNodeStops) {
  auto socket = open();
  auto following = open();
  ASSERT_TRUE(following.say(follow(1, "player/ledger", "1")));
  expect_entries(following, 1, 1, 5);
  node.stop();
  EXPECT_EQ(socket.hear_close(), 1001);
  EXPECT_EQ(following.hear_close(), 1001);
  node.start();
}

TEST_F(WebSockets, CloseWith4403ForPagesFromElsewhere) {
  for (const auto* header : {"Origin: https://evil.example.com\r\n", "Origin: null\r\n"}) {
    WebSocket socket(node.http(), header);
    ASSERT_TRUE(socket.opened());
    EXPECT_THAT(socket.hear(), StartsWith(R"({"error":{"error":"forbidden")"));
    (void)socket.say(publish(1, "p", 1, "player/ana", "{}"));
    EXPECT_EQ(socket.hear_close(), 4403);
  }
  EXPECT_THAT(node.payloads("player/ana"), ::testing::IsEmpty());
  (void)open("Origin: http://" + node.http().text() + "\r\n");
}

class WebSocketsFromElsewhere : public WebSockets {
 protected:
  WebSocketsFromElsewhere() : WebSockets({"--allow-origin", "https://Play.example.com:443"}) {}
};

TEST_F(WebSocketsFromElsewhere, AreServedWhenTheirOriginIsAllowed) {
  (void)open("Origin: https://play.example.com\r\n");
  WebSocket other(node.http(), "Origin: https://play.example.com.evil.com\r\n");
  EXPECT_EQ(other.hear_close(), 4403);
}

TEST_F(WebSockets, CloseWith4400ForWhatCannotBeUnderstood) {
  std::string deep = R"({"ping":)";
  for (int i = 0; i < 10'000; ++i) deep += R"({"a":)";
  for (const auto& bytes :
       {frame_of("hello"), frame_of("[]"), frame_of(R"({"dance":{}})"), frame_of("{\"ping\":{\"a\":\"\xff\"}}"),
        frame_of(deep), frame_of(R"({"ping":{}})", {.opcode = Opcode::kBinary}),
        frame_of(R"({"ping":{}})", {.masked = false}), frame_of(R"({"ping":{}})", {.reserved_bits = 0x40}),
        frame_of(R"({"ping":{}})", {.opcode = static_cast<Opcode>(3)}),
        frame_of(R"({"ping":{}})", {.opcode = Opcode::kContinuation}),
        frame_of(std::string(126, 'x'), {.opcode = Opcode::kPing}),
        frame_of("x", {.opcode = Opcode::kPing, .last = false}),
        std::string("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), frame_of("a", {.last = false}) + frame_of("b")}) {
    auto socket = open();
    ASSERT_TRUE(socket.send(bytes));
    EXPECT_EQ(socket.hear_close(), 4400) << bytes.substr(0, 60);
  }
}

TEST_F(WebSockets, CloseWith1009ForWhatIsTooMuch) {
  const std::string half(600'000, ' ');
  std::string fragments = frame_of("", {.last = false});
  for (int i = 0; i < 2'000; ++i) fragments += frame_of("", {.opcode = Opcode::kContinuation, .last = false});
  for (const auto& bytes :
       {frame_of("", {.said_length = (1u << 20) + 1}), frame_of("", {.said_length = ~std::uint64_t{0}}),
        frame_of(half, {.last = false}) + frame_of(half, {.opcode = Opcode::kContinuation, .last = false}),
        fragments}) {
    auto socket = open();
    (void)socket.send(bytes);
    EXPECT_EQ(socket.hear_close(), 1009);
  }
  // As much as is allowed.
  auto socket = open();
  ASSERT_TRUE(socket.say(R"({"ping":{}})" + std::string((1u << 20) - 11, ' ')));
  EXPECT_EQ(socket.hear(), R"({"pong":{}})");
}

class ImpatientWebSockets : public WebSockets {
 protected:
  ImpatientWebSockets() : WebSockets({"--websocket-ping-every", "200", "--websocket-idle-timeout", "2000"}) {}
};

TEST_F(ImpatientWebSockets, PingTheSilentAndCloseThemWith4408) {
  RawSocket raw(node.http());
  auto silent = open();
  auto trickling = open();
  auto alive = open();
  const auto until = std::chrono::steady_clock::now() + 4'500ms;
  const auto trickle = frame_of(R"({"ping":{}})");
  std::size_t sent = 0;
  while (std::chrono::steady_clock::now() < until) {
    ASSERT_TRUE(alive.say(R"({"pong":{}})"));
    // A byte now and then is no sign of life.
    if (sent + 1 < trickle.size() && trickling.send(trickle.substr(sent, 1))) ++sent;
    (void)alive.hear(100ms);
  }
  EXPECT_EQ(silent.hear_close(), 4408);
  EXPECT_EQ(trickling.hear_close(), 4408);
  ASSERT_TRUE(alive.say(R"({"ping":{}})"));
  EXPECT_EQ(alive.hear("pong"), R"({"pong":{}})");
}

class WebSocketsWithShortMessages : public WebSockets {
 protected:
  WebSocketsWithShortMessages() : WebSockets({"--websocket-ping-every", "100", "--message-within", "300"}) {}
};

TEST_F(WebSocketsWithShortMessages, P7AMessageThatIsNotEndedEndsItsConnection) {
  auto socket = open();
  ASSERT_TRUE(socket.send(frame_of("{", {.last = false})));
  // Whatever else comes.
  const auto until = std::chrono::steady_clock::now() + 5s;
  while (socket.send(frame_of("", {.opcode = Opcode::kPing})) && std::chrono::steady_clock::now() < until)
    (void)socket.hear(50ms);
  EXPECT_EQ(socket.hear_close(), 4408);
}

// Goal: a client that takes nothing costs little, and others nothing. Method: it follows a long mailbox and publishes without end,
// reading nothing, while another one is served.
TEST_F(WebSockets, P7AReaderThatStopsIsBounded) {
  const std::string payload = R"({"text":")" + std::string(1'000, 'x') + "\"}";
  node.publish_to_ledger(8'000);
  auto warm = open();
  ASSERT_TRUE(warm.say(follow(1, "player/ledger", "1")));
  expect_entries(warm, 1, 1, 8'005);
  const auto before = node.anonymous_bytes();
  std::vector<WebSocket> stopped;
  for (int i = 0; i < 50; ++i) {
    stopped.push_back(open({}, 4'096));
    for (int id = 0; id < 20; ++id) ASSERT_TRUE(stopped.back().say(follow(id, "player/ledger", "1")));
  }
  auto alive = open();
  for (int sequence = 1; sequence <= 100; ++sequence) {
    ASSERT_TRUE(alive.say(publish(sequence, "alive", sequence, "player/alive", payload)));
    EXPECT_THAT(alive.hear(), StartsWith(R"({"published":{"id":)" + std::to_string(sequence) + ",\"accepted\":1"));
  }
  // Each may have a MiB, as the protocol says, and what the connection itself takes.
  EXPECT_LT(node.anonymous_bytes(), before + 50 * (1u << 20) + (32u << 20));
  // And each gets all of it, in order, once it reads again.
  for (int taken = 0; taken < 3; ++taken) {
    std::vector<int> next(20, 1);
    while (std::ranges::any_of(next, [](int at) { return at <= 8'005; })) {
      const auto events = stopped[static_cast<std::size_t>(taken)].hear("events");
      ASSERT_FALSE(events.empty());
      const auto id = static_cast<std::size_t>(std::atoi(events.c_str() + sizeof(R"({"events":{"id":)") - 1));
      ASSERT_THAT(events.substr(0, 60), HasSubstr(R"("first":)" + std::to_string(next[id]) + ","));
      for (std::size_t at = 0; (at = events.find(entry(next[id]), at)) != std::string::npos; ++at) ++next[id];
    }
  }
}

TEST_F(WebSockets, P7AClientThatTakesNoAnswersIsNotReadFrom) {
  auto socket = open({}, 4'096);
  const auto before = node.anonymous_bytes();
  // Each is refused at length; after some MiB of answers that nobody takes, the node reads no more.
  const std::string request = frame_of(follow(1, "dragon/1", "1"));
  std::string many;
  for (int i = 0; i < 1'000; ++i) many += request;
  std::size_t sent = 0;
  while (sent < 256 && socket.send_within(many, 500ms)) ++sent;
  EXPECT_LT(sent, 256u);
  EXPECT_LT(node.anonymous_bytes(), before + (16u << 20));
  EXPECT_EQ(http_get(node.http(), "/healthz").status, 200);
}

TEST_F(WebSockets, P7WhoPingsAndTakesNoPongsIsSentAway) {
  // Given a client that reads nothing, when it pings until the node takes no more or has closed,
  auto socket = open({}, 4'096);
  const auto before = node.anonymous_bytes();
  const std::string ping = frame_of(std::string(125, 'p'), {.opcode = Opcode::kPing});
  std::string many;
  for (int i = 0; i < 1'000; ++i) many += ping;
  for (int sent = 0; sent < 2'000 && socket.send_within(many, 5s); ++sent) {
  }
  // then the pongs have not been kept, nor is the connection.
  EXPECT_LT(node.anonymous_bytes(), before + (32u << 20));
  EXPECT_TRUE(eventually(10s, [&] { return node.figure("connections") == 1; }));
}

}  // namespace
}  // namespace carillon::testing
