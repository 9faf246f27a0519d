// How two nodes make sure of each other before a link carries anything: version, cluster, and a shared secret.
//
// Pure but for random numbers. Messages are Knocks of messages/link.capnp. Each side proves that it knows the secret by an
// HMAC-SHA256 (RFC 2104) over both nonces, both names and its own role, so that neither can be replayed or reflected;
// proofs are compared in constant time. Without a secret the proofs are empty, and nodes listen on loopback only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cluster/partition_record.h"
#include "messages/result.h"

namespace carillon::cluster {

inline constexpr std::uint32_t kLinkVersion = 6;

struct Identity {
  std::string cluster_id;
  NodeName node;
  std::string secret;  // Empty: none.
};

class Handshake {
 public:
  // The one who dials; says `hello` first.
  static Handshake dialer(Identity self, NodeName peer);
  // The one who is dialled.
  static Handshake acceptor(Identity self, NodeName peer);

  // What the dialer says first.
  const std::string& hello() const { return hello_; }

  struct Step {
    std::string reply;  // To be sent if not empty.
    bool met = false;   // Both are sure of each other.
  };
  // The other one said `knock`; nothing comes of what belongs to an earlier meeting. An error is the end of this meeting: FORBIDDEN names version, cluster or secret,
  // MALFORMED what does not decode, UNAVAILABLE what the other one gave as its reason.
  Result<Step> heard(std::string_view knock);

  // Names this meeting once both have met: the dialer's nonce.
  const std::string& meeting() const { return dialer_nonce_; }

 private:
  enum class State { kDialled, kWaits, kChallenged, kMet };
  Handshake(Identity self, NodeName peer, State state);
  std::string proof_of(std::string_view role) const;
  const NodeName& dialer_name() const { return is_dialer_ ? self_.node : peer_; }
  const NodeName& acceptor_name() const { return is_dialer_ ? peer_ : self_.node; }

  Identity self_;
  NodeName peer_;
  bool is_dialer_;
  State state_;
  std::string hello_;
  std::string dialer_nonce_, acceptor_nonce_;
};

// Who says hello; MALFORMED when `knock` is no hello.
Result<NodeName> caller_of(std::string_view knock);
// What tells the other side why it is not let in.
std::string refusal_knock(std::string_view reason);

}  // namespace carillon::cluster
