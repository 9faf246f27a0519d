// Calls that hold more than a node takes at once: refused as a whole, in a way that keeps order and lets nobody get stuck.
#include "runtime/publish_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/support/counting_hub.h"

namespace carillon::runtime {
namespace {

using ::testing::Each;

class OversizedCall : public ::testing::Test {
 protected:
  static Limits two_events_a_call() {
    Limits limits;
    limits.batch_events_max = 2;
    return limits;
  }
  // One call with these sequences; those in `malformed` have a payload that is no JSON. The codes of its refusals.
  std::vector<ErrorCode> publish(const std::vector<Sequence>& sequences, const std::set<Sequence>& malformed = {}) {
    const auto begun = calls.begin(
        *ProducerId::client("ada"), static_cast<std::uint32_t>(sequences.size()),
        [&](std::uint32_t i) {
          return PublicationView{"player/ada", "note", malformed.contains(sequences[i]) ? "?" : "{}", sequences[i]};
        },
        [](std::string_view) { return Result<void>(); }, [](std::size_t, std::size_t) { return std::nullopt; });
    std::vector<ErrorCode> codes;
    if (begun.finished)
      for (const auto& refusal : begun.finished->outcome.refusals) codes.push_back(refusal.error.code);
    return codes;
  }

  const Catalogue catalogue{};
  const Limits limits = two_events_a_call();
  PublishCalls calls{1, 4, catalogue, limits};
};

TEST_F(OversizedCall, P3WhatFollowsItDoesNotOvertake) {
  EXPECT_THAT(publish({1, 2, 3}), Each(ErrorCode::LIMIT_EXCEEDED));
  EXPECT_THAT(publish({3}), ::testing::ElementsAre(ErrorCode::OVERLOADED));
  EXPECT_THAT(publish({1, 2}), ::testing::IsEmpty());
  EXPECT_THAT(publish({3}), ::testing::IsEmpty());
}

TEST_F(OversizedCall, IsNotWaitedForWhereItCanNeverPass) {
  EXPECT_THAT(publish({1, 2, 3}, {1}),
              ::testing::ElementsAre(ErrorCode::MALFORMED, ErrorCode::LIMIT_EXCEEDED, ErrorCode::LIMIT_EXCEEDED));
  EXPECT_THAT(publish({2, 3}), ::testing::IsEmpty());
}

TEST_F(OversizedCall, IsAnsweredWhateverAnotherNodeSaysOfEventsThatItDoesNotHave) {
  const auto begun = calls.begin(
      *ProducerId::client("ada"), 1,
      [](std::uint32_t) {
        return PublicationView{"player/ada", "note", "{}", 1};
      },
      [](std::string_view) { return Result<void>(); }, [](std::size_t, std::size_t) { return std::nullopt; });
  ASSERT_EQ(begun.requests.size(), 1u);
  const auto finished = calls.answered({1, begun.call, 0, 0, {{7, {ErrorCode::UNAVAILABLE, "no", 0}}}, 0});
  ASSERT_TRUE(finished);
  EXPECT_THAT(finished->outcome.refusals, ::testing::IsEmpty());
}

TEST_F(OversizedCall, IsAnsweredWhateverAnotherNodeSaysOfEventsOfOtherPartitions) {
  // Given a call with an event for each of two partitions.
  std::string other = "player/bo";
  while (EntityId::trusted(other).partition_of(4) == EntityId::trusted("player/ada").partition_of(4)) other += 'o';
  const auto begun = calls.begin(
      *ProducerId::client("ada"), 2,
      [&](std::uint32_t i) {
        return PublicationView{i == 0 ? "player/ada" : std::string_view(other), "note", "{}", i + 1};
      },
      [](std::string_view) { return Result<void>(); }, [](std::size_t, std::size_t) { return std::nullopt; });
  ASSERT_EQ(begun.requests.size(), 2u);
  // When one of them says that the other's is refused, then that is not so.
  const auto first = begun.requests[0].second.items.front().index;
  EXPECT_FALSE(calls.answered({1, begun.call, 1, 0, {{1 - first, {ErrorCode::UNAVAILABLE, "no", 0}}}, first}));
  const auto finished = calls.answered({1, begun.call, 1, 0, {}, 1 - first});
  ASSERT_TRUE(finished);
  EXPECT_THAT(finished->outcome.refusals, ::testing::IsEmpty());
  EXPECT_EQ(finished->outcome.accepted, 2u);
}

TEST_F(OversizedCall, WhatIsRefusedForGoodTheSecondTimeIsNotWaitedFor) {
  // Given an event that was to come again, and that nobody may publish any more.
  EXPECT_THAT(publish({1, 2, 3}), Each(ErrorCode::LIMIT_EXCEEDED));
  EXPECT_THAT(publish({1}, {1}), ::testing::ElementsAre(ErrorCode::MALFORMED));
  EXPECT_THAT(publish({2, 3}), ::testing::IsEmpty());
}

TEST(PublishCalls, P3WhatWasTakenTheSecondTimeIsNotWaitedFor) {
  // Given an event that was sent twice, of which the first was refused and the second accepted.
  const Catalogue catalogue{};
  const Limits limits{};
  PublishCalls calls{1, 4, catalogue, limits};
  const auto ada = *ProducerId::client("ada");
  const auto begin = [&](Sequence sequence) {
    return calls.begin(
        ada, 1,
        [&](std::uint32_t) {
          return PublicationView{"player/ada", "note", "{}", sequence};
        },
        [](std::string_view) { return Result<void>(); }, [](std::size_t, std::size_t) { return std::nullopt; });
  };
  const auto first = begin(1), second = begin(1);
  ASSERT_TRUE(calls.answered({1, first.call, 0, 0, {{0, {ErrorCode::UNAVAILABLE, "no", 0}}}, 0}));
  ASSERT_TRUE(calls.answered({1, second.call, 1, 0, {}, 0}));
  // When the next one comes, then it goes to its partition.
  EXPECT_FALSE(begin(2).finished);
}

}  // namespace
}  // namespace carillon::runtime
