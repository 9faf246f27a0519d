#include "examples/hunt/hunt.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace carillon::hunt {
namespace {

std::vector<Leader> leaders_of(const Island& island) {
  std::vector<Leader> leaders;
  for (const auto& [player, digger] : island.diggers) leaders.push_back({player, digger.score});
  std::stable_sort(leaders.begin(), leaders.end(), [](const Leader& a, const Leader& b) { return a.score > b.score; });
  if (leaders.size() > kLeaders) leaders.resize(kLeaders);
  return leaders;
}

// All but one, if there is one to leave out.
std::vector<std::string_view> diggers_of(const Island& island, std::string_view but_for = {}) {
  std::vector<std::string_view> names;
  names.reserve(island.diggers.size());
  for (const auto& [player, digger] : island.diggers)
    if (player != but_for) names.push_back(player);
  return names;
}

Digger& digger_of(Island& island, const std::string& player, const Context& context) {
  if (!island.diggers.contains(player) && island.diggers.size() == kDiggersMax)
    island.diggers.erase(
        std::ranges::min_element(island.diggers, {}, [](const auto& digger) { return digger.second.heard_at; }));
  Digger& digger = island.diggers[player];
  digger.heard_at = context.offset();
  return digger;
}

bool is_dug_up(const Island& island) {
  return std::ranges::none_of(island.ground, [](const auto& row) { return row.find(kSand) != std::string::npos; });
}

Error impossible(std::string reason) { return {ErrorCode::MALFORMED, std::move(reason)}; }

}  // namespace

Result<Effects> on(Island& island, const Landed& landed, const Context& context) {
  if (auto player = EntityId::of(kPlayerKind, landed.player); !player) return player.error();
  const Digger& digger = digger_of(island, landed.player, context);
  Effects effects;
  effects.notify(landed.player, Ashore{.island = context.self().text(),
                                       .at = context.offset(),
                                       .tide = island.tide,
                                       .score = digger.score,
                                       .ground = island.ground,
                                       .leaders = leaders_of(island)});
  return effects;
}

Result<Effects> on(Island& island, const Dug& dug, const Context& context) {
  if (dug.x >= kWidth || dug.y >= kHeight)
    return impossible("the sea: x is below " + std::to_string(kWidth) + ", y below " + std::to_string(kHeight));
  if (auto player = EntityId::of(kPlayerKind, dug.player); !player) return player.error();
  Digger& digger = digger_of(island, dug.player, context);
  ++digger.digs;
  ++island.digs;
  char& square = island.ground[dug.y][dug.x];
  const bool again = square != kSand;
  const auto treasure = again ? std::nullopt : treasure_of(context.random());
  Effects effects;
  if (treasure) {
    square = treasure->name.front();
    digger.score += treasure->worth;
    const auto leaders = leaders_of(island);
    const std::string name(treasure->name);
    effects.notify(dug.player, TreasureFound{.dig = dug.dig,
                                             .x = dug.x,
                                             .y = dug.y,
                                             .tide = island.tide,
                                             .treasure = name,
                                             .worth = treasure->worth,
                                             .score = digger.score,
                                             .leaders = leaders});
    const TreasureSeen seen{
        .player = dug.player, .x = dug.x, .y = dug.y, .tide = island.tide, .treasure = name, .leaders = leaders};
    effects.notify_all(diggers_of(island, dug.player), seen);
  } else {
    if (!again) square = kHole;
    effects.notify(dug.player, HoleDug{.dig = dug.dig, .x = dug.x, .y = dug.y, .again = again});
  }
  if (is_dug_up(island) && context.now() >= island.tide_due_at) {
    island.tide_due_at = context.now() + kTideAfterMs;
    effects.remind(context.self(), island.tide_due_at, TideDue{.tide = island.tide});
  }
  return effects;
}

Effects on(Island& island, const TideDue& due, const Context&) {
  Effects effects;
  if (due.tide != island.tide || !is_dug_up(island)) return effects;  // Anybody may publish one.
  island.ground = Island().ground;
  const TideCame came{.tide = ++island.tide, .leaders = leaders_of(island)};
  effects.notify_all(diggers_of(island), came);
  return effects;
}

std::optional<Treasure> treasure_of(std::uint64_t dice) {
  const auto hundredth = dice % 100;
  if (hundredth < 1) return Treasure{"crown", 50};
  if (hundredth < 3) return Treasure{"gem", 20};
  if (hundredth < 10) return Treasure{"pearl", 5};
  if (hundredth < 30) return Treasure{"doubloon", 1};
  return std::nullopt;
}

Behaviour island_behaviour() {
  return Behaviour::of<Island>("island", /*version=*/2).on<Landed>().on<Dug>().on<TideDue>();
}

}  // namespace carillon::hunt
