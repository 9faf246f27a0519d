// Controls placement while this node is the controller: one node at a time, by a lease.
//
// Lives on its membership's thread. Two controllers at once (one that was cut off and one that follows it) do no harm:
// every step is a compare-and-swap of one record.
#pragma once

#include <kj/function.h>
#include <kj/timer.h>

#include <chrono>
#include <functional>
#include <map>

#include "cluster/membership.h"
#include "cluster/placement.h"

namespace carillon::cluster {

class Controller {
 public:
  struct Options {
    std::chrono::milliseconds look_every{200};
    // A cluster is founded by as many nodes as it wants replicas, or after this by those who are there.
    std::chrono::milliseconds found_small_after{5'000};
    // What a node held that has been away for so long is replaced elsewhere. Long enough for a restart or a reboot. A copy that
    // has been under way for so long is not waited for by what others held.
    std::chrono::milliseconds replace_after{60'000};
    PlacementSettings placement;
    // Whether there is a link from here to that member.
    std::function<bool(const NodeName&)> linked = [](const NodeName&) { return true; };
    // Without links to most of the others this node leaves the control to somebody else after this.
    std::chrono::milliseconds resign_after{5'000};
  };
  // Told of each step that was made.
  using OnStep = kj::Function<void(const PlacementStep&)>;

  Controller(Membership& membership, kj::Timer& timer, Options options, OnStep on_step);
  KJ_DISALLOW_COPY(Controller);

  // From when the membership has joined on: until this object goes.
  void start();

  bool is_controller() const { return membership_.is_controller(); }
  std::uint64_t steps() const { return steps_; }

 private:
  kj::Promise<void> run();
  kj::Promise<void> make_steps();
  std::set<NodeName> unlinked() const;
  std::set<NodeName> nodes_gone(const std::set<NodeName>& unlinked);
  std::set<Copy> copies_stuck(const std::set<NodeName>& unlinked);
  // Those of `now` that have been among them for as long as is waited. `since` is kept for the next time.
  template <class Key>
  std::set<Key> for_long(const std::set<Key>& now, std::map<Key, kj::TimePoint>& since) const;
  kj::Promise<void> resign_in_time();

  Membership& membership_;
  kj::Timer& timer_;
  Options options_;
  OnStep on_step_;
  std::uint64_t steps_ = 0;
  std::optional<kj::TimePoint> controller_since_;
  std::optional<kj::TimePoint> alone_since_;      // It may not control; since then.
  std::map<NodeName, kj::TimePoint> away_since_;  // Named in records, but no members, or without a link.
  std::map<Copy, kj::TimePoint> under_way_since_;
  kj::Promise<void> running_ = nullptr;
};

}  // namespace carillon::cluster
