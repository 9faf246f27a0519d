#include "cli/span_text.h"

#include <gtest/gtest.h>

#include "messages/rfc3339.h"

namespace carillon::cli {
namespace {

TEST(Rfc3339, IsUtcWithMilliseconds) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(1'709'209'845'007), "2024-02-29T12:30:45.007Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(rfc3339(253'402'300'800'000), "10000-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(-62'167'219'200'001), "-1-12-31T23:59:59.999Z");
}

TEST(SpanText, NamesTwoUnitsAtMost) {
  EXPECT_EQ(span_text(999), "0 s");
  EXPECT_EQ(span_text(59'000), "59 s");
  EXPECT_EQ(span_text(61'000), "1 min 1 s");
  EXPECT_EQ(span_text(3'600'000), "1 h");
  EXPECT_EQ(span_text(90'061'000), "1 d 1 h");
}

}  // namespace
}  // namespace carillon::cli
