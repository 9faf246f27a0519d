#include "clients/cpp/follower.h"

#include <algorithm>
#include <exception>
#include <random>
#include <set>

namespace carillon::client {
namespace {

constexpr std::uint32_t kRetryShortestMs = 10;
constexpr std::chrono::milliseconds kSilence{1'000};
constexpr std::chrono::milliseconds kLookEvery{50};

}  // namespace

Follower::Follower(kj::Network& network, kj::Timer& timer, Options options, std::vector<Start> starts,
                   Callbacks callbacks)
    : network_(network),
      timer_(timer),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      attempts_(options_.addresses, options_.reconnect, std::random_device()()),
      tasks_(*this) {
  follows_.reserve(starts.size());
  for (Start& start : starts) follows_.push_back({std::move(start.entity), start.from, false});
  tasks_.add(kj::evalLater([this] { return live(); }));
}

Follower::~Follower() {
  if (life_) life_->follower = nullptr;
}

kj::Promise<void> Follower::live() {
  return Connection::connect(network_, timer_, attempts_.address(),
                             attempts_.has_others() ? attempts_.patience() : Connection::kConnectWithin,
                             options_.credentials)
      .then([this](Result<kj::Own<Connection>> connected) -> kj::Promise<void> {
        if (!connected.ok()) return live_again(connected.error());
        ++connections_;
        auto ended = kj::newPromiseAndFulfiller<void>();
        life_ = std::make_shared<Life>(Life{this, kj::mv(*connected), {}, 0, kj::mv(ended.fulfiller)});
        Entities entities;
        for (std::uint32_t entity = 0; entity < follows_.size(); ++entity)
          if (!follows_[entity].given_up) entities.push_back(entity);
        subscribe(life_, std::move(entities));
        return gone().exclusiveJoin(kj::mv(ended.promise)).then([this] {
          const Error error =
              life_->reason ? *life_->reason
              : life_->connection->alive()
                  ? Error{ErrorCode::UNAVAILABLE, attempts_.address().text() + " cannot follow what it is asked to"}
                  : life_->connection->lost_because();
          life_->follower = nullptr;
          life_->subscriptions.clear();
          life_->connection = nullptr;
          life_.reset();
          return live_again(error);
        });
      });
}

kj::Promise<void> Follower::live_again(const Error& error) {
  if (callbacks_.disconnected) callbacks_.disconnected(error);
  return timer_.afterDelay(attempts_.failed().count() * kj::MILLISECONDS).then([this] { return live(); });
}

// Resolves when the connection is of no more use.
kj::Promise<void> Follower::gone() {
  auto lost = life_->connection->lost();
  if (!attempts_.has_others()) return lost;
  return lost.exclusiveJoin(life_->connection->silent(timer_, kSilence)).exclusiveJoin(stuck());
}

kj::Promise<void> Follower::stuck() {
  return timer_.afterDelay(kLookEvery.count() * kj::MILLISECONDS).then([this]() -> kj::Promise<void> {
    if (life_->calls_open > 0 && timer_.now() - life_->open_since > attempts_.patience().count() * kj::MILLISECONDS)
      return kj::READY_NOW;
    return stuck();
  });
}

void Follower::subscribe(const std::shared_ptr<Life>& life, Entities entities) {
  std::vector<Follow> follows;
  follows.reserve(entities.size());
  for (const std::uint32_t entity : entities) follows.push_back({follows_[entity].entity, follows_[entity].next});
  const auto shared = std::make_shared<Entities>(std::move(entities));
  // The sink may outlive this life and this follower; a life that has ended has no follower.
  const std::weak_ptr<Life> weak = life;
  const auto alive = [weak]() -> std::shared_ptr<Life> {
    auto locked = weak.lock();
    return locked && locked->follower != nullptr ? locked : nullptr;
  };
  if (life->calls_open++ == 0) life->open_since = timer_.now();
  tasks_.add(life->connection
                 ->subscribe(follows, {.deliver =
                                           [alive, shared](Connection::Deliveries deliveries) {
                                             if (const auto now = alive())
                                               now->follower->take(*now, *shared, deliveries);
                                           },
                                       .ended =
                                           [alive, shared](wire::Refusal::Reader refusal) {
                                             const auto now = alive();
                                             if (now && refusal.getIndex() < shared->size())
                                               now->follower->ended(now, shared, refusal);
                                           }})
                 .then([alive, shared](Answer<wire::Gateway::SubscribeResults> answer) {
                   if (const auto now = alive()) now->follower->subscribed(now, shared, kj::mv(answer));
                 }));
}

void Follower::subscribed(const std::shared_ptr<Life>& life, const std::shared_ptr<Entities>& entities,
                          Answer<wire::Gateway::SubscribeResults> answer) {
  if (!answer.ok()) return end(*life, answer.error());
  // Of more than one connection may follow no entity is to blame.
  if (const auto all = answer->getRefusals();
      !answer->hasSubscription() && all.size() == 1 && all[0].getCode() == wire::ErrorCode::LIMIT_EXCEEDED)
    return end(*life, error_of(all[0]));
  bool is_unavailable = false;
  for (const auto refusal : answer->getRefusals()) {
    is_unavailable |= refusal.getCode() == wire::ErrorCode::UNAVAILABLE;
    if (refusal.getIndex() < entities->size()) refused(life, (*entities)[refusal.getIndex()], refusal);
  }
  if (!is_unavailable) attempts_.succeeded();
  // A node refuses a list with an entity in it that cannot be followed, or may not be, whole: again without that one.
  if (!answer->hasSubscription() && answer->getRefusals().size() < entities->size()) {
    std::set<std::uint32_t> named;
    for (const auto refusal : answer->getRefusals()) named.insert(refusal.getIndex());
    Entities others;
    for (std::uint32_t i = 0; i < entities->size(); ++i)
      if (!named.contains(i)) others.push_back((*entities)[i]);
    if (!others.empty()) subscribe(life, std::move(others));
  }
  const auto refusals = answer->getRefusals().size();
  if (answer->hasSubscription() && refusals < entities->size())
    life->subscriptions.push_back({entities, entities->size() - refusals, kj::mv(*answer)});
  settle_call(*life);
}

void Follower::ended(const std::shared_ptr<Life>& life, const std::shared_ptr<Entities>& entities,
                     wire::Refusal::Reader refusal) {
  std::erase_if(life->subscriptions, [&](Subscription& subscription) {
    return subscription.entities == entities && --subscription.follows == 0;
  });
  refused(life, (*entities)[refusal.getIndex()], refusal);
}

void Follower::take(Life& life, const Entities& entities, Connection::Deliveries deliveries) {
  if (!life.unavailable) life.open_since = timer_.now();
  for (const auto delivery : deliveries) {
    if (delivery.getFollow() >= entities.size()) continue;
    const std::uint32_t entity = entities[delivery.getFollow()];
    Followed& followed = follows_[entity];
    Offset offset = delivery.getFirstOffset();
    if (offset > followed.next) {
      end(life, {ErrorCode::UNAVAILABLE, "the node skipped offset " + std::to_string(followed.next) + " of " +
                                             followed.entity + " and sent " + std::to_string(offset)});
      return;
    }
    for (const auto event : delivery.getEvents()) {
      if (offset == followed.next) {
        ++followed.next;
        callbacks_.event(entity, offset, event);
      }
      ++offset;
    }
  }
}

void Follower::refused(const std::shared_ptr<Life>& life, std::uint32_t entity, wire::Refusal::Reader refusal) {
  const Error error = error_of(refusal);
  std::uint32_t retry_after_ms = 0;
  if (error.code == ErrorCode::UNAVAILABLE || error.code == ErrorCode::OVERLOADED) {
    retry_after_ms = std::max(refusal.getRetryAfterMs(), kRetryShortestMs);
    if (error.code == ErrorCode::UNAVAILABLE) {
      if (!std::exchange(life->unavailable, true)) life->unavailable_since = timer_.now();
      if (attempts_.has_others() &&
          timer_.now() - life->unavailable_since >= attempts_.patience_with_refusals().count() * kj::MILLISECONDS)
        return end(*life, error);
    }
  } else {
    const auto from = callbacks_.ended ? callbacks_.ended(entity, error) : std::nullopt;
    if (!from) {
      follows_[entity].given_up = true;
      ++given_up_;
      return;
    }
    follows_[entity].next = *from;
  }
  // All that are refused at about the same time come back in one call.
  life->waiting.push_back(entity);
  life->retry_after_ms = std::max(life->retry_after_ms, retry_after_ms);
  if (life->retry_due) return;
  life->retry_due = true;
  if (life->calls_open++ == 0) life->open_since = timer_.now();
  tasks_.add(kj::evalLast([this, life] {
    return timer_.afterDelay(life->retry_after_ms * kj::MILLISECONDS).then([this, life] {
      if (life->follower == nullptr) return;
      life->retry_due = false;
      life->retry_after_ms = 0;
      subscribe(life, std::exchange(life->waiting, {}));
      settle_call(*life);
    });
  }));
}

void Follower::settle_call(Life& life) {
  if (--life.calls_open > 0) return;
  life.unavailable = false;
  if (callbacks_.following) callbacks_.following();
}

void Follower::end(Life& life, Error reason) {
  if (!life.reason) life.reason = std::move(reason);
  if (life.end->isWaiting()) life.end->fulfill();
}

// Only a bug comes here, ours or a callback's: what the world does is a Result. To go on could lose events silently.
void Follower::taskFailed(kj::Exception&& exception) {
  KJ_LOG(FATAL, "a follower met a bug", exception);
  std::terminate();
}

}  // namespace carillon::client
