// Who is there: two behaviours that every node has installed, so that a player's coming and going is an event like any other,
// durable and in one order, and no two gateways disagree about it.
//
//   gateway ─ opened, closed, started ─▶ gateway/NODE/SHARD ─ arrived, departed ─▶ presence/PLAYER ─ joined, left ─▶ watchers
//
// A `gateway` hub knows the present connections of one node. When the node's process has died, its next one says `started`, or
// somebody who has seen the node vanish from the cluster does it in its stead: whoever was connected before departs. Where nobody
// has seen it, since all nodes stopped and this one did not come back, the hub notices itself that it hears no more of it. A
// `presence` hub counts a player's connections on all nodes: the first one that comes is `joined`, the last one that goes
// is `left`. Grace is the gateway's: it says `closed` only when a player has stayed away for a while, so somebody who changes
// from one node to another has arrived there before departing here.
// Hubs of any kind watch a player by emitting `watch` to presence/PLAYER, and get `joined` and `left` from then on; `joined` at
// once when the player is there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/behaviour.h"

namespace carillon::actors {

inline constexpr std::string_view kGatewayKind = "gateway";
inline constexpr std::string_view kPresenceKind = "presence";
inline constexpr std::size_t kWatchersMax = 64;               // Of one player; a further one fails (P6).
inline constexpr std::size_t kPresentConnectionsMax = 64;     // Of one player; further ones are not counted.
inline constexpr std::size_t kGatewayConnectionsMax = 8'192;  // Of one gateway hub; further ones are not counted.
// Who is not heard of for so long is suspected to be gone; and is, with all players, when nothing comes for so long more.
inline constexpr UnixMs kGatewaySilentMs = 600'000, kGatewaySuspectedMs = 300'000;

// --- A node's gateway, or one shard of it. ---------------------------------------------------------------------------

struct GatewayState {
  std::string boot;                            // Of the process that is connected now; another one has another.
  std::map<std::string, std::string> players;  // By connection.
  UnixMs heard_at = 0;                         // The last time that the process said something.
  UnixMs looks_at = 0;                         // Until then a reminder comes to look whether it still does.
  bool is_suspected = false;                   // It did not.
};
template <class Fields>
void inspect(Fields& fields, GatewayState& state) {
  fields("boot", state.boot);
  fields("players", state.players);
  fields("heard_at", state.heard_at);
  fields("looks_at", state.looks_at);
  fields("is_suspected", state.is_suspected);
}

struct GatewayStarted {  // Whoever was connected to an earlier process is so no more.
  static constexpr std::string_view kType = "started";
  std::string boot;
};
template <class Fields>
void inspect(Fields& fields, GatewayStarted& started) {
  fields("boot", started.boot);
}

struct ConnectionOpened {
  static constexpr std::string_view kType = "opened";
  std::string boot;
  std::string connection;
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, ConnectionOpened& opened) {
  fields("boot", opened.boot);
  fields("connection", opened.connection);
  fields("player", opened.player);
}

struct ConnectionClosed {
  static constexpr std::string_view kType = "closed";
  std::string boot;
  std::string connection;
};
template <class Fields>
void inspect(Fields& fields, ConnectionClosed& closed) {
  fields("boot", closed.boot);
  fields("connection", closed.connection);
}

struct GatewayAlive {
  static constexpr std::string_view kType = "alive";
  std::string boot;
};
template <class Fields>
void inspect(Fields& fields, GatewayAlive& alive) {
  fields("boot", alive.boot);
}

struct LookForGateway {  // A reminder of the hub to itself.
  static constexpr std::string_view kType = "look";
};
template <class Fields>
void inspect(Fields&, LookForGateway&) {}

Result<Effects> on(GatewayState& state, const GatewayStarted& started, const Context& context);
Result<Effects> on(GatewayState& state, const ConnectionOpened& opened, const Context& context);
Result<Effects> on(GatewayState& state, const ConnectionClosed& closed, const Context& context);
Result<Effects> on(GatewayState& state, const GatewayAlive& alive, const Context& context);
Result<Effects> on(GatewayState& state, const LookForGateway& look, const Context& context);

// --- A player's presence. --------------------------------------------------------------------------------------------

struct PresenceState {
  std::vector<std::string> connections;  // Each with the gateway hub that told of it.
  std::vector<std::string> watchers;     // Entities.
};
template <class Fields>
void inspect(Fields& fields, PresenceState& state) {
  fields("connections", state.connections);
  fields("watchers", state.watchers);
}

struct Arrived {  // From a gateway hub.
  static constexpr std::string_view kType = "arrived";
  std::string connection;
};
template <class Fields>
void inspect(Fields& fields, Arrived& arrived) {
  fields("connection", arrived.connection);
}

struct Departed {  // From a gateway hub.
  static constexpr std::string_view kType = "departed";
  std::string connection;
};
template <class Fields>
void inspect(Fields& fields, Departed& departed) {
  fields("connection", departed.connection);
}

struct Watch {  // From a hub: it wants to hear.
  static constexpr std::string_view kType = "watch";
};
template <class Fields>
void inspect(Fields&, Watch&) {}

struct Unwatch {  // From a hub: no more.
  static constexpr std::string_view kType = "unwatch";
};
template <class Fields>
void inspect(Fields&, Unwatch&) {}

struct Joined {  // To watchers.
  static constexpr std::string_view kType = "joined";
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, Joined& joined) {
  fields("player", joined.player);
}

struct Left {  // To watchers.
  static constexpr std::string_view kType = "left";
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, Left& left) {
  fields("player", left.player);
}

// All of them fail (MALFORMED) when they come from a client rather than from a hub.
Result<Effects> on(PresenceState& state, const Arrived& arrived, const Context& context);
Result<Effects> on(PresenceState& state, const Departed& departed, const Context& context);
Result<Effects> on(PresenceState& state, const Watch& watch, const Context& context);
Result<Effects> on(PresenceState& state, const Unwatch& unwatch, const Context& context);

Behaviour gateway_behaviour();
Behaviour presence_behaviour();

}  // namespace carillon::actors
