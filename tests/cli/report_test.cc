#include "cli/report.h"

#include <capnp/message.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/answer_json.h"

namespace carillon::cli {
namespace {

using actors::dead_letter_json;
using actors::event_json;
using actors::inspection_json;
using actors::stats_json;

using ::testing::HasSubstr;
using ::testing::Not;

// A message of one struct, to be filled in.
template <class T>
struct Made {
  capnp::MallocMessageBuilder message;
  typename T::Builder it = message.initRoot<T>();
  operator typename T::Reader() { return it.asReader(); }
};

void make_frag(wire::StoredEvent::Builder event) {
  event.setType("frag");
  event.setPayload(R"({"victim":"Bo"})");
  event.setProducer("hub match/2");
  event.setSequence(4);
  event.setAcceptedAtMs(1'709'209'845'007);
}

TEST(Report, AnEventIsOneLineOfJson) {
  Made<wire::StoredEvent> frag;
  make_frag(frag.it);
  EXPECT_EQ(event_json(3, frag),
            R"({"offset":3,"type":"frag","payload":{"victim":"Bo"},"accepted_at":"2024-02-29T12:30:45.007Z",)"
            R"("producer":"hub match/2","sequence":4})");
}

TEST(Report, ColoursLeaveTheJsonOfAnEventAsItIs) {
  // Given colours.
  Made<wire::StoredEvent> frag;
  make_frag(frag.it);
  const Colours colours{.dim = "<d>", .cyan = "<c>", .reset = "<r>"};
  // When an event is shown in them.
  std::string text = event_line(3, frag, colours);
  // Then without them it is the same.
  for (const std::string mark : {"<d>", "<c>", "<r>"})
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark)) text.erase(at, mark.size());
  EXPECT_EQ(text, event_json(3, frag));
}

TEST(Report, ARedrivenEventNamesItsDeadLetter) {
  Made<wire::StoredEvent> event;
  make_frag(event.it);
  event.it.setRedriveOf(2);
  EXPECT_THAT(event_json(9, event), HasSubstr(R"("redrive_of":2})"));
}

TEST(Report, AnEventOfATraceNamesIt) {
  Made<wire::StoredEvent> event;
  make_frag(event.it);
  event.it.setTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_THAT(event_json(9, event),
              HasSubstr(R"(,"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})"));
}

TEST(Report, APayloadWithLineBreaksStaysOnOneLine) {
  Made<wire::StoredEvent> event;
  event.it.setPayload("{\r\n\"a\":\n1}");
  EXPECT_THAT(event_json(1, event), HasSubstr("{  \"a\": 1}"));
}

TEST(Report, AnInspectionOfAHubShowsStateAndWhatIsBehind) {
  Made<wire::Inspection> hub;
  hub.it.setState(R"({"score":1})");
  hub.it.setFirstOffset(1);
  hub.it.setLastOffset(1'200);
  hub.it.setCursor(1'000);
  hub.it.setDeadLetters(2);
  hub.it.setBehaviourVersion(3);
  EXPECT_EQ(inspection_json("match/1", hub),
            R"({"entity":"match/1","first_offset":1,"last_offset":1200,"cursor":1000,"dead_letters":2,)"
            R"("behaviour_version":3,"state":{"score":1}})");
  const auto text = inspection_text("match/1", hub, {});
  EXPECT_THAT(text, HasSubstr("offsets 1 to 1,200"));
  EXPECT_THAT(text, HasSubstr("1,000, 200 behind"));
  EXPECT_THAT(text, HasSubstr("carillon deadletters list 'match/1'"));
  EXPECT_THAT(text, HasSubstr(R"({"score":1})"));
}

TEST(Report, AnInspectionOfAStreamHasNoState) {
  Made<wire::Inspection> stream;
  EXPECT_THAT(inspection_json("player/ada", stream), HasSubstr(R"("state":null)"));
  const auto text = inspection_text("player/ada", stream, {});
  EXPECT_THAT(text, HasSubstr("empty"));
  EXPECT_THAT(text, Not(HasSubstr("cursor")));
}

TEST(Report, StatsNameStagesAndCounters) {
  Made<wire::Stats> stats;
  stats.it.setVersion("0.1.0");
  stats.it.setUptimeMs(61'000);
  auto counter = stats.it.initCounters(1)[0];
  counter.setName("events_accepted_total");
  counter.setValue(12'345);
  auto stage = stats.it.initStages(1)[0];
  stage.setStage("publish to ack");
  stage.setCount(7);
  stage.setP50Ms(0.5);
  stage.setP99Ms(2.25);
  stage.setMaxMs(3);
  auto busy = stats.it.initBusiest(1)[0];
  busy.setEntity("guild/7");
  busy.setEventsPerS(17.5);
  EXPECT_EQ(stats_json(stats),
            R"({"version":"0.1.0","uptime_ms":61000,"counters":{"events_accepted_total":12345},)"
            R"("stages":[{"stage":"publish to ack","count":7,"p50_ms":0.5,"p99_ms":2.25,"max_ms":3.0}],)"
            R"("busiest":[{"entity":"guild/7","events_per_s":17.5}]})");
  const auto text = stats_text(stats, {});
  EXPECT_THAT(text, HasSubstr("up 1 min 1 s"));
  EXPECT_THAT(text, HasSubstr("12,345"));
  EXPECT_THAT(text, HasSubstr("2.25"));
  EXPECT_THAT(text, HasSubstr("guild/7"));
}

TEST(Report, ADeadLetterSaysWhyAndHowOften) {
  Made<wire::DeadLetter> letter;
  letter.it.setEntity("match/1");
  letter.it.setOffset(9);
  letter.it.setReason("no such client");
  letter.it.setAttempts(4);
  make_frag(letter.it.initEvent());
  EXPECT_THAT(dead_letter_json(letter), HasSubstr(R"("reason":"no such client","attempts":4})"));
  EXPECT_THAT(dead_letter_text(letter, {}), HasSubstr("no such client (4 attempts)\n"));
  letter.it.getEvent().setTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_THAT(dead_letter_text(letter, {}), HasSubstr("(4 attempts) trace 0af7651916cd43dd8448eb211c80319c\n"));
}

}  // namespace
}  // namespace carillon::cli
