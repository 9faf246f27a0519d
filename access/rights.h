// What one connection may do (P9). A value: cheap to copy, and it does not change; another token gives other rights.
//
// Pure; may be used on any thread. The clock is the caller's: rights say when they end, whoever holds them ends them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/pattern.h"
#include "messages/result.h"

namespace carillon::access {

// What a valid token says.
struct Claims {
  std::string subject;             // For whom it is: 1 to 200 bytes of printable UTF-8.
  std::int64_t expires_at_ms = 0;  // Unix milliseconds; from then on it is worth nothing.
  std::vector<Pattern> read;       // Entities whose mailbox may be read, followed, and whose positions may be stored.
  std::vector<Pattern> publish;    // Entities that may be published to.
  std::vector<Pattern> producers;  // Names under which may be published.
  bool operate = false;            // Inspect entities, see and settle dead letters, figures, the cluster, drain nodes.
  bool unlimited = false;          // What limits a subject's use of a node does not hold.
  std::string key;                 // The fingerprint of the key that signed it.
};

class Rights {
 public:
  // Of a connection that has shown no token yet: everything is UNAUTHENTICATED.
  Rights() = default;
  // Of everybody, at a node that was started without keys.
  static Rights everything();
  explicit Rights(Claims claims) : claims_(std::make_shared<const Claims>(std::move(claims))) {}

  bool may_read(std::string_view entity) const;
  bool may_publish(std::string_view entity) const;
  bool may_use_producer(std::string_view name) const;
  bool may_operate() const;

  // The same for those who pass a refusal on: FORBIDDEN or UNAUTHENTICATED, and what is missing.
  Result<void> check_read(std::string_view entity) const;
  Result<void> check_publish(std::string_view entity) const;
  Result<void> check_producer(std::string_view name) const;
  Result<void> check_operate() const;
  // UNAUTHENTICATED when no token was shown where one is needed.
  Result<void> check_authenticated() const;

  // Whether no more than the node's own limits hold for what it does.
  bool unlimited() const;

  // Empty where there is no token.
  const std::string& subject() const;
  // Unix milliseconds; nothing where there is no token.
  std::optional<std::int64_t> expires_at_ms() const;
  // The fingerprint of the key that signed the token; empty where there is none.
  const std::string& key() const;

 private:
  std::shared_ptr<const Claims> claims_;  // Null without a token.
  bool everything_ = false;
};

}  // namespace carillon::access
