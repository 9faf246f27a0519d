// The hubs of a simulation: two kinds that count, notify players, and send one another on journeys of bounded length, at once or
// by reminders.
//
// Everything that they do is a function of their mailboxes, but for one thing: a handler may fail for want of luck, as
// one does for want of memory. Whether it did stands in the dead letters (P6).
#pragma once

#include <functional>

#include "runtime/behaviour.h"

namespace carillon::simulation {

struct Visit {
  static constexpr std::string_view kType = "visit";
  std::string id;           // Of the journey so far: no two events have the same.
  std::string player;       // Is told; nobody when empty.
  std::uint32_t hops = 0;   // To go.
  std::uint32_t towns = 1;  // Of each kind.
};
template <class Fields>
void inspect(Fields& fields, Visit& visit) {
  fields("id", visit.id);
  fields("player", visit.player);
  fields("hops", visit.hops);
  fields("towns", visit.towns);
}

// Notifies many players at once.
struct Crowd {
  static constexpr std::string_view kType = "crowd";
  std::string id;
  std::uint32_t notifications = 0;
  std::uint32_t players = 1;
};
template <class Fields>
void inspect(Fields& fields, Crowd& crowd) {
  fields("id", crowd.id);
  fields("notifications", crowd.notifications);
  fields("players", crowd.players);
}

// Always fails.
struct Bomb {
  static constexpr std::string_view kType = "bomb";
  std::string id;
};
template <class Fields>
void inspect(Fields& fields, Bomb& bomb) {
  fields("id", bomb.id);
}

// A visit that needs luck.
struct Gamble {
  static constexpr std::string_view kType = "gamble";
  Visit visit;
};
template <class Fields>
void inspect(Fields& fields, Gamble& gamble) {
  fields("visit", gamble.visit);
}

// No town has a handler for it.
struct Gibberish {
  static constexpr std::string_view kType = "gibberish";
  std::string id;
};
template <class Fields>
void inspect(Fields& fields, Gibberish& gibberish) {
  fields("id", gibberish.id);
}

struct Seen {
  static constexpr std::string_view kType = "seen";
  std::string id;
  std::uint64_t count = 0;
  UnixMs at = 0;
};
template <class Fields>
void inspect(Fields& fields, Seen& seen) {
  fields("id", seen.id);
  fields("count", seen.count);
  fields("at", seen.at);
}

// The kinds `town` and `road`.
Catalogue catalogue_of_towns();

// While one lives, handlers of this thread that need luck ask it whether they fail.
class Luck {
 public:
  explicit Luck(std::function<bool()> fails);
  ~Luck();
  Luck(const Luck&) = delete;
  Luck& operator=(const Luck&) = delete;
};

}  // namespace carillon::simulation
