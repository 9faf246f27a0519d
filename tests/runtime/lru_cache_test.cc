#include "runtime/lru_cache.h"

#include <gtest/gtest.h>

#include <vector>

namespace carillon::runtime {
namespace {

struct Entry {
  bool in_use() const { return used; }
  int number = 0;
  bool used = false;
};

TEST(LruCache, P7ForgetsWhatWasNotUsedForLongest) {
  LruCache<int, Entry> cache(2);
  cache.insert(1, {1});
  cache.insert(2, {2});
  cache.find(1);
  cache.insert(3, {3});
  EXPECT_NE(cache.find(1), nullptr);
  EXPECT_EQ(cache.find(2), nullptr);
  EXPECT_EQ(cache.size(), 2u);
}

TEST(LruCache, KeepsWhatIsInUseAndWhatWasJustInserted) {
  // Given a full cache whose entries are all in use.
  LruCache<int, Entry> cache(2);
  cache.insert(1, {1, true});
  cache.insert(2, {2, true});
  // When one more comes, not in use.
  const auto& inserted = cache.insert(3, {3});
  // Then nothing is forgotten, least of all the new one.
  EXPECT_EQ(inserted.number, 3);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.peek(3), &inserted);
  // And there is room again as soon as something is no longer used.
  cache.find(1)->used = false;
  cache.find(2)->used = false;
  cache.insert(4, {4});
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_NE(cache.find(4), nullptr);
}

TEST(LruCache, VisitsWhatWasNotUsedForLongestFirst) {
  LruCache<int, Entry> cache(4);
  for (int number = 1; number <= 3; ++number) cache.insert(number, {number});
  cache.find(1);
  std::vector<int> visited;
  cache.for_each([&](int key, const Entry& entry) {
    EXPECT_EQ(key, entry.number);
    visited.push_back(key);
  });
  EXPECT_EQ(visited, (std::vector{2, 3, 1}));
}

}  // namespace
}  // namespace carillon::runtime
