// What all parts of one simulation share: its settings, time, disk, story, and the way to say that a promise is broken.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "messages/entity_id.h"
#include "messages/event.h"
#include "runtime/limits.h"
#include "runtime/retention.h"
#include "runtime/storage.h"
#include "tests/simulation/schedule.h"
#include "tests/support/faulty_env.h"

namespace carillon::simulation {

// Chosen by the seed. Limits are often tiny, so that everything that has one meets it.
struct Settings {
  std::uint16_t partitions = 4;
  bool fold_before_commit = true;
  runtime::Limits limits;
  runtime::RetentionTable retention;
  std::size_t connection_events_max = 64;  // Under way in the gateway, per connection.
  std::size_t credit_events = 16;          // Under way to one subscriber.
  std::size_t page_events = 8;             // In one page for a subscriber.
  std::size_t write_buffer_bytes = 64 * 1024;
  double read_error_chance = 0;  // Of a read that a partition, a hub or a reader makes.

  std::size_t towns = 4;  // Hubs of each kind.
  std::size_t players = 4;
  std::size_t clients = 2;
  std::size_t client_events = 60;
  std::size_t padding_bytes = 0;  // Of some events: LevelDB's logs go on in blocks of 32 KiB.
  std::size_t subscribers = 2;
  bool poison = true;
  bool operates = true;       // Dead letters are redriven and discarded.
  double failing_chance = 0;  // Of a handler that needs luck, per attempt.

  Micros faults_until = 4'000'000;
  double reloads = 0;            // Share of the faults that are just a partition reloaded in place.
  Micros fault_every = 400'000;  // On average; 0 for none.
  bool clock_jumps = false;

  Micros hub_pace = 30, partition_pace = 20, disk_pace = 300, network_pace = 150;
  double stall_chance = 0.01;
};
Settings settings_of(Dice& dice);

// A promise does not hold: thrown where that is found, ends the simulation.
struct Broken {
  std::string promise;
  std::string what;
};

class World {
 public:
  World(std::uint64_t seed, bool verbose);

  // About `pace`, now and then very much longer.
  Micros delay(Micros pace);
  // Wall-clock time of the node.
  UnixMs wall() const { return clock_ms + schedule.now() / 1'000; }

  // Something that went wrong on purpose, or a rare branch that was reached: counted by name.
  void count(const std::string& kind) { ++counts[kind]; }
  // What `writes` erase of hubs' mailboxes and dead letters, as it still stands in `storage`, is remembered for the checker.
  void remember(const runtime::WriteSet& writes, const runtime::Storage& storage);
  // A line of the story; the last ones are told when a promise breaks.
  void tell(std::string line);
  [[noreturn]] void broken(std::string promise, std::string what) const;

  Dice dice;
  Settings settings;
  Schedule schedule;
  testing::FaultyEnv env;
  UnixMs clock_ms = 1'700'000'000'000;  // At virtual time 0; jumps move it.
  bool calm = false;                    // No more faults: everything is to settle.
  std::map<std::string, std::uint64_t> counts;
  std::deque<std::string> story;
  std::map<EntityId, std::map<Offset, Event>> cut;  // Behind which retention has cut the mailboxes of hubs.
  std::set<std::pair<EntityId, Offset>> settled;    // Dead letters that went with them.

 private:
  bool verbose_;
};

}  // namespace carillon::simulation
