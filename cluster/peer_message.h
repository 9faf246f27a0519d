// What replicas say to one another, as values, and their bytes (messages/peer.capnp, which has the meaning of each
// field). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cluster/entry.h"
#include "cluster/etcd_values.h"
#include "cluster/partition_record.h"
#include "messages/entity_id.h"

namespace carillon::cluster {

inline constexpr std::uint64_t kNoLease = 0;

struct Append {
  Index previous_index = 0;
  Epoch previous_epoch = 0;
  std::vector<Entry> entries;
  Index commit = 0;
  std::uint64_t sent_at = kNoLease;  // Microseconds. kNoLease: the primary reads nothing, and gives its leases back.
  bool stuck = false;                // It cannot commit, and cannot reach etcd about it.
  bool operator==(const Append&) const = default;
};

struct AppendAnswer {
  Index durable = 0;
  Index received = 0;
  std::uint64_t lease_from = kNoLease;
  bool again = false;
  bool installing = false;
  bool operator==(const AppendAnswer&) const = default;
};

struct AskEpochEnd {
  Epoch last_epoch = 0;
  Index last_index = 0;
  bool worthless = false;
  bool keeps_missing_entries = false;
  bool operator==(const AskEpochEnd&) const = default;
};

struct EpochEnd {
  Epoch asked_epoch = 0;
  Index asked_index = 0;
  Epoch epoch = 0;
  Index end_index = 0;
  Index last_index = 0;
  bool operator==(const EpochEnd&) const = default;
};

struct CopyBegin {
  std::uint64_t copy = 0;
  Index base_index = 0;
  Epoch base_epoch = 0;
  bool operator==(const CopyBegin&) const = default;
};

struct CopyCredit {
  std::uint64_t copy = 0;
  std::uint64_t written = 0;
  std::uint64_t chunks = 0;
  bool operator==(const CopyCredit&) const = default;
};

struct CopyChunk {
  std::uint64_t copy = 0;
  std::uint64_t number = 0;
  std::string records;
  bool last = false;
  Index through = 0;
  bool operator==(const CopyChunk&) const = default;
};

struct Refusal {
  bool operator==(const Refusal&) const = default;
};

struct DiskFailure {
  bool operator==(const DiskFailure&) const = default;
};

struct Nomination {
  PartitionRecord record;
  Revision revision = 0;
  bool operator==(const Nomination&) const = default;
};

struct PeerMessage {
  PartitionId partition;
  ReplicaId from;
  Epoch epoch = 0;
  std::variant<Append, AppendAnswer, AskEpochEnd, EpochEnd, CopyBegin, CopyCredit, CopyChunk, Refusal, DiskFailure,
               Nomination>
      body;

  bool operator==(const PeerMessage&) const = default;
};

std::string encode(const PeerMessage& message);

// MALFORMED for whatever is no such message: bytes that do not decode, a node or store that is no name, a count or
// length that the bytes do not bear out. Never reads or takes more memory than a small multiple of `bytes`. Whether the
// writes of entries and chunks are well-formed is judged by who takes them in (Replica).
Result<PeerMessage> decode_peer_message(std::string_view bytes);

}  // namespace carillon::cluster
