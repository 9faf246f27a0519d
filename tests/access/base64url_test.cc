#include "access/base64url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace carillon::access {
namespace {

using testing::Optional;

TEST(Base64Url, GivesBackWhatItWasGiven) {
  std::mt19937_64 random(1);
  for (std::size_t bytes = 0; bytes < 300; ++bytes) {
    std::string text(bytes, '\0');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_THAT(from_base64url(to_base64url(text)), Optional(text));
  }
}

TEST(Base64Url, ReadsTheVectorsOfRfc4648) {
  EXPECT_THAT(from_base64url("Zm9vYmFy"), Optional(std::string("foobar")));
  EXPECT_THAT(from_base64url("Zm9vYg"), Optional(std::string("foob")));
  EXPECT_THAT(from_base64url("-_8"), Optional(std::string("\xfb\xff")));
  EXPECT_THAT(from_base64url(""), Optional(std::string()));
}

// Two spellings of one signature would be two tokens where there is one.
TEST(Base64Url, P9RefusesEveryOtherSpelling) {
  for (const char* text : {"Zm9vYg==", "Zm9v Yg", "Zm9vYh", "Zm9vYg\n", "+/8", "A", "Zm9vY", "é"})
    EXPECT_EQ(from_base64url(text), std::nullopt) << text;
}

}  // namespace
}  // namespace carillon::access
