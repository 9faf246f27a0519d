// `carillon --version` says what decides whether two programs can work side by side.
#include "actors/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/handshake.h"
#include "runtime/store.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

TEST(Version, IsThatOfTheProgramItsStoreAndItsLinks) {
  const auto ran = run_carillon({"--version"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.output, std::string(actors::kVersion) + "\nstore format " +
                            std::to_string(runtime::Store::kFormatVersion) + "\nlinks between nodes " +
                            std::to_string(cluster::kLinkVersion) + "\n");
}

}  // namespace
}  // namespace carillon::testing
