#include "cli/pretty_json.h"

#include <gtest/gtest.h>

namespace carillon::cli {
namespace {

TEST(PrettyJson, KeepsWhatIsShortOnOneLine) {
  EXPECT_EQ(pretty_json(R"({ "a" : [1, 2] })"), R"({"a":[1,2]})");
  EXPECT_EQ(pretty_json("{}", 2), "  {}");
}

TEST(PrettyJson, BreaksWhatIsLongBetweenItsMembers) {
  const std::string long_text(80, 'x');
  EXPECT_EQ(pretty_json(R"({"names":["a"],"text \"":")" + long_text + R"("})", 2),
            "  {\n"
            "    \"names\": [\"a\"],\n"
            "    \"text \\\"\": \"" +
                long_text +
                "\"\n"
                "  }");
}

TEST(PrettyJson, LeavesWhatIsNoJsonAlone) { EXPECT_EQ(pretty_json("not {json"), "not {json"); }

}  // namespace
}  // namespace carillon::cli
