// What one address, and one subject of tokens, may use of a node, on every door (P7, P9): who keeps to the answers loses nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "clients/cpp/follower.h"
#include "clients/cpp/publisher.h"
#include "tests/support/eventually.h"
#include "tests/support/key_file.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using TestClock = std::chrono::steady_clock;

constexpr const char* kElsewhere = "127.0.0.2";  // An address of this machine that the tests do not use otherwise.

std::string batch_of(int events, int first) {
  std::string list;
  for (int i = 0; i < events; ++i)
    list += (i == 0 ? R"({"sequence":)" : R"(,{"sequence":)") + std::to_string(first + i) +
            R"(,"entity":"player/ana","type":"note","payload":{"n":)" + std::to_string(first + i) + "}}";
  return R"("producer":"ana","events":[)" + list + "]";
}
std::string publish_message(int id, int events, int first) {
  return R"({"publish":{"id":)" + std::to_string(id) + "," + batch_of(events, first) + "}}";
}

std::vector<std::string> numbered(int last) {
  std::vector<std::string> payloads;
  for (int n = 1; n <= last; ++n) payloads.push_back(R"({"n":)" + std::to_string(n) + "}");
  return payloads;
}

// Publishes 1 to `last` to `player/ana`, as a game server would.
client::Publisher::Figures publish_all(RunningNode& node, int last, const client::Credentials& credentials = {},
                                       std::size_t padding = 0) {
  auto& session = node.session();
  client::Publisher publisher(session.network(), session.timer(),
                              {.addresses = {{node.rpc()}}, .producer = "ana", .credentials = credentials}, {});
  for (int n = 1; n <= last; ++n) {
    auto payload = R"({"n":)" + std::to_string(n) + "}";
    if (padding > 0) payload.insert(payload.size() - 1, R"(,"more":")" + std::string(padding, 'x') + "\"");
    while (!publisher.offer({"player/ana", "note", payload, static_cast<Sequence>(n)}))
      session.wait(publisher.has_room());
  }
  session.wait(publisher.is_done());
  return publisher.figures();
}

// One address, on a loopback that is limited as any other one would be.
class AddressLimits : public ::testing::Test {
 protected:
  static RunningNode with(std::vector<std::string> more) {
    more.insert(more.end(), {"--unlimited-addresses", kElsewhere});
    return RunningNode({.arguments = std::move(more), .data_directory = {}});
  }
  static double limited(RunningNode& node, const std::string& what) {
    return node.figure("limited_total{by=\"address\",what=\"" + what + "\"}");
  }
};

TEST_F(AddressLimits, P7AFloodOfConnectionsIsClosedAtOnceAndOthersAreServed) {
  auto node = with({"--address-connections-max", "20"});
  std::vector<RawSocket> flood;
  flood.reserve(400);
  while (flood.size() < 400) flood.emplace_back(flood.size() % 2 == 0 ? node.rpc() : node.http());
  EXPECT_TRUE(flood.back().closed_within(5s));
  // Who was there before is served, and so is who comes from elsewhere.
  EXPECT_TRUE(node.publish("player/ana", "{}").ok());
  RawSocket other(node.http(), 0, kElsewhere);
  ASSERT_TRUE(other.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(other.receive_until("\r\n\r\n"), HasSubstr("200 OK"));
  EXPECT_GE(limited(node, "connections"), 380);
  EXPECT_EQ(node.figure("connections_refused_total"), 0) << "the node itself has room";
  // When they are closed, others of the same address come in.
  flood.clear();
  EXPECT_TRUE(eventually(5s, [&] { return http_get(node.http(), "/healthz").status == 200; }));
  node.stop();
}

TEST_F(AddressLimits, P2P3WhoPublishesTooMuchIsSlowedDownAndLosesNothing) {
  auto node = with({"--address-events-per-second", "500"});
  const auto began = TestClock::now();
  const auto figures = publish_all(node, 4'000);
  const auto took = TestClock::now() - began;
  // 2,000 are saved up.
  EXPECT_GE(took, 3s);
  EXPECT_LE(took, 30s);
  EXPECT_EQ(figures.accepted, 4'000u);
  EXPECT_EQ(figures.refused, 0u);
  EXPECT_GT(figures.pauses, 0u);
  EXPECT_EQ(figures.connections, 1u);
  EXPECT_TRUE(eventually(20s, [&] {
    const auto page = node.session().read("player/ana", 1, 1);
    return page.ok() && page->getLastOffset() == 4'000;
  }));
  node.stop();
  node.process().set_arguments({});
  node.start();
  EXPECT_EQ(node.payloads("player/ana"), numbered(4'000));
  node.stop();
}

TEST_F(AddressLimits, P3ACallThatIsTooMuchIsRefusedWholeAndNothingOvertakesIt) {
  auto node = with({"--address-events-per-second", "10"});
  WebSocket socket(node.http());
  ASSERT_TRUE(socket.opened());
  (void)socket.hear("welcome");
  // 40 are saved up, less what was asked before.
  ASSERT_TRUE(socket.say(publish_message(1, 30, 1)));
  EXPECT_THAT(socket.hear("published"), HasSubstr(R"("accepted":30,"duplicates":0,"refusals":[])"));
  ASSERT_TRUE(socket.say(publish_message(2, 20, 31)));
  ASSERT_TRUE(socket.say(publish_message(3, 1, 51)));
  const auto refused = socket.hear("published");
  EXPECT_THAT(refused, AllOf(HasSubstr(R"("accepted":0)"), HasSubstr(R"({"index":0,"error":"overloaded")"),
                             HasSubstr(R"({"index":19,"error":"overloaded")"), HasSubstr(R"("retry_after_ms":)")));
  EXPECT_THAT(socket.hear("published"), AllOf(HasSubstr(R"("id":3,"accepted":0)"), HasSubstr("overloaded")))
      << "there would be room for one, but it must not overtake";
  // After the pause that it was told.
  const auto at = refused.find(R"("retry_after_ms":)") + std::string_view(R"("retry_after_ms":)").size();
  const auto pause = std::chrono::milliseconds(std::stoul(refused.substr(at)));
  EXPECT_GT(pause, 500ms);
  EXPECT_LT(pause, 3s);
  const auto until = TestClock::now() + pause;
  EXPECT_TRUE(eventually(10s, [&] { return TestClock::now() >= until; }));
  ASSERT_TRUE(socket.say(publish_message(4, 20, 31)));
  EXPECT_THAT(socket.hear("published"), HasSubstr(R"("id":4,"accepted":20)"));
  node.stop();
}

TEST_F(AddressLimits, P7RequestsCountOnEveryDoorAndAreToldWhenToComeAgain) {
  auto node = with({"--address-events-per-second", "5"});
  // 20 are saved up.
  HttpAnswer answer;
  for (int i = 0; i < 60 && answer.status != 429; ++i) answer = http_get(node.http(), "/events/player/ana");
  EXPECT_EQ(answer.status, 429);
  EXPECT_THAT(answer.header, HasSubstr("Retry-After: 1"));
  EXPECT_THAT(answer.body, AllOf(HasSubstr(R"("error":"overloaded")"), HasSubstr(R"("retry_after_ms":)")));
  answer = {};
  for (int i = 0; i < 60 && answer.status != 429; ++i)
    answer = http_post(node.http(), "/events/player/ana?type=note", "{}");
  EXPECT_EQ(answer.status, 429);
  // So does what is asked by RPC.
  ErrorCode code{};
  for (int i = 0; i < 60 && code != ErrorCode::OVERLOADED; ++i)
    if (const auto page = node.session().read("player/ana", 1, 1); !page.ok()) code = page.error().code;
  EXPECT_EQ(code, ErrorCode::OVERLOADED);
  code = {};
  for (int i = 0; i < 60 && code != ErrorCode::OVERLOADED; ++i)
    if (const auto seen = node.session().inspect("player/ana"); !seen.ok()) code = seen.error().code;
  EXPECT_EQ(code, ErrorCode::OVERLOADED);
  // A new WebSocket is closed, and told why.
  int closed = 0;
  for (int i = 0; i < 60 && closed == 0; ++i) {
    WebSocket socket(node.http());
    if (const auto first = socket.hear(); first.starts_with(R"({"welcome")"))
      continue;
    else
      EXPECT_THAT(first, AllOf(HasSubstr("error"), HasSubstr("overloaded"), HasSubstr("retry_after_ms")));
    closed = socket.hear_close();
  }
  EXPECT_EQ(closed, 4429);
  EXPECT_GT(limited(node, "requests"), 3);
  node.stop();
}

TEST_F(AddressLimits, P7AFollowThatIsOneTooManyComesLater) {
  auto node = with({"--address-events-per-second", "20"});
  ASSERT_TRUE(node.publish("player/ana", "{}").ok());
  auto& session = node.session();
  // More than are saved up, one after the other; each gets its event.
  int came = 0;
  std::vector<kj::Own<client::Follower>> followers;
  followers.reserve(120);
  for (int i = 0; i < 120; ++i)
    followers.push_back(kj::heap<client::Follower>(
        session.network(), session.timer(), client::Follower::Options{.addresses = {{node.rpc()}}},
        std::vector<client::Follower::Start>{{"player/ana", 1}},
        client::Follower::Callbacks{.event = [&](auto, auto, auto) { ++came; }}));
  EXPECT_TRUE(eventually(30s, [&] {
    session.wait(session.timer().afterDelay(10 * kj::MILLISECONDS));
    return came == 120;
  })) << came;
  followers.clear();
  EXPECT_GT(limited(node, "requests"), 0);
  node.stop();
}

TEST_F(AddressLimits, P7WhoSendsTooManyBytesIsReadFromSlowly) {
  auto node = with({"--address-bytes-per-second", "500000"});
  const auto began = TestClock::now();
  const auto figures = publish_all(node, 70, {}, 60'000);
  // 4 MB, of which 2 MB are saved up.
  EXPECT_GE(TestClock::now() - began, 3s);
  EXPECT_EQ(figures.accepted, 70u);
  EXPECT_EQ(figures.pauses, 0u) << "nothing was refused";
  EXPECT_EQ(figures.connections, 1u);
  EXPECT_GT(limited(node, "reads"), 0);
  node.stop();
}

// A message over a WebSocket that is begun, and of which so much has come.
WebSocket begun(const client::Address& address, std::size_t came, const char* from = nullptr,
                std::uint64_t announced = 1'000'000) {
  WebSocket socket(address, "", 0, from);
  EXPECT_TRUE(socket.opened());
  (void)socket.hear("welcome");
  EXPECT_TRUE(socket.send(frame_of(std::string(came, ' '), {.said_length = announced})));
  return socket;
}

TEST_F(AddressLimits, P7WhatIsAnnouncedTakesTheRoomThatItNeeds) {
  auto node = with({});
  // Given as much as one address may have begun, of which nothing came.
  std::vector<WebSocket> announced;
  while (announced.size() < 8) announced.push_back(begun(node.http(), 0));
  announced.push_back(begun(node.http(), 0, nullptr, (8u << 20) - 8'000'001));
  // When it begins more, then that is refused; what comes whole needs no room.
  EXPECT_EQ(begun(node.http(), 0).hear_close(), 4429);
  RawSocket whole(node.http());
  ASSERT_TRUE(
      whole.send("POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n" + std::string(20, ' ')));
  EXPECT_THAT(whole.receive_until("}"), HasSubstr(" 400 ")) << "blanks are no event, but they came";
  node.stop();
}

TEST_F(AddressLimits, P7OneAddressTakesNoMoreThanItsShareOfTheRoomForMessages) {
  auto node = with({});
  // Given as much as one address may have begun.
  std::vector<WebSocket> begun_here;
  while (begun_here.size() < 8) begun_here.push_back(begun(node.http(), 999'999));
  // When it begins more, by whichever way, then that is refused,
  auto more = begun(node.http(), 999'999);
  EXPECT_EQ(more.hear_close(), 4429);
  RawSocket body(node.http());
  ASSERT_TRUE(body.send("POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" +
                        std::string(400'000, ' ')));
  EXPECT_THAT(body.receive_until("overloaded"), AllOf(HasSubstr(" 429 "), HasSubstr("Retry-After")));
  // and others are not concerned.
  auto other = begun(node.http(), 999'999, kElsewhere);
  ASSERT_TRUE(other.send(" "));
  EXPECT_EQ(other.hear_close(), 4400);
  // When its connections are gone, it has its share again.
  begun_here.clear();
  EXPECT_TRUE(eventually(5s, [&] {
    auto again = begun(node.http(), 999'999);
    return again.send(" ") && again.hear_close() == 4400;
  }));
  node.stop();
}

// A native message of 12 MiB that is begun.
RawSocket begun_natively(const client::Address& address, const char* from = nullptr) {
  RawSocket socket(address, 0, from);
  const std::uint32_t table[] = {0, (12u << 20) / 8};  // One segment, and its words.
  EXPECT_TRUE(socket.send(std::string(reinterpret_cast<const char*>(table), sizeof table) + "begun"));
  return socket;
}

TEST_F(AddressLimits, P7OneAddressTakesNoMoreThanItsShareOfTheRoomForNativeMessages) {
  auto node = with({});
  // When one address begins more long messages than it may, each of which takes a page of memory and what has come,
  std::vector<RawSocket> begun_here;
  while (begun_here.size() < 4) begun_here.push_back(begun_natively(node.rpc()));
  // then the last one is hung up on, and no other.
  const auto closed = [&] {
    return std::ranges::count_if(begun_here, [](auto& socket) { return socket.closed_within(1ms); });
  };
  EXPECT_TRUE(eventually(5s, [&] { return closed() > 0; }));
  EXPECT_FALSE(begun_natively(node.rpc(), kElsewhere).closed_within(200ms));
  EXPECT_EQ(closed(), 1);
  // When its connections are gone, it has its share again.
  begun_here.clear();
  EXPECT_TRUE(eventually(5s, [&] { return !begun_natively(node.rpc()).closed_within(200ms); }));
  node.stop();
}

TEST_F(AddressLimits, P7AnUploadThatWeHoldBackIsToldToComeLater) {
  auto node = with({"--address-bytes-per-second", "10000", "--request-within", "1000"});
  // 40,000 are saved up; this takes six seconds more.
  RawSocket body(node.http());
  ASSERT_TRUE(body.send("POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\n\r\n" +
                        std::string(100'000, ' ')));
  EXPECT_THAT(body.receive_until("overloaded"), AllOf(HasSubstr(" 429 "), HasSubstr("Retry-After")));
  node.stop();
}

// Goal: nobody on this machine is limited unless that is asked for. Method: more than the defaults allow others.
TEST_F(AddressLimits, LoopbackHasNoneByDefault) {
  RunningNode node;
  std::vector<RawSocket> sockets;
  sockets.reserve(600);
  for (int i = 0; i < 600; ++i) sockets.emplace_back(node.http());
  const auto figures = publish_all(node, 60'000);
  EXPECT_EQ(figures.accepted, 60'000u);
  for (const char* what : {"connections", "requests", "reads"}) EXPECT_EQ(limited(node, what), 0) << what;
  node.stop();
}

class SubjectLimits : public ::testing::Test {
 protected:
  explicit SubjectLimits(std::vector<std::string> more)
      : node({.arguments = (more.insert(more.end(), {"--keys", keys.path()}), std::move(more)), .data_directory = {}}) {
  }
  void TearDown() override { node.stop(); }

  std::string token_of(const std::string& subject, const std::string& more = "") const {
    return keys.forge.sign(KeyFile::claims(
        subject, R"("carillon":{"read":["player/*"],"publish":["player/*"],"producers":["*"])" + more + "}"));
  }
  static std::string bearer(const std::string& token) { return "Authorization: Bearer " + token + "\r\n"; }
  kj::Own<client::Connection> connect(const std::string& token, Error* refusal = nullptr) {
    auto& session = node.session();
    auto connected = session.wait(client::Connection::connect(session.network(), session.timer(), node.rpc(),
                                                              client::Connection::kConnectWithin, {.token = token}));
    if (connected.ok()) return kj::mv(*connected);
    if (refusal != nullptr) *refusal = connected.error();
    return {};
  }
  HttpAnswer get(const std::string& token) {
    return http(node.http(),
                "GET /events/player/ana HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + bearer(token) + "\r\n");
  }

  KeyFile keys;
  RunningNode node;
};

class SubjectConnections : public SubjectLimits {
 protected:
  SubjectConnections() : SubjectLimits({"--subject-connections-max", "3"}) {}
};

TEST_F(SubjectConnections, P9OneSubjectHasNoMoreThanItMayOnAllDoorsTogether) {
  // Given a native connection, a WebSocket and a stream of server-sent events, all of Ana.
  auto native = connect(token_of("ana"));
  ASSERT_NE(native.get(), nullptr);
  WebSocket socket(node.http(), bearer(token_of("ana")));
  EXPECT_THAT(socket.hear(), HasSubstr("welcome"));
  RawSocket stream(node.http());
  ASSERT_TRUE(
      stream.send("GET /streams/player/ana HTTP/1.1\r\nHost: localhost\r\n" + bearer(token_of("ana")) + "\r\n"));
  EXPECT_THAT(stream.receive_until(": following"), HasSubstr("200 OK"));
  // Then there is no fourth one, by whatever door.
  Error refusal;
  EXPECT_EQ(connect(token_of("ana"), &refusal).get(), nullptr);
  EXPECT_EQ(refusal.code, ErrorCode::LIMIT_EXCEEDED);
  WebSocket another(node.http(), bearer(token_of("ana")));
  EXPECT_THAT(another.hear(), HasSubstr("limit_exceeded"));
  EXPECT_EQ(another.hear_close(), 4429);
  const auto refused = get(token_of("ana"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.header, HasSubstr("Retry-After: 1"));
  EXPECT_THAT(refused.body, HasSubstr(R"("error":"limit_exceeded")"));
  // Others have theirs, and so has Ana when one of hers has ended.
  EXPECT_EQ(get(token_of("bo")).status, 200);
  EXPECT_EQ(socket.close(), 1000);
  EXPECT_TRUE(eventually(5s, [&] { return get(token_of("ana")).status == 200; }));
}

TEST_F(SubjectConnections, P9ATokenThatSaysSoIsUnlimited) {
  std::vector<kj::Own<client::Connection>> connections;
  connections.reserve(10);
  for (int i = 0; i < 10; ++i) connections.push_back(connect(token_of("server", R"(,"unlimited":true)")));
  for (const auto& connection : connections) EXPECT_NE(connection.get(), nullptr);
}

// What comes one after the other on one connection, as a proxy sends it, is each its own subject's.
TEST_F(SubjectConnections, P9AConnectionCountsForWhoUsesItNow) {
  std::vector<RawSocket> connections;
  connections.reserve(6);
  for (int i = 0; i < 6; ++i) {
    auto& proxied = connections.emplace_back(node.http());
    for (const std::string subject : {"ana", "bo", "cy"}) {
      if (i >= 3 && subject == "cy") break;  // Three end as Cy's, the others as Bo's.
      ASSERT_TRUE(
          proxied.send("GET /events/player/ana HTTP/1.1\r\nHost: localhost\r\n" + bearer(token_of(subject)) + "\r\n"));
      EXPECT_THAT(proxied.receive_until("\"events\""), HasSubstr("200 OK")) << subject << " on " << i;
    }
  }
  EXPECT_EQ(get(token_of("ana")).status, 200);
  EXPECT_EQ(get(token_of("bo")).status, 429);
  EXPECT_EQ(get(token_of("cy")).status, 429);
}

class SubjectEvents : public SubjectLimits {
 protected:
  SubjectEvents() : SubjectLimits({"--subject-events-per-second", "200"}) {}
};

TEST_F(SubjectEvents, P7OneSubjectPublishesNoMoreThanItMayAndOthersAreNotConcerned) {
  const auto began = TestClock::now();
  // On one connection while another one of the same subject publishes as well.
  auto other = connect(token_of("ana"));
  const client::Publication event{"player/bo", "note", "{}", 1};
  const auto figures = publish_all(node, 1'500, {.token = token_of("ana")});
  EXPECT_GE(TestClock::now() - began, 2s) << "800 are saved up";
  EXPECT_EQ(figures.accepted, 1'500u);
  EXPECT_EQ(figures.refused, 0u);
  // All connections of a subject share what it may.
  const std::vector<client::Publication> many(700, event);
  const auto published = node.session().wait(other->publish("ana/other", many));
  ASSERT_TRUE(published.ok());
  EXPECT_EQ(published->getAccepted(), 0u);
  ASSERT_EQ(published->getRefusals().size(), 700u);
  EXPECT_EQ(published->getRefusals()[0].getCode(), ErrorCode::OVERLOADED);
  EXPECT_GT(published->getRefusals()[0].getRetryAfterMs(), 1'000u);
  // Another subject has all of its own.
  auto bo = connect(token_of("bo"));
  EXPECT_EQ(node.session().wait(bo->publish("bo", {&event, 1}))->getAccepted(), 1u);
  EXPECT_EQ(publish_all(node, 1'500, {.token = token_of("server", R"(,"unlimited":true)")}).pauses, 0u);
}

}  // namespace
}  // namespace carillon::testing
