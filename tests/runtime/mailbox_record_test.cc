#include "runtime/mailbox_record.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace carillon::runtime {
namespace {

Event event_of(const std::string& producer, const std::string& type, Sequence sequence, UnixMs at) {
  return {.type = type,
          .payload = R"({"n":)" + std::to_string(sequence) + "}",
          .producer = ProducerId::trusted(producer),
          .sequence = sequence,
          .accepted_at_ms = at};
}

const std::string kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::optional<TraceParent> trace(char last_digit = '1') {
  return TraceParent::parse(kTrace.substr(0, kTrace.size() - 1) + last_digit);
}

// Of all shapes: producer and type repeated or not, times that run back, numbers at their ends.
std::vector<Event> varied_events() {
  std::vector<Event> events{
      event_of("cscores.log", "kill", 1, 1'790'000'000'000), event_of("cscores.log", "kill", 2, 1'790'000'000'000),
      event_of("hmatch/1", "kill", 127, 1'789'999'999'000),
      event_of("hmatch/1", "frag", 128, std::numeric_limits<UnixMs>::max()),
      event_of("cscores.log", "frag", std::numeric_limits<Sequence>::max(), std::numeric_limits<UnixMs>::min())};
  events[1].payload = std::string(70'000, 'x');
  events[3].payload = "";
  events[4].redrive_of = std::numeric_limits<Offset>::max();
  return events;
}

std::string encoded(const std::vector<Event>& events) {
  std::vector<const Event*> all;
  for (const auto& event : events) all.push_back(&event);
  return std::string(encode_mailbox_record(all));
}

TEST(MailboxRecord, GivesBackEveryFieldOfEveryEvent) {
  const auto events = varied_events();
  const auto bytes = encoded(events);
  const auto decoded = decode_mailbox_record(bytes);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->size(), events.size());
  EXPECT_EQ(*count_of_mailbox_record(bytes), events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "event " << i);
    EXPECT_EQ((*decoded)[i].producer, events[i].producer);
    EXPECT_EQ((*decoded)[i].sequence, events[i].sequence);
    EXPECT_EQ((*decoded)[i].accepted_at_ms, events[i].accepted_at_ms);
    EXPECT_EQ((*decoded)[i].redrive_of, events[i].redrive_of);
    EXPECT_EQ((*decoded)[i].type, events[i].type);
    EXPECT_EQ((*decoded)[i].payload, events[i].payload);
  }
}

TEST(MailboxRecord, GivesBackTheTracesOfThoseEventsThatHaveOne) {
  // Given events of which some have a trace: all combinations.
  for (unsigned which = 0; which < 1u << 5; ++which) {
    auto events = varied_events();
    for (unsigned i = 0; i < events.size(); ++i)
      if ((which >> i & 1) != 0) events[i].traceparent = trace(static_cast<char>('0' + i));
    // When they are read again, then each has its own, and the others have none.
    const auto decoded = decode_mailbox_record(encoded(events));
    ASSERT_TRUE(decoded.ok()) << which;
    for (unsigned i = 0; i < events.size(); ++i)
      EXPECT_EQ((*decoded)[i].traceparent, events[i].traceparent) << which << ", event " << i;
  }
}

TEST(MailboxRecord, HasItsTracesBehindTheBytesThatItHasWithoutThem) {
  std::vector<Event> events{event_of("ca", "t", 1, 1), event_of("ca", "t", 2, 1), event_of("ca", "t", 3, 1)};
  const auto without = encoded(events);
  events[1].traceparent = events[2].traceparent = trace();
  const std::string bytes(trace()->bytes());
  EXPECT_EQ(encoded(events), without + '\x01' + bytes + '\x00' + bytes);
  EXPECT_EQ(*count_of_mailbox_record(encoded(events)), 3u);
}

TEST(MailboxRecord, RefusesTracesOfEventsThatItDoesNotHold) {
  const std::vector<Event> events{event_of("ca", "t", 1, 1), event_of("ca", "t", 2, 1)};
  const auto without = encoded(events);
  const std::string bytes(trace()->bytes());
  EXPECT_TRUE(decode_mailbox_record(without + '\x01' + bytes).ok());
  for (const auto& tail : {'\x02' + bytes, '\x01' + bytes + '\x00' + bytes, '\x7f' + bytes,
                           std::string(10, '\xff') + bytes, '\x00' + std::string(TraceParent::kBytes, '\0')})
    EXPECT_FALSE(decode_mailbox_record(without + tail).ok());
  for (std::size_t size = 1; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_mailbox_record(without + '\x01' + bytes.substr(0, size)).ok()) << size;
}

// The bytes of a record are its format: a change of them is a change of the store's format version.
TEST(MailboxRecord, HasTheBytesThatTheHeaderDescribes) {
  auto first = event_of("ca", "t", 300, 1);
  auto second = event_of("ca", "u", 301, 0);
  first.payload = "{}";
  second.payload = "{}";
  second.redrive_of = 5;
  EXPECT_EQ(encoded({first, second}), std::string("\x02"
                                                  "\x03"
                                                  "ca"
                                                  "\xac\x02\x02\x00\x02"
                                                  "t\x02{}"
                                                  "\x00\xad\x02\x01\x05\x02"
                                                  "u\x02{}",
                                                  23));
}

TEST(MailboxRecord, RefusesWhatWasCutShortOrGoesOn) {
  auto events = varied_events();
  events[1].payload = "{}";
  const auto bytes = encoded(events);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_mailbox_record(bytes.substr(0, size)).ok()) << size << " bytes";
  EXPECT_FALSE(decode_mailbox_record(bytes + '\0').ok());
}

TEST(MailboxRecord, RefusesCountsThatItCannotHold) {
  for (const auto& bytes :
       {std::string(1, '\0'), std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10) + "abcdef",
        std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10) + "abcdef"}) {
    EXPECT_FALSE(decode_mailbox_record(bytes).ok());
    EXPECT_FALSE(count_of_mailbox_record(bytes).ok());
  }
}

// Whatever a byte becomes, decoding ends with events or an error (the sanitizers look for the rest).
TEST(MailboxRecord, SurvivesEveryDamagedByte) {
  auto events = varied_events();
  events[1].payload = "{}";
  events[2].traceparent = trace();
  const auto bytes = encoded(events);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      auto damaged = bytes;
      damaged[at] = static_cast<char>(value);
      const auto decoded = decode_mailbox_record(damaged);
      EXPECT_TRUE(!decoded.ok() || !decoded->empty());
    }
  }
}

}  // namespace
}  // namespace carillon::runtime
