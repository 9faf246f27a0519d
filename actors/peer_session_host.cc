#include "actors/peer_session_host.h"

#include "actors/cluster_messages.h"

namespace carillon::actors {
namespace {

constexpr runtime::SessionId kOfAnotherNode = runtime::SessionId{1} << 63;
constexpr int kSessionBits = 40;

runtime::SessionId session_there(runtime::SessionId here) {
  return here & ((runtime::SessionId{1} << kSessionBits) - 1);
}

}  // namespace

runtime::SessionId PeerSessionHost::session_here(std::uint64_t meeting, runtime::SessionId there) {
  return kOfAnotherNode | meeting << kSessionBits | session_there(there);
}

template <class Content>
void PeerSessionHost::send(Content content) const {
  caf::anon_send(link_, SendParcel{{partition_, std::move(content)}, meeting_});
}

void PeerSessionHost::published(runtime::Published answer) {
  answer.session = session_there(answer.session);
  send(PublishedParcel{std::move(answer)});
}

void PeerSessionHost::following(runtime::SessionId session, Following answer) {
  send(FollowingParcel{session_there(session), std::move(answer)});
}

void PeerSessionHost::committed(std::vector<News> news, Clock::time_point) {
  for (auto& [session, deliveries] : news) send(DeliveriesParcel{session_there(session), std::move(deliveries)});
}

void PeerSessionHost::reloaded(runtime::SessionId, PartitionId) {}

}  // namespace carillon::actors
