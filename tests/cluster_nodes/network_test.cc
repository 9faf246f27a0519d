// Real nodes whose network is hurt, each in a network namespace of its own: nothing closes a socket, and all the same clients
// hear again soon, while the fault lasts.
#include <gtest/gtest.h>

#include "bench/failover_bench.h"
#include "tests/support/running_etcd.h"
#include "tests/support/running_node.h"
#include "tests/support/temporary_directory.h"

namespace carillon::testing {
namespace {

using bench::Fault;

// Faults last for three seconds. Two is what clients are promised, with some room for a machine that does other things too.
constexpr double kSilenceMsMax = 2'600;

class HurtNetwork : public ::testing::TestWithParam<Fault> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_ETCD();
    if (const auto reason = bench::NetworkLab::why_not(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

TEST_P(HurtNetwork, P1P2P3ClientsHearAgainWhileTheFaultLasts) {
  TemporaryDirectory directory;
  const auto figures = bench::fail_over({.faults = {GetParam()},
                                         .times = 1,
                                         .rate = 600,
                                         .partitions = 4,
                                         .data = directory.path(),
                                         .program = carillon_program()});
  ASSERT_TRUE(figures.ok()) << figures.error().message;
  EXPECT_TRUE(figures->is_sound()) << figures->lost << " lost, " << figures->doubled << " doubled, "
                                   << figures->out_of_order << " out of order";
  EXPECT_GT(figures->delivered, 100u);
  for (const auto& cause : figures->causes) EXPECT_LT(cause.max_ms, kSilenceMsMax) << cause.name;
}

std::string name_of_fault(const ::testing::TestParamInfo<Fault>& info) {
  switch (info.param) {
    case Fault::kCut:
      return "ANodeCutOffFromAllOthers";
    case Fault::kCutPair:
      return "ALinkCutBetweenTwo";
    default:
      return "ANodeThatIsNotHeard";
  }
}

INSTANTIATE_TEST_SUITE_P(, HurtNetwork, ::testing::Values(Fault::kCut, Fault::kCutPair, Fault::kOneWay), name_of_fault);

}  // namespace
}  // namespace carillon::testing
