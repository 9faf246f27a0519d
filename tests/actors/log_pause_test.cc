#include "actors/log_pause.h"

#include <gtest/gtest.h>

namespace carillon::actors {
namespace {

TEST(LogPause, P7LetsOneLineASecondThroughAndCountsTheOthers) {
  using namespace std::chrono_literals;
  LogPause pause;
  const auto begun = Clock::now();
  EXPECT_EQ(pause.next(begun), 0u);
  EXPECT_EQ(pause.next(begun + 1ms), std::nullopt);
  EXPECT_EQ(pause.next(begun + 999ms), std::nullopt);
  EXPECT_EQ(pause.next(begun + 1s), 2u);
  EXPECT_EQ(pause.next(begun + 1'999ms), std::nullopt);
  EXPECT_EQ(pause.next(begun + 5s), 1u);
}

}  // namespace
}  // namespace carillon::actors
