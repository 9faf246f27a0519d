#include "runtime/behaviour.h"

#include <algorithm>
#include <stdexcept>

#include "messages/text.h"

namespace carillon {
namespace {

// The output function of splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

}  // namespace

// The offset is mixed before it is added, or an event's second number would be the next event's first.
Context::Context(const EntityId& self, Offset offset, const ProducerId& producer, Sequence sequence, UnixMs now)
    : self_(&self),
      producer_(&producer),
      offset_(offset),
      sequence_(sequence),
      now_(now),
      random_(self.hash() ^ mix(offset)) {}

std::uint64_t Context::random() const { return mix(random_ += 0x9e3779b97f4a7c15ull); }

Context any_context(UnixMs now, Offset offset) {
  static const EntityId kSelf = EntityId::trusted("test/1");
  static const ProducerId kProducer = ProducerId::trusted("ctest");
  return Context(kSelf, offset, kProducer, offset, now);
}

// What the event makes impossible each time, and is therefore not tried again.
namespace {
struct NoSuchPlayer : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};
struct TooManyEffects : std::length_error {
  using std::length_error::length_error;
};
}  // namespace

std::vector<std::string> Effects::notified() const {
  std::vector<std::string> players;
  for (const Effect& effect : list_)
    if (effect.target.is_player() && !effect.due) players.emplace_back(effect.target.key());
  return players;
}

void Effects::add(EntityId target, std::string_view type, std::string payload, std::optional<UnixMs> due) {
  payload_bytes_ += payload.size();
  if (list_.size() == kEffectsMax || payload_bytes_ > kPayloadBytesMax)
    throw TooManyEffects("one event has at most 65536 effects, of 16 MiB together");
  list_.push_back({std::move(target), std::string(type), std::move(payload), due});
}

EntityId Effects::player_of(std::string_view key) {
  auto player = EntityId::of(kPlayerKind, key);
  if (!player) throw NoSuchPlayer("no player has this name: " + player.error().message);
  return std::move(*player);
}

std::size_t Behaviour::Definition::place_of(std::string_view type) const {
  return static_cast<std::size_t>(std::find(types.begin(), types.end(), type) - types.begin());
}

Result<void> Catalogue::add(Behaviour behaviour, Publishers publishers) {
  std::string kind = behaviour.kind();
  if (!is_name(kind, EntityId::kKindBytesMax))
    return Error{
        ErrorCode::MALFORMED,
        "a kind is a lower-case letter and up to 31 more of a-z, 0-9, '_' and '-'; this one is '" + kind + "'"};
  if (kind == kPlayerKind) return Error{ErrorCode::MALFORMED, "the kind player is built in; choose another name"};
  if (behaviour.version() == 0)
    return Error{ErrorCode::MALFORMED, "versions of behaviours count from 1; that of " + kind + " is 0"};
  if (behaviour.snapshots_since() == 0 || behaviour.snapshots_since() > behaviour.version())
    return Error{ErrorCode::MALFORMED, "kind " + kind + " reads snapshots since version " +
                                           std::to_string(behaviour.snapshots_since()) +
                                           "; that is one from 1 to its own, " + std::to_string(behaviour.version())};
  const auto& types = behaviour.types();
  for (auto type = types.begin(); type != types.end(); ++type)
    if (std::find(types.begin(), type, *type) != type)
      return Error{ErrorCode::MALFORMED, "kind " + kind + " has two handlers for events of type " + std::string(*type)};
  if (behaviours_.contains(kind))
    return Error{ErrorCode::MALFORMED, "there is a behaviour of kind " + kind + " already"};
  behaviours_.emplace(std::move(kind), Installed{std::move(behaviour), publishers});
  return {};
}

const Behaviour* Catalogue::find(std::string_view kind) const {
  const auto found = behaviours_.find(kind);
  return found == behaviours_.end() ? nullptr : &found->second.behaviour;
}

bool Catalogue::takes_from(std::string_view kind, const ProducerId& producer) const {
  const auto found = behaviours_.find(kind);
  CHECK(found != behaviours_.end());
  return !producer.is_client() || found->second.publishers == Publishers::kClients;
}

std::vector<std::string> Catalogue::kinds() const {
  std::vector<std::string> kinds;
  for (const auto& [kind, behaviour] : behaviours_) kinds.push_back(kind);
  return kinds;
}

namespace detail {

Error failure_of_handler() {
  try {
    throw;
  } catch (const NoSuchPlayer& thrown) {
    return {ErrorCode::MALFORMED, std::string("the handler failed: ") + thrown.what()};
  } catch (const TooManyEffects& thrown) {
    return {ErrorCode::MALFORMED, std::string("the handler failed: ") + thrown.what()};
  } catch (const std::exception& thrown) {
    return {ErrorCode::UNAVAILABLE, std::string("the handler failed: ") + thrown.what()};
  } catch (...) {
    return {ErrorCode::UNAVAILABLE, "the handler failed: it threw something that is no std::exception"};
  }
}

}  // namespace detail
}  // namespace carillon
