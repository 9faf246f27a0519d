// Reads the log of a Quake III server: lines in, publications for the hubs of arena.h out.
//
// Pure: what a line gives depends on this line and those before it. So the producer is the log's name and a
// publication's sequence its line number, and whoever replays the log again, or again from its first line after a
// crash, publishes the same (P2).
//
// A line is `MM:SS WORD: …` after any blanks, as ` 20:54 Kill: 1022 2 22: <world> killed Ada by MOD_LAVA`.
//   InitGame               begins the next match, match/1, match/2, …; whatever the one before had come to
//   ClientUserinfoChanged  gives a client number its name
//   Kill                   kills
//   ShutdownGame           ends the match
// Other words (Item, ClientConnect, ClientDisconnect, score, say, …), `MM:SS red:N  blue:N`, and separators
// (`MM:SS` and dashes) are passed over, as are blank lines.
// Malformed, so counted and passed over, is what has not this form, as two lines glued together by a crash of the
// server (` 26  0:00 -----`), and a line of the four kinds that
//   has lost a part (no map setting in InitGame is fine), or has one out of range;
//   names a player as no player can be named (empty, over 256 bytes, not UTF-8, with control characters);
//   comes while no match is on, be it before the first or after a ShutdownGame.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "messages/entity_id.h"
#include "messages/producer_id.h"

namespace carillon::arena {

struct LogPublication {
  EntityId entity;
  std::string type;
  std::string payload;
  Sequence sequence = 0;  // The line's number, from 1.
};

struct LogCounters {
  std::uint64_t lines = 0;
  std::uint64_t malformed = 0;
  std::uint64_t matches = 0;    // Begun.
  std::uint64_t kills = 0;      // Published.
  std::uint64_t published = 0;  // Of all types.
};

struct MalformedLine {
  std::uint64_t number = 0;  // From 1.
  std::string reason;
};

class QuakeLog {
 public:
  static constexpr std::size_t kMalformedKept = 100;

  // Takes the next line, with or without its line ending; gives what is to be published for it, if anything.
  std::optional<LogPublication> take(std::string_view line);

  const LogCounters& counters() const { return counters_; }
  // The first kMalformedKept of them, to be reported.
  const std::vector<MalformedLine>& malformed() const { return malformed_; }

 private:
  std::optional<LogPublication> malformed_line(std::string reason);
  template <class Event>
  std::optional<LogPublication> publish(const Event& event);

  LogCounters counters_;
  std::vector<MalformedLine> malformed_;
  bool match_is_on_ = false;
};

}  // namespace carillon::arena
