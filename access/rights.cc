#include "access/rights.h"

#include <algorithm>

namespace carillon::access {
namespace {

const std::string kNobody;

bool any_matches(const std::vector<Pattern>& patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [&](const Pattern& pattern) { return pattern.matches(name); });
}

}  // namespace

Rights Rights::everything() {
  Rights rights;
  rights.everything_ = true;
  return rights;
}

bool Rights::may_read(std::string_view entity) const {
  return everything_ || (claims_ && any_matches(claims_->read, entity));
}

bool Rights::may_publish(std::string_view entity) const {
  return everything_ || (claims_ && any_matches(claims_->publish, entity));
}

bool Rights::may_use_producer(std::string_view name) const {
  return everything_ || (claims_ && any_matches(claims_->producers, name));
}

bool Rights::may_operate() const { return everything_ || (claims_ && claims_->operate); }

bool Rights::unlimited() const { return claims_ && claims_->unlimited; }

Result<void> Rights::check_authenticated() const {
  if (everything_ || claims_) return {};
  return Error{ErrorCode::UNAUTHENTICATED, "this node needs a token, and none was shown", 0};
}

Result<void> Rights::check_read(std::string_view entity) const {
  if (may_read(entity)) return {};
  if (auto authenticated = check_authenticated(); !authenticated) return authenticated;
  return Error{ErrorCode::FORBIDDEN, "the token of " + subject() + " does not let it read " + std::string(entity), 0};
}

Result<void> Rights::check_publish(std::string_view entity) const {
  if (may_publish(entity)) return {};
  if (auto authenticated = check_authenticated(); !authenticated) return authenticated;
  return Error{ErrorCode::FORBIDDEN, "the token of " + subject() + " does not let it publish to " + std::string(entity),
               0};
}

Result<void> Rights::check_producer(std::string_view name) const {
  if (may_use_producer(name)) return {};
  if (auto authenticated = check_authenticated(); !authenticated) return authenticated;
  return Error{ErrorCode::FORBIDDEN,
               "the token of " + subject() + " does not let it publish as producer " + std::string(name) +
                   "; the producer's name is the token's subject, or begins with it and /",
               0};
}

Result<void> Rights::check_operate() const {
  if (may_operate()) return {};
  if (auto authenticated = check_authenticated(); !authenticated) return authenticated;
  return Error{ErrorCode::FORBIDDEN, "the token of " + subject() + " is not an operator's (claim carillon.operate)", 0};
}

const std::string& Rights::subject() const { return claims_ ? claims_->subject : kNobody; }

std::optional<std::int64_t> Rights::expires_at_ms() const {
  if (!claims_) return std::nullopt;
  return claims_->expires_at_ms;
}

const std::string& Rights::key() const { return claims_ ? claims_->key : kNobody; }

}  // namespace carillon::access
