// A hub per match of a Quake III arena: keeps the score and tells the players.
//
// A player is a name: streams belong to names, and so do scores. Who renames goes on under the new name from 0, and
// keeps the old name's score under the old one; who comes back by another client number finds the score again. So a
// name's score is always the frags that its stream got in this match less its deaths by the world, and everyone who is
// told of the end is on the scoreboard. (To have scores follow client numbers would be just as sensible in a game where
// nobody else takes over a number; here they do, within a match.)
// Numbers without a name score nothing and hear nothing. Once a match is over, nothing changes it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/behaviour.h"

namespace carillon::arena {

using ClientNumber = std::uint32_t;
inline constexpr ClientNumber kClientsMax = 64;  // Numbers of players are below this.
inline constexpr ClientNumber kWorld = 1022;     // Kills by falling, lava and the like.
inline constexpr std::size_t kNamesMax = 128;    // In one match; each is told of all at its end.
inline constexpr std::size_t kMapBytesMax = 256;

// --- State. ----------------------------------------------------------------------------------------------------------

struct Match {
  std::string map;
  bool over = false;
  std::uint64_t kills = 0;
  std::vector<std::string> names;              // By client number; empty for numbers not yet named.
  std::map<std::string, std::int64_t> scores;  // Of every name that appeared.
};

template <class Fields>
void inspect(Fields& fields, Match& match) {
  fields("map", match.map);
  fields("over", match.over);
  fields("kills", match.kills);
  fields("names", match.names);
  fields("scores", match.scores);
}

// --- Events to a match. ----------------------------------------------------------------------------------------------

struct MatchBegan {
  static constexpr std::string_view kType = "match_began";
  std::string map;
};

template <class Fields>
void inspect(Fields& fields, MatchBegan& began) {
  fields("map", began.map);
}

struct PlayerNamed {
  static constexpr std::string_view kType = "player_named";
  ClientNumber client = 0;
  std::string name;  // A valid key of a player, or the event fails.
};

template <class Fields>
void inspect(Fields& fields, PlayerNamed& named) {
  fields("client", named.client);
  fields("name", named.name);
}

struct Kill {
  static constexpr std::string_view kType = "kill";
  ClientNumber killer = 0;  // Or kWorld.
  ClientNumber victim = 0;
  std::string means;       // As MOD_ROCKET.
  std::uint32_t at_s = 0;  // On the match's clock.
};

template <class Fields>
void inspect(Fields& fields, Kill& kill) {
  fields("killer", kill.killer);
  fields("victim", kill.victim);
  fields("means", kill.means);
  fields("at_s", kill.at_s);
}

struct MatchEnded {
  static constexpr std::string_view kType = "match_ended";
};

template <class Fields>
void inspect(Fields&, MatchEnded&) {}

// --- Notifications to players. ---------------------------------------------------------------------------------------

// To the killer.
struct Frag {
  static constexpr std::string_view kType = "frag";
  std::string match;                  // As match/3.
  std::optional<std::string> victim;  // Missing when nobody knows the name.
  std::string means;
  std::uint32_t at_s = 0;
  std::int64_t score = 0;  // The killer's, now.
};

template <class Fields>
void inspect(Fields& fields, Frag& frag) {
  fields("match", frag.match);
  fields("victim", frag.victim);
  fields("means", frag.means);
  fields("at_s", frag.at_s);
  fields("score", frag.score);
}

// To the victim.
struct Death {
  static constexpr std::string_view kType = "death";
  std::string match;
  std::optional<std::string> killer;  // Missing for the world, or when nobody knows the name.
  std::string means;
  std::uint32_t at_s = 0;
  std::int64_t score = 0;  // The victim's, now.
};

template <class Fields>
void inspect(Fields& fields, Death& death) {
  fields("match", death.match);
  fields("killer", death.killer);
  fields("means", death.means);
  fields("at_s", death.at_s);
  fields("score", death.score);
}

struct Standing {
  std::string player;
  std::int64_t score = 0;
  bool operator==(const Standing&) const = default;
};

template <class Fields>
void inspect(Fields& fields, Standing& standing) {
  fields("player", standing.player);
  fields("score", standing.score);
}

// To everyone whose name appeared, once per name.
struct MatchOver {
  static constexpr std::string_view kType = "match_over";
  std::string match;
  std::string map;
  std::vector<Standing> scoreboard;  // Best first; equals by name.
};

template <class Fields>
void inspect(Fields& fields, MatchOver& over) {
  fields("match", over.match);
  fields("map", over.map);
  fields("scoreboard", over.scoreboard);
}

// --- Behaviour. ------------------------------------------------------------------------------------------------------

Result<Effects> on(Match& match, const MatchBegan& began, const Context& context);
// Fails for a number or a name that no player can have, and beyond kNamesMax.
Result<Effects> on(Match& match, const PlayerNamed& named, const Context& context);
// Fails for numbers that are neither a player's nor the world's.
Result<Effects> on(Match& match, const Kill& kill, const Context& context);
Result<Effects> on(Match& match, const MatchEnded& ended, const Context& context);

// Kind `match`.
Behaviour match_behaviour();

}  // namespace carillon::arena
