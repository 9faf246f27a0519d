#include "access/rights.h"

#include <gtest/gtest.h>

namespace carillon::access {
namespace {

Pattern pattern(std::string_view text, std::string_view subject = "ana") {
  const auto parsed = Pattern::parse(text, subject);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed ? *parsed : Pattern::exactly("");
}

TEST(Pattern, P9NamesOneOrEverythingThatBeginsSo) {
  EXPECT_TRUE(pattern("player/ana").matches("player/ana"));
  EXPECT_FALSE(pattern("player/ana").matches("player/anabel"));
  EXPECT_FALSE(pattern("player/ana").matches("player/an"));
  EXPECT_TRUE(pattern("hunt/*").matches("hunt/island"));
  EXPECT_FALSE(pattern("hunt/*").matches("hunter/ana"));
  EXPECT_TRUE(pattern("*").matches("player/ana"));
}

TEST(Pattern, P9PutsTheSubjectInButNeverAsAWildcard) {
  EXPECT_TRUE(pattern("player/{sub}").matches("player/ana"));
  EXPECT_FALSE(pattern("player/{sub}").matches("player/bo"));
  EXPECT_TRUE(pattern("room/{sub}/{sub}*").matches("room/ana/ana-1"));
  // A subject that calls itself `*`, or {sub}, is only itself.
  EXPECT_FALSE(pattern("player/{sub}", "*").matches("player/ana"));
  EXPECT_TRUE(pattern("player/{sub}", "*").matches("player/*"));
  EXPECT_TRUE(pattern("player/{sub}", "{sub}").matches("player/{sub}"));
}

TEST(Pattern, P9RefusesWhatItCouldNotMean) {
  for (const char* text : {"", "player/*/inbox", "**", "player/\x01", "player/\xff"})
    EXPECT_FALSE(Pattern::parse(text, "ana").ok()) << text;
  EXPECT_FALSE(Pattern::parse(std::string(Pattern::kBytesMax + 1, 'a'), "ana").ok());
  std::string many;
  for (int i = 0; i < 60; ++i) many += "{sub}";
  EXPECT_FALSE(Pattern::parse(many, std::string(200, 'a')).ok());
}

TEST(Rights, P9WithoutATokenNothingIsAllowed) {
  const Rights rights;
  EXPECT_EQ(rights.check_read("player/ana").error().code, ErrorCode::UNAUTHENTICATED);
  EXPECT_EQ(rights.check_publish("player/ana").error().code, ErrorCode::UNAUTHENTICATED);
  EXPECT_EQ(rights.check_producer("ana").error().code, ErrorCode::UNAUTHENTICATED);
  EXPECT_EQ(rights.check_operate().error().code, ErrorCode::UNAUTHENTICATED);
}

TEST(Rights, P9ATokenAllowsWhatItNamesAndNothingElse) {
  const Rights rights(Claims{.subject = "ana",
                             .expires_at_ms = 1,
                             .read = {pattern("player/ana")},
                             .publish = {pattern("hunt/*")},
                             .producers = {pattern("ana"), pattern("ana/*")}});
  EXPECT_TRUE(rights.check_read("player/ana").ok());
  EXPECT_EQ(rights.check_read("player/bo").error().code, ErrorCode::FORBIDDEN);
  EXPECT_EQ(rights.check_read("hunt/island").error().code, ErrorCode::FORBIDDEN);
  EXPECT_TRUE(rights.check_publish("hunt/island").ok());
  EXPECT_EQ(rights.check_publish("player/ana").error().code, ErrorCode::FORBIDDEN);
  EXPECT_TRUE(rights.check_producer("ana/tab-1").ok());
  EXPECT_EQ(rights.check_producer("anabel").error().code, ErrorCode::FORBIDDEN);
  EXPECT_EQ(rights.check_operate().error().code, ErrorCode::FORBIDDEN);
}

TEST(Rights, WithoutKeysEverythingIsAllowed) {
  const auto rights = Rights::everything();
  EXPECT_TRUE(rights.may_read("player/ana") && rights.may_publish("hunt/island") && rights.may_use_producer("x") &&
              rights.may_operate());
  EXPECT_EQ(rights.subject(), "");
  EXPECT_EQ(rights.expires_at_ms(), std::nullopt);
}

}  // namespace
}  // namespace carillon::access
