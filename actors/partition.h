// A partition: the actor around the pure runtime::Partition. It is the only writer of its entities.
//
// Thin: a message in, a call on the partition, `perform` carries the outputs out. A broken invariant within it leads to
// a clean reload from disk, in place: nobody needs another address, and nothing that was acknowledged is lost.
#pragma once

#include <caf/all.hpp>

#include <memory>
#include <unordered_map>

#include "actors/log_pause.h"
#include "actors/messages.h"
#include "actors/wall_clock.h"
#include "runtime/partition.h"
#include "runtime/store.h"

namespace carillon::actors {

struct PartitionOptions {
  runtime::Partition::Options partition;
  std::shared_ptr<runtime::Store> store;
  caf::actor journal;
  // Called on a reload, from this actor: publish calls in flight are void, and `life` counts from 0.
  std::function<void(PartitionId, std::uint64_t life)> reloaded;
  // Called, from this actor, when it cannot be loaded: somebody else may have what can. None on a node that is alone.
  std::function<void(const Error&)> unreadable = {};
  std::shared_ptr<runtime::EmissionBytes> emission_bytes = nullptr;  // Of all hubs of the node.
};

struct LoadAgainDue {};  // What could not be read may have been the disk's bad moment.

struct PartitionActorState {
  std::unique_ptr<runtime::Partition> partition;  // Null while it cannot be loaded.
  WallClock clock;
  runtime::Partition::Counters counted_before;  // By those that were loaded before this one.
  std::optional<PartitionOptions> options;
  std::optional<Error> problem;  // Why it is not loaded.
  Partitions peers;

  struct HubActor {
    caf::actor actor;
    std::uint64_t incarnation = 0;
    Clock::time_point fed;
  };
  std::unordered_map<EntityId, HubActor> hubs;
  std::unordered_map<caf::actor_addr, EntityId> hub_addresses;
  std::unordered_map<EntityId, caf::actor> players;

  std::unordered_map<runtime::SessionId, std::shared_ptr<SessionHost>> sessions;

  bool perform_due = false;
  bool commit_under_way = false;
  bool reload_wanted = false;
  Clock::time_point commit_sent;
  std::uint64_t reloads = 0;
  std::uint64_t bugs = 0;  // That it was loaded anew for.
  LatencyHistogram commit_latency, fold_latency;
  LogPause dead_letters_named;  // In the log.

  std::uint64_t operations = 0;
  std::unordered_map<std::uint64_t, std::function<void(Result<Offset>)>> operation_answers;
  std::vector<InspectHub> inspections;  // Of hubs that are being activated.
  caf::actor drain_reply_to;
  bool draining = false;
  bool had_work = true;  // Since it last said that it is drained.
};

caf::behavior partition(caf::stateful_actor<PartitionActorState>* self, PartitionOptions options);

}  // namespace carillon::actors

CARILLON_LOCAL_MESSAGE(LoadAgainDue)
