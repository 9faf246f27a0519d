#include "tests/support/one_partition.h"

#include "runtime/key.h"
#include "runtime/mailbox.h"
#include "tests/support/store_on.h"

namespace carillon::testing {

using runtime::Fold;
using runtime::Partition;

OnePartition::OnePartition(runtime::Limits limits, std::uint32_t version, runtime::RetentionTable given,
                           bool fold_before_commit)
    : retention(std::move(given)),
      behaviour_version(version),
      limits_(limits),
      fold_before_commit_(fold_before_commit) {
  open();
}

void OnePartition::open() {
  store_ = store_on(env_);
  catalogue_ = counter_catalogue(behaviour_version);
  reads_.emplace(*store_, [this](auto key) { return read_fails(key); });
  auto partition = Partition::open({{0}, 1, catalogue_, limits_, retention, fold_before_commit_}, *reads_);
  CHECK(partition.ok());
  partition_ = std::move(*partition);
}

void OnePartition::restart() {
  folds_.clear();
  partition_.reset();
  wanted_.reset();
  env_.settle();
  store_.reset();
  env_.after_kill();
  open();
}

void OnePartition::power_cut() {
  folds_.clear();
  partition_.reset();
  wanted_.reset();
  env_.power_cut();
  env_.settle();
  store_.reset();
  env_.after_restart();
  open();
}

void OnePartition::publish(const std::string& entity, const std::string& type, const std::string& payload,
                           Sequence sequence, const std::string& producer, std::optional<TraceParent> traceparent) {
  runtime::PublishRequest request{1, ++calls_, {}};
  request.items.push_back({0, EntityId::trusted(entity),
                           Event{.type = type,
                                 .payload = payload,
                                 .producer = *ProducerId::client(producer),
                                 .sequence = sequence,
                                 .traceparent = traceparent}});
  partition_->publish(std::move(request), now);
}

void OnePartition::add(const std::string& entity, std::uint64_t amount, Sequence sequence, const std::string& player) {
  publish(entity, "add", to_json(Add{.amount = amount, .player = player}), sequence);
}

void OnePartition::remind(const std::string& counter, const std::string& to, UnixMs due, std::uint64_t amount,
                          Sequence sequence) {
  publish(counter, "later", to_json(Later{.to = to, .due = due, .amount = amount}), sequence);
}

bool OnePartition::work() {
  for (bool again = true; again;) {
    again = false;
    auto outputs = partition_->take();
    if (outputs.commit) {
      CHECK(!wanted_);
      wanted_ = std::move(outputs.commit);
    }
    for (const auto& hub : outputs.dismissals) folds_.erase(hub);
    for (const auto& activation : outputs.activations) {
      again = true;
      auto fold = Fold::open({activation.hub, 1, limits_}, *catalogue_.find(activation.hub.kind()), *reads_);
      CHECK(fold.ok());
      folds_.emplace(activation.hub, ActiveFold{std::move(*fold), activation.incarnation, activation.aside});
      activations.push_back(activation);
      most_aside = std::max(most_aside, aside());
    }
    for (auto& feed : outputs.feeds) {
      again = true;
      auto& active = folds_.at(feed.hub);
      catch_ups += feed.catch_up > 0;
      if (feed.catch_up > 0) active.fold.catch_up(feed.catch_up);
      for (auto& slice : feed.events) active.fold.hand(std::move(slice));
      step(feed.hub);
    }
    for (auto& [target, emissions] : outputs.emissions) {
      again = true;
      partition_->emissions_arrived({0}, std::move(emissions), now);
    }
    for (auto& [source, acks] : outputs.acks) {
      for (const auto& ack : acks) {
        again = true;
        if (const auto fold = folds_.find(ack.hub); fold != folds_.end()) {
          fold->second.fold.acknowledged({0}, ack.upto);
          if (ack.untaken) partition_->repeat_later(ack.hub, now);
          step(ack.hub);
        }
      }
    }
    std::ranges::move(outputs.published, std::back_inserter(answers));
    std::ranges::move(outputs.redriven, std::back_inserter(redriven));
    std::ranges::move(outputs.dead_lettered, std::back_inserter(dead_lettered));
    std::ranges::move(outputs.not_installed, std::back_inserter(not_installed));
    rests.insert(outputs.rests.begin(), outputs.rests.end());
    for (auto& [session, delivered] : outputs.deliveries)
      std::ranges::move(delivered, std::back_inserter(deliveries[session]));
  }
  return wanted_.has_value();
}

void OnePartition::step(const EntityId& hub) {
  for (bool more = true; more;) {
    const auto found = folds_.find(hub);
    if (found == folds_.end()) return;
    auto& active = found->second;
    auto outcome = active.fold.step(16);
    CHECK(outcome.ok());
    more = outcome->more && !outcome->failure;
    for (const auto& [target, emissions] : outcome->emissions)
      most_unacknowledged = std::max(most_unacknowledged, emissions.last() - emissions.acknowledged);
    partition_->report({hub, active.incarnation, active.fold.folded(), active.fold.cursor(),
                        std::move(outcome->emissions), std::move(outcome->snapshot), std::move(outcome->failure)},
                       now);
  }
}

std::size_t OnePartition::aside() const {
  return static_cast<std::size_t>(std::ranges::count_if(folds_, [](const auto& fold) { return fold.second.aside; }));
}

void OnePartition::erase(std::string_view from, std::string_view until) {
  runtime::WriteSet writes;
  const auto scanned = store_->scan(from, until, [&](auto key, auto) {
    writes.erase(key);
    return true;
  });
  CHECK(scanned.ok());
  CHECK(store_->write(writes).ok());
}

void OnePartition::damage(std::string_view key) {
  runtime::WriteSet writes;
  writes.batch().Put({key.data(), key.size()}, "worn out");
  CHECK(store_->write(writes).ok());
}

void OnePartition::commit() {
  CHECK(wanted_.has_value());
  const auto written = store_->write(*wanted_);
  wanted_.reset();
  if (written)
    partition_->committed(now);
  else
    partition_->commit_failed(written.error());
}

void OnePartition::settle() {
  while (work()) commit();
}

void OnePartition::pass_time(std::chrono::milliseconds time) {
  for (const auto until = now + time.count(); now < until;) {
    now += 100;
    partition_->tick(now);
    settle();
  }
}

void OnePartition::rest_idle_hubs() {
  for (auto& [hub, active] : std::map<EntityId, ActiveFold*>([this] {
         std::map<EntityId, ActiveFold*> all;
         for (auto& [id, fold] : folds_) all.emplace(id, &fold);
         return all;
       }()))
    if (active->fold.idle())
      partition_->rest(hub, active->incarnation, active->fold.folded(), active->fold.final_snapshot());
  settle();
}

std::vector<Event> OnePartition::mailbox(const std::string& entity) {
  const auto id = EntityId::trusted(entity);
  const auto extent = runtime::extent_of_mailbox(*store_, {0}, id);
  CHECK(extent.ok());
  if (extent->last == 0) return {};
  auto run = runtime::read_mailbox(*store_, {0}, id, extent->first, {100'000, 100u << 20});
  CHECK(run.ok());
  return std::move(run->events);
}

std::vector<std::string> OnePartition::payloads(const std::string& entity) {
  std::vector<std::string> payloads;
  for (const auto& event : mailbox(entity)) payloads.push_back(event.payload);
  return payloads;
}

std::string OnePartition::state_of(const std::string& hub) {
  const auto id = EntityId::trusted(hub);
  CHECK(partition_->wake(id).ok());
  settle();
  return folds_.at(id).fold.state_json();
}

bool OnePartition::has_marker(const std::string& hub) {
  const auto stored = store_->get(runtime::entity_key({0}, runtime::Tag::kUnfinished, EntityId::trusted(hub)));
  CHECK(stored.ok());
  return stored->has_value();
}

}  // namespace carillon::testing
