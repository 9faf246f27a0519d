#include "cli/input_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::cli {
namespace {

using ::testing::HasSubstr;

TEST(InputLine, SaysToWhomWhatGoes) {
  // Given a line with everything in it, when it is parsed.
  const auto line = parse_input_line(R"({"entity":"match/4 2","type":"kill","payload":{"by":[1, 2]},"sequence":7})");
  // Then nothing is lost.
  ASSERT_TRUE(line.ok()) << to_string(line.error());
  EXPECT_EQ(line->entity, "match/4 2");
  EXPECT_EQ(line->type, "kill");
  EXPECT_EQ(line->payload, R"({"by":[1,2]})");
  EXPECT_EQ(line->sequence, 7u);
}

TEST(InputLine, NeedsNoPayloadAndNoSequence) {
  const auto line = parse_input_line(R"({"type":"knock","entity":"door/1"})");
  ASSERT_TRUE(line.ok()) << to_string(line.error());
  EXPECT_EQ(line->payload, "{}");
  EXPECT_EQ(line->sequence, std::nullopt);
}

TEST(InputLine, MayNameATraceAndIgnoresWhatIsNoText) {
  const auto traced = parse_input_line(R"({"entity":"door/1","type":"knock","traceparent":"00-1"})");
  ASSERT_TRUE(traced.ok()) << to_string(traced.error());
  EXPECT_EQ(traced->traceparent, "00-1");  // Whether it is one, the node judges.
  const auto number = parse_input_line(R"({"entity":"door/1","type":"knock","traceparent":1})");
  ASSERT_TRUE(number.ok()) << to_string(number.error());
  EXPECT_EQ(number->traceparent, "");
}

TEST(InputLine, SaysWhatIsWrong) {
  const auto reason = [](std::string_view text) {
    const auto line = parse_input_line(text);
    return line.ok() ? "accepted" : line.error().message;
  };
  EXPECT_THAT(reason(R"({"type":"knock"})"), HasSubstr("no \"entity\""));
  EXPECT_THAT(reason(R"({"entity":"door/1"})"), HasSubstr("no \"type\""));
  EXPECT_THAT(reason(R"({"entity":"door/1","type":"knock","payload":"x"})"), HasSubstr("JSON object"));
  EXPECT_THAT(reason(R"({"entity":"door/1","type":"knock","sequence":0})"), HasSubstr("from 1"));
  EXPECT_THAT(reason(R"({"entity":"door/1","type":"knock","seqence":1})"), HasSubstr("seqence"));
  EXPECT_NE(reason("knock knock"), "accepted");
  EXPECT_NE(reason(""), "accepted");
}

}  // namespace
}  // namespace carillon::cli
