// What etcd holds and answers, as plain values: for the client that talks to one, and for whoever stands in for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "messages/result.h"

namespace carillon::cluster {

using Revision = std::uint64_t;  // Counts the changes of the whole etcd, from 1.
using LeaseId = std::uint64_t;   // 0: none.

struct EtcdEntry {
  std::string key;
  std::string value;
  Revision modified = 0;  // Of its last change.
  LeaseId lease = 0;      // The entry goes when this lease ends.

  bool operator==(const EtcdEntry&) const = default;
};

struct EtcdRange {
  std::vector<EtcdEntry> entries;  // By key.
  Revision revision = 0;           // At which they stood so.
};

// What became of a write.
struct WriteOutcome {
  enum class Kind {
    kDone,     // Written at `revision`.
    kLost,     // The condition did not hold: `current` stands there.
    kUnknown,  // It may or may not have been written, or be written yet: read again. `error` says why.
    kNotSent,  // No etcd could be reached: it is not written, and will not be. `error` says why.
  };
  Kind kind = Kind::kUnknown;
  Revision revision = 0;
  std::optional<EtcdEntry> current;  // Nothing: there is no such key.
  Error error;

  bool done() const { return kind == Kind::kDone; }
  bool lost() const { return kind == Kind::kLost; }
  bool unanswered() const { return kind == Kind::kUnknown || kind == Kind::kNotSent; }
};

// One key's change. Without an entry's `value` when `erased`; `modified` is then the revision of the erasure.
struct EtcdChange {
  EtcdEntry entry;
  bool erased = false;
};

// What a watch has seen since the last batch; never a part of a revision.
struct WatchBatch {
  // The changes in between are not known: `entries` is all there is at `revision`, and what is not among it is gone.
  bool reset = false;
  std::vector<EtcdEntry> entries;
  std::vector<EtcdChange> changes;  // When it is no reset: in order of their revisions.
  Revision revision = 0;            // Everything up to this one has been told.
};

}  // namespace carillon::cluster
