#include "actors/presence_behaviour.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace carillon::actors {
namespace {

// A gateway tells of valid players only, so an invalid one is a bug of ours: the event fails.
EntityId presence_of(const std::string& player) {
  auto entity = EntityId::of(kPresenceKind, player);
  if (!entity) throw std::invalid_argument(entity.error().message);
  return std::move(*entity);
}

Result<EntityId> hub_that_sent(const Context& context) {
  if (!context.producer().is_hub())
    return Error{ErrorCode::MALFORMED, "only hubs send this; a client has no presence to tell of", 0};
  return EntityId::parse(context.producer().name());
}

template <class Change>
void tell_watchers(const PresenceState& state, const Context& context, Effects& effects) {
  const Change change{.player = std::string(context.self().key())};
  for (const auto& watcher : state.watchers) effects.emit(EntityId::parse(watcher).value(), change);
}

std::string place_of(const EntityId& gateway, const std::string& connection) {
  return gateway.text() + " " + connection;
}

void all_depart(GatewayState& state, Effects& effects) {
  for (const auto& [connection, player] : state.players)
    effects.emit(presence_of(player), Departed{.connection = connection});
  state.players.clear();
}

void look_later(GatewayState& state, UnixMs due, const Context& context, Effects& effects) {
  state.looks_at = due;
  effects.remind(context.self(), due, LookForGateway{});
}

// The time by which a look should have come, rather than whether one is on its way: a version that did not look may have left
// none behind.
void heard_of(GatewayState& state, const Context& context, Effects& effects) {
  state.heard_at = context.now();
  state.is_suspected = false;
  if (context.now() >= state.looks_at) look_later(state, context.now() + kGatewaySilentMs, context, effects);
}

}  // namespace

Result<Effects> on(GatewayState& state, const GatewayStarted& started, const Context&) {
  Effects effects;
  if (started.boot == state.boot) return effects;
  state.boot = started.boot;
  all_depart(state, effects);
  return effects;
}

Result<Effects> on(GatewayState& state, const ConnectionOpened& opened, const Context& context) {
  Effects effects;
  // What an earlier process said too late; or one more than is counted.
  if (opened.boot != state.boot || state.players.size() == kGatewayConnectionsMax) return effects;
  heard_of(state, context, effects);
  if (state.players.emplace(opened.connection, opened.player).second)
    effects.emit(presence_of(opened.player), Arrived{.connection = opened.connection});
  return effects;
}

Result<Effects> on(GatewayState& state, const ConnectionClosed& closed, const Context&) {
  Effects effects;
  const auto found = state.players.find(closed.connection);
  if (closed.boot != state.boot || found == state.players.end()) return effects;
  effects.emit(presence_of(found->second), Departed{.connection = closed.connection});
  state.players.erase(found);
  return effects;
}

Result<Effects> on(GatewayState& state, const GatewayAlive& alive, const Context& context) {
  Effects effects;
  if (alive.boot != state.boot || state.players.empty()) return effects;
  heard_of(state, context, effects);
  return effects;
}

Result<Effects> on(GatewayState& state, const LookForGateway&, const Context& context) {
  Effects effects;
  const auto now = context.now();
  if (now < state.looks_at || state.players.empty()) return effects;
  if (now < state.heard_at + kGatewaySilentMs) {
    look_later(state, state.heard_at + kGatewaySilentMs, context, effects);
  } else if (!std::exchange(state.is_suspected, true)) {  // Perhaps it is only the clock that was set.
    look_later(state, now + kGatewaySuspectedMs, context, effects);
  } else {
    state.boot.clear();  // Should it be there after all, it begins anew.
    all_depart(state, effects);
  }
  return effects;
}

Result<Effects> on(PresenceState& state, const Arrived& arrived, const Context& context) {
  const auto gateway = hub_that_sent(context);
  if (!gateway) return gateway.error();
  Effects effects;
  auto place = place_of(*gateway, arrived.connection);
  if (state.connections.size() == kPresentConnectionsMax ||
      std::ranges::find(state.connections, place) != state.connections.end())
    return effects;
  state.connections.push_back(std::move(place));
  if (state.connections.size() == 1) tell_watchers<Joined>(state, context, effects);
  return effects;
}

Result<Effects> on(PresenceState& state, const Departed& departed, const Context& context) {
  const auto gateway = hub_that_sent(context);
  if (!gateway) return gateway.error();
  Effects effects;
  if (std::erase(state.connections, place_of(*gateway, departed.connection)) > 0 && state.connections.empty())
    tell_watchers<Left>(state, context, effects);
  return effects;
}

Result<Effects> on(PresenceState& state, const Watch&, const Context& context) {
  const auto watcher = hub_that_sent(context);
  if (!watcher) return watcher.error();
  Effects effects;
  if (std::ranges::find(state.watchers, watcher->text()) == state.watchers.end()) {
    if (state.watchers.size() == kWatchersMax)
      return Error{ErrorCode::MALFORMED, "a player has at most " + std::to_string(kWatchersMax) + " watchers", 0};
    state.watchers.push_back(watcher->text());
  }
  if (!state.connections.empty()) effects.emit(*watcher, Joined{.player = std::string(context.self().key())});
  return effects;
}

Result<Effects> on(PresenceState& state, const Unwatch&, const Context& context) {
  const auto watcher = hub_that_sent(context);
  if (!watcher) return watcher.error();
  std::erase(state.watchers, watcher->text());
  return Effects();
}

Behaviour gateway_behaviour() {
  return Behaviour::of<GatewayState>(kGatewayKind, /*version=*/2)
      .reads_snapshots_since(1)
      .on<GatewayStarted>()
      .on<ConnectionOpened>()
      .on<ConnectionClosed>()
      .on<GatewayAlive>()
      .on<LookForGateway>();
}

Behaviour presence_behaviour() {
  return Behaviour::of<PresenceState>(kPresenceKind, /*version=*/1)
      .on<Arrived>()
      .on<Departed>()
      .on<Watch>()
      .on<Unwatch>();
}

}  // namespace carillon::actors
