#include "cluster/log_record.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>
#include <kj/exception.h>
#include <messages/record.capnp.h>

#include <cstring>

namespace carillon::cluster {
namespace {

constexpr std::size_t kScratchWords = 32;  // More than a small record takes.

std::string flatten(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

template <class Record, class T, class Read>
Result<T> decode(std::string_view bytes, const char* what, Read&& read) {
  const auto damaged = [what] {
    return Error{ErrorCode::UNAVAILABLE, std::string("a stored ") + what + " does not decode; run `carillon verify`"};
  };
  try {
    if (bytes.size() % sizeof(capnp::word) != 0) return damaged();
    auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    if (!bytes.empty()) std::memcpy(static_cast<void*>(words.begin()), bytes.data(), bytes.size());
    capnp::ReaderOptions options;
    options.traversalLimitInWords = words.size() + 64;
    capnp::FlatArrayMessageReader message(words, options);
    return T(read(message.getRoot<Record>()));
  } catch (const kj::Exception&) {
    return damaged();
  }
}

}  // namespace

std::string encode_log_entry(Epoch epoch, std::uint64_t position, const std::string& writes) {
  capnp::MallocMessageBuilder message(static_cast<unsigned>(writes.size() / sizeof(capnp::word) + 16));
  auto stored = message.initRoot<record::LogEntry>();
  stored.setEpoch(epoch);
  stored.setPosition(position);
  stored.setWrites({reinterpret_cast<const capnp::byte*>(writes.data()), writes.size()});
  return flatten(message);
}

Result<StoredEntry> decode_log_entry(std::string_view bytes) {
  return decode<record::LogEntry, StoredEntry>(bytes, "entry of a log", [](record::LogEntry::Reader stored) {
    const auto writes = stored.getWrites();
    return StoredEntry{stored.getEpoch(), stored.getPosition(),
                       std::string(reinterpret_cast<const char*>(writes.begin()), writes.size())};
  });
}

std::string encode_epoch_begin(Index index) {
  capnp::word scratch[kScratchWords] = {};
  capnp::MallocMessageBuilder message(kj::arrayPtr(scratch, kScratchWords));
  message.initRoot<record::EpochBegin>().setIndex(index);
  return flatten(message);
}

Result<Index> decode_epoch_begin(std::string_view bytes) {
  return decode<record::EpochBegin, Index>(bytes, "beginning of an epoch",
                                           [](record::EpochBegin::Reader stored) { return stored.getIndex(); });
}

std::string encode(const StoredReplicaState& state) {
  capnp::word scratch[kScratchWords] = {};
  capnp::MallocMessageBuilder message(kj::arrayPtr(scratch, kScratchWords));
  auto stored = message.initRoot<record::ReplicaState>();
  stored.setApplied(state.applied);
  stored.setBaseIndex(state.base_index);
  stored.setBaseEpoch(state.base_epoch);
  stored.setBegun(state.begun);
  stored.setInstalling(state.installing);
  stored.setWholeFrom(state.whole_from);
  stored.setBasePosition(state.base_position);
  stored.setApplying(state.applying);
  stored.setKeepsMissingEntries(state.keeps_missing_entries);
  return flatten(message);
}

Result<StoredReplicaState> decode_replica_state(std::string_view bytes) {
  return decode<record::ReplicaState, StoredReplicaState>(
      bytes, "state of a replica", [](record::ReplicaState::Reader stored) {
        return StoredReplicaState{stored.getApplied(),      stored.getBaseIndex(),  stored.getBaseEpoch(),
                                  stored.getBegun(),        stored.getInstalling(), stored.getWholeFrom(),
                                  stored.getBasePosition(), stored.getApplying(),   stored.getKeepsMissingEntries()};
      });
}

}  // namespace carillon::cluster
