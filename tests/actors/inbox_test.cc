// The queue between actors and a thread with an event loop.
#include "actors/inbox.h"

#include <kj/async-io.h>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace carillon::actors {
namespace {

TEST(Inbox, AJobOfManyStepsIsDoneBeforeWhatCameAfterIt) {
  auto io = kj::setupAsyncIo();
  Inbox inbox;
  auto running = inbox.run(*io.lowLevelProvider).eagerlyEvaluate(nullptr);
  // Given a job of more steps than are done in one go, and one behind it.
  constexpr int kSteps = 20;
  std::vector<int> done;
  inbox.push_steps([&, step = 0]() mutable {
    done.push_back(++step);
    return step < kSteps;
  });
  inbox.push([&] { done.push_back(0); });
  std::vector<int> expected;
  for (int step = 1; step <= kSteps; ++step) expected.push_back(step);
  expected.push_back(0);
  while (done.size() < expected.size()) io.waitScope.poll();
  EXPECT_EQ(done, expected);
}

TEST(Inbox, IsWorkedOffThoughTheLoopAlwaysHasSomethingElseToDo) {
  auto io = kj::setupAsyncIo();
  io.waitScope.setBusyPollInterval(16);
  Inbox inbox;
  auto running = inbox.run(*io.lowLevelProvider).eagerlyEvaluate(nullptr);
  // Given more jobs than are done in one go,
  constexpr int kJobs = 100, kTurnsMax = 100'000;
  int done = 0, turns = 0;
  for (int job = 0; job < kJobs; ++job) inbox.push([&] { ++done; });
  // when there is always something else to do,
  const std::function<kj::Promise<void>()> busy = [&]() -> kj::Promise<void> {
    if (done == kJobs || ++turns == kTurnsMax) return kj::READY_NOW;
    return kj::evalLater([&] { return busy(); });
  };
  busy().wait(io.waitScope);
  // then they are done all the same.
  EXPECT_EQ(done, kJobs);
}

TEST(Inbox, WhatWaitsWhenItIsClosedIsLetGo) {
  // Given a job that nobody runs, and that refers to something, as a page for a follower does to whose turn it is to read.
  Inbox inbox;
  const auto referred = std::make_shared<int>();
  inbox.push([referred] {});
  ASSERT_EQ(referred.use_count(), 2);
  inbox.close();
  EXPECT_EQ(referred.use_count(), 1);
}

TEST(Inbox, WhatComesAfterItWasClosedIsLetGo) {
  Inbox inbox;
  const auto referred = std::make_shared<int>();
  inbox.close();
  inbox.push([referred] {});
  EXPECT_EQ(referred.use_count(), 1);
}

TEST(Inbox, WhateverComesWhileItIsClosedIsLetGo) {
  for (int round = 0; round < 200; ++round) {
    Inbox inbox;
    const auto referred = std::make_shared<int>();
    std::vector<std::thread> actors;
    for (int actor = 0; actor < 3; ++actor)
      actors.emplace_back([&] {
        for (int job = 0; job < 20; ++job) inbox.push([referred] {});
      });
    inbox.close();
    for (auto& actor : actors) actor.join();
    ASSERT_EQ(referred.use_count(), 1);
  }
}

}  // namespace
}  // namespace carillon::actors
