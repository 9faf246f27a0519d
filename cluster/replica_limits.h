// The times and limits of replication, with their defaults (P7).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace carillon::cluster {

struct ReplicaTimeouts {
  std::chrono::milliseconds heartbeat{40};             // A primary says at least so often that it lives.
  std::chrono::milliseconds read_lease{150};           // For so long a backup does not nominate itself.
  std::chrono::milliseconds lease_margin{15};          // The primary counts so much less: clocks may differ by a tenth.
  std::chrono::milliseconds suspect_after{500};        // Who has said nothing for so long is taken for dead.
  std::chrono::milliseconds stalled_after{3'000};      // Who lives, but has got no entry to disk for so long.
  std::chrono::milliseconds stagger{30};               // Between the nominations of members, by their place.
  std::chrono::milliseconds repeat_after{250};         // A proposal or question without an answer is made again.
  std::chrono::milliseconds hand_over_max{2'000};      // A hand-over that has not come about is given up.
  std::chrono::milliseconds copy_again_after{10'000};  // When what a copy is made of could not be read.
  std::chrono::milliseconds discard_after{5'000};  // A stranger to whom no primary speaks for so long erases its copy.
};

struct ReplicaLimits {
  // The log that is kept for replicas that were away. Behind it they get a copy of the records.
  std::uint64_t log_entries_kept = 65'536;
  std::uint64_t log_bytes_kept = 256ull << 20;
  // On the way to one backup.
  std::size_t append_bytes_max = 1u << 20;  // In one message; a larger entry goes alone.
  std::size_t unanswered_bytes_max = 8u << 20;
  // The same to one that is not in sync, so that what is waited for does not stand in its journal behind what is not.
  std::size_t catching_up_bytes_max = 256u << 10;
  // A copy of the records.
  std::size_t chunk_bytes = 64u << 10;
  std::uint64_t chunks_ahead = 2;  // Credit: sent and not yet written.
  // In one write.
  std::size_t apply_bytes_max = 4u << 20;
  std::size_t erase_keys_max = 4'096;
  // Entries kept in memory besides those that are not on disk yet.
  std::size_t cache_bytes = 1u << 20;
};

}  // namespace carillon::cluster
