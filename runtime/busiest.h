// Which entities of a partition take the most events, in bounded memory whatever their number (P7).
//
// Pure; one owner. Estimates: of a batch at most kLookedAt events are looked at, evenly spread, each for those that it stands
// for, so that the cost per batch is bounded too. A count is exact while batches are small and there are no more entities
// than counters; otherwise it may be too high by what `at_most_too_high` says of its entity, and by sampling.
// Algorithm: Space-Saving, Metwally et al., "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "messages/entity_id.h"
#include "messages/event.h"

namespace carillon::runtime {

class Busiest {
 public:
  static constexpr std::size_t kCounters = 32;
  static constexpr std::size_t kLookedAt = 16;  // Events of one batch.
  static constexpr UnixMs kWindowMs = 10'000;   // Counts are of the last full window.

  struct Count {
    EntityId entity;
    std::uint64_t events = 0;
    std::uint64_t at_most_too_high = 0;
  };

  // A batch of so many events; then `add` for each entity in it.
  void begin_batch(std::size_t events);
  void add(const EntityId& entity, std::size_t events);

  // Time passes: closes the window when it is over. Call it every now and then.
  void tick(UnixMs now);

  // Of the last full window, the busiest first; before the first one is over, of what there is. At most kCounters.
  std::vector<Count> top() const;
  // How long that window was.
  UnixMs window_ms(UnixMs now) const;

 private:
  struct Counter {
    std::uint64_t events = 0;
    std::uint64_t at_most_too_high = 0;
  };
  using Counters = std::unordered_map<EntityId, Counter>;

  void count(const EntityId& entity, std::uint64_t events);
  static std::vector<Count> sorted(const Counters& counters);

  Counters counters_;        // Of the open window.
  std::vector<Count> last_;  // Of the last full one.
  UnixMs opened_at_ = 0;     // 0 before the first tick.
  UnixMs last_ms_ = 0;       // How long the last full one was; 0 before there was one.
  std::size_t stride_ = 1;   // Each event looked at stands for so many.
  std::size_t skip_ = 0;     // Events of the batch until the next one that is looked at.
  std::size_t phase_ = 0;    // Where in its first stride a batch is first looked at: moves, so that no rhythm can hide.
};

}  // namespace carillon::runtime
