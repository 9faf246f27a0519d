#include "runtime/json_span.h"

#include <gmock/gmock.h>

namespace carillon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(JsonSpan, FindsAMemberLetterByLetter) {
  constexpr std::string_view kText = " { \"a\" : [1, \"}\\\"]\"] , \"b\":{ \"x\" : 1.0e5, \"a\":2 } ,\"c\": -7 }";
  EXPECT_EQ(json_member(kText, "a"), "[1, \"}\\\"]\"]");
  EXPECT_EQ(json_member(kText, "b"), "{ \"x\" : 1.0e5, \"a\":2 }");
  EXPECT_EQ(json_member(kText, "c"), "-7");
  EXPECT_EQ(json_member(kText, "x"), std::nullopt);
  EXPECT_EQ(json_member(R"({"a":1,"a":2})", "a"), "1");
}

TEST(JsonSpan, DoesNotGuess) {
  EXPECT_EQ(json_member(R"({"\u0061":1,"a":2})", "a"), std::nullopt);
  EXPECT_EQ(json_member(R"([1])", "a"), std::nullopt);
  EXPECT_EQ(json_member("{}", "a"), std::nullopt);
}

TEST(JsonSpan, SplitsAnArray) {
  EXPECT_THAT(json_elements(R"([ {"a":"]"}, [2,3] ,"x,y", null])"),
              ElementsAre(R"({"a":"]"})", "[2,3]", "\"x,y\"", "null"));
  EXPECT_THAT(json_elements("[ ]"), IsEmpty());
  EXPECT_THAT(json_elements("{}"), IsEmpty());
}

TEST(JsonSpan, StaysWithinWhatIsNoJson) {
  for (const auto* text : {"", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":\"\\", "{\"a\":[{", "[", "[\"", "[1,",
                           "[[", "{,}", "[,]"}) {
    (void)json_member(text, "a");
    (void)json_elements(text);
  }
}

}  // namespace
}  // namespace carillon
