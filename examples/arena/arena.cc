#include "examples/arena/arena.h"

#include <algorithm>

namespace carillon::arena {
namespace {

// Nothing for the world, and for numbers not yet named.
std::optional<std::string> name_of(const Match& match, ClientNumber client) {
  if (client >= match.names.size() || match.names[client].empty()) return std::nullopt;
  return match.names[client];
}

std::vector<Standing> scoreboard_of(const Match& match) {
  std::vector<Standing> scoreboard;
  for (const auto& [player, score] : match.scores) scoreboard.push_back({player, score});
  std::stable_sort(scoreboard.begin(), scoreboard.end(),
                   [](const Standing& a, const Standing& b) { return a.score > b.score; });
  return scoreboard;
}

Error impossible(std::string reason) { return {ErrorCode::MALFORMED, std::move(reason)}; }

}  // namespace

Result<Effects> on(Match& match, const MatchBegan& began, const Context&) {
  if (began.map.size() > kMapBytesMax)
    return impossible("a map's name has at most " + std::to_string(kMapBytesMax) + " bytes");
  if (!match.over) match.map = began.map;
  return Effects();
}

Result<Effects> on(Match& match, const PlayerNamed& named, const Context&) {
  if (named.client >= kClientsMax) return impossible("client numbers are below " + std::to_string(kClientsMax));
  if (auto player = EntityId::of(kPlayerKind, named.name); !player) return player.error();
  if (match.over) return Effects();
  if (match.scores.size() == kNamesMax && !match.scores.contains(named.name))
    return impossible("a match has at most " + std::to_string(kNamesMax) + " names");
  if (named.client >= match.names.size()) match.names.resize(named.client + 1);
  match.names[named.client] = named.name;
  match.scores.try_emplace(named.name, 0);
  return Effects();
}

Result<Effects> on(Match& match, const Kill& kill, const Context& context) {
  if (kill.victim >= kClientsMax || (kill.killer >= kClientsMax && kill.killer != kWorld))
    return impossible("client numbers are below " + std::to_string(kClientsMax) + ", the world is 1022");
  Effects effects;
  if (match.over) return effects;
  ++match.kills;
  const auto killer = name_of(match, kill.killer);
  const auto victim = name_of(match, kill.victim);
  const std::string& self = context.self().text();
  if (kill.killer == kWorld) {
    if (victim) --match.scores[*victim];
  } else if (kill.killer != kill.victim && killer) {
    const auto score = ++match.scores[*killer];
    effects.notify(*killer,
                   Frag{.match = self, .victim = victim, .means = kill.means, .at_s = kill.at_s, .score = score});
  }
  if (victim)
    effects.notify(
        *victim,
        Death{.match = self, .killer = killer, .means = kill.means, .at_s = kill.at_s, .score = match.scores[*victim]});
  return effects;
}

Result<Effects> on(Match& match, const MatchEnded&, const Context& context) {
  Effects effects;
  if (match.over) return effects;
  match.over = true;
  const MatchOver over{.match = context.self().text(), .map = match.map, .scoreboard = scoreboard_of(match)};
  std::vector<std::string> players;
  for (const auto& [player, score] : match.scores) players.push_back(player);
  effects.notify_all(players, over);
  return effects;
}

Behaviour match_behaviour() {
  return Behaviour::of<Match>("match", /*version=*/1).on<MatchBegan>().on<PlayerNamed>().on<Kill>().on<MatchEnded>();
}

}  // namespace carillon::arena
