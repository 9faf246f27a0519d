// How much of a mailbox is kept, by the kind of its entity: a setting of the operator's (DESIGN section 3).
//
// A plain value. It says what may go; a hub's mailbox is cut only behind its saved state besides (Partition::trim).
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "messages/result.h"

namespace carillon::runtime {

struct Retention {
  static constexpr std::uint64_t kAllEvents = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t events = kAllEvents;        // The newest that are kept. From 1: the last record always stays.
  std::optional<std::chrono::hours> age{};  // What was accepted longer ago goes, however few there are.

  bool keeps_all() const { return events == kAllEvents && !age; }
  // How many of `held` events are more than is to be kept. An eighth more may stand there, so that not every event is a cut.
  std::uint64_t surplus(std::uint64_t held) const {
    return held > events && held - events > events / 8 ? held - events : 0;
  }
  bool operator==(const Retention&) const = default;
};

class RetentionTable {
 public:
  // The defaults: player streams the last 10,000 notifications or 30 days, the kinds that every node has built in the last 1,000
  // events, all others everything.
  RetentionTable();

  const Retention& of(std::string_view kind) const;
  void set(std::string_view kind, Retention retention);

  // Takes in settings as `player=10000,30d guild=all`: KIND=EVENTS or KIND=EVENTS,DAYSd each, with spaces in between. MALFORMED when
  // one has another form or none of `kinds` (player is one without being named): it says what to write, and nothing has changed.
  Result<void> take_in(std::string_view settings, std::span<const std::string> kinds);
  // What take_in() would take.
  std::string text() const;

 private:
  std::map<std::string, Retention, std::less<>> by_kind_;  // Without those that keep everything by default.
};

}  // namespace carillon::runtime
