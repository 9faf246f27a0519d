// One connection, as far as it is counted: how much its address, and the subject of the token that it shows, use of the node
// on all their connections together (P7, P9; docs/security.md, Limits).
//
// Belongs to its gateway thread, and lives as long as the connection. Looked up once for a connection and once for a token
// that is shown; after that a call costs a comparison or two, an event nothing.
#pragma once

#include <kj/async-io.h>

#include <optional>
#include <string>

#include "access/quotas.h"
#include "access/rights.h"
#include "actors/edge.h"

namespace carillon::actors {

class Visit {
 public:
  explicit Visit(Edge& edge) : edge_(edge) { ++edge_.counters.connections; }
  ~Visit() {
    (void)keep(0);
    --edge_.counters.connections;
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  // False when the address that `stream` comes from has as many connections as it may, or the client is gone already.
  [[nodiscard]] bool begin(kj::AsyncIoStream& stream);
  // Whether the bytes that come are counted, or will be once a token is shown.
  bool counts_bytes() const;
  // From here on the connection counts as that of the token's subject, and of no other one. LIMIT_EXCEEDED when they have as
  // many as they may; then it is nobody's.
  Result<void> enter(const access::Rights& rights);

  // Why not so many events may be published now, if so: OVERLOADED, and when they may be.
  std::optional<Error> refusal_of(std::uint32_t events, std::uint32_t counted = 0);
  // They were.
  void published(std::uint32_t events);
  // The same for a request that is something else; what is not refused is counted.
  std::optional<Error> request();
  // Of a message that is not complete yet so many bytes have come. False when that is more than there is room for: on the node,
  // or of what one address or subject may take of it.
  [[nodiscard]] bool keep(std::uint64_t bytes);
  // Bytes came. How long nothing more is to be read.
  Clock::duration received(std::size_t bytes);
  // The same when none came.
  Clock::duration owed();

 private:
  // Of address and subject, as far as they are limited.
  template <class Use>
  void for_each(Use&& use);

  Result<void> become(const access::Rights& rights);

  Edge& edge_;
  std::uint64_t kept_ = 0;
  std::optional<access::Quotas::Place> address_, subject_;
  std::string subject_name_;  // Whose place it is.
  bool unlimited_ = false;    // As its token says.
};

}  // namespace carillon::actors
