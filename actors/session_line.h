// How what belongs to one connection speaks to partitions: each hears of its session before the first message on its behalf, and of
// its end.
#pragma once

#include <caf/all.hpp>

#include <vector>

#include "actors/edge.h"

namespace carillon::actors {

// Belongs to its gateway thread, whose order of messages every partition sees.
class SessionLine {
 public:
  explicit SessionLine(Edge& edge) : edge_(edge), id_(edge.new_session()), known_(edge.partition_count()) {}
  ~SessionLine() {
    for (std::size_t p = 0; p < known_.size(); ++p)
      if (known_[p]) caf::anon_send((*edge_.partitions)[p], SessionClosed{id_});
  }
  SessionLine(const SessionLine&) = delete;
  SessionLine& operator=(const SessionLine&) = delete;

  runtime::SessionId id() const { return id_; }

  template <class Message>
  void send(PartitionId to, Message message) {
    const auto& partition = (*edge_.partitions)[to.value];
    if (!known_[to.value]) {
      known_[to.value] = true;
      caf::anon_send(partition, SessionOpened{id_, edge_.session_host});
    }
    caf::anon_send(partition, std::move(message));
  }

 private:
  Edge& edge_;
  const runtime::SessionId id_;
  std::vector<bool> known_;  // By partition.
};

}  // namespace carillon::actors
