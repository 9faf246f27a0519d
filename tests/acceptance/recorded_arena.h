// Everything that a node holds of a replayed log, as clients can read it.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "clients/cpp/session.h"
#include "tests/acceptance/arena_model.h"

namespace carillon::testing {

struct RecordedEvent {
  std::string type, payload, producer;
  Sequence sequence = 0;
  Offset redrive_of = 0;
  std::int64_t accepted_at_ms = 0;

  bool operator==(const RecordedEvent&) const = default;
};
RecordedEvent recorded(wire::StoredEvent::Reader event);
void PrintTo(const RecordedEvent& event, std::ostream* out);

// One mailbox from its first offset on.
using Recording = std::vector<RecordedEvent>;

struct RecordedArena {
  std::map<std::string, Recording> matches;   // By entity.
  std::map<std::string, std::string> states;  // The same.
  std::map<std::string, Recording> players;   // By name.

  bool operator==(const RecordedArena&) const = default;
  std::uint64_t notifications() const;
};

// Waits until every match of `model` is folded and all its emissions are acknowledged; false, after having said for what it waits, when that takes too long.
[[nodiscard]] bool folded(client::Session& session, const ArenaModel& model);
// Reads all matches and all players of `model`; what cannot be read fails the test.
RecordedArena record(client::Session& session, const ArenaModel& model);

// What a player was told, as the model has it.
Told told(const Recording& notifications);

// What no crash may change: all but the wall clock (`accepted_at_ms`; no payload of the arena has a time of that clock,
// `at_s` is the log's) and how the notifications of different matches fall between one another in a player stream.
struct Unchanging {
  std::map<std::string, Recording> matches;
  std::map<std::string, std::string> states;
  std::map<std::string, std::map<std::string, Recording>> players;  // By name, then by producer.
};
Unchanging unchanging(const RecordedArena& arena);

}  // namespace carillon::testing
