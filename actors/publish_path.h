// How what one connection publishes reaches the partitions, and how the answers come back together.
//
// Belongs to the gateway's thread. It is the one FIFO path of its producers: it refuses for load, and keeps the order of
// what was refused (runtime::Admission).
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "actors/edge.h"
#include "runtime/admission.h"

namespace carillon::actors {

struct PublishOutcome {
  std::uint32_t accepted = 0;
  std::uint32_t duplicates = 0;
  std::vector<runtime::ItemRefusal> refusals;
};

class PublishPath {
 public:
  explicit PublishPath(Edge& edge) : edge_(edge) {}
  ~PublishPath();
  PublishPath(const PublishPath&) = delete;
  PublishPath& operator=(const PublishPath&) = delete;

  // The answer comes when everything that was accepted is durable. `item(i)` views stay valid during the call only.
  kj::Promise<PublishOutcome> publish(const ProducerId& producer, std::uint32_t count,
                                      const std::function<runtime::PublicationView(std::uint32_t)>& item);

  // From the edge.
  void answered(const runtime::Published& published);
  void reloaded(PartitionId partition);

 private:
  struct Part {  // What one partition has not answered yet.
    PartitionId partition;
    std::uint32_t first_index = 0;
    Sequence first_sequence = 0;
  };
  struct Call {
    PublishOutcome outcome;
    ProducerId producer;
    std::vector<Part> parts;
    std::vector<Sequence> sequences;  // By index.
    std::size_t bytes = 0;
    Clock::time_point received;
    kj::Own<kj::PromiseFulfiller<PublishOutcome>> fulfiller;
  };

  void open_session();
  bool has_room(std::size_t events, std::size_t bytes) const;
  void finish_if_complete(std::unordered_map<std::uint64_t, Call>::iterator call);

  Edge& edge_;
  caf::actor session_;                 // Opened with the first call.
  runtime::SessionId session_id_ = 0;
  runtime::Admission admission_;
  std::uint64_t last_call_ = 0;
  std::unordered_map<std::uint64_t, Call> calls_;
  std::size_t events_under_way_ = 0;
  std::size_t bytes_under_way_ = 0;
};

}  // namespace carillon::actors
