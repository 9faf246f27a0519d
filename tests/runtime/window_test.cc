#include "runtime/window.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace carillon::runtime {
namespace {

using Verdict = Window::Verdict;

TEST(Window, P2AdmitsEachSequenceOnce) {
  Window window;
  for (const Sequence s : {1, 2, 5, 3, 9, 4}) EXPECT_EQ(window.admit(s), Verdict::kNew) << s;
  for (const Sequence s : {1, 2, 5, 3, 9, 4}) EXPECT_EQ(window.admit(s), Verdict::kDuplicate) << s;
  EXPECT_EQ(window.admit(6), Verdict::kNew);
}

TEST(Window, P2TakesWhatIsFurtherBackThanTheSpanForADuplicate) {
  Window window;
  EXPECT_EQ(window.admit(2'000), Verdict::kNew);
  EXPECT_EQ(window.admit(2'000 - Window::kSpanEvents), Verdict::kNew);
  EXPECT_EQ(window.admit(2'000 - Window::kSpanEvents - 1), Verdict::kDuplicate);
}

TEST(Window, P2AgreesWithASetUnderRandomJumpsAndSaves) {
  std::mt19937_64 random(7);
  for (int run = 0; run < 50; ++run) {
    Window window;
    std::set<Sequence> seen;
    Sequence highest = 0;
    for (int i = 0; i < 2'000; ++i) {
      const auto kind = random() % 20;
      Sequence s = kind == 0 ? highest + 1 + random() % 2'000 : kind < 8 ? highest + 1 : 0;
      if (s == 0) s = highest < 2 ? 1 : highest - random() % std::min<Sequence>(highest, Window::kSpanEvents);
      const bool expected_new = !seen.contains(s) && s + Window::kSpanEvents >= highest;
      ASSERT_EQ(window.admit(s) == Verdict::kNew, expected_new) << "run " << run << " sequence " << s;
      seen.insert(s);
      highest = std::max(highest, s);
      // Saving and loading changes nothing.
      if (random() % 50 == 0) window = Window(window.highest(), window.seen_below());
    }
  }
}

TEST(Window, IsOneNumberWhileThereAreNoGaps) {
  Window window;
  for (Sequence s = 1; s <= 5'000; ++s) (void)window.admit(s);
  EXPECT_TRUE(window.seen_below().empty());
  (void)window.admit(5'002);
  EXPECT_FALSE(window.seen_below().empty());
  (void)window.admit(5'001);
  EXPECT_TRUE(window.seen_below().empty());
}

}  // namespace
}  // namespace carillon::runtime
