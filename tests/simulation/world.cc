#include "tests/simulation/world.h"

#include <cstdio>
#include <functional>
#include <utility>

#include "runtime/key.h"
#include "runtime/mailbox_record.h"
#include "runtime/record.h"

namespace carillon::simulation {
namespace {

constexpr std::size_t kStoryLines = 30;

}  // namespace

Settings settings_of(Dice& dice) {
  Settings settings;
  settings.partitions = static_cast<std::uint16_t>(dice.between(3, 5));
  settings.fold_before_commit = dice.chance(0.75);

  auto& limits = settings.limits;
  limits.mailboxes_cached = dice.pick<std::size_t>({1, 2, 4, 16, 32'768});
  limits.windows_cached = dice.pick<std::size_t>({1, 2, 8, 16'384});
  limits.active_hubs_max = dice.pick<std::size_t>({1, 2, 3, 64, 4'096});
  limits.hub_events_ahead_max = dice.pick<std::size_t>({1, 2, 8, 64, 1'024});
  limits.events_aside = dice.pick<std::uint64_t>({4, 16, 4'096, 4'096});
  limits.emissions_unacknowledged_max = dice.pick<std::size_t>({1, 2, 7, 64, 1'024});
  limits.dead_letters_max = dice.pick<std::uint64_t>({1, 3, 10'000, 10'000});
  limits.retries = dice.pick<std::uint32_t>({0, 1, 3});
  limits.retry_pause = std::chrono::milliseconds(dice.pick<int>({1, 20, 200}));
  limits.events_per_snapshot = dice.pick<std::uint64_t>({1, 3, 10, 1'000});
  limits.events_per_cursor = dice.pick<std::uint64_t>({1, 2, 16, 256});
  limits.passivate_after = std::chrono::milliseconds(dice.pick<int>({5, 50, 500, 2'000}));
  limits.page_events_max = dice.pick<std::size_t>({1, 3, 16, 1'000});
  limits.page_bytes_max = dice.pick<std::size_t>({1, 500, 1u << 20});
  settings.retention.set("player", {dice.pick<std::uint64_t>({3, 10, 50, 10'000, 10'000, 10'000}), {}});
  limits.batch_events_max = dice.pick<std::size_t>({1, 3, 8'192, 8'192});
  limits.commits_held_bytes_max = dice.pick<std::size_t>({1, 500, 128u << 20, 128u << 20});
  limits.commit_bytes_max = dice.pick<std::size_t>({1, 500, 16u << 20, 16u << 20});
  if (dice.chance(0.15)) settings.retention.set("player", {10'000, std::chrono::hours(1)});
  for (const char* kind : {"town", "road"}) {
    constexpr auto kAll = runtime::Retention::kAllEvents;
    runtime::Retention retention{dice.pick<std::uint64_t>({1, 3, 10, kAll, kAll, kAll}), {}};
    if (dice.chance(0.15)) retention.age = std::chrono::hours(1);
    settings.retention.set(kind, retention);
  }
  if (dice.chance(0.25)) limits.deduplication_horizon = std::chrono::hours(1);

  settings.connection_events_max = dice.pick<std::size_t>({3, 16, 64, 1'000});
  settings.credit_events = dice.pick<std::size_t>({1, 4, 32, 1'000});
  settings.page_events = dice.pick<std::size_t>({1, 4, 256});
  settings.write_buffer_bytes = dice.pick<std::size_t>({64u << 10, 64u << 10, 4u << 20});
  settings.read_error_chance = dice.pick<double>({0, 0, 0, 0.002, 0.02});

  settings.towns = static_cast<std::size_t>(dice.between(1, 5));
  settings.players = static_cast<std::size_t>(dice.between(1, 6));
  settings.clients = static_cast<std::size_t>(dice.between(1, 4));
  settings.client_events = static_cast<std::size_t>(dice.between(10, 100));
  settings.padding_bytes = dice.pick<std::size_t>({0, 0, 0, 4'000, 20'000});
  settings.subscribers = static_cast<std::size_t>(dice.between(1, 4));
  settings.poison = dice.chance(0.6);
  settings.operates = dice.chance(0.7);

  settings.reloads = dice.pick<double>({0, 0, 0, 0.8});
  settings.faults_until = dice.between(1'000'000, 4'000'000);
  settings.fault_every = dice.pick<Micros>({0, 50'000, 200'000, 500'000, 1'000'000});
  settings.clock_jumps = dice.chance(0.3);

  settings.hub_pace = dice.pick<Micros>({5, 50, 2'000});
  settings.partition_pace = dice.pick<Micros>({5, 50, 500});
  settings.disk_pace = dice.pick<Micros>({20, 300, 5'000});
  settings.network_pace = dice.pick<Micros>({20, 150, 3'000});
  settings.stall_chance = dice.pick<double>({0, 0.01, 0.05});
  return settings;
}

World::World(std::uint64_t seed, bool verbose)
    : dice(seed * 0x9e3779b97f4a7c15ull + 1),
      settings(settings_of(dice)),
      schedule(dice),
      env({.seed = dice.below(~0ull)}),
      verbose_(verbose) {}

Micros World::delay(Micros pace) {
  const auto usual = dice.between(0, 2 * pace);
  return dice.chance(settings.stall_chance) ? usual * 50 : usual;
}

namespace {

// Calls back with what a WriteSet erases.
class Erasures final : public leveldb::WriteBatch::Handler {
 public:
  explicit Erasures(std::function<void(std::string_view)> erased) : erased_(std::move(erased)) {}
  void Put(const leveldb::Slice&, const leveldb::Slice&) override {}
  void Delete(const leveldb::Slice& key) override { erased_({key.data(), key.size()}); }

 private:
  std::function<void(std::string_view)> erased_;
};

}  // namespace

void World::remember(const runtime::WriteSet& writes, const runtime::Storage& storage) {
  Erasures erasures([&](std::string_view key) {
    const auto tag = static_cast<runtime::Tag>(key[2]);
    if (tag != runtime::Tag::kMailbox && tag != runtime::Tag::kDeadLetter) return;
    const auto parsed = runtime::parse_entity_key(key);
    if (!parsed || parsed->entity.is_player()) return;
    const auto stored = storage.get(key);
    if (!stored || !*stored) return;  // Nothing will be written either, or it is gone already.
    if (tag == runtime::Tag::kDeadLetter) {
      if (!runtime::decode_dead_letter(**stored).value().settled)
        broken("P6: one bad event stops nobody", "a dead letter of " + parsed->entity.text() + " is dropped unsettled");
      count("settled dead letter dropped by retention");
      settled.emplace(parsed->entity, parsed->offset);
      return;
    }
    count("hub's mailbox cut by retention");
    auto offset = parsed->offset;
    auto events = runtime::decode_mailbox_record(**stored).value();
    for (auto& event : events) cut[parsed->entity].insert_or_assign(offset++, std::move(event));
  });
  if (const auto status = writes.batch().Iterate(&erasures); !status.ok())
    broken("no invariant breaks", "a WriteSet cannot be read: " + status.ToString());
}

void World::tell(std::string line) {
  char time[32];
  std::snprintf(time, sizeof time, "%9.3f ms  ", static_cast<double>(schedule.now()) / 1'000);
  line.insert(0, time);
  if (verbose_) std::fprintf(stderr, "%s\n", line.c_str());
  story.push_back(std::move(line));
  if (story.size() > kStoryLines) story.pop_front();
}

void World::broken(std::string promise, std::string what) const { throw Broken{std::move(promise), std::move(what)}; }

}  // namespace carillon::simulation
