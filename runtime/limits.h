// Every limit of the runtime with its default (P7). The README's table is this list.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace carillon::runtime {

struct Limits {
  // What a publisher may send.
  std::size_t payload_bytes_max = 64 * 1024;
  std::size_t batch_events_max = 8'192;  // In one publish call.

  // What one commit of a partition takes in; what comes beyond that waits for the next. It ends with the call, or the
  // emissions of one hub, that reaches it.
  std::size_t commit_bytes_max = 16 * 1024 * 1024;

  // What a partition keeps in memory. Mailboxes in use (staged, active, followed) count but are never dropped.
  std::size_t mailboxes_cached = 32'768;
  std::size_t windows_cached = 16'384;
  std::size_t active_hubs_max = 4'096;  // More wait on disk, behind their unfinished markers.

  // What one hub has under way.
  std::size_t hub_events_ahead_max = 1'024;          // Handed over and not yet folded; beyond that it reads from disk.
  std::size_t hubs_aside_max = 4;                    // At a time, of one partition: each takes a thread.
  std::uint64_t events_aside = 4'096;                // With so many on disk before it, a hub works aside (Partition).
  std::size_t emissions_unacknowledged_max = 1'024;  // To one partition; the receiver's window spans as many.

  // What all hubs of a node have computed that is not known to be stored where it goes. Beyond it only those go on that hold none of
  // it, and beyond twice as much nobody does.
  std::size_t emission_bytes_max = 128u << 20;

  // Commits of a node that somebody holds in memory still: hubs that have not handled an event of them yet, sessions. Beyond it hubs are
  // fed from disk.
  std::size_t commits_held_bytes_max = 128u << 20;

  // A failing event is tried again, then it goes to the dead letters (P6).
  std::uint32_t retries = 3;
  std::chrono::milliseconds retry_pause{200};
  // Of one hub, that nobody has redriven or discarded: beyond it the oldest is discarded for each new one.
  std::uint64_t dead_letters_max = 10'000;

  // When a hub's state is saved, and when it is put to rest.
  std::uint64_t events_per_snapshot = 1'000;
  std::uint64_t events_per_cursor = 256;
  std::chrono::milliseconds passivate_after{10'000};

  // One read of a mailbox from disk: a page ends with the first event that reaches either.
  std::size_t page_events_max = 1'000;
  std::size_t page_bytes_max = 1024 * 1024;

  // How long a client's window is remembered (the deduplication horizon of P2). What mailboxes keep: runtime/retention.h.
  std::chrono::hours deduplication_horizon{7 * 24};
};

}  // namespace carillon::runtime
