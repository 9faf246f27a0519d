#include "tests/acceptance/recorded_arena.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/eventually.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kPageEvents = 1'000;

Recording read_all(client::Session& session, const std::string& entity) {
  Recording all;
  for (;;) {
    const auto page = session.read(entity, all.size() + 1, kPageEvents);
    if (!page.ok()) {
      ADD_FAILURE() << entity << ": " << page.error().message;
      return all;
    }
    if (page->getEvents().size() == 0) return all;
    EXPECT_EQ(page->getFirstOffset(), all.size() + 1) << entity;
    for (const auto event : page->getEvents()) all.push_back(recorded(event));
    if (all.size() >= page->getLastOffset()) return all;
  }
}

Recording without_clock(Recording events) {
  for (auto& event : events) event.accepted_at_ms = 0;
  return events;
}

}  // namespace

RecordedEvent recorded(wire::StoredEvent::Reader event) {
  return {.type = event.getType().cStr(),
          .payload = event.getPayload().cStr(),
          .producer = event.getProducer().cStr(),
          .sequence = event.getSequence(),
          .redrive_of = event.getRedriveOf(),
          .accepted_at_ms = event.getAcceptedAtMs()};
}

void PrintTo(const RecordedEvent& event, std::ostream* out) {
  *out << event.producer << " #" << event.sequence << " at " << event.accepted_at_ms << ": " << event.type << " "
       << event.payload;
  if (event.redrive_of != 0) *out << " again for " << event.redrive_of;
}

std::uint64_t RecordedArena::notifications() const {
  std::uint64_t all = 0;
  for (const auto& [name, stream] : players) all += stream.size();
  return all;
}

bool folded(client::Session& session, const ArenaModel& model) {
  std::string waits_for;
  std::size_t settled = 0;
  const bool done = eventually(20s, [&] {
    for (; settled < model.events.size(); ++settled) {
      const auto answer = session.inspect(match_entity(settled));
      if (!answer.ok()) {
        waits_for = answer.error().message;
        return false;
      }
      const auto inspection = answer->getInspection();
      const auto accepted = inspection.getLastOffset();
      if (accepted == model.events[settled] && inspection.getCursor() == accepted) continue;
      waits_for = match_entity(settled) + " has " + std::to_string(accepted) + " of " +
                  std::to_string(model.events[settled]) + " events and is folded to " +
                  std::to_string(inspection.getCursor());
      return false;
    }
    return true;
  });
  if (!done) ADD_FAILURE() << waits_for;
  return done;
}

RecordedArena record(client::Session& session, const ArenaModel& model) {
  RecordedArena arena;
  for (std::size_t index = 0; index < model.events.size(); ++index) {
    arena.matches[match_entity(index)] = read_all(session, match_entity(index));
    const auto answer = session.inspect(match_entity(index));
    if (answer.ok())
      arena.states[match_entity(index)] = answer->getInspection().getState().cStr();
    else
      ADD_FAILURE() << match_entity(index) << ": " << answer.error().message;
  }
  for (const auto& [name, told] : model.told) arena.players[name] = read_all(session, "player/" + name);
  return arena;
}

Told told(const Recording& notifications) {
  Told told;
  for (const auto& notification : notifications)
    told[notification.producer].push_back(sentence_of(notification.type, notification.payload));
  return told;
}

Unchanging unchanging(const RecordedArena& arena) {
  Unchanging parts{.matches = {}, .states = arena.states, .players = {}};
  for (const auto& [entity, events] : arena.matches) parts.matches[entity] = without_clock(events);
  for (const auto& [name, stream] : arena.players)
    for (const auto& notification : without_clock(stream))
      parts.players[name][notification.producer].push_back(notification);
  return parts;
}

}  // namespace carillon::testing
