// The hub of the "hunt" job, as ../shared/peerbench/src/job.cc does it: folds each `dig` into a count and a digest, and
// notifies K players of its hub's audience.
//
// K and the audience travel in the dig, so that the fold knows nothing but its input (P5). Payloads of `dig` and `find`
// have exactly 128 bytes, as the peers' have: a filler takes what the numbers leave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "messages/result.h"
#include "runtime/behaviour.h"

namespace carillon::bench {

inline constexpr std::size_t kPayloadBytes = 128;

// What a producer publishes to hunt/<hub>.
struct Dig {
  static constexpr std::string_view kType = "dig";
  std::uint64_t id = 0;        // producer << 40 | sequence, sequence from 0.
  std::int64_t at = 0;         // sent_at_ns: when it was sent or due, by the bench client's clock.
  std::uint32_t hub = 0;       // From 0.
  std::uint32_t k = 0;         // Notifications per event.
  std::uint32_t audience = 0;  // Players per hub.
  std::string filler;
};

template <class Fields>
void inspect(Fields& fields, Dig& dig) {
  fields("id", dig.id);
  fields("at", dig.at);
  fields("hub", dig.hub);
  fields("k", dig.k);
  fields("audience", dig.audience);
  fields("filler", dig.filler);
}

// What player p<player> hears of a dig.
struct Find {
  static constexpr std::string_view kType = "find";
  std::uint64_t id = 0;      // Of the dig.
  std::int64_t at = 0;       // Of the dig.
  std::uint32_t index = 0;   // 0 … K-1.
  std::uint32_t player = 0;  // From 0.
  std::string filler;
};

template <class Fields>
void inspect(Fields& fields, Find& find) {
  fields("id", find.id);
  fields("at", find.at);
  fields("index", find.index);
  fields("player", find.player);
  fields("filler", find.filler);
}

// Makes a hub work without effects: builds backlogs.
struct Burden {
  static constexpr std::string_view kType = "burden";
  std::uint32_t spin_us = 0;  // Work of about that many microseconds; a count of rounds, not of time (P5).
};

template <class Fields>
void inspect(Fields& fields, Burden& burden) {
  fields("spin_us", burden.spin_us);
}

// Tells everybody at once: players 0 … players-1 hear the same find, that of player 0, whatever hub they belong to.
struct Muster {
  static constexpr std::string_view kType = "muster";
  std::uint64_t id = 0;       // Of the finds.
  std::int64_t at = 0;        // Of the finds.
  std::uint32_t players = 0;  // At most kMusterMax.
};

template <class Fields>
void inspect(Fields& fields, Muster& muster) {
  fields("id", muster.id);
  fields("at", muster.at);
  fields("players", muster.players);
}

struct Hunt {
  std::uint64_t events = 0;   // Digs.
  std::uint64_t digest = 0;   // Of the digs' ids, in order.
  std::uint64_t finds = 0;    // Notifications sent.
  std::uint64_t burdens = 0;  // Burdens borne.
};

template <class Fields>
void inspect(Fields& fields, Hunt& hunt) {
  fields("events", hunt.events);
  fields("digest", hunt.digest);
  fields("finds", hunt.finds);
  fields("burdens", hunt.burdens);
}

inline constexpr std::uint32_t kNotificationsMax = 1'024;  // K.
inline constexpr std::uint32_t kMusterMax = 100'000;
inline constexpr std::uint32_t kSpinMicrosMax = 1'000'000;

// Fail when K, the muster or the work is over its limit, or K players are asked of an audience of 0.
Result<Effects> on(Hunt& hunt, const Dig& dig, const Context& context);
Result<Effects> on(Hunt& hunt, const Burden& burden, const Context& context);
Result<Effects> on(Hunt& hunt, const Muster& muster, const Context& context);

Behaviour hunt_behaviour();

// splitmix64.
std::uint64_t mix(std::uint64_t value);
// Who is notified k-th of dig `id`: a player of `hub`'s audience.
std::uint32_t player_of(std::uint64_t id, std::uint32_t hub, std::uint32_t k, std::uint32_t audience);

// For the bench client, at hundreds of thousands a second.

// The payload, its filler made here; `dig.filler` is not looked at.
std::string encode_dig(const Dig& dig);
// The payload of a find as the behaviour would write it, for events that go straight to a player.
std::string encode_find(const Find& find);
// Reads what the behaviour wrote; its filler is left out. MALFORMED for any other text, be it equal JSON.
Result<Find> decode_find(std::string_view payload);

}  // namespace carillon::bench
