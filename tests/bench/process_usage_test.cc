#include "bench/process_usage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

#include "tests/support/eventually.h"

namespace carillon::bench {
namespace {

TEST(ProcessUsage, CountsWhatAProcessHasUsed) {
  const auto before = usage_of(getpid());
  const auto used = [&] { return usage_of(getpid()) - before; };
  // When this one works for a while, and then gives the processor away now and then,
  const auto worked_s = [] {
    timespec worked{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &worked);
    return static_cast<double>(worked.tv_sec) + 1e-9 * static_cast<double>(worked.tv_nsec);
  };
  for (const auto began = worked_s(); worked_s() < began + 0.2;) {
  }
  // then that is what it used since, and no more than there is.
  EXPECT_TRUE(carillon::testing::eventually(std::chrono::seconds(10), [&] { return used().context_switches >= 10; }));
  EXPECT_GT(used().user_s + used().system_s, 0.05);
  EXPECT_LT(used().user_s + used().system_s, 60);
}

TEST(ProcessUsage, IsNothingWhereThereIsNoProcess) {
  EXPECT_EQ(usage_of(0).user_s, 0);
  EXPECT_EQ(usage_of(0).context_switches, 0u);
}

}  // namespace
}  // namespace carillon::bench
