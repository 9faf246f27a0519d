#include "runtime/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace carillon {
namespace {

using testing::HasSubstr;

std::string nested(std::size_t depth) {
  std::string text;
  for (std::size_t i = 1; i < depth; ++i) text += R"({"a":)";
  text += "{}";
  return text + std::string(depth - 1, '}');
}

// What check_json_object and JsonDocument must agree on.
Result<void> judge(std::string_view text) {
  auto checked = check_json_object(text);
  JsonDocument document;
  const auto parsed = document.parse(text);
  EXPECT_EQ(checked.ok(), parsed.ok()) << text;
  return checked;
}

TEST(Json, AcceptsObjects) {
  for (const std::string_view text :
       {"{}", " {\n} ", R"({"a":1,"b":[true,false,null,-1.5e3,"x"],"c":{"d":{}}})", R"({"":""})",
        R"({"a":"Zoë \ud83d\ude00 \u0000"})",
        R"({"a":18446744073709551615,"b":-9223372036854775808,"c":123456789012345678901234567890})"})
    EXPECT_TRUE(judge(text).ok()) << text << ": " << judge(text).error().message;
}

TEST(Json, RefusesWhatIsNoObject) {
  for (const std::string_view text : {"",
                                      " ",
                                      "1",
                                      "[]",
                                      "null",
                                      "\"a\"",
                                      "{",
                                      "}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "{} {}",
                                      "{}x",
                                      "{\"a\":01}",
                                      "{\"a\":1e400}",
                                      "{\"a\":-500000060e303}",  // Found by fuzzing.
                                      "{\"a\":NaN}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":\"\\x\"}",
                                      "// c\n{}",
                                      "[{}]"})
    EXPECT_EQ(judge(text).error().code, ErrorCode::MALFORMED) << text;
}

TEST(Json, RefusesWhatIsNotUtf8) {
  for (const std::string_view text :
       {"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"\xc3", "{\"\xfe\":1}", R"({"a":"\ud800"})", R"({"a":"\udc00"})", R"({"a":"\ud800\u0041"})",
        R"({"a\udfff":1})"})
    EXPECT_FALSE(judge(text).ok()) << text;
}

// RapidJSON 1.1 looks at 16 bytes at a time, and then overlooks U+001A to U+001F.
TEST(Json, RefusesControlCharactersInStringsWhereverTheyStand) {
  for (char c = 1; c < 0x20; ++c)
    for (std::size_t at = 0; at < 70; ++at) {
      std::string string(70, 'x');
      string[at] = c;
      EXPECT_FALSE(check_json_object("{\"a\":\"" + string + "\"}").ok()) << int{c} << " at " << at;
      EXPECT_FALSE(check_json_object("{\"" + string + "\":1}").ok()) << int{c} << " at " << at;
    }
}

// RapidJSON 1.1 read beyond a table for these.
TEST(Json, ReadsNumbersWithManyZeros) {
  for (const std::size_t zeros : {1u, 100u, 323u, 324u, 399u, 1'000u, 60'000u})
    for (const auto* end : {"", "1", "1e-300", "1e300", "e-999999999", "123456789012345678901234567890e-310"}) {
      const auto number = "0." + std::string(zeros, '0') + end;
      JsonDocument document;
      ASSERT_TRUE(document.parse("{\"a\":" + number + ",\"b\":-" + number + "}").ok()) << number;
      EXPECT_EQ(document.root().find("a")->as_double(), std::strtod(number.c_str(), nullptr)) << number;
      EXPECT_EQ(document.root().find("b")->as_double(), -std::strtod(number.c_str(), nullptr)) << number;
    }
  JsonDocument document;
  EXPECT_FALSE(document.parse(R"({"a":1e400})").ok());
  EXPECT_FALSE(document.parse("{\"a\":1" + std::string(400, '0') + "}").ok());
  ASSERT_TRUE(
      document.parse(R"({"a":-9223372036854775808,"b":18446744073709551615,"c":18446744073709551616,"d":-0})").ok());
  EXPECT_EQ(document.root().find("a")->as_int64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(document.root().find("b")->as_uint64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(document.root().find("c")->as_uint64(), std::nullopt);
  EXPECT_EQ(document.root().find("c")->as_double(), 18446744073709551616.0);
  EXPECT_EQ(document.root().find("d")->as_uint64(), 0u);
}

TEST(Json, RefusesAZeroByteAndWhatFollowsIt) {
  EXPECT_FALSE(judge(std::string_view("{}\0", 3)).ok());
  EXPECT_FALSE(judge(std::string_view("{}\0garbage", 10)).ok());
  EXPECT_FALSE(judge(std::string_view("{\"a\":\"\0\"}", 9)).ok());
}

TEST(Json, RefusesNestingBeyondTheLimitWithoutTouchingTheStack) {
  EXPECT_TRUE(judge(nested(kJsonDepthMax)).ok());
  EXPECT_THAT(judge(nested(kJsonDepthMax + 1)).error().message, HasSubstr("64 deep"));
  EXPECT_FALSE(judge("{\"a\":" + std::string(8'000'000, '[')).ok());
}

TEST(Json, SaysAtWhichByteTheTextIsWrong) {
  EXPECT_THAT(check_json_object(R"({"ada":1,"bo":x})").error().message, HasSubstr("byte 14"));
}

TEST(Json, ReadsWhatItParsed) {
  JsonDocument document;
  ASSERT_TRUE(document.parse(
      R"({"yes":true,"small":-5,"big":18446744073709551615,"half":0.5,"text":"a\u0000b","list":[1,2],"none":null})"));
  const JsonValue root = document.root();
  EXPECT_EQ(root.size(), 7u);
  EXPECT_EQ(root.member_name(1), "small");
  EXPECT_EQ(root.find("yes")->as_bool(), true);
  EXPECT_EQ(root.find("small")->as_int64(), -5);
  EXPECT_EQ(root.find("small")->as_uint64(), std::nullopt);
  EXPECT_EQ(root.find("big")->as_uint64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(root.find("big")->as_int64(), std::nullopt);
  EXPECT_EQ(root.find("half")->as_double(), 0.5);
  EXPECT_EQ(root.find("half")->as_int64(), std::nullopt);
  EXPECT_EQ(root.find("text")->as_string(), std::string_view("a\0b", 3));
  EXPECT_EQ(root.find("list")->element(1).as_int64(), 2);
  EXPECT_TRUE(root.find("none")->is_null());
  EXPECT_FALSE(root.find("nobody"));
  EXPECT_FALSE(root.find("list")->find("yes"));
}

TEST(Json, OfRepeatedNamesTheFirstCountsInWhateverOrderTheyAreAskedFor) {
  JsonDocument document;
  ASSERT_TRUE(document.parse(R"({"a":1,"b":2,"a":3,"c":4})"));
  std::size_t next = 0;
  EXPECT_EQ(document.root().find("b", next)->as_int64(), 2);
  EXPECT_EQ(document.root().find("a", next)->as_int64(), 1);
  EXPECT_EQ(document.root().find("c", next)->as_int64(), 4);
}

TEST(Json, KeepsDocumentsThatDoNotFitIntoTheirOwnMemory) {
  JsonWriter writer;
  writer.begin_object().key("list").begin_array();
  for (int i = 0; i < 10'000; ++i) writer.value("element " + std::to_string(i));
  writer.end_array().end_object();
  JsonDocument document;
  ASSERT_TRUE(document.parse(writer.text()));
  EXPECT_EQ(document.root().find("list")->element(9'999).as_string(), "element 9999");
}

TEST(JsonWriter, PlacesCommas) {
  JsonWriter writer;
  writer.begin_object()
      .field("a", 1)
      .key("b")
      .begin_array()
      .value(true)
      .null()
      .value("x")
      .begin_object()
      .end_object()
      .end_array();
  writer.key("c").raw(R"({"d":-1})").field("e", std::uint8_t{200}).end_object();
  EXPECT_EQ(writer.text(), R"({"a":1,"b":[true,null,"x",{}],"c":{"d":-1},"e":200})");
}

TEST(JsonWriter, EscapesWhateverAStringHolds) {
  // Given all bytes below 128, and some above.
  std::string text;
  for (char c = 0; c < 127; ++c) text += c;
  text += "\x7f Zoë \xf0\x9f\x98\x80";
  JsonWriter writer;
  writer.begin_object().field("a", text).field(text, 1).end_object();
  // Then the text reads back as it was, in one line.
  JsonDocument document;
  ASSERT_TRUE(document.parse(writer.text())) << writer.text();
  EXPECT_EQ(document.root().find("a")->as_string(), text);
  EXPECT_TRUE(document.root().find(text));
  EXPECT_EQ(writer.text().find('\n'), std::string::npos);
}

TEST(JsonWriter, StaysValidWhenAStringIsNotUtf8) {
  JsonWriter writer;
  writer.begin_object().field("a", std::string("x\xff\xc3")).field("b", std::string("\xed\xa0\x80")).end_object();
  JsonDocument document;
  ASSERT_TRUE(document.parse(writer.text()));
  EXPECT_EQ(document.root().find("a")->as_string(), "x\uFFFD\uFFFD");
  EXPECT_EQ(document.root().find("b")->as_string(), "\uFFFD\uFFFD\uFFFD");
}

TEST(JsonWriter, CopiesAParsedValue) {
  const std::string text = R"({"a":[1,-2,18446744073709551615,0.5,"x",null,true],"b":{"c":{}}})";
  JsonDocument document;
  ASSERT_TRUE(document.parse(text));
  JsonWriter writer;
  writer.value(document.root());
  EXPECT_EQ(writer.text(), text);
}

// Goal: a state that went through a snapshot is the same state (P5).
// Method: doubles of all bit patterns, and the odd ones.
TEST(JsonWriter, P5DoublesReadBackAsTheSameBits) {
  std::mt19937_64 random(7);
  std::vector<double> numbers = {0.0,
                                 -0.0,
                                 1.0,
                                 0.1,
                                 1e22,
                                 1e23,
                                 123456789.0,
                                 std::numeric_limits<double>::min(),
                                 std::numeric_limits<double>::max(),
                                 std::numeric_limits<double>::denorm_min(),
                                 std::numeric_limits<double>::infinity(),
                                 -std::numeric_limits<double>::infinity(),
                                 5e-324,
                                 2.2250738585072011e-308,
                                 9007199254740993.0,
                                 1.7976931348623157e308};
  while (numbers.size() < 200'000) {
    const auto number = std::bit_cast<double>(random());
    if (std::isfinite(number)) numbers.push_back(number);
    numbers.push_back(static_cast<double>(random() % 1'000'000) / 100);
  }
  for (const double number : numbers) {
    JsonWriter writer;
    writer.begin_object().field("a", number).end_object();
    JsonDocument document;
    ASSERT_TRUE(document.parse(writer.text())) << writer.text();
    const auto read = document.root().find("a")->as_double();
    ASSERT_TRUE(read) << writer.text();
    ASSERT_EQ(std::bit_cast<std::uint64_t>(*read), std::bit_cast<std::uint64_t>(number)) << writer.text();
  }
  JsonWriter writer;
  writer.begin_object().field("a", std::nan("")).end_object();
  JsonDocument document;
  ASSERT_TRUE(document.parse(writer.text()));
  EXPECT_TRUE(std::isnan(*document.root().find("a")->as_double()));
}

// Goal: no text from outside crashes the check, and check and parse never disagree.
TEST(Json, SurvivesDamagedText) {
  std::mt19937_64 random(11);
  const std::string good = R"({"id":1,"name":"Zo\u00eb é","list":[1,2.5,{"x":null}],"b":true})";
  for (int i = 0; i < 100'000; ++i) {
    std::string text = good.substr(0, random() % (good.size() + 1));
    for (auto damages = random() % 4; damages > 0 && !text.empty(); --damages)
      text[random() % text.size()] =
          static_cast<char>(random() % 3 ? "{}[]\",:\\u0d8ce\xed\xb0"[random() % 17] : random());
    const auto ignored = judge(text);
    static_cast<void>(ignored);
  }
}

}  // namespace
}  // namespace carillon
