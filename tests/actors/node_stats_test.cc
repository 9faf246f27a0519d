// What health and metrics make of what the actors of a node tell.
#include "actors/node_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace carillon::actors {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Of which the first `away` have no primary that can be reached.
NodeStats node_of(std::size_t partitions, std::size_t away = 0) {
  NodeStats node;
  node.journal.emplace();
  node.partitions.resize(partitions);
  for (std::size_t p = 0; p < partitions; ++p) node.partitions[p].partition = {static_cast<std::uint16_t>(p)};
  for (std::size_t p = 0; p < away; ++p) {
    node.partitions[p].available = false;
    node.partitions[p].problem = "no primary";
  }
  return node;
}

bool is_ready(const NodeStats& node) {
  const auto problems = node.problems();
  return std::ranges::none_of(problems, &Problem::blocks);
}

std::vector<std::string> sentences(const NodeStats& node) {
  std::vector<std::string> sentences;
  for (const auto& problem : node.problems()) sentences.push_back(problem.sentence);
  return sentences;
}

double figure(const NodeStats& node, std::string_view name) {
  for (const auto& figure : node.figures())
    if (figure.full_name() == name) return figure.value;
  ADD_FAILURE() << "there is no figure " << name;
  return -1;
}

TEST(Readiness, APartitionWithoutAPrimaryIsToldAndTakesNoNodeOut) {
  EXPECT_TRUE(is_ready(node_of(8)));
  EXPECT_THAT(sentences(node_of(8)), IsEmpty());
  EXPECT_TRUE(is_ready(node_of(8, 1)));
  EXPECT_THAT(sentences(node_of(8, 1)), ElementsAre("partition 0: no primary"));
}

TEST(Readiness, WhoReachesLessThanHalfOfThePartitionsIsNotReady) {
  EXPECT_TRUE(is_ready(node_of(8, 4)));
  EXPECT_FALSE(is_ready(node_of(8, 5)));
  EXPECT_FALSE(is_ready(node_of(8, 8)));
  EXPECT_FALSE(is_ready(node_of(1, 1)));
  EXPECT_THAT(sentences(node_of(8, 8)), SizeIs(8));
}

TEST(Readiness, ANodeWhoseDiskRefusedAWriteIsNotReady) {
  auto node = node_of(8);
  node.journal->read_only = true;
  EXPECT_FALSE(is_ready(node));
}

TEST(Readiness, ANodeWhoseDiskHangsIsNotReadyAndWhatItsJournalCountsIsLeftOut) {
  auto node = node_of(8);
  EXPECT_EQ(figure(node, "store_hangs"), 0);
  EXPECT_THAT(node.stages(), SizeIs(5));
  node.journal.reset();
  EXPECT_FALSE(is_ready(node));
  EXPECT_THAT(sentences(node), ElementsAre(HasSubstr("the disk has not answered")));
  EXPECT_EQ(figure(node, "store_hangs"), 1);
  // For counters that begin at 0 again would look like a restart.
  const auto figures = node.figures();
  EXPECT_TRUE(
      std::ranges::none_of(figures, [](const Figure& one) { return one.full_name() == "journal_syncs_total"; }));
  EXPECT_THAT(node.stages(), SizeIs(4));
}

TEST(ClusterHealth, P1NamesPartitionsOfWhichThisNodeHasMoreThanTheirPrimaries) {
  // Given a node that keeps what the primaries of two partitions lack.
  ClusterReport report;
  report.replicas.resize(3);
  for (std::uint16_t p = 0; p < 3; ++p) report.replicas[p].partition = {p};
  for (const auto p : {0, 2}) report.replicas[p].keeps_missing_entries = true;
  // When it is asked for its health, then it names them, and stays ready for what else it does.
  const auto problems = report.problems();
  const auto found = std::ranges::find_if(problems, [](const Problem& problem) {
    return problem.sentence.starts_with(
        "partitions 0 and 2 have entries here that the primary lacks, and are not brought");
  });
  ASSERT_NE(found, problems.end());
  EXPECT_FALSE(found->blocks);
}

TEST(HubsThatStandStill, AreCountedByReasonAndOneIsNamedWithWhatToDo) {
  // Given a node without any, then with some in two of its partitions.
  auto node = node_of(3);
  EXPECT_EQ(figure(node, R"(hubs_standing_still{why="not_computed"})"), 0);
  EXPECT_EQ(figure(node, R"(hubs_standing_still{why="not_installed"})"), 0);
  node.partitions[1].not_computed = {1, EntityId::trusted("match/1")};
  node.partitions[1].not_installed = {2, EntityId::trusted("door/front")};
  node.partitions[2].not_installed = {3, EntityId::trusted("window/7")};
  // Then metrics count them all,
  EXPECT_EQ(figure(node, R"(hubs_standing_still{why="not_computed"})"), 1);
  EXPECT_EQ(figure(node, R"(hubs_standing_still{why="not_installed"})"), 5);
  // health names one of each sort, and where to look,
  EXPECT_THAT(sentences(node),
              ElementsAre(AllOf(HasSubstr("hub match/1 stands still"), HasSubstr("`carillon inspect match/1`")),
                          AllOf(HasSubstr("hub door/front and 4 more stand still"),
                                HasSubstr("no behaviour for kind 'door'"))));
  // and clients may come: other hubs, and all streams, are served.
  EXPECT_TRUE(is_ready(node));
}

TEST(Backlog, IsThatOfAllPartitions) {
  auto node = node_of(3);
  node.partitions[0].counters.backlog_events = 3;
  node.partitions[2].counters.backlog_events = 4;
  EXPECT_EQ(figure(node, "hub_backlog_events"), 7);
}

}  // namespace
}  // namespace carillon::actors
