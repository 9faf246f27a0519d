// Names whoever numbers its sends: a client, a hub, the reminders of a hub, or a node on its own behalf, so that a client can
// never pass for another.
//
// Stored as one letter for the class and the name: `cscores.log`, `hmatch/3`, `rmatch/3`, `nant 4711`.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "messages/entity_id.h"
#include "messages/result.h"
#include "messages/table_hash.h"

namespace carillon {

// Counted by a producer from 1. 0 stands for "none yet".
using Sequence = std::uint64_t;

class ProducerId {
 public:
  static constexpr std::size_t kNameBytesMax = 256;

  // MALFORMED unless `name` is 1 to 256 bytes of UTF-8 without control characters.
  static Result<ProducerId> client(std::string_view name);
  static ProducerId hub(const EntityId& hub) { return ProducerId('h', hub.text()); }
  // The reminders that `hub` has set: numbered together with what it emits, they come when they are due.
  static ProducerId reminder(const EntityId& hub) { return ProducerId('r', hub.text()); }
  // MALFORMED as for client().
  static Result<ProducerId> node(std::string_view name);
  // Whether `stored` is what stored() gives.
  static bool is_stored(std::string_view stored);
  // For what is_stored(), as what comes from our own disk.
  static ProducerId trusted(std::string_view stored);

  bool is_client() const { return stored_[0] == 'c'; }
  bool is_hub() const { return stored_[0] == 'h'; }
  bool is_reminder() const { return stored_[0] == 'r'; }
  std::string_view name() const { return std::string_view(stored_).substr(1); }
  const std::string& stored() const { return stored_; }
  // For people: `client scores.log`, `hub match/3`, `reminder match/3`, `node ant 4711`.
  std::string text() const { return std::string(label()) + " " + std::string(name()); }
  std::string_view label() const;

  bool operator==(const ProducerId&) const = default;
  auto operator<=>(const ProducerId&) const = default;

 private:
  ProducerId(char letter, std::string_view name);
  static Result<ProducerId> named(char letter, std::string_view name);

  std::string stored_;
};

}  // namespace carillon

template <>
struct std::hash<carillon::ProducerId> {
  std::size_t operator()(const carillon::ProducerId& id) const noexcept { return carillon::table_hash(id.stored()); }
};
