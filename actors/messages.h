// What the actors of one node say to each other. All of it stays within the process.
//
// Requests are orders (`Commit`), events are history (`Committed`), timers are `…Due`.
#pragma once

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/session_host.h"
#include "runtime/partition.h"

namespace carillon::actors {

// The right to read a page of history now (reading_turns.h). Over when the last copy is gone, on whatever thread; so a session
// that has ended meanwhile keeps none.
using ReadingTurn = std::shared_ptr<void>;

using Partitions = std::shared_ptr<const std::vector<caf::actor>>;  // By partition number.

// --- partition <-> journal

struct Commit {
  PartitionId partition;
  caf::actor reply_to;
  runtime::WriteSet writes;
  bool sync = true;  // Without, it is only made readable.
};
struct Committed {};
struct CommitFailed {
  Error error;
};
struct GatherDue {};

// --- node -> partition

struct Peers {
  Partitions partitions;
};
struct TickDue {};
struct PerformDue {};  // To itself: everything that waited in the mailbox was taken in.
struct Drain {
  caf::actor reply_to;
};
struct Drained {
  PartitionId partition;
  bool had_work = false;  // Hubs were active since it last said so; what they emitted may be work for others that have.
};
struct Stop {};       // The node ends; so do the actors that the partition has spawned.
struct RestartHubs {  // What was on its way to that partition may be lost.
  PartitionId target;
};

// --- gateway and sessions <-> partition

struct SessionOpened {
  runtime::SessionId session = 0;
  std::shared_ptr<SessionHost> host;
};
struct SessionClosed {
  runtime::SessionId session = 0;
};
struct Publish {
  runtime::PublishRequest request;
  std::uint64_t life = 0;  // Of the partition, as its `reloaded` told; what was meant for an earlier one is dropped.
};
struct FollowEntity {
  runtime::Follower follower;
  EntityId entity;
};
struct UnfollowEntity {
  runtime::Follower follower;
  EntityId entity;
};
struct ReadPage {
  EntityId entity;
  Offset from = 1;
  runtime::PageLimits limits;
  std::function<void(Result<EventRun>)> answer;  // Called by the player actor.
};
struct InspectEntity {
  EntityId entity;
  std::function<void(Result<runtime::Partition::Inspection>)> answer;
};
struct ListDeadLetters {
  std::optional<EntityId> entity;  // Nothing: of the whole partition.
  std::size_t most = 0;
  std::function<void(Result<std::vector<runtime::DeadLetterEntry>>)> answer;
};
struct InspectHub {
  EntityId hub;
  struct Answer {
    Offset cursor = 0;
    std::string state;
    std::uint32_t behaviour_version = 0;
  };
  std::function<void(Result<Answer>)> answer;
};
struct StartOperation {  // Redrive or discard.
  EntityId entity;
  Offset offset = 0;
  bool redrive = false;
  std::function<void(Result<Offset>)> answer;
};
struct PartitionStats {
  // What is counted, of an earlier term or life.
  void add(const PartitionStats& past);

  PartitionId partition;
  runtime::Partition::Counters counters;
  std::uint64_t reloads = 0;
  bool available = true;
  std::string problem;
  LatencyHistogram commit, fold;
  runtime::Partition::StandingStill not_installed, not_computed;
  std::vector<runtime::Busiest::Count> busiest;  // The busiest first.
  UnixMs busiest_ms = 0;                         // In how long a time.
};
struct AskStats {
  std::function<void(PartitionStats)> answer;
};
struct PartitionEnded {  // To its route: what it has counted.
  PartitionStats figures;
};

// --- partition <-> partition

struct EmissionsArrived {
  PartitionId from;
  std::vector<runtime::HubEmissions> emissions;
};
struct EmissionsAccepted {
  PartitionId by;
  std::vector<runtime::EmissionAck> acks;
};

// --- partition <-> hub

struct FeedHub {
  Offset catch_up = 0;
  std::vector<runtime::EventSlice> events;
};
struct EmissionsAcknowledged {
  PartitionId by;
  Sequence upto = 0;
};
struct ContinueDue {};
struct RestDue {};
struct RestSoon {};  // A drain, or others wait: rest as soon as there is nothing to do.
struct Dismiss {};
struct HubStale {  // Its emissions have to be computed again.
  EntityId hub;
  std::uint64_t incarnation = 0;
};
struct Rest {
  EntityId hub;
  std::uint64_t incarnation = 0;
  Offset folded = 0;
  std::optional<runtime::Snapshot> snapshot;
};

// --- partition <-> player

struct PlayerIdle {
  EntityId entity;
  caf::actor actor;
};

// --- session <-> reading turns

struct WantTurn {
  PartitionId partition;
  std::function<void(ReadingTurn)> granted;  // Called once, by the actor.
};
struct TurnOver {
  PartitionId partition;
};

}  // namespace carillon::actors

#define CARILLON_LOCAL_MESSAGE(Type) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(carillon::actors::Type)
CARILLON_LOCAL_MESSAGE(Commit)
CARILLON_LOCAL_MESSAGE(Committed)
CARILLON_LOCAL_MESSAGE(CommitFailed)
CARILLON_LOCAL_MESSAGE(GatherDue)
CARILLON_LOCAL_MESSAGE(Peers)
CARILLON_LOCAL_MESSAGE(TickDue)
CARILLON_LOCAL_MESSAGE(PerformDue)
CARILLON_LOCAL_MESSAGE(Drain)
CARILLON_LOCAL_MESSAGE(Drained)
CARILLON_LOCAL_MESSAGE(Stop)
CARILLON_LOCAL_MESSAGE(RestartHubs)
CARILLON_LOCAL_MESSAGE(SessionOpened)
CARILLON_LOCAL_MESSAGE(SessionClosed)
CARILLON_LOCAL_MESSAGE(Publish)
CARILLON_LOCAL_MESSAGE(FollowEntity)
CARILLON_LOCAL_MESSAGE(UnfollowEntity)
CARILLON_LOCAL_MESSAGE(ReadPage)
CARILLON_LOCAL_MESSAGE(InspectEntity)
CARILLON_LOCAL_MESSAGE(ListDeadLetters)
CARILLON_LOCAL_MESSAGE(InspectHub)
CARILLON_LOCAL_MESSAGE(StartOperation)
CARILLON_LOCAL_MESSAGE(AskStats)
CARILLON_LOCAL_MESSAGE(PartitionEnded)
CARILLON_LOCAL_MESSAGE(EmissionsArrived)
CARILLON_LOCAL_MESSAGE(EmissionsAccepted)
CARILLON_LOCAL_MESSAGE(FeedHub)
CARILLON_LOCAL_MESSAGE(EmissionsAcknowledged)
CARILLON_LOCAL_MESSAGE(ContinueDue)
CARILLON_LOCAL_MESSAGE(RestDue)
CARILLON_LOCAL_MESSAGE(RestSoon)
CARILLON_LOCAL_MESSAGE(Dismiss)
CARILLON_LOCAL_MESSAGE(HubStale)
CARILLON_LOCAL_MESSAGE(Rest)
CARILLON_LOCAL_MESSAGE(PlayerIdle)
CARILLON_LOCAL_MESSAGE(WantTurn)
CARILLON_LOCAL_MESSAGE(TurnOver)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(carillon::runtime::HubReport)
