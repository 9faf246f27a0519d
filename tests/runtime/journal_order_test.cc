// Which writes of a journal's batch need not wait for its sync (P1: what one partition wants written keeps its order).
#include "runtime/journal_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace carillon::runtime {
namespace {

struct Commit {
  std::uint16_t partition = 0;
  bool sync = true;
  std::string name;
};

std::string unsynced_first(std::vector<Commit> batch) {
  const auto unsynced = put_unsynced_first(
      batch, [](const Commit& commit) { return PartitionId{commit.partition}; },
      [](const Commit& commit) { return commit.sync; });
  std::string order;
  for (std::size_t at = 0; at < batch.size(); ++at) order += (at == unsynced ? "|" : "") + batch[at].name;
  return unsynced == batch.size() ? order + "|" : order;
}

TEST(JournalOrder, WhatNeedsNoSyncOfOthersIsDoneFirst) {
  EXPECT_EQ(unsynced_first({{1, true, "a"}, {2, false, "b"}, {3, true, "c"}, {2, false, "d"}}), "bd|ac");
}

TEST(JournalOrder, P1WhatFollowsASyncedWriteOfItsPartitionStaysBehindIt) {
  EXPECT_EQ(unsynced_first({{1, false, "a"}, {1, true, "b"}, {1, false, "c"}, {2, false, "d"}}), "ad|bc");
}

TEST(JournalOrder, ABatchOfOneKindStaysAsItIs) {
  EXPECT_EQ(unsynced_first({{1, true, "a"}, {2, true, "b"}}), "|ab");
  EXPECT_EQ(unsynced_first({{1, false, "a"}, {2, false, "b"}}), "ab|");
}

}  // namespace
}  // namespace carillon::runtime
