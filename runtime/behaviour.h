// The behaviour SDK: how a C++ developer writes a hub. This page is all there is to know.
//
// A hub's state and its events are plain structs that list their fields once (runtime/fields.h says what a field may
// be); an event also has a type name. A handler is a free function `on`, in the namespace of its state or event:
//
//   struct Door { std::uint64_t opened = 0; };
//   template <class Fields> void inspect(Fields& fields, Door& door) { fields("opened", door.opened); }
//
//   struct Knock { static constexpr std::string_view kType = "knock"; std::string player; };
//   template <class Fields> void inspect(Fields& fields, Knock& knock) { fields("player", knock.player); }
//
//   struct Opened { static constexpr std::string_view kType = "opened"; UnixMs at = 0; };
//   template <class Fields> void inspect(Fields& fields, Opened& opened) { fields("at", opened.at); }
//
//   Effects on(Door& door, const Knock& knock, const Context& context) {
//     ++door.opened;
//     Effects effects;
//     effects.notify(knock.player, Opened{.at = context.now()});
//     return effects;
//   }
//
//   Behaviour door_behaviour() { return Behaviour::of<Door>("door", /*version=*/1).on<Knock>(); }
//
// and where the program builds its catalogue: `catalogue.add(door_behaviour())`. A test calls `on` with any_context()
// and looks at the state and the effects.
//
// The rule (P5): state and effects depend on nothing but the state, the event and the context. No clock, no dice, no
// files, no globals, nothing that is ordered by address or hash: the runtime computes an event again after a crash and
// relies on the same outcome. Who changes what a handler does to old events raises the version.
// A handler fails by throwing anything, or by returning Result<Effects> with an error; what it did to the state is
// undone. It is tried again (after a returned MALFORMED, not even that), then its event goes to the dead letters with
// that reason and the hub goes on with the next (P6).
#pragma once

#include <concepts>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "messages/entity_id.h"
#include "messages/event.h"
#include "messages/producer_id.h"
#include "messages/result.h"
#include "runtime/fields.h"

namespace carillon {

// The circumstances of one event: all that a handler may know beside state and event. Valid during the call only.
class Context {
 public:
  // All three must outlive the context.
  Context(const EntityId& self, Offset offset, const Event& event)
      : Context(self, offset, event.producer, event.sequence, event.accepted_at_ms) {}
  Context(const EntityId& self, Offset offset, const ProducerId& producer, Sequence sequence, UnixMs now);

  // When the event was accepted. Not monotonic: it is wall-clock time of whichever machine was the primary.
  UnixMs now() const { return now_; }
  // The next number of this event's own sequence: splitmix64, seeded by entity and offset. Not for secrets.
  std::uint64_t random() const;
  const EntityId& self() const { return *self_; }
  Offset offset() const { return offset_; }
  const ProducerId& producer() const { return *producer_; }
  Sequence sequence() const { return sequence_; }

 private:
  const EntityId* self_;
  const ProducerId* producer_;
  Offset offset_;
  Sequence sequence_;
  UnixMs now_;
  mutable std::uint64_t random_;
};

// For tests: the circumstances of some event, of entity test/1.
Context any_context(UnixMs now = 0, Offset offset = 1);

// An event on its way out of a handler.
struct Effect {
  EntityId target;
  std::string type;
  std::string payload;
  std::optional<UnixMs> due = {};  // Of a reminder.
};

// What a handler wants the world to hear, in order.
class Effects {
 public:
  static constexpr std::size_t kEffectsMax = 65'536;
  static constexpr std::size_t kPayloadBytesMax = 16 * 1024 * 1024;  // Of all effects of one event together.

  // Puts `notification` into the stream of `player`. Throws std::invalid_argument when `player` is not 1 to 256 bytes
  // of UTF-8 without control characters, std::length_error beyond the limits above: left uncaught, a failed handler, which is not
  // tried again.
  template <class T>
  void notify(std::string_view player, const T& notification);
  // The same for each of `players`, a range of names: written down once, however many they are. Throws as notify() does.
  template <std::ranges::input_range Players, class T>
  void notify_all(Players&& players, const T& notification);
  // Sends `event` to `target`, of whatever kind. Throws std::length_error beyond the limits.
  template <class T>
  void emit(const EntityId& target, const T& event);
  // Sends `event` to `target` (for oneself: context.self()) when it is `due` by the clock of the target's primary, which looks every
  // 100 ms; when that has passed, as soon as it can be: a durable timer. It comes once (P2), never before its time, from
  // ProducerId::reminder(). It cannot be taken back: the handler looks whether it still matters. Throws as emit() does.
  template <class T>
  void remind(const EntityId& target, UnixMs due, const T& event);

  bool empty() const { return list_.empty(); }
  std::size_t size() const { return list_.size(); }
  const std::deque<Effect>& list() const& { return list_; }
  std::deque<Effect> list() && { return std::move(list_); }

  // For tests: which players were notified, once for each notification, in order.
  std::vector<std::string> notified() const;
  // For tests: the effects of type T that `entity` (as "player/ada") gets, in order.
  template <class T>
  std::vector<T> sent_to(std::string_view entity) const;
  // For tests: when `entity` will be reminded by a T, in order.
  template <class T>
  std::vector<std::pair<UnixMs, T>> reminders_for(std::string_view entity) const;

 private:
  void add(EntityId target, std::string_view type, std::string payload, std::optional<UnixMs> due = {});
  static EntityId player_of(std::string_view key);

  std::deque<Effect> list_;  // Thousands of them grow in no vector: the fresh memory cost more than all else.
  std::size_t payload_bytes_ = 0;
};

// One hub's state, whatever its type. The runtime's side of a behaviour: SDK users need not know it.
// Owned and used by one fold.
class HubState {
 public:
  virtual ~HubState() = default;

  virtual std::unique_ptr<HubState> clone() const = 0;
  // Decodes the payload and calls the handler. UNKNOWN_TYPE without a handler for the type, MALFORMED when the payload
  // does not fit: the state is as before. Otherwise what the handler said or threw (UNAVAILABLE): the state may be half
  // changed; the caller throws it away and goes on from a clone or from disk.
  virtual Result<Effects> apply(const Event& event, const Context& context) = 0;
  // A JSON object; equal states give equal text, also when one of them went through decode(). All is kept, also what a handler has cut
  // in the middle of a letter, or a state would be another one after a restart (P5).
  virtual std::string encode() const = 0;
  // Replaces the state by what encode() gave; after an error it is as before.
  virtual Result<void> decode(std::string_view json) = 0;
};

template <class State>
class BehaviourOf;

// The code of a hub kind. Immutable and shared: cheap to copy, usable from any thread.
class Behaviour {
 public:
  // Begins a behaviour: `.on<Event>()` for each type of event completes it. `version` counts from 1.
  template <class State>
  static BehaviourOf<State> of(std::string_view kind, std::uint32_t version);

  const std::string& kind() const { return definition_->kind; }
  std::uint32_t version() const { return definition_->version; }
  // The oldest version whose snapshots it reads.
  std::uint32_t snapshots_since() const { return definition_->snapshots_since; }
  // The handled event types, in the order of the `.on<…>()`.
  const std::vector<std::string_view>& types() const { return definition_->types; }
  bool handles(std::string_view type) const { return definition_->place_of(type) < definition_->types.size(); }
  std::unique_ptr<HubState> initial_state() const { return definition_->initial_state(); }

 private:
  template <class State>
  friend class BehaviourOf;

  struct Definition : std::enable_shared_from_this<Definition> {
    virtual ~Definition() = default;
    virtual std::unique_ptr<HubState> initial_state() const = 0;
    // The place of `type` in `types`; its size when it is not there.
    std::size_t place_of(std::string_view type) const;

    std::string kind;
    std::uint32_t version = 0;
    std::uint32_t snapshots_since = 0;
    std::vector<std::string_view> types;  // Views of kType constants.
  };

  explicit Behaviour(std::shared_ptr<const Definition> definition) : definition_(std::move(definition)) {}

  std::shared_ptr<const Definition> definition_;
};

// From whom the hubs of a kind take events, beside other hubs.
enum class Publishers { kClients, kNodes };

// The behaviours that a program has installed, by kind.
class Catalogue {
 public:
  // MALFORMED when the kind's name is not `[a-z][a-z0-9_-]{0,31}`, is taken or is "player", when the version is 0,
  // when it reads snapshots since 0 or a later version, or when two handlers share a type.
  Result<void> add(Behaviour behaviour, Publishers publishers = Publishers::kClients);

  // Null when no such kind is installed. Valid as long as the catalogue.
  const Behaviour* find(std::string_view kind) const;
  // Whether its hubs take this producer's events. Only for kinds that are installed.
  bool takes_from(std::string_view kind, const ProducerId& producer) const;
  // In alphabetical order.
  std::vector<std::string> kinds() const;

 private:
  struct Installed {
    Behaviour behaviour;
    Publishers publishers;
  };
  std::map<std::string, Installed, std::less<>> behaviours_;
};

// --- From here on: how it is done. -----------------------------------------------------------------------------------

namespace detail {

// As is_name(), for the compiler.
constexpr bool is_type_name(std::string_view text) {
  if (text.empty() || text.size() > kTypeBytesMax || text[0] < 'a' || text[0] > 'z') return false;
  for (const char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return false;
  return true;
}

template <class T>
constexpr std::string_view type_of() {
  static_assert(
      requires { std::string_view(T::kType); }, R"(an event needs: static constexpr std::string_view kType)");
  static_assert(is_type_name(T::kType),
                "an event's type is a lower-case letter and up to 63 more of a-z, 0-9, _ and -");
  return T::kType;
}

// Free, because inside a class that has a member `on` the handlers would not be found.
template <class State, class Event>
Result<Effects> call_handler(State& state, const Event& event, const Context& context) {
  static_assert(
      requires {
        { on(state, event, context) } -> std::convertible_to<Result<Effects>>;
      },
      "this event needs a handler: Effects on(State& state, const Event& event, const Context& context)");
  return on(state, event, context);
}

// To be called in a catch block: what was thrown, as a reason for people.
Error failure_of_handler();

}  // namespace detail

template <class T>
void Effects::notify(std::string_view player, const T& notification) {
  add(player_of(player), detail::type_of<T>(), to_json(notification));
}

template <std::ranges::input_range Players, class T>
void Effects::notify_all(Players&& players, const T& notification) {
  const auto payload = to_json(notification);
  for (const auto& player : players) add(player_of(player), detail::type_of<T>(), payload);
}

template <class T>
void Effects::emit(const EntityId& target, const T& event) {
  add(target, detail::type_of<T>(), to_json(event));
}

template <class T>
void Effects::remind(const EntityId& target, UnixMs due, const T& event) {
  add(target, detail::type_of<T>(), to_json(event), due);
}

template <class T>
std::vector<T> Effects::sent_to(std::string_view entity) const {
  std::vector<T> sent;
  for (const Effect& effect : list_)
    if (effect.target.text() == entity && effect.type == detail::type_of<T>() && !effect.due)
      sent.push_back(from_json<T>(effect.payload).value());
  return sent;
}

template <class T>
std::vector<std::pair<UnixMs, T>> Effects::reminders_for(std::string_view entity) const {
  std::vector<std::pair<UnixMs, T>> reminders;
  for (const Effect& effect : list_)
    if (effect.target.text() == entity && effect.type == detail::type_of<T>() && effect.due)
      reminders.emplace_back(*effect.due, from_json<T>(effect.payload).value());
  return reminders;
}

// A behaviour in the making; converts to Behaviour.
template <class State>
class BehaviourOf {
  static_assert(std::copyable<State> && std::default_initializable<State>, "a state is a plain struct");
  static_assert(detail::Inspectable<State>, "a state needs: template <class F> void inspect(F& fields, State& state)");

 public:
  BehaviourOf(std::string_view kind, std::uint32_t version) {
    definition_.kind = kind;
    definition_.version = definition_.snapshots_since = version;
  }

  // Snapshots of the versions from `oldest` on may be read as this State as well, as its fields say. Another version's state is
  // computed anew from the hub's history instead, as long as all of it is there; where retention has cut it, this is the only way on.
  BehaviourOf& reads_snapshots_since(std::uint32_t oldest) {
    definition_.snapshots_since = oldest;
    return *this;
  }

  template <class Event>
  BehaviourOf& on() {
    definition_.types.push_back(detail::type_of<Event>());
    definition_.handlers.push_back([](State& state, std::string_view payload, const Context& context) {
      auto event = from_json<Event>(payload);
      if (!event) return Result<Effects>(std::move(event.error()));
      return detail::call_handler(state, *event, context);
    });
    return *this;
  }

  operator Behaviour() const { return Behaviour(std::make_shared<const Definition>(definition_)); }

 private:
  using Handler = Result<Effects> (*)(State&, std::string_view payload, const Context&);

  struct Definition final : Behaviour::Definition {
    std::unique_ptr<HubState> initial_state() const override {
      return std::make_unique<Typed>(std::static_pointer_cast<const Definition>(this->shared_from_this()));
    }

    std::vector<Handler> handlers;  // In the places of `types`.
  };

  class Typed final : public HubState {
   public:
    explicit Typed(std::shared_ptr<const Definition> definition) : definition_(std::move(definition)) {}

    std::unique_ptr<HubState> clone() const override { return std::make_unique<Typed>(*this); }

    Result<Effects> apply(const Event& event, const Context& context) override {
      const std::size_t place = definition_->place_of(event.type);
      if (place == definition_->handlers.size())
        return Error{ErrorCode::UNKNOWN_TYPE,
                     "kind " + definition_->kind + " has no handler for events of type " + event.type};
      try {
        return definition_->handlers[place](state_, event.payload, context);
      } catch (...) {
        return detail::failure_of_handler();
      }
    }

    std::string encode() const override { return to_json(state_, JsonFor::kState); }

    Result<void> decode(std::string_view json) override {
      auto state = from_json<State>(json, JsonFor::kState);
      if (!state) return std::move(state.error());
      state_ = std::move(*state);
      return {};
    }

   private:
    std::shared_ptr<const Definition> definition_;
    State state_{};
  };

  Definition definition_;
};

template <class State>
BehaviourOf<State> Behaviour::of(std::string_view kind, std::uint32_t version) {
  return BehaviourOf<State>(kind, version);
}

}  // namespace carillon
