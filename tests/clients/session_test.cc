#include "clients/cpp/session.h"

#include <gtest/gtest.h>

#include <chrono>

namespace carillon::client {
namespace {

using Clock = std::chrono::steady_clock;

// KJ's clock stands still while its loop does not run.
TEST(Session, ADeadlineCountsFromWhenItIsGivenHoweverLongNothingWasAsked) {
  constexpr std::chrono::milliseconds kDeadline(50);
  Session session;
  session.catch_up();
  // Given a program that did something else for longer than the deadline,
  for (const auto until = Clock::now() + 2 * kDeadline; Clock::now() < until;) {
  }
  // when it waits for what never comes,
  const auto begun = Clock::now();
  EXPECT_FALSE(session.wait_at_most(kDeadline, kj::Promise<void>(kj::NEVER_DONE)));
  // then for the whole of it.
  EXPECT_GE(Clock::now() - begun, kDeadline - std::chrono::milliseconds(1));
}

}  // namespace
}  // namespace carillon::client
