// A node that is stopped leaves nothing to be done again.
#include <gmock/gmock.h>

#include "examples/hunt/hunt.h"
#include "runtime/verify.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using ::testing::Contains;
using ::testing::Pair;

TEST(Stop, P5LeavesEveryHubSavedAndNoneUnfinished) {
  // Given a node with hubs that have just folded something.
  RunningNode node;
  for (const char* island : {"island/a", "island/b", "island/c"})
    ASSERT_TRUE(node.publish(island, to_json(hunt::Landed{.player = "Ada"}), "landed").ok());
  // When it is stopped at once.
  node.stop();
  // Then all of them are saved.
  const auto verification = runtime::verify(node.data());
  ASSERT_TRUE(verification.ok()) << verification.error().message;
  EXPECT_TRUE(verification->broken.empty());
  EXPECT_THAT(verification->counts, Contains(Pair("snapshots", 3)));
  EXPECT_THAT(verification->counts, Contains(Pair("unfinished hubs", 0)));
}

}  // namespace
}  // namespace carillon::testing
