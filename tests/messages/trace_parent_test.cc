#include "messages/trace_parent.h"

#include <gtest/gtest.h>

namespace carillon {
namespace {

const std::string kGiven = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceParent, GoesOnAsItCame) {
  const auto parsed = TraceParent::parse(kGiven);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->text(), kGiven);
  EXPECT_EQ(parsed->trace_id(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(TraceParent::from_bytes(parsed->bytes()), parsed);
}

TEST(TraceParent, OfVersion00KeepsEveryFlag) {
  for (const std::string flags : {"00", "01", "02", "ff"})
    EXPECT_EQ(TraceParent::parse(kGiven.substr(0, 53) + flags)->text(), kGiven.substr(0, 53) + flags);
}

TEST(TraceParent, OfAHigherVersionIsReadAsFarAsItIsKnown) {
  const auto rest = kGiven.substr(2);
  EXPECT_EQ(TraceParent::parse("01" + rest)->text(), kGiven);
  EXPECT_EQ(TraceParent::parse("cc" + rest + "-what-the-future-will-be-like")->text(), kGiven);
  EXPECT_EQ(TraceParent::parse("01" + rest.substr(0, 51) + "ff")->text(), kGiven);  // Other flags may mean anything.
  EXPECT_FALSE(TraceParent::parse("01" + rest + "."));
  EXPECT_FALSE(TraceParent::parse("01" + rest + "00"));
}

TEST(TraceParent, IsNothingUnlessItHasTheForm) {
  const auto with = [](std::size_t at, const std::string& other) {
    auto text = kGiven;
    return text.replace(at, other.size(), other);
  };
  for (const auto& text : {
           std::string(),
           std::string("00"),
           kGiven.substr(0, 54),
           kGiven + "-",
           kGiven + "-00",
           " " + kGiven,
           kGiven + ", " + kGiven,  // Two header fields.
           with(0, "ff"),
           with(0, "0G"),
           with(2, "_"),
           with(35, "0"),
           with(52, "0"),
           with(3, "0AF7"),
           with(36, "B7"),
           with(53, "0x"),
           with(3, std::string(32, '0')),
           with(36, std::string(16, '0')),
           with(10, std::string(1, '\0')),
       })
    EXPECT_FALSE(TraceParent::parse(text)) << text;
}

TEST(TraceParent, OfBytesIsNothingWithoutIds) {
  const std::string bytes(TraceParent::parse(kGiven)->bytes());
  EXPECT_FALSE(TraceParent::from_bytes(bytes.substr(1)));
  EXPECT_FALSE(TraceParent::from_bytes(std::string(16, '\0') + bytes.substr(16)));
  EXPECT_FALSE(TraceParent::from_bytes(bytes.substr(0, 16) + std::string(8, '\0') + '\1'));
  EXPECT_FALSE(TraceParent::from_bytes({}));
}

}  // namespace
}  // namespace carillon
