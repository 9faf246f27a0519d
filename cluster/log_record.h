// Encodes and decodes the values in which a replica keeps its log (messages/record.capnp). Pure. Decoding what is damaged
// is a failure, never a crash.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cluster/entry.h"
#include "messages/result.h"

namespace carillon::cluster {

struct StoredEntry {
  Epoch epoch = 0;
  std::uint64_t position = 0;
  std::string writes;
};
std::string encode_log_entry(Epoch epoch, std::uint64_t position, const std::string& writes);
Result<StoredEntry> decode_log_entry(std::string_view bytes);

std::string encode_epoch_begin(Index index);
Result<Index> decode_epoch_begin(std::string_view bytes);

struct StoredReplicaState {
  Index applied = 0;
  Index base_index = 0;
  Epoch base_epoch = 0;
  Epoch begun = 0;
  bool installing = false;
  Index whole_from = 0;
  std::uint64_t base_position = 0;
  Index applying = 0;
  bool keeps_missing_entries = false;
};
std::string encode(const StoredReplicaState& state);
Result<StoredReplicaState> decode_replica_state(std::string_view bytes);

}  // namespace carillon::cluster
