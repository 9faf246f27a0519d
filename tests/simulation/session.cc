#include "tests/simulation/session.h"

#include <utility>

namespace carillon::simulation {
namespace {

constexpr std::size_t kReadsMax = 2;

Result<void> check_start(Offset from, const runtime::Extent& extent) {
  if (from > extent.last + 1) return Error{ErrorCode::BEYOND_END, "the mailbox ends before", extent.last + 1};
  if (from < extent.first) return Error{ErrorCode::TRUNCATED, "behind retention", extent.first};
  return {};
}

}  // namespace

Session::Session(World& world, Entrance& node, runtime::SessionId id, Client client)
    : world_(&world), node_(&node), id_(id), client_(std::move(client)), inbox_(Inbox::make(world, 20)) {}

void Session::pass_on(std::uint32_t follow, runtime::EventSlice events) {
  under_way_ += events.events.size();
  largest_ = std::max(largest_, events.events.size());
  if (under_way_ > world_->settings.credit_events + world_->settings.page_events * kReadsMax + largest_)
    world_->broken("P7: bounded",
                   "more is under way to a subscriber than its credit, the pages being read and one commit");
  client_.deliver(follow, std::move(events));
}

void Session::queue_if_lagging(std::uint32_t index) {
  auto& follow = follows_[index];
  if (follow.queued || !follow.subscription || !follow.subscription->wants_page()) return;
  follow.queued = true;
  lagging_.push_back(index);
}

void Session::read_some() {
  while (has_room() && reads_ < kReadsMax && !lagging_.empty()) {
    const auto index = lagging_.front();
    lagging_.pop_front();
    auto& follow = follows_[index];
    follow.queued = false;
    if (!follow.subscription || !follow.subscription->wants_page()) continue;
    follow.subscription->page_wanted();
    ++reads_;
    node_->read_page(follow.entity, follow.subscription->next(),
                     [this, index, inbox = std::weak_ptr(inbox_)](Result<EventRun> run) {
                       const auto still = inbox.lock();
                       if (still) still->send([this, index, run = std::move(run)] { page_read(index, run); });
                     });
  }
}

void Session::follow_all(std::vector<std::pair<EntityId, Offset>> follows) {
  inbox_->send([this, follows = std::move(follows)] {
    unanswered_ = follows.size();
    for (const auto& [entity, from] : follows) {
      const auto index = static_cast<std::uint32_t>(follows_.size());
      follows_.push_back({entity, from, std::nullopt, false});
      node_->follow(entity, {id_, index});
    }
  });
}

void Session::following(std::uint32_t index, Result<runtime::Extent> extent) {
  inbox_->send([this, index, extent = std::move(extent)] {
    auto& follow = follows_.at(index);
    if (follow.subscription) {  // Asked again after a reload.
      if (!extent) return client_.refused(index, extent.error());
      follow.subscription->reaches(extent->last);
      queue_if_lagging(index);
      return read_some();
    }
    if (!extent) {
      client_.refused(index, extent.error());
    } else if (auto checked = check_start(follow.from, *extent); !checked) {
      client_.refused(index, checked.error());
    } else {
      follow.subscription.emplace(follow.from, extent->last);
      queue_if_lagging(index);
    }
    if (--unanswered_ == 0) read_some();
  });
}

void Session::notifications_committed(std::vector<runtime::Delivery> deliveries) {
  inbox_->send([this, deliveries = std::move(deliveries)] {
    for (const auto& delivery : deliveries) {
      auto& follow = follows_[delivery.follow];
      if (!follow.subscription) continue;
      if (auto fresh = follow.subscription->committed(delivery.events, has_room() && unanswered_ == 0)) {
        world_->count("delivered live");
        pass_on(delivery.follow, std::move(*fresh));
      } else {
        world_->count("subscriber falls back to disk");
        queue_if_lagging(delivery.follow);
      }
    }
    read_some();
  });
}

void Session::page_read(std::uint32_t index, Result<EventRun> run) {
  --reads_;
  auto& follow = follows_[index];
  if (!run && run.error().code != ErrorCode::OVERLOADED) {
    follow.subscription.reset();
    client_.refused(index, run.error());
  } else {
    auto events = run ? std::move(*run) : EventRun{follow.subscription->next(), {}};
    follow.subscription->page_read(events);
    if (!events.events.empty()) pass_on(index, runtime::slice_of(std::move(events)));
    queue_if_lagging(index);
  }
  read_some();
}

void Session::taken(std::size_t events) {
  inbox_->send([this, events] {
    under_way_ -= events;
    read_some();
  });
}

void Session::partition_reloaded(PartitionId partition) {
  inbox_->send([this, partition] {
    for (std::uint32_t i = 0; i < follows_.size(); ++i)
      if (node_->partition_of(follows_[i].entity) == partition) node_->follow(follows_[i].entity, {id_, i});
  });
}

}  // namespace carillon::simulation
