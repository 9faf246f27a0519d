// The sessions of another node, as a partition of this one reaches them: over the link.
#pragma once

#include <caf/all.hpp>

#include "actors/session_host.h"

namespace carillon::actors {

class PeerSessionHost final : public SessionHost {
 public:
  // A session of another node is numbered here by the meeting and its number there.
  static runtime::SessionId session_here(std::uint64_t meeting, runtime::SessionId there);

  // What it says in another meeting than this, the link drops.
  PeerSessionHost(caf::actor link, PartitionId partition, std::uint64_t meeting)
      : link_(std::move(link)), partition_(partition), meeting_(meeting) {}

  void published(runtime::Published answer) override;
  void following(runtime::SessionId session, Following answer) override;
  void committed(std::vector<News> news, Clock::time_point at) override;
  // Its node is told by the link, once for all sessions.
  void reloaded(runtime::SessionId session, PartitionId partition) override;

 private:
  template <class Content>
  void send(Content content) const;

  const caf::actor link_;
  const PartitionId partition_;
  const std::uint64_t meeting_;
};

}  // namespace carillon::actors
