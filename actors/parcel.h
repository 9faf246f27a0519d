// What nodes say to each other about partitions, and the frames in which it travels (messages/link.capnp).
//
// Pure values. Decoding bounds what it reads and never crashes on garbage: MALFORMED says what is wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/messages.h"
#include "runtime/partition.h"

namespace carillon::actors {

// --- Parcels. Session numbers are those of the node where the client is connected.

struct ReplicationParcel {
  std::string bytes;  // A message of peer.capnp.
};
struct PublishParcel {
  runtime::PublishRequest request;
  std::uint64_t way = 0;
};
struct PublishedParcel {
  runtime::Published published;
};
struct FollowParcel {
  runtime::Follower follower;
  EntityId entity;
};
struct UnfollowParcel {
  runtime::Follower follower;
  EntityId entity;
};
struct FollowingParcel {
  runtime::SessionId session = 0;
  Following answer;
};
struct SessionClosedParcel {
  runtime::SessionId session = 0;
};
struct DeliveriesParcel {
  runtime::SessionId session = 0;
  std::vector<runtime::Delivery> deliveries;
};
struct ReloadedParcel {};
struct PublishRefusedParcel {
  std::uint64_t way = 0;
};
struct NotPrimaryParcel {
  std::uint64_t epoch = 0;  // That the sender knows.
};
struct PrimaryHereParcel {
  std::uint64_t epoch = 0;  // In which the sender serves.
};
struct NotSureParcel {                             // Ask again in a moment.
  std::variant<std::uint64_t, FollowParcel> what;  // A question's number, or what was asked.
};

struct QuestionParcel {
  struct ReadPage {
    EntityId entity;
    Offset from = 1;
    runtime::PageLimits limits;
  };
  struct Inspect {
    EntityId entity;
  };
  struct InspectHub {
    EntityId hub;
  };
  struct ListDeadLetters {
    std::optional<EntityId> entity;
    std::size_t most = 0;
  };
  struct Operate {
    EntityId entity;
    Offset offset = 0;
    bool redrive = false;
  };
  std::uint64_t number = 0;
  std::variant<ReadPage, Inspect, InspectHub, ListDeadLetters, Operate> what;
};

struct AnswerParcel {
  using DeadLetters = std::vector<runtime::DeadLetterEntry>;
  std::uint64_t number = 0;
  std::variant<Error, EventRun, runtime::Partition::Inspection, InspectHub::Answer, DeadLetters, Offset> what;
};

struct EmissionsParcel {
  PartitionId from;
  std::vector<runtime::HubEmissions> emissions;
};
struct EmissionsAcceptedParcel {
  PartitionId by;
  std::vector<runtime::EmissionAck> acks;
};

struct Parcel {
  PartitionId partition;
  std::variant<ReplicationParcel, PublishParcel, PublishedParcel, FollowParcel, FollowingParcel, SessionClosedParcel,
               DeliveriesParcel, ReloadedParcel, PublishRefusedParcel, NotPrimaryParcel, PrimaryHereParcel,
               NotSureParcel, QuestionParcel, AnswerParcel, EmissionsParcel, EmissionsAcceptedParcel, UnfollowParcel>
      content;
};

// About as many bytes as it takes in memory and on the wire.
std::size_t bytes_of(const Parcel& parcel);
std::size_t bytes_of(const std::vector<runtime::HubEmissions>& emissions);

// An answer that has more than `kAnswerBytesMax` becomes an error that says so: it would hold up everything behind it.
inline constexpr std::size_t kAnswerBytesMax = 16u << 20;
void limit(AnswerParcel& parcel);

// --- Frames.

struct Frame {
  std::string meeting;
  std::uint64_t number = 0;
  std::uint64_t taken_bytes = 0;
  std::vector<Parcel> parcels;
};

// More is not taken, whoever sends it. A frame has about LinkSettings::frame_bytes; only a parcel that is larger by itself
// makes it longer, and that is an entry of the log: one commit of a partition (docs/cluster.md: what bounds it). As much as a
// Cap'n Proto list can hold.
inline constexpr std::size_t kFrameBytesMax = 512u << 20;

std::string encode_frame(std::string_view meeting, std::uint64_t number, std::uint64_t taken_bytes,
                         std::span<const Parcel> parcels);
Result<Frame> decode_frame(std::string_view bytes);

}  // namespace carillon::actors
