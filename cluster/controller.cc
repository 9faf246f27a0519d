#include "cluster/controller.h"

#include <utility>

namespace carillon::cluster {
namespace {

kj::Duration duration_of(std::chrono::milliseconds time) { return time.count() * kj::MILLISECONDS; }

}  // namespace

Controller::Controller(Membership& membership, kj::Timer& timer, Options options, OnStep on_step)
    : membership_(membership), timer_(timer), options_(std::move(options)), on_step_(kj::mv(on_step)) {}

void Controller::start() { running_ = run().eagerlyEvaluate(nullptr); }

kj::Promise<void> Controller::run() {
  auto looked = [&]() -> kj::Promise<void> {
    if (!may_control(membership_.view(), membership_.self().node, unlinked())) return resign_in_time();
    alone_since_.reset();
    return membership_.become_controller().then([this](bool is_controller) -> kj::Promise<void> {
      if (!is_controller) {
        controller_since_.reset();
        away_since_.clear();
        under_way_since_.clear();
        return kj::READY_NOW;
      }
      if (!controller_since_) controller_since_ = timer_.now();
      return make_steps();
    });
  }();
  return looked.then([this] { return timer_.afterDelay(duration_of(options_.look_every)); }).then([this] {
    return run();
  });
}

kj::Promise<void> Controller::resign_in_time() {
  controller_since_.reset();
  away_since_.clear();
  under_way_since_.clear();
  if (!alone_since_) alone_since_ = timer_.now();
  if (!membership_.is_controller() || timer_.now() - *alone_since_ < duration_of(options_.resign_after))
    return kj::READY_NOW;
  return membership_.resign_as_controller();
}

// Until there is nothing to do, or to wait for.
kj::Promise<void> Controller::make_steps() {
  if (!membership_.is_controller()) return kj::READY_NOW;
  const bool may_found_small = timer_.now() - *controller_since_ >= duration_of(options_.found_small_after);
  const auto without_link = unlinked();
  auto step = next_step(membership_.view(), nodes_gone(without_link), may_found_small, options_.placement, without_link,
                        copies_stuck(without_link));
  if (!step) return kj::READY_NOW;
  return membership_.swap(step->partition, step->expected, step->record)
      .then([this, step = std::move(*step)](const SwapOutcome& outcome) -> kj::Promise<void> {
        // The view will tell; perhaps not at once, or never, if nobody can read what stands there.
        if (outcome.kind != WriteOutcome::Kind::kDone) return kj::READY_NOW;
        ++steps_;
        on_step_(step);
        return make_steps();
      });
}

std::set<NodeName> Controller::unlinked() const {
  std::set<NodeName> without_link;
  for (const auto& [node, member] : membership_.view().members())
    if (node != membership_.self().node && !options_.linked(node)) without_link.insert(node);
  return without_link;
}

std::set<NodeName> Controller::nodes_gone(const std::set<NodeName>& without_link) {
  const auto& view = membership_.view();
  std::set<NodeName> away;
  for (const auto& [partition, record] : view.partitions())
    for (const auto& node : record.value.replicas)
      if (view.find_member(node) == nullptr || without_link.contains(node)) away.insert(node);
  return for_long(away, away_since_);
}

std::set<Copy> Controller::copies_stuck(const std::set<NodeName>& without_link) {
  return for_long(copies_under_way(membership_.view(), without_link), under_way_since_);
}

template <class Key>
std::set<Key> Controller::for_long(const std::set<Key>& now, std::map<Key, kj::TimePoint>& since) const {
  std::erase_if(since, [&](const auto& one) { return !now.contains(one.first); });
  std::set<Key> long_since;
  for (const auto& key : now)
    if (timer_.now() - since.emplace(key, timer_.now()).first->second >= duration_of(options_.replace_after))
      long_since.insert(key);
  return long_since;
}

}  // namespace carillon::cluster
