// A small behaviour for tests: counts, tells a player, passes on, and can be made to fail.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "runtime/behaviour.h"

namespace carillon::testing {

struct Count {
  std::uint64_t events = 0;
  std::uint64_t sum = 0;
};
template <class Fields>
void inspect(Fields& fields, Count& count) {
  fields("events", count.events);
  fields("sum", count.sum);
}

struct Add {
  static constexpr std::string_view kType = "add";
  std::uint64_t amount = 0;
  std::string player;       // Told of the new sum, unless empty.
  std::uint32_t times = 1;  // So often.
};
template <class Fields>
void inspect(Fields& fields, Add& add) {
  fields("amount", add.amount);
  fields("player", add.player);
  fields("times", add.times);
}

struct Pass {
  static constexpr std::string_view kType = "pass";
  std::string to;  // Another counter, which is sent an Add.
  std::uint64_t amount = 0;
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, Pass& pass) {
  fields("to", pass.to);
  fields("amount", pass.amount);
  fields("player", pass.player);
}

struct Later {
  static constexpr std::string_view kType = "later";
  std::string to;  // An entity, which is reminded by an Add.
  UnixMs due = 0;
  std::uint64_t amount = 0;
};
template <class Fields>
void inspect(Fields& fields, Later& later) {
  fields("to", later.to);
  fields("due", later.due);
  fields("amount", later.amount);
}

struct Fail {
  static constexpr std::string_view kType = "fail";
};
template <class Fields>
void inspect(Fields&, Fail&) {}

struct Sum {
  static constexpr std::string_view kType = "sum";
  std::uint64_t sum = 0;
};
template <class Fields>
void inspect(Fields& fields, Sum& sum) {
  fields("sum", sum.sum);
}

inline Effects on(Count& count, const Add& add, const Context&) {
  ++count.events;
  count.sum += add.amount;
  Effects effects;
  if (!add.player.empty())
    for (std::uint32_t i = 0; i < add.times; ++i) effects.notify(add.player, Sum{count.sum});
  return effects;
}

inline Effects on(Count& count, const Pass& pass, const Context&) {
  ++count.events;
  Effects effects;
  effects.emit(*EntityId::parse(pass.to), Add{.amount = pass.amount, .player = pass.player});
  return effects;
}

inline Effects on(Count& count, const Later& later, const Context&) {
  ++count.events;
  Effects effects;
  effects.remind(*EntityId::parse(later.to), later.due, Add{.amount = later.amount});
  return effects;
}

inline Effects on(Count& count, const Fail&, const Context&) {
  ++count.events;  // A change that must not be seen.
  throw std::runtime_error("this event always fails");
}

inline Behaviour counter_behaviour(std::uint32_t version = 1) {
  return Behaviour::of<Count>("counter", version).on<Add>().on<Pass>().on<Later>().on<Fail>();
}

inline Catalogue counter_catalogue(std::uint32_t version = 1) {
  Catalogue catalogue;
  CHECK(catalogue.add(counter_behaviour(version)).ok());
  return catalogue;
}

}  // namespace carillon::testing
