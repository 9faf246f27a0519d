// A hub per island on which people dig for treasure: what a multiplayer game looks like as a fold.
//
// Where the treasure lies is decided when somebody digs, by the context's dice: the same dig finds the same, however often
// it is computed (P5). Every dig is answered by exactly one notification to whoever dug, `treasure_found` or `hole_dug`,
// which repeats the digger's own number of the dig: so a client can prove that nothing was lost or doubled. The others
// hear of treasure by `treasure_seen`. Once the whole beach is dug up, a reminder lets the tide come some seconds later, and it
// begins anew; scores stay.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/behaviour.h"

namespace carillon::hunt {

inline constexpr std::uint32_t kWidth = 12, kHeight = 10;  // Squares, counted from 0 in the north-west.
inline constexpr std::size_t kDiggersMax = 64;  // Of one island. One more, and whoever was silent longest leaves.
inline constexpr std::size_t kLeaders = 8;      // On a leaderboard.
inline constexpr UnixMs kTideAfterMs = 3'000;   // After the last square of sand is gone.

// Squares of the ground.
inline constexpr char kSand = '.', kHole = 'o';  // Or the first letter of what was found there.

// --- State. ----------------------------------------------------------------------------------------------------------

struct Digger {
  std::uint64_t score = 0;
  std::uint64_t digs = 0;
  std::uint64_t heard_at = 0;  // Offset of the last event.
};

template <class Fields>
void inspect(Fields& fields, Digger& digger) {
  fields("score", digger.score);
  fields("digs", digger.digs);
  fields("heard_at", digger.heard_at);
}

struct Island {
  std::uint32_t tide = 1;
  UnixMs tide_due_at = 0;  // The last reminder of one.
  std::uint64_t digs = 0;
  std::vector<std::string> ground =
      std::vector<std::string>(kHeight, std::string(kWidth, kSand));  // From north to south.
  std::map<std::string, Digger> diggers;                              // By player.
};

template <class Fields>
void inspect(Fields& fields, Island& island) {
  fields("tide", island.tide);
  fields("tide_due_at", island.tide_due_at);
  fields("digs", island.digs);
  fields("ground", island.ground);
  fields("diggers", island.diggers);
}

// --- Events to an island. --------------------------------------------------------------------------------------------

// Somebody comes ashore, or wants to know again how things stand.
struct Landed {
  static constexpr std::string_view kType = "landed";
  std::string player;  // A valid key of a player, or the event fails.
};

template <class Fields>
void inspect(Fields& fields, Landed& landed) {
  fields("player", landed.player);
}

// Who has not landed does so by digging. Fails outside the island.
struct Dug {
  static constexpr std::string_view kType = "dug";
  std::string player;  // As above.
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  std::uint64_t dig = 0;  // The player's own number of it.
};

template <class Fields>
void inspect(Fields& fields, Dug& dug) {
  fields("player", dug.player);
  fields("x", dug.x);
  fields("y", dug.y);
  fields("dig", dug.dig);
}

// From the island to itself: the tide after that many is due.
struct TideDue {
  static constexpr std::string_view kType = "tide_due";
  std::uint32_t tide = 0;
};

template <class Fields>
void inspect(Fields& fields, TideDue& due) {
  fields("tide", due.tide);
}

// --- Notifications to players. ---------------------------------------------------------------------------------------

struct Leader {
  std::string player;
  std::uint64_t score = 0;
  bool operator==(const Leader&) const = default;
};

template <class Fields>
void inspect(Fields& fields, Leader& leader) {
  fields("player", leader.player);
  fields("score", leader.score);
}

// To whoever landed: how things stand.
struct Ashore {
  static constexpr std::string_view kType = "ashore";
  std::string island;    // As island/tortuga.
  std::uint64_t at = 0;  // Offset of the landing: who follows the island from the next one on misses no dig.
  std::uint32_t tide = 0;
  std::uint64_t score = 0;
  std::vector<std::string> ground;
  std::vector<Leader> leaders;
};

template <class Fields>
void inspect(Fields& fields, Ashore& ashore) {
  fields("island", ashore.island);
  fields("at", ashore.at);
  fields("tide", ashore.tide);
  fields("score", ashore.score);
  fields("ground", ashore.ground);
  fields("leaders", ashore.leaders);
}

// To the finder.
struct TreasureFound {
  static constexpr std::string_view kType = "treasure_found";
  std::uint64_t dig = 0;
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  std::uint32_t tide = 0;
  std::string treasure;
  std::uint64_t worth = 0;
  std::uint64_t score = 0;  // The finder's, now.
  std::vector<Leader> leaders;
};

template <class Fields>
void inspect(Fields& fields, TreasureFound& found) {
  fields("dig", found.dig);
  fields("x", found.x);
  fields("y", found.y);
  fields("tide", found.tide);
  fields("treasure", found.treasure);
  fields("worth", found.worth);
  fields("score", found.score);
  fields("leaders", found.leaders);
}

// To whoever dug and found nothing.
struct HoleDug {
  static constexpr std::string_view kType = "hole_dug";
  std::uint64_t dig = 0;
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  bool again = false;  // There was a hole already.
};

template <class Fields>
void inspect(Fields& fields, HoleDug& hole) {
  fields("dig", hole.dig);
  fields("x", hole.x);
  fields("y", hole.y);
  fields("again", hole.again);
}

// To everybody else.
struct TreasureSeen {
  static constexpr std::string_view kType = "treasure_seen";
  std::string player;  // The finder.
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  std::uint32_t tide = 0;
  std::string treasure;
  std::vector<Leader> leaders;
};

template <class Fields>
void inspect(Fields& fields, TreasureSeen& seen) {
  fields("player", seen.player);
  fields("x", seen.x);
  fields("y", seen.y);
  fields("tide", seen.tide);
  fields("treasure", seen.treasure);
  fields("leaders", seen.leaders);
}

// To everybody: the beach is as new.
struct TideCame {
  static constexpr std::string_view kType = "tide_came";
  std::uint32_t tide = 0;
  std::vector<Leader> leaders;
};

template <class Fields>
void inspect(Fields& fields, TideCame& came) {
  fields("tide", came.tide);
  fields("leaders", came.leaders);
}

// --- The behaviour. --------------------------------------------------------------------------------------------------

Result<Effects> on(Island& island, const Landed& landed, const Context& context);
Result<Effects> on(Island& island, const Dug& dug, const Context& context);
Effects on(Island& island, const TideDue& due, const Context& context);

// What lies under a square, as the dice fall: about three squares in ten hold something.
struct Treasure {
  std::string_view name;
  std::uint64_t worth = 0;
};
std::optional<Treasure> treasure_of(std::uint64_t dice);

// The kind `island`.
Behaviour island_behaviour();

}  // namespace carillon::hunt
