// A trace on its way through a node, by every door in and out: what was published with a `traceparent` comes out with it, and so
// does what a hub makes of it.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/background_command.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kTraceId = "0af7651916cd43dd8448eb211c80319c";
const std::string kTrace = "00-" + kTraceId + "-b7ad6b7169203331-01";
const std::string kOther = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const std::string kMember = R"("traceparent":")" + kTrace + R"(")";

class Traceparent : public ::testing::Test {
 protected:
  void SetUp() override { node.publish_to_ledger(1); }
  void TearDown() override {
    node.expect_sound();
    node.stop();
  }

  HttpAnswer get(std::string_view target) { return http_get(node.http(), target); }
  HttpAnswer post(std::string_view target, std::string_view body, std::string_view header) {
    return http(node.http(), "POST " + std::string(target) +
                                 " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
                                 std::to_string(body.size()) + "\r\n" + std::string(header) + "\r\n" +
                                 std::string(body));
  }
  // Of all events of a mailbox, as the native interface gives them; empty for none.
  std::vector<std::string> traces(std::string_view entity) {
    auto page = node.session().read(entity, 1, 1'000);
    if (!page.ok()) {
      ADD_FAILURE() << page.error().message;
      return {};
    }
    std::vector<std::string> all;
    for (const auto event : page->getEvents()) all.emplace_back(event.getTraceparent().cStr());
    return all;
  }
  std::string log() {
    std::stringstream text;
    text << std::ifstream(node.process().log()).rdbuf();
    return text.str();
  }

  RunningNode node;
};

TEST_F(Traceparent, ComesInByEveryDoor) {
  // When an event is published with a trace by HTTP,
  EXPECT_EQ(post("/events/player/ana?type=note", "{}", "traceparent: " + kTrace + "\r\n").status, 200);
  EXPECT_THAT(traces("player/ana"), ElementsAre(kTrace));
  // in a batch, whose header is for those that have none of their own,
  const auto batch = R"({"producer":"p","events":[
      {"sequence":1,"entity":"player/bo","type":"note","payload":{}},
      {"sequence":2,"entity":"player/bo","type":"note","payload":{},"traceparent":")" +
                     kOther +
                     R"("},{"sequence":3,"entity":"player/bo","type":"note","payload":{},"traceparent":"no"}]})";
  EXPECT_EQ(post("/events", batch, "TraceParent: " + kTrace + "\r\n").status, 200);
  EXPECT_THAT(traces("player/bo"), ElementsAre(kTrace, kOther, kTrace));
  // over a WebSocket,
  WebSocket socket(node.http());
  ASSERT_TRUE(socket.say(R"({"publish":{"id":1,"producer":"q","events":[
      {"sequence":1,"entity":"player/cy","type":"note","payload":{},)" +
                         kMember + R"(},{"sequence":2,"entity":"player/cy","type":"note","payload":{}}]}})"));
  EXPECT_THAT(socket.hear("published"), HasSubstr("\"accepted\":2"));
  EXPECT_THAT(traces("player/cy"), ElementsAre(kTrace, ""));
  // by the native interface,
  const std::vector<client::Publication> publications = {{"player/di", "note", "{}", 1, kTrace},
                                                         {"player/di", "note", "{}", 2}};
  ASSERT_TRUE(node.session().publish("r", publications).ok());
  EXPECT_THAT(traces("player/di"), ElementsAre(kTrace, ""));
  // or by the command line: then it is stored with it.
  const auto to = node.rpc().text();
  EXPECT_EQ(run_carillon({"publish", "player/ed", "note", "{}", "--traceparent", kTrace, "--connect", to}).exit_code,
            0);
  EXPECT_THAT(traces("player/ed"), ElementsAre(kTrace));
  // Lines of stdin may have their own; the option is for those that have none.
  const auto lines = R"({"entity":"player/fay","type":"note"}\n{"entity":"player/fay","type":"note","traceparent":")" +
                     kOther + R"("}\n)";
  const auto piped = "printf '" + lines + "' | '" + carillon_program() + "' publish --traceparent " + kTrace +
                     " --connect " + to + " > /dev/null";
  EXPECT_EQ(std::system(piped.c_str()), 0);
  EXPECT_THAT(traces("player/fay"), ElementsAre(kTrace, kOther));
}

TEST_F(Traceparent, ComesOutByEveryDoor) {
  // Given an event with a trace, and one without.
  EXPECT_EQ(post("/events/player/ana?type=note", "{}", "traceparent: " + kTrace + "\r\n").status, 200);
  EXPECT_EQ(post("/events/player/ana?type=note", "{}", "").status, 200);
  const auto expect_only_first = [&](const std::string& text) {
    const auto at = text.find(kMember);
    EXPECT_NE(at, std::string::npos) << text;
    EXPECT_EQ(text.find("traceparent", at + kMember.size()), std::string::npos) << text;
  };
  // Then the first is shown with it, and the second without: in pages,
  expect_only_first(get("/events/player/ana").body);
  // in what a WebSocket follows,
  WebSocket socket(node.http());
  ASSERT_TRUE(socket.say(R"({"follow":{"id":1,"entity":"player/ana","from":1}})"));
  expect_only_first(socket.hear("events"));
  // in server-sent events,
  RawSocket stream(node.http());
  ASSERT_TRUE(stream.send("GET /streams/player/ana HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(stream.receive_until(kMember), HasSubstr("id: 1\n"));
  // on the command line,
  expect_only_first(run_carillon({"tail", "player/ana", "--no-follow", "--connect", node.rpc().text()}).output);
  // and to those who wait: for a page, for an event of a WebSocket, for one of a stream, for a line.
  RawSocket waiting(node.http());
  ASSERT_TRUE(waiting.send("GET /events/player/ana?from=3&wait_ms=20000 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  BackgroundCommand tail({"tail", "player/ana", "--from", "3", "--json", "--connect", node.rpc().text()});
  tail.start();
  EXPECT_EQ(post("/events/player/ana?type=note", "{}", "traceparent: " + kOther + "\r\n").status, 200);
  EXPECT_THAT(waiting.receive_until("]}"), HasSubstr(kOther));
  EXPECT_THAT(socket.hear("events"), HasSubstr(kOther));
  EXPECT_THAT(stream.receive_until(kOther), HasSubstr("id: 3\n"));
  EXPECT_TRUE(eventually(10s, [&] { return tail.output().find(kOther) != std::string::npos; })) << tail.output();
}

TEST_F(Traceparent, OfWhatAHubSendsIsThatOfWhatItHandledAlsoAfterARestart) {
  // Given a player who lands on an island, in a trace; and one who does so without.
  const auto land = [&](const std::string& player, std::string_view header) {
    EXPECT_EQ(post("/events/island/tortuga?type=landed", R"({"player":")" + player + R"("})", header).status, 200);
  };
  land("ana", "traceparent: " + kTrace + "\r\n");
  land("bo", "");
  // When the island has told them, and when the node was killed and is back,
  for (int time = 0; time < 2; ++time) {
    ASSERT_TRUE(eventually(10s, [&] { return !traces("player/ana").empty() && !traces("player/bo").empty(); }));
    // then what each was told is of the trace of their landing.
    EXPECT_THAT(traces("island/tortuga"), ElementsAre(kTrace, ""));
    EXPECT_EQ(traces("player/ana")[0], kTrace);
    EXPECT_EQ(traces("player/bo")[0], "");
    node.kill();
    node.start();
  }
}

TEST_F(Traceparent, ThatIsNoneIsIgnored) {
  for (const auto& none :
       {std::string("00-" + kTraceId + "-0000000000000000-01"), "ff" + kTrace.substr(2), kTrace + "-more",
        std::string("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"), std::string(1'000, '0'), std::string()})
    EXPECT_EQ(post("/events/player/ana?type=note", "{}", "traceparent: " + none + "\r\n").status, 200) << none;
  // Two header fields are none, either.
  EXPECT_EQ(post("/events/player/ana?type=note", "{}", "traceparent: " + kTrace + "\r\ntraceparent: " + kOther + "\r\n")
                .status,
            200);
  const std::vector<client::Publication> publications = {{"player/ana", "note", "{}", 1, "nonsense"}};
  EXPECT_TRUE(node.session().publish("r", publications).ok());
  EXPECT_THAT(traces("player/ana"), ::testing::AllOf(::testing::SizeIs(8), ::testing::Each("")));
  // Of a higher version goes on what is known of it.
  EXPECT_EQ(post("/events/player/bo?type=note", "{}", "traceparent: cc" + kTrace.substr(2) + "-more\r\n").status, 200);
  EXPECT_THAT(traces("player/bo"), ElementsAre(kTrace));
}

TEST_F(Traceparent, P6OfADeadLetterIsKeptByItsRedriveAndNamedInTheLog) {
  // Given an event that its hub cannot handle: a kill by a number that no client can have.
  const std::string kill = R"({"killer":500,"victim":500,"means":"x","at_s":0})";
  EXPECT_EQ(post("/events/match/1?type=kill", kill, "traceparent: " + kTrace + "\r\n").status, 200);
  // When it is a dead letter, then that names its trace, and so does the log.
  ASSERT_TRUE(eventually(10s, [&] { return get("/deadletters/match/1").body.find(kMember) != std::string::npos; }));
  const auto listed =
      run_carillon({"deadletters", "show", "match/1", "1", "--json", "--connect", node.rpc().text()}).output;
  EXPECT_THAT(listed, HasSubstr(kMember));
  EXPECT_THAT(run_carillon({"deadletters", "list", "match/1", "--connect", node.rpc().text()}).output,
              HasSubstr(kTraceId));
  EXPECT_TRUE(eventually(10s, [&] { return log().find("; trace " + kTraceId) != std::string::npos; })) << log();
  EXPECT_THAT(log(), Not(HasSubstr("500")));  // What was published is not for the log.
  // When it is redriven, then it is of the same trace.
  EXPECT_EQ(post("/deadletters/match/1?offset=1", "", "").status, 200);
  EXPECT_THAT(traces("match/1"), ElementsAre(kTrace, kTrace));
}

}  // namespace
}  // namespace carillon::testing
