// The HTTP port as people meet it: publishing, following, and what is answered to requests that are wrong.
#include <gmock/gmock.h>

#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class Http : public ::testing::Test {
 protected:
  void SetUp() override { node.publish_to_ledger(5); }
  void TearDown() override {
    node.expect_sound();
    node.stop();
  }

  HttpAnswer get(std::string_view target) { return http_get(node.http(), target); }
  HttpAnswer post(std::string_view target, std::string_view body) { return http_post(node.http(), target, body); }
  // Follows until `mark` was seen.
  std::string follow(std::string_view target, std::string_view header, std::string_view mark) {
    RawSocket socket(node.http());
    (void)socket.send("GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(header) + "\r\n");
    return socket.receive_until(mark);
  }

  RunningNode node;
};

TEST_F(Http, PublishedByPostAndFollowed) {
  EXPECT_EQ(post("/events/player/ada?type=note", R"({"a":1})").status, 200);
  const auto events = follow("/streams/player/ada", "", "\"accepted_at\"");
  EXPECT_THAT(events, HasSubstr("Content-Type: text/event-stream"));
  EXPECT_THAT(events, HasSubstr("id: 1\ndata: {\"offset\":1,\"type\":\"note\",\"payload\":{\"a\":1}"));
}

TEST_F(Http, P2PostedAgainWithItsSequenceIsADuplicate) {
  const auto* target = "/events/player/ada?type=note&producer=me&sequence=1";
  EXPECT_THAT(post(target, "{}").body, HasSubstr("\"duplicate\":false"));
  EXPECT_THAT(post(target, "{}").body, HasSubstr("\"duplicate\":true"));
  EXPECT_THAT(follow("/streams/player/ada", "", "id: 1"), Not(HasSubstr("id: 2")));
}

TEST_F(Http, P4ResumesAfterLastEventId) {
  const auto resumed = follow("/streams/player/ledger?from=1", "Last-Event-ID: 3\r\n", "\"entry\":5");
  EXPECT_THAT(resumed, HasSubstr("id: 4\n"));
  EXPECT_THAT(resumed, HasSubstr("id: 5\n"));
  EXPECT_THAT(resumed, Not(HasSubstr("id: 3\n")));
  EXPECT_THAT(follow("/streams/player/ledger?from=2", "", "\"entry\":5"), Not(HasSubstr("id: 1\n")));
}

TEST_F(Http, P4GoesOnLiveWithoutASeam) {
  RawSocket socket(node.http());
  ASSERT_TRUE(socket.send("GET /streams/player/ledger?from=5 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(socket.receive_until("\"entry\":5"), HasSubstr("id: 5\n"));
  node.publish_to_ledger(20);
  const auto live = socket.receive_until("\"entry\":25");
  std::size_t at = 0;
  for (int offset = 6; offset <= 25; ++offset) {
    at = live.find("id: " + std::to_string(offset) + "\n", at);
    ASSERT_NE(at, std::string::npos) << offset;
  }
}

TEST_F(Http, RefusalsHaveTheirCodeAndStatus) {
  const std::string large = "{\"a\":\"" + std::string(70'000, 'x') + "\"}";
  struct Case {
    HttpAnswer answer;
    int status;
    const char* code;
  };
  for (const auto& [answer, status, code] : {
           Case{post("/events/dragon/7?type=t", "{}"), 404, "unknown_kind"},
           Case{post("/events/match/1?type=dance", "{}"), 404, "unknown_type"},
           Case{post("/events/player/a%0Ab?type=t", "{}"), 400, "malformed"},
           Case{post("/events/player/a%00b?type=t", "{}"), 400, "malformed"},
           Case{post("/events/player/%ff?type=t", "{}"), 400, "malformed"},
           Case{post("/events/player/a%zz?type=t", "{}"), 400, "malformed"},
           Case{post("/events/player/ada", "{}"), 400, "malformed"},
           Case{post("/events/player/ada?type=Not%20a%20type", "{}"), 400, "malformed"},
           Case{post("/events/player/ada?type=t", ""), 400, "malformed"},
           Case{post("/events/player/ada?type=t", "[1]"), 400, "malformed"},
           Case{post("/events/player/ada?type=t", "{\"a\":\"\xff\"}"), 400, "malformed"},
           Case{post("/events/player/ada?type=t", large), 413, "payload_too_large"},
           Case{post("/events/player/ada?type=t&producer=p", "{}"), 400, "malformed"},
           Case{post("/events/player/ada?type=t&sequence=1", "{}"), 400, "malformed"},
           Case{post("/events/player/ada?type=t&producer=p&sequence=0", "{}"), 400, "malformed"},
           Case{post("/events/player/ada?type=t&producer=p&sequence=-1", "{}"), 400, "malformed"},
           Case{post("/events/player/ada?type=t&producer=p&sequence=9007199254740992", "{}"), 400, "malformed"},
           Case{post("/events/player/ada?type=t&producer=p%0A&sequence=1", "{}"), 400, "malformed"},
           Case{get("/streams/player/ledger?from=0"), 400, "malformed"},
           Case{get("/streams/player/ledger?from=x"), 400, "malformed"},
           Case{get("/streams/player/ledger?from=99"), 416, "beyond_end"},
           Case{get("/streams/dragon/7"), 404, "unknown_kind"},
           Case{http(node.http(),
                     "GET /streams/player/ledger HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                     "Last-Event-ID: 18446744073709551615\r\n\r\n"),
                400, "malformed"},
       }) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr("\"error\":\"" + std::string(code) + "\""));
  }
}

TEST_F(Http, RefusalsAreProblemDetails) {
  const auto refused = get("/streams/dragon/7");
  EXPECT_THAT(refused.header, HasSubstr("Content-Type: application/problem+json\r\n"));
  EXPECT_THAT(refused.body,
              HasSubstr(R"({"type":"about:blank","title":"Not Found","status":404,"error":"unknown_kind")"));
}

TEST_F(Http, P2AnIdempotencyKeyIsStoredOnce) {
  const auto post_with_key = [&](std::string_view key) {
    return http(node.http(),
                "POST /events/player/ada?type=note HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                "Idempotency-Key: " +
                    std::string(key) + "\r\nContent-Length: 2\r\n\r\n{}");
  };
  EXPECT_THAT(post_with_key("order-1").body, HasSubstr("\"duplicate\":false"));
  EXPECT_THAT(post_with_key("order-1").body, HasSubstr("\"duplicate\":true"));
  EXPECT_THAT(post_with_key("order-2").body, HasSubstr("\"duplicate\":false"));
  EXPECT_EQ(post_with_key(std::string(300, 'k')).status, 400);
}

TEST_F(Http, P2AnIdempotencyKeyIsOfOneEntity) {
  // Given an order that concerns many players, of whom some are of one partition.
  for (int player = 0; player < 30; ++player)
    EXPECT_THAT(http(node.http(), "POST /events/player/p" + std::to_string(player) +
                                      "?type=note HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                      "Idempotency-Key: order-1\r\nContent-Length: 2\r\n\r\n{}")
                    .body,
                HasSubstr("\"duplicate\":false"));
}

TEST_F(Http, NoOtherEntityIsMeantThanTheOneThatIsNamed) {
  for (const auto* path : {"/streams/player/eu//42", "/streams/player/./42", "/streams/player/eu/../42",
                           "/streams/player/eu/", "/streams//player/eu"})
    EXPECT_EQ(get(path).status, 400) << path;
}

TEST_F(Http, P7AnAbsurdBatchIsRefusedAsOne) {
  std::string batch = R"({"producer":"me","events":[{})";
  for (int i = 0; i < 50'000; ++i) batch += ",{}";
  const auto refused = post("/events", batch + "]}");
  EXPECT_THAT(refused.body, HasSubstr("limit_exceeded"));
  EXPECT_LT(refused.body.size(), 1'000u);
}

TEST_F(Http, P2ABatchIsStoredOnceAndSaysWhatWasRefused) {
  const auto* batch = R"({"producer":"me","events":[
      {"sequence":1,"entity":"player/ada","type":"note","payload":{"n":1}},
      {"sequence":2,"entity":"dragon/7","type":"note","payload":{}},
      {"sequence":3,"entity":"player/bo","type":"note","payload":{"n":3}}]})";
  EXPECT_THAT(post("/events", batch).body,
              HasSubstr(R"({"accepted":2,"duplicates":0,"refusals":[{"index":1,"error":"unknown_kind")"));
  EXPECT_THAT(post("/events", batch).body, HasSubstr(R"({"accepted":0,"duplicates":2,)"));
  EXPECT_THAT(get("/events/player/bo").body, HasSubstr(R"("payload":{"n":3})"));
  for (const auto* wrong :
       {"", "[]", "{}", R"({"producer":"me"})", R"({"producer":"","events":[]})", R"({"events":[]})"})
    EXPECT_EQ(post("/events", wrong).status, 400) << wrong;
  EXPECT_EQ(post("/events", std::string((1 << 20) + 1, ' ')).status, 413);
}

TEST_F(Http, P9PagesFromElsewhereAreRefusedUnlessTheyAreAllowed) {
  const auto ask = [&](std::string_view method, std::string_view fields) {
    return http(node.http(),
                std::string(method) + " /stats HTTP/1.1\r\nConnection: close\r\n" + std::string(fields) + "\r\n");
  };
  EXPECT_EQ(ask("GET", "Host: localhost\r\nOrigin: https://evil.example.com\r\n").status, 403);
  EXPECT_EQ(ask("GET", "Host: evil.example.com\r\n").status, 403);  // DNS rebinding.
  EXPECT_EQ(ask("GET", "Host: localhost:7480\r\nOrigin: http://localhost:7480\r\n").status, 200);
  EXPECT_EQ(ask("OPTIONS", "Host: localhost\r\nOrigin: https://evil.example.com\r\n").status, 403);
  node.stop();
  node.process().set_arguments({"--allow-origin", "https://play.example.com"});
  node.start();
  const auto allowed = ask("GET", "Host: localhost\r\nOrigin: https://play.example.com\r\n");
  EXPECT_EQ(allowed.status, 200);
  EXPECT_THAT(allowed.header, HasSubstr("Access-Control-Allow-Origin: https://play.example.com\r\n"));
  EXPECT_THAT(allowed.header, HasSubstr("\r\nVary: Origin"));
  const auto preflight = ask("OPTIONS",
                             "Host: localhost\r\nOrigin: https://play.example.com\r\n"
                             "Access-Control-Request-Method: PUT\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_THAT(preflight.header, HasSubstr("Access-Control-Allow-Methods: GET, POST, PUT, DELETE"));
}

TEST_F(Http, P4PagesFollowOnEachOther) {
  const auto first = get("/events/player/ledger?limit=3");
  EXPECT_EQ(first.status, 200);
  EXPECT_THAT(first.body, HasSubstr(R"({"first":1,"last":5,"next":4,"events":[{"type":)"));
  const auto second = get("/events/player/ledger?from=4&limit=3");
  EXPECT_THAT(second.body, HasSubstr(R"({"first":4,"last":5,"next":6,"events":[{"type":)"));
  EXPECT_THAT(get("/events/player/ledger?from=6").body, HasSubstr(R"({"first":6,"last":5,"next":6,"events":[]})"));
  EXPECT_EQ(get("/events/player/ledger?from=7").status, 416);
  for (const auto* target :
       {"/events/player/ledger?limit=0", "/events/player/ledger?limit=1001", "/events/player/ledger?from=0",
        "/events/player/ledger?wait_ms=30001", "/events/player/ledger?wait_ms=-1"})
    EXPECT_EQ(get(target).status, 400) << target;
}

TEST_F(Http, APageThatIsKnownIsNotSentAgain) {
  const auto page = get("/events/player/ledger?limit=3");
  const auto at = page.header.find("ETag: ") + 6;
  const auto tag = page.header.substr(at, page.header.find('\r', at) - at);
  const auto again = [&] {
    return http(node.http(),
                "GET /events/player/ledger?limit=3 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                "If-None-Match: " +
                    tag + "\r\n\r\n");
  };
  EXPECT_EQ(again().status, 304);
  EXPECT_EQ(again().body, "");
  node.publish_to_ledger(1);
  EXPECT_EQ(again().status, 200);
}

TEST_F(Http, AnEmptyPageWaitsForWhatComes) {
  RawSocket socket(node.http());
  ASSERT_TRUE(socket.send("GET /events/player/ledger?from=6&wait_ms=20000 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  node.publish_to_ledger(1);
  EXPECT_THAT(socket.receive_until("]}"), HasSubstr(R"({"first":6,"last":6,"next":7,"events":[{"type")"));
  EXPECT_THAT(get("/events/player/ledger?from=7&wait_ms=1").body, HasSubstr(R"("events":[])"));
}

TEST_F(Http, AnEntityIsSeenFromInside) {
  EXPECT_THAT(get("/entities/player/ledger").body,
              HasSubstr(R"({"entity":"player/ledger","first_offset":1,"last_offset":5)"));
  EXPECT_EQ(get("/entities/dragon/7").status, 404);
}

TEST_F(Http, FiguresOfTheNode) {
  EXPECT_THAT(get("/stats").body, HasSubstr("\"events_accepted_total\":5"));
  EXPECT_EQ(get("/cluster").status, 503);  // It runs alone.
}

TEST_F(Http, P6DeadLettersAreListedAndSettled) {
  EXPECT_THAT(get("/deadletters").body, HasSubstr(R"({"dead_letters":[],"more":false,"absent_partitions":[]})"));
  EXPECT_EQ(get("/deadletters/dragon/7").status, 404);
  EXPECT_EQ(post("/deadletters/match/1", "").status, 400);
  EXPECT_EQ(post("/deadletters/match/1?offset=1", "").status, 404);
  EXPECT_EQ(http(node.http(), "DELETE /deadletters/match/1?offset=1 HTTP/1.1\r\nConnection: close\r\n\r\n").status,
            404);
}

TEST_F(Http, APositionIsKeptPerDeviceAndNeverGoesBack) {
  const auto put = [&](std::string_view query) {
    return http(node.http(), "PUT /positions/player/ledger?" + std::string(query) +
                                 " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  };
  EXPECT_THAT(get("/positions/player/ledger").body, HasSubstr(R"({"entity":"player/ledger","last":5,"devices":[]})"));
  EXPECT_THAT(put("device=phone&offset=4").body,
              HasSubstr(R"({"entity":"player/ledger","device":"phone","offset":4})"));
  EXPECT_THAT(put("device=phone&offset=2").body, HasSubstr(R"("offset":4)"));
  EXPECT_THAT(put("device=tv&offset=0").body, HasSubstr(R"("offset":0)"));
  const auto stored = R"("devices":[{"device":"phone","offset":4,"unread":1},{"device":"tv","offset":0,"unread":5}])";
  EXPECT_THAT(get("/positions/player/ledger").body, HasSubstr(stored));
  // When the node is killed and comes back, then it still knows.
  node.kill();
  node.start();
  EXPECT_THAT(get("/positions/player/ledger").body, HasSubstr(stored));
  EXPECT_EQ(put("device=phone&offset=6").status, 416);
  EXPECT_EQ(put("device=&offset=1").status, 400);
  EXPECT_EQ(put("device=" + std::string(65, 'd') + "&offset=1").status, 400);
  EXPECT_EQ(put("device=phone").status, 400);
}

// It is about the mailbox: nobody waits for the hub, whose state may be large.
TEST_F(Http, ThePositionsOfAHubsReadersAreKnownWithoutTheHub) {
  ASSERT_TRUE(node.publish("match/9", R"({"client":1,"name":"Ada"})", "player_named").ok());
  node.stop();
  node.start();
  EXPECT_THAT(get("/positions/match/9").body, HasSubstr(R"("last":1)"));
  EXPECT_EQ(node.figure("hubs_active"), 0);
}

TEST_F(Http, P9NobodyElsePublishesToKindsOfTheNodes) {
  EXPECT_EQ(post("/events/reader/player/ledger?type=acknowledged", R"({"device":"x","offset":1})").status, 403);
  EXPECT_EQ(post("/events/gateway/ant?type=started", R"({"boot":"x"})").status, 403);
  EXPECT_EQ(post("/events/presence/ada?type=watch", "{}").status, 403);
}

TEST_F(Http, P4OffsetBehindRetentionIsGone) {
  node.stop();
  node.process().set_arguments({"--retain", "player=8"});
  node.start();
  for (int i = 0; i < 40; ++i) ASSERT_EQ(post("/events/player/ada?type=note", "{}").status, 200);
  const auto gone = get("/streams/player/ada?from=1");
  EXPECT_EQ(gone.status, 410);
  EXPECT_THAT(gone.body, HasSubstr("\"error\":\"truncated\""));
  EXPECT_THAT(gone.body, HasSubstr("\"first_offset\":3"));
}

TEST_F(Http, P4AStreamThatRetentionOvertakesSaysSoBeforeItEnds) {
  // Given a follower who does not read, of a stream that keeps the last event.
  node.stop();
  node.process().set_arguments({"--retain", "player=1"});
  node.start();
  ASSERT_EQ(post("/events/player/ada?type=note", "{}").status, 200);
  RawSocket socket(node.http());
  ASSERT_TRUE(socket.send("GET /streams/player/ada HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  ASSERT_THAT(socket.receive_until("id: 1\n"), HasSubstr("id: 1\n"));
  // When more is published than sockets and the node hold for it,
  const std::string large = "{\"a\":\"" + std::string(60'000, 'x') + "\"}";
  for (int i = 0; i < 400; ++i) ASSERT_EQ(post("/events/player/ada?type=note", large).status, 200);
  // then it hears at the end of what there was for it why there is no more.
  EXPECT_THAT(socket.receive_until("first_offset"), HasSubstr("event: ended\ndata: {\"error\":\"truncated\""));
}

TEST_F(Http, APayloadIsAsDeepAsAMessageCanBringIt) {
  const auto nested = [](std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += "{\"a\":";
    return text + "1" + std::string(depth, '}');
  };
  // Given the deepest payload that is taken,
  EXPECT_EQ(post("/events/player/ada?type=note", nested(60)).status, 200);
  const auto refused = post("/events/player/ada?type=note", nested(61));
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("60 deep"));
  // then a batch takes it as well.
  const auto batch =
      post("/events", R"({"producer":"me","events":[{"sequence":1,"entity":"player/ada","type":"note","payload":)" +
                          nested(60) + "}]}");
  EXPECT_THAT(batch.body, HasSubstr("\"accepted\":1"));
}

TEST_F(Http, WrongUrlsMethodsAndPathTricks) {
  for (const auto* target : {"/", "/nothing", "/streams", "/streams/player", "/metrics/x", "//", "/../../etc/passwd",
                             "/%2e%2e/%2e%2e/etc/passwd", "/streams/../../etc/passwd", "/streams/%2e%2e/%2e%2e",
                             "/healthz/../../x", "/..%2f..%2fetc%2fpasswd"}) {
    const auto answer = get(target);
    EXPECT_TRUE(answer.status == 404 || answer.status == 400) << target << ": " << answer.status;
    EXPECT_THAT(answer.body, HasSubstr("\"error\"")) << target;
    EXPECT_THAT(answer.body, Not(HasSubstr("root:")));
  }
  EXPECT_EQ(post("/healthz", "").status, 405);
  EXPECT_EQ(post("/streams/player/ada", "{}").status, 405);
  EXPECT_THAT(post("/streams/player/ada", "{}").header, HasSubstr("Allow: GET\r\n"));
  for (const auto* request :
       {"DELETE /streams/player/ada HTTP/1.1\r\nConnection: close\r\n\r\n",
        "PUT /events/player/ada?type=t HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"})
    EXPECT_EQ(http(node.http(), request).status, 405) << request;
  // A key may look like a path, and stays a key.
  EXPECT_EQ(post("/events/player/%2e%2e%2f%2e%2e%2fetc%2fpasswd?type=note", "{}").status, 200);
  EXPECT_EQ(node.session().read("player/../../etc/passwd", 1, 10)->getEvents().size(), 1u);
}

// Such a connection is closed; whether its answer arrives depends on what the client still sends.
TEST_F(Http, HeadersAndUrlsThatAreTooLongEndTheConnection) {
  std::string many = "GET /healthz HTTP/1.1\r\n";
  for (int i = 0; i < 20'000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  for (const auto& request : {"GET /healthz HTTP/1.1\r\nX: " + std::string(1 << 20, 'x') + "\r\n\r\n",
                              "GET /" + std::string(1 << 20, 'x') + " HTTP/1.1\r\n\r\n", many + "\r\n"}) {
    RawSocket socket(node.http());
    (void)socket.send(request);
    EXPECT_TRUE(socket.closed_within(10s));
  }
  EXPECT_EQ(get("/streams/player/" + std::string(300, 'k')).status, 400);
}

TEST_F(Http, BodiesThatAreTooLong) {
  EXPECT_EQ(post("/events/player/ada?type=t", std::string(32 << 20, 'x')).status, 413);
  RawSocket endless(node.http());
  ASSERT_TRUE(endless.send("POST /events/player/ada?type=t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "10000\r\n" + std::string(65'536, 'x') + "\r\n";
  for (int i = 0; i < 1'000 && endless.send(chunk); ++i) {
  }
  EXPECT_TRUE(endless.closed_within(10s));
}

// A client that asks for a WebSocket, which this node does not speak, is served as if it had not asked.
class AskingForAWebSocket : public Http {
 protected:
  static constexpr const char* kUpgrade =
      " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
};

TEST_F(AskingForAWebSocket, IsAnsweredWithTheStream) {
  RawSocket socket(node.http());
  ASSERT_TRUE(socket.send("GET /streams/player/ledger" + std::string(kUpgrade)));
  const auto answer = socket.receive_until("\"entry\":5", 5s);
  EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("id: 5\n"));
  node.publish_to_ledger(1);
  EXPECT_THAT(socket.receive_until("\"entry\":6", 5s), HasSubstr("id: 6\n"));
}

TEST_F(AskingForAWebSocket, IsAnsweredAndItsConnectionServesOnOrCloses) {
  for (const auto* request : {"GET /streams/dragon/7", "GET /streams/player/ledger?from=99", "GET /healthz",
                              "GET /nothing", "POST /events/player/ada?type=note"}) {
    RawSocket socket(node.http());
    ASSERT_TRUE(socket.send(request + std::string(kUpgrade)));
    EXPECT_THAT(socket.receive_until("}", 5s), ::testing::StartsWith("HTTP/1.1 ")) << request << " was not answered";
    (void)socket.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(socket.closed_within(5s)) << request << " leaves its connection hanging";
  }
}

TEST_F(Http, SaysHowItIs) {
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/readyz").status, 200);
  const auto metrics = get("/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.body, HasSubstr("carillon_events_accepted_total 5\n"));
  EXPECT_THAT(metrics.body, HasSubstr("carillon_store_read_only 0\n"));
  EXPECT_THAT(metrics.body, HasSubstr("carillon_problems{blocking=\"true\"} 0\n"));
  EXPECT_THAT(metrics.body, HasSubstr("carillon_problems{blocking=\"false\"} 0\n"));
}

// Goal: a list of dead letters is never longer than a client takes, by whichever way it is asked for.
TEST_F(Http, P7ALongListOfDeadLettersIsCut) {
  // Given more than a MiB of them: kills by a number that no client can have, which the hub refuses,
  constexpr int kKills = 40;
  const std::string kill = R"({"killer":500,"victim":500,"means":")" + std::string(60'000, 'x') + R"(","at_s":0})";
  for (int i = 0; i < kKills; ++i) ASSERT_TRUE(node.publish("match/1", kill, "kill").ok());
  ASSERT_TRUE(eventually(60s, [&] { return node.figure("dead_letters_total") >= kKills; }));
  // when they are asked for, then it is said that there are more.
  const auto answer = node.session().dead_letters("");
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_TRUE(answer->getMore());
  EXPECT_GT(answer->getDeadLetters().size(), 10u);
  EXPECT_LT(answer->getDeadLetters().size(), 18u);
  EXPECT_THAT(get("/deadletters/match/1").body, HasSubstr("\"more\":true"));
}

}  // namespace
}  // namespace carillon::testing
