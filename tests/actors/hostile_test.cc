// Connections that mean no good, or know no better, on both ports: nothing is lost, and others are served.
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <gmock/gmock.h>
#include <messages/client.capnp.h>
#include <sys/resource.h>

#include <cstring>
#include <functional>
#include <random>
#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMiB = 1 << 20;

class Hostile : public ::testing::Test {
 protected:
  void SetUp() override {
    node.publish_to_ledger(100);
    process = node.process().process();
  }
  void TearDown() override {
    EXPECT_EQ(http_get(node.http(), "/healthz").status, 200);
    node.expect_sound();
    EXPECT_EQ(node.process().process(), process);
    node.stop();  // With exit code 0: it never crashed.
  }

  std::vector<client::Address> ports() { return {node.rpc(), node.http()}; }

  RunningNode node{{.arguments = {"--first-call-within", "500", "--request-within", "500"}, .data_directory = {}}};
  pid_t process = 0;
};

// How Cap'n Proto clients begin: question 0 asks for the gateway.
std::string bootstrap_message() {
  using namespace std::literals;
  return "\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00"
         "\x00\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"s;
}

// A call of the gateway that was asked for.
std::string call_message(std::uint32_t question, std::uint16_t method,
                         const std::function<void(capnp::AnyPointer::Builder)>& fill) {
  capnp::MallocMessageBuilder message;
  auto call = message.initRoot<capnp::rpc::Message>().initCall();
  call.setQuestionId(question);
  call.initTarget().initPromisedAnswer().setQuestionId(0);
  call.setInterfaceId(capnp::typeId<wire::Gateway>());
  call.setMethodId(method);
  fill(call.initParams().getContent());
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

std::string random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 dice(seed);
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i + 8 <= count; i += 8) {
    const auto word = dice();
    std::memcpy(bytes.data() + i, &word, 8);
  }
  return bytes;
}

// Goal: no sequence of bytes hurts. Method: short messages from a seed, and mutations of the opening of a real client.
TEST_F(Hostile, MalformedBytes) {
  using namespace std::literals;
  std::vector<std::string> messages = {
      "\xff\xff\xff\xff\xff\xff\xff\xff"s,                                  // 4 G segments.
      "\x00\x00\x00\x00\xff\xff\xff\xff"s,                                  // One segment of 32 GiB.
      "\x00\x00\x00\x00\x00\x00\x00\x00"s,                                  // An empty message.
      "\x00\x00\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"s,  // A wild pointer.
      "\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00"s,  // Ends in the middle.
      "GET / HTTP/1.1\r\n\r\n"s,
      "GET  HTTP/1.1\r\n\r\n"s,
      "\r\n\r\n\r\n"s,
      "GET / HTTP/9.9\r\n\r\n"s,
      "POST /events/player/a?type=t HTTP/1.1\r\nContent-Length: -1\r\n\r\n"s,
      "POST /events/player/a?type=t HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{}"s,
      "POST /events/player/a?type=t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}"s,
      "POST /events/player/a?type=t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"s,
      "GET /\0 HTTP/1.1\r\n\r\n"s,
      "CONNECT a:1 HTTP/1.1\r\n\r\n"s,
  };
  const auto bootstrap = bootstrap_message();
  std::mt19937_64 dice(7);
  for (int i = 0; i < 300; ++i) {
    auto mutated = bootstrap + bootstrap;
    for (int flips = 0; flips < 3; ++flips) mutated[dice() % mutated.size()] = static_cast<char>(dice());
    messages.push_back(mutated);
    messages.push_back(random_bytes(8 * (1 + dice() % 32), dice()));
  }
  for (const auto& message : messages) {
    for (const auto& port : ports()) {
      RawSocket socket(port);
      ASSERT_TRUE(socket.connected());
      (void)socket.send(message);
      socket.end();
      EXPECT_TRUE(socket.closed_within(5s)) << ::testing::PrintToString(message);
    }
  }
}

// Goal: nobody gets a request past a proxy inside of another one. Method: requests whose end can be understood in two ways; in one
// of them a second request follows, which would be seen in its stream.
TEST_F(Hostile, P9NoRequestIsSmuggledInsideOfAnother) {
  const std::string inner =
      "POST /events/player/smuggled?type=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
  const std::string outer = "POST /events/player/front?type=t HTTP/1.1\r\nHost: localhost\r\n";
  const auto length = [](std::size_t bytes) { return "Content-Length: " + std::to_string(bytes) + "\r\n"; };
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::string chunk = "\r\n2\r\n{}\r\n0\r\n\r\n";
  for (const auto& request : std::vector<std::string>{
           // Both ways of saying it, in either order.
           outer + length(5 + inner.size()) + chunked + "\r\n0\r\n\r\n" + inner,
           outer + chunked + length(2) + chunk + inner,
           // Two lengths, or one that is none.
           outer + length(2) + length(2 + inner.size()) + "\r\n{}" + inner,
           outer + length(2) + length(2) + "\r\n{}" + inner,
           outer + "Content-Length: 2, 2\r\n\r\n{}" + inner,
           outer + "Content-Length: +2\r\n\r\n{}" + inner,
           outer + "Content-Length: 0x2\r\n\r\n{}" + inner,
           outer + "Content-Length: 2 0\r\n\r\n{}" + inner,
           outer + "Content-Length: -1\r\n\r\n{}" + inner,
           outer + "Content-Length: 2\r\n 0\r\n\r\n{}" + inner,  // Folded lines (obs-fold).
           // Encodings that are not the one that we know, or look like it.
           outer + "Transfer-Encoding: xchunked\r\n" + chunk + inner,
           outer + "Transfer-Encoding: identity\r\n" + chunk + inner,
           outer + "Transfer-Encoding: chunked, identity\r\n" + chunk + inner,
           outer +
               "Transfer-Encoding: \x0b"
               "chunked\r\n" +
               chunk + inner,
           outer + "Transfer-Encoding:\r\n chunked\r\n" + chunk + inner,
           outer + chunked + chunked + chunk + inner,
           outer + length(2) + "X-Folded: a\r\n Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + chunk +
               inner,
           // Chunks with extensions, and other lengths that are none.
           outer + chunked + "\r\n2;a=b\r\n{}\r\n0\r\n\r\n" + inner,
           outer + chunked + "\r\n2;a=\n{}\r\n0\r\n\r\n" + inner,
           outer + chunked + "\r\n0x2\r\n{}\r\n0\r\n\r\n" + inner,
           outer + chunked + "\r\n-2\r\n{}\r\n0\r\n\r\n" + inner,
           outer + chunked + "\r\n2\r\n{}xx0\r\n\r\n" + inner,
       }) {
    RawSocket socket(node.http());
    ASSERT_TRUE(socket.send(request));
    bool closed = false;
    const auto answers = socket.receive_all(closed);
    SCOPED_TRACE(::testing::PrintToString(request) + "\n" + answers);
    EXPECT_TRUE(closed);
    EXPECT_THAT(answers, ::testing::StartsWith("HTTP/1.1 400 "));
    EXPECT_EQ(answers.find("200 OK"), std::string::npos);
  }
  // What KJ's parser would take: these end the connection without an answer.
  for (const auto& request : std::vector<std::string>{
           outer + "Content-Length : 2\r\n\r\n{}" + inner,
           outer + "Content-Length:\r\n\r\n" + inner,
           outer + "X: a\rContent-Length: 2\r\n\r\n{}" + inner,
           outer + chunked + "\r\n10000000000000002\r\n{}\r\n0\r\n\r\n" + inner,
           outer + chunked + "\r\n2\r{}\r\n0\r\n\r\n" + inner,
       }) {
    RawSocket socket(node.http());
    ASSERT_TRUE(socket.send(request));
    bool closed = false;
    EXPECT_EQ(socket.receive_all(closed), "") << ::testing::PrintToString(request);
    EXPECT_TRUE(closed);
  }
  EXPECT_TRUE(node.payloads("player/smuggled").empty());
  EXPECT_TRUE(node.payloads("player/front").empty());
  // Two requests, one behind the other, are two requests.
  RawSocket socket(node.http());
  ASSERT_TRUE(socket.send(outer + length(2) + "\r\n{}" + outer + chunked + chunk + inner));
  std::string answers;
  while (node.payloads("player/smuggled").empty() && socket.receive_more(answers)) {
  }
  EXPECT_EQ(node.payloads("player/front").size(), 2u);
}

TEST_F(Hostile, P7HundredMegabytesOfGarbage) {
  const auto before = node.anonymous_bytes();
  std::string lines;
  while (lines.size() < kMiB) lines += "GET / HTTP/1.1\r\nHost: ";
  std::string header = "GET / HTTP/1.1\r\nX-Long: " + std::string(kMiB, 'x');
  for (const auto& garbage : {random_bytes(kMiB, 1), std::string(kMiB, '\0'), std::string(kMiB, '\xff'),
                              std::string(kMiB, 'A'), lines, header}) {
    for (const auto& port : ports()) {
      RawSocket socket(port);
      // Either it takes all of it, or closes early.
      for (int i = 0; i < 100 && socket.send(garbage); ++i) {
      }
      socket.end();
      EXPECT_TRUE(socket.closed_within(10s));
      ASSERT_TRUE(node.publish("player/ada", "{}").ok());
    }
  }
  EXPECT_LT(node.anonymous_bytes(), before + 96 * kMiB);
}

// Goal: answers that nobody takes in cost little. Method: more and more calls of a kind are sent, and nothing is read; the node stops
// reading as well, long before it has kept much.
TEST_F(Hostile, P7AClientThatTakesNoAnswersIsNotReadFrom) {
  const std::string payload = R"({"text":")" + std::string(60'000, 'x') + "\"}";
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(node.publish("player/long", payload).ok());
  const std::uint16_t kPublish = 0, kRead = 2, kInspect = 3;
  const std::function<std::string(std::uint32_t)> kinds[] = {
      [&](std::uint32_t question) {  // Refused at once.
        return call_message(question, kInspect,
                            [](auto params) { params.template initAs<wire::Gateway::InspectParams>().setEntity("x"); });
      },
      [&](std::uint32_t question) {  // Of nothing.
        return call_message(question, kPublish, [](auto params) {
          params.template initAs<wire::Gateway::PublishParams>().setProducer("p");
        });
      },
      [&](std::uint32_t question) {  // Answered with a MiB, a moment later.
        return call_message(question, kRead, [](auto params) {
          auto read = params.template initAs<wire::Gateway::ReadParams>();
          read.setEntity("player/long");
          read.setFrom(1);
          read.setLimit(1'000);
        });
      },
  };
  for (const auto& call : kinds) {
    const auto before = node.anonymous_bytes();
    RawSocket socket(node.rpc(), 4'096);
    ASSERT_TRUE(socket.send(bootstrap_message()));
    std::uint32_t question = 0;
    std::size_t sent_bytes = 0;
    for (bool taken = true; taken && sent_bytes < 128 * kMiB;) {
      std::string many;
      while (many.size() < kMiB / 4) many += call(++question);
      taken = socket.send(many, 500ms);
      sent_bytes += many.size();
    }
    EXPECT_LT(sent_bytes, 128 * kMiB) << "it is read from without end";
    EXPECT_LT(node.anonymous_bytes(), before + 96 * kMiB);
    ASSERT_TRUE(node.publish("player/ada", "{}").ok());
  }
}

// Goal: calls that are answered and never finished cost little. Method: calls without end, whose answers are read.
TEST_F(Hostile, P7AClientThatFinishesNoCallIsHungUpOn) {
  RawSocket socket(node.rpc());
  ASSERT_TRUE(socket.send(bootstrap_message()));
  std::jthread reader([&] {
    std::string answers;
    while (socket.receive_more(answers)) answers.clear();
  });
  const std::uint16_t kInspect = 3;
  constexpr std::uint32_t kMany = 200'000;
  std::uint32_t question = 0;
  for (bool open = true; open && question < kMany;) {
    std::string calls;
    for (int call = 0; call < 500; ++call)
      calls += call_message(++question, kInspect,
                            [](auto params) { params.template initAs<wire::Gateway::InspectParams>().setEntity("x"); });
    open = socket.send(calls);
  }
  socket.end();
  EXPECT_LT(question, kMany);
}

// Goal: a connection that always has something to read keeps nobody else waiting. Method: requests without end, cheap ones, whose answers
// are read.
TEST(OneThread, P7AConnectionThatAlwaysHasSomethingToReadKeepsNobodyWaiting) {
  RunningNode node({.arguments = {"--gateway-threads", "1"}});
  RawSocket socket(node.http());
  std::string requests;
  while (requests.size() < kMiB) requests += "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
  std::jthread reader([&] {
    std::string answers;
    while (socket.receive_more(answers)) answers.clear();
  });
  std::jthread writer([&](const std::stop_token& enough) {
    while (!enough.stop_requested() && socket.send(requests)) {
    }
    socket.end();
  });
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(http_get(node.http(), "/healthz").status, 200);
    ASSERT_TRUE(node.publish("player/ada", "{}").ok());
  }
  writer.request_stop();
  writer.join();
  reader.join();
  node.stop();
}

// Goal: whoever reads from very many streams keeps nobody from reading. Method: a page of each of more than a partition has readers for.
TEST(OnePartition, P7ReadingOfManyStreamsIsNotRefused) {
  constexpr int kStreams = 5'000, kAtOnce = 500;
  RunningNode node({.arguments = {"--partitions", "1"}});
  RawSocket socket(node.http());
  for (int begin = 0; begin < kStreams; begin += kAtOnce) {
    std::string events;
    for (int i = begin; i < begin + kAtOnce; ++i)
      events += std::string(events.empty() ? "" : ",") + R"({"entity":"player/p)" + std::to_string(i) +
                R"(","type":"note","payload":{},"sequence":)" + std::to_string(i + 1) + "}";
    ASSERT_EQ(http_post(node.http(), "/events", R"({"producer":"many","events":[)" + events + "]}").status, 200);
    std::string requests;
    for (int i = begin; i < begin + kAtOnce; ++i)
      requests += "GET /events/player/p" + std::to_string(i) + "?from=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    ASSERT_TRUE(socket.send(requests));
    std::string answers;
    const auto count = [&](std::string_view mark) {
      int found = 0;
      for (auto at = answers.find(mark); at != std::string::npos; at = answers.find(mark, at + 1)) ++found;
      return found;
    };
    while (count("HTTP/1.1 ") < kAtOnce) ASSERT_TRUE(socket.receive_more(answers));
    ASSERT_EQ(count("HTTP/1.1 200 "), kAtOnce) << answers.substr(0, 500);
  }
  node.stop();
}

// Goal: KJ chains what waits to be written, and takes the chain apart by recursion; that must not use up the stack. Method: a few long
// answers fill the socket, and as many publishes are answered behind them as a connection may leave unread; then it is lost.
TEST_F(Hostile, P7ThousandsOfAnswersThatNobodyTakesEndWithTheirConnection) {
  const std::string payload = R"({"text":")" + std::string(60'000, 'x') + "\"}";
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(node.publish("player/long", payload).ok());
  const std::uint16_t kPublish = 0, kRead = 2;
  constexpr std::uint32_t kCalls = 8'192, kUnreadMax = 1'024;
  {
    RawSocket socket(node.rpc(), 4'096);
    std::string calls = bootstrap_message();
    std::uint32_t question = 0;
    for (int reads = 0; reads < 3; ++reads)
      calls += call_message(++question, kRead, [](auto params) {
        auto read = params.template initAs<wire::Gateway::ReadParams>();
        read.setEntity("player/long");
        read.setFrom(1);
        read.setLimit(1'000);
      });
    for (std::uint32_t call = 1; call <= kCalls; ++call)
      calls += call_message(++question, kPublish, [&](auto params) {
        auto publish = params.template initAs<wire::Gateway::PublishParams>();
        publish.setProducer("many");
        auto item = publish.initBatch(1)[0];
        item.setEntity("player/many");
        item.setType("note");
        item.setPayload("{}");
        item.setSequence(call);
      });
    ASSERT_TRUE(socket.send(calls));
    EXPECT_TRUE(eventually(20s, [&] { return node.payloads("player/many").size() >= kUnreadMax; }));
  }
  EXPECT_TRUE(node.publish("player/ada", "{}").ok());
}

// Goal: no burst of small frames uses up the stack. Method: a long header makes the buffer large into which KJ reads; then empty pongs
// come faster than they are looked at, so that it is full of them.
TEST_F(Hostile, P7BurstsOfEmptyFrames) {
  std::string pongs;
  while (pongs.size() < 4 * kMiB) pongs += frame_of("", {.opcode = Opcode::kPong});
  WebSocket socket(node.http(), "X-Long: " + std::string(70'000, 'x') + "\r\n");
  ASSERT_TRUE(socket.opened());
  ASSERT_TRUE(socket.send(pongs));
  ASSERT_TRUE(socket.say(R"({"ping":{}})"));
  EXPECT_EQ(socket.hear("pong"), R"({"pong":{}})");
}

// A client that is slow on purpose: its connection ends by the deadline, and nobody waits for it.
TEST_F(Hostile, P7OneByteASecond) {
  const std::string post =
      "POST /events/player/a?type=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{\"a\":\"";
  struct Case {
    client::Address port;
    std::string begin;
    char then;
  };
  for (const auto& [port, begin, then] : {Case{node.rpc(), "", '\0'}, Case{node.rpc(), std::string(4, '\0'), 'x'},
                                          Case{node.http(), "GET / HTTP/1.1\r\nX-Long: ", 'x'},
                                          Case{node.http(), "", 'G'}, Case{node.http(), post, 'x'}}) {
    RawSocket slow(port);
    ASSERT_TRUE(slow.send(begin));
    const auto began = std::chrono::steady_clock::now();
    // One byte a second, scaled like the deadlines: one every 50 ms for one every second of the default 10 s.
    while (!slow.closed_within(50ms)) {
      (void)slow.send({&then, 1});
      ASSERT_TRUE(node.publish("player/ada", "{}").ok());
      ASSERT_LT(std::chrono::steady_clock::now() - began, 10s) << "begun with " << begin;
    }
  }
}

TEST_F(Hostile, P7ABodyThatDoesNotComeInTimeIsToldSo) {
  RawSocket slow(node.http());
  ASSERT_TRUE(slow.send("POST /events/player/a?type=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"));
  EXPECT_THAT(slow.receive_until("did not come"), ::testing::HasSubstr(" 503 "));
}

void open_and_abandon(RunningNode& node, const std::vector<client::Address>& ports, std::size_t count) {
  const auto before = node.anonymous_bytes();
  {
    std::vector<RawSocket> sockets;
    sockets.reserve(count);
    while (sockets.size() < count) {
      sockets.emplace_back(ports[sockets.size() % ports.size()]);
      ASSERT_TRUE(sockets.back().connected()) << "after " << sockets.size();
    }
    // A new client is served meanwhile.
    node.connect();
    ASSERT_TRUE(node.publish("player/ada", "{}").ok());
    EXPECT_LT(node.anonymous_bytes(), before + 256 * kMiB);
  }
  // Nobody is left but us.
  EXPECT_TRUE(eventually(20s, [&] { return node.figure("connections") <= 2; }));
  EXPECT_TRUE(eventually(20s, [&] { return node.open_files() < 64; })) << node.open_files();
  ASSERT_TRUE(node.publish("player/ada", "{}").ok());
}

class Abandoned : public Hostile {
 protected:
  void restart_with(std::vector<std::string> arguments) {
    node.stop();
    node.process().set_arguments(std::move(arguments));
    node.start();
    process = node.process().process();
  }
};

TEST_F(Abandoned, P7TenThousandConnections) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 12'000) GTEST_SKIP() << "no more than " << files.rlim_cur << " files may be open here";
  restart_with({});  // The deadlines of a user.
  open_and_abandon(node, ports(), 10'000);
}

TEST_F(Abandoned, P7MoreConnectionsThanAllowedAreClosedAtOnceAndSilentOnesSoon) {
  restart_with({"--connections-max", "50", "--first-call-within", "500", "--request-within", "500"});
  std::vector<RawSocket> sockets;
  sockets.reserve(500);
  for (int i = 0; i < 500; ++i) sockets.emplace_back(ports()[static_cast<std::size_t>(i) % 2]);
  EXPECT_TRUE(sockets.back().closed_within(5s));
  ASSERT_TRUE(node.publish("player/ada", "{}").ok()) << "who was connected is served";
  EXPECT_GE(node.figure("connections_refused_total"), 400);
  // The silent ones make room for who speaks.
  EXPECT_TRUE(eventually(5s, [&] { return http_get(node.http(), "/healthz").status == 200; }));
}

// Goal: connections never take the files that the store needs, for a log that cannot be opened ends all writing.
TEST_F(Abandoned, P7ConnectionsLeaveFilesToTheStore) {
  // For the node and for this test.
  const rlimit few{.rlim_cur = 1'200, .rlim_max = 1'200};
  node.stop();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  node.process().set_arguments({"--first-call-within", "500", "--request-within", "500"});
  node.start();
  process = node.process().process();
  std::vector<RawSocket> sockets;
  sockets.reserve(1'000);
  for (int i = 0; i < 1'000; ++i) sockets.emplace_back(ports()[static_cast<std::size_t>(i) % 2]);
  // Enough for new logs and tables.
  const std::string payload = "{\"a\":\"" + std::string(60'000, 'x') + "\"}";
  for (int i = 0; i < 2'500; ++i) ASSERT_TRUE(node.publish("player/ada", payload).ok()) << i;
  EXPECT_EQ(node.figure("store_read_only"), 0);
  EXPECT_LT(node.open_files(), 256u);
}

}  // namespace
}  // namespace carillon::testing
