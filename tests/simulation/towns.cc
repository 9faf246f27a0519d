#include "tests/simulation/towns.h"

#include <stdexcept>
#include <utility>

namespace carillon::simulation {

// The only global: handlers are free functions.
thread_local std::function<bool()> fails_now;

struct Town {
  std::uint64_t count = 0;
  std::uint64_t digest = 0;
  UnixMs last_at = 0;
  std::map<std::string, std::uint64_t> told;  // By player.
};
template <class Fields>
void inspect(Fields& fields, Town& town) {
  fields("count", town.count);
  fields("digest", town.digest);
  fields("last_at", town.last_at);
  fields("told", town.told);
}

namespace {

void take_in(Town& town, const std::string& id, const Context& context) {
  ++town.count;
  town.last_at = context.now();
  for (const char c : id) town.digest = (town.digest ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  town.digest ^= context.random() ^ context.offset();
}

void tell(Town& town, const std::string& player, const std::string& id, const Context& context, Effects& effects) {
  ++town.told[player];
  effects.notify(player, Seen{.id = id, .count = town.count, .at = context.now()});
}

}  // namespace

Effects on(Town& town, const Visit& visit, const Context& context) {
  take_in(town, visit.id, context);
  Effects effects;
  if (!visit.player.empty()) tell(town, visit.player, visit.id, context, effects);
  const auto roll = context.random();
  if (visit.hops > 0) {
    auto next = visit;
    next.id += '.' + std::to_string(context.offset());
    --next.hops;
    const auto target = EntityId::of(roll % 2 == 0 ? "town" : "road", std::to_string(roll / 2 % visit.towns)).value();
    if (roll % 16 == 5)
      effects.emit(target, Gibberish{.id = next.id});
    else if (roll % 16 < 4)  // Some are due before they are set.
      effects.remind(roll % 16 == 0 ? context.self() : target,
                     context.now() + static_cast<UnixMs>(roll / 1'024 % 2'000) - 200, next);
    else
      effects.emit(target, next);
  }
  return effects;
}

Effects on(Town& town, const Crowd& crowd, const Context& context) {
  take_in(town, crowd.id, context);
  Effects effects;
  for (std::uint32_t i = 0; i < crowd.notifications; ++i)
    tell(town, "p" + std::to_string(i % crowd.players), crowd.id + '#' + std::to_string(i), context, effects);
  return effects;
}

Effects on(Town& town, const Bomb& bomb, const Context& context) {
  take_in(town, bomb.id, context);
  throw std::runtime_error("this one always fails");
}

Effects on(Town& town, const Gamble& gamble, const Context& context) {
  if (fails_now && fails_now()) {
    town.count += 1'000;  // Half done.
    throw std::runtime_error("no luck this time");
  }
  return on(town, gamble.visit, context);
}

Catalogue catalogue_of_towns() {
  Catalogue catalogue;
  for (const char* kind : {"town", "road"})
    CHECK(catalogue.add(Behaviour::of<Town>(kind, 1).on<Visit>().on<Crowd>().on<Bomb>().on<Gamble>()));
  return catalogue;
}

Luck::Luck(std::function<bool()> fails) { fails_now = std::move(fails); }
Luck::~Luck() { fails_now = nullptr; }

}  // namespace carillon::simulation
