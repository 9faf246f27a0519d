#include "cluster/cluster_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ClusterKeys kKeys("home");
const Member kAnt{"ant", "s1", "p", "r", "h"};

PartitionRecord record(Epoch epoch) {
  return {.epoch = epoch, .primary = {"ant", "s1"}, .in_sync = {{"ant", "s1"}}, .replicas = {"ant"}};
}
EtcdChange put(const std::string& key, const std::string& value, Revision at) { return {{key, value, at, 0}, false}; }
EtcdChange erase(const std::string& key, Revision at) { return {{key, "", at, 0}, true}; }

TEST(ClusterView, FoldsWhatEtcdHoldsAndSaysWhatChanged) {
  ClusterView view("home");
  auto changes =
      view.apply({.reset = true,
                  .entries = {{kKeys.format(), encode(ClusterFormat{.cluster_id = "c", .partitions = 8}), 1, 0},
                              {kKeys.member("ant"), encode(kAnt), 2, 77},
                              {kKeys.partition({3}), encode(record(1)), 3, 0}},
                  .revision = 5});
  EXPECT_TRUE(changes.format);
  EXPECT_THAT(changes.members, ElementsAre("ant"));
  EXPECT_THAT(changes.partitions, ElementsAre(PartitionId{3}));
  EXPECT_TRUE(view.is_present({"ant", "s1"}));
  EXPECT_FALSE(view.is_present({"ant", "another disk"}));
  EXPECT_EQ(view.find({3})->revision, 3u);
  EXPECT_EQ(view.find({4}), nullptr);

  changes = view.apply({.changes = {put(kKeys.draining("ant"), "primaries", 6), put(kKeys.controller(), "ant", 7),
                                    erase(kKeys.member("ant"), 8)},
                        .revision = 8});
  EXPECT_THAT(changes.draining, ElementsAre("ant"));
  EXPECT_TRUE(changes.controller);
  EXPECT_THAT(changes.members, ElementsAre("ant"));
  EXPECT_FALSE(view.is_present({"ant", "s1"}));
  EXPECT_EQ(view.draining().at("ant").value, Drain::kPrimaries);
  EXPECT_EQ(view.revision(), 8u);
}

TEST(ClusterView, P8AnOlderRecordNeverReplacesANewerOne) {
  // Given a swap of our own that the watch has not told of yet.
  ClusterView view("home");
  (void)view.apply(EtcdEntry{kKeys.partition({0}), encode(record(5)), 50, 0});
  // When the watch tells of what came before it, as a change, an erasure or a reset.
  EXPECT_TRUE(view.apply({.changes = {put(kKeys.partition({0}), encode(record(4)), 40)}, .revision = 40}).empty());
  EXPECT_TRUE(view.apply({.changes = {erase(kKeys.partition({0}), 41)}, .revision = 41}).empty());
  EXPECT_TRUE(view.apply({.reset = true, .entries = {}, .revision = 45}).empty());
  // Then ours stands, and its own echo changes nothing.
  EXPECT_EQ(view.find({0})->value.epoch, 5u);
  EXPECT_TRUE(view.apply({.changes = {put(kKeys.partition({0}), encode(record(5)), 50)}, .revision = 50}).empty());
}

TEST(ClusterView, AResetForgetsWhatIsGone) {
  ClusterView view("home");
  (void)view.apply(
      {.changes = {put(kKeys.member("ant"), encode(kAnt), 2), put(kKeys.partition({1}), encode(record(1)), 3)},
       .revision = 3});
  const auto changes =
      view.apply({.reset = true, .entries = {{kKeys.partition({1}), encode(record(1)), 3, 0}}, .revision = 9});
  EXPECT_THAT(changes.members, ElementsAre("ant"));
  EXPECT_THAT(changes.partitions, IsEmpty());
  EXPECT_TRUE(view.members().empty());
  EXPECT_NE(view.find({1}), nullptr);
}

TEST(ClusterView, AnEtcdThatBeganAnewIsBelievedEntirely) {
  ClusterView view("home");
  (void)view.apply({.changes = {put(kKeys.partition({1}), encode(record(9)), 300)}, .revision = 300});
  const auto changes =
      view.apply({.reset = true, .entries = {{kKeys.partition({1}), encode(record(1)), 3, 0}}, .revision = 4});
  EXPECT_THAT(changes.partitions, ElementsAre(PartitionId{1}));
  EXPECT_EQ(view.find({1})->value.epoch, 1u);
}

TEST(ClusterView, WhatCannotBeReadIsNamedAndWhatWasKnownStays) {
  ClusterView view("home");
  (void)view.apply({.changes = {put(kKeys.partition({1}), encode(record(2)), 2)}, .revision = 2});
  (void)view.apply({.changes = {put(kKeys.partition({1}), "rubbish", 3), put(kKeys.prefix() + "partitions/01", "{}", 4),
                                put(kKeys.member("bee"), encode(kAnt), 5), put(kKeys.draining("ant"), "maybe", 6),
                                put("/carillon/away/format", "rubbish", 7)},
                    .revision = 7});
  EXPECT_EQ(view.find({1})->value.epoch, 2u);
  EXPECT_EQ(view.unreadable().size(), 4u);
  EXPECT_TRUE(view.members().empty());
  (void)view.apply({.changes = {put(kKeys.partition({1}), encode(record(3)), 8)}, .revision = 8});
  EXPECT_EQ(view.unreadable().size(), 3u);
  EXPECT_EQ(view.find({1})->value.epoch, 3u);
}

}  // namespace
}  // namespace carillon::cluster
