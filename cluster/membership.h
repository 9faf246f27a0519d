// A node's place in its cluster: founds or joins it, stays a member, and keeps the view of it current.
//
// Lives on the thread of its client's KJ event loop. While etcd is away nothing here ends or gives up: the view stays as
// it was last known, and once etcd is back the node registers anew if it has to.
#pragma once

#include <kj/async-io.h>
#include <kj/function.h>
#include <kj/timer.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cluster/cluster_view.h"
#include "cluster/etcd_client.h"

namespace carillon::cluster {

// What became of the swap of a partition's record. As for WriteOutcome; the view knows already what is known here.
struct SwapOutcome {
  WriteOutcome::Kind kind = WriteOutcome::Kind::kUnknown;
  Revision revision = 0;                              // kDone: of the new record.
  std::optional<Versioned<PartitionRecord>> current;  // kLost: what stands there; nothing if there is no record.
  Error error;                                        // Unanswered.

  bool unanswered() const { return WriteOutcome{.kind = kind}.unanswered(); }
};

// MALFORMED unless both are names that a cluster and a node can have.
Result<void> check_names(const std::string& cluster, const NodeName& node);

class Membership {
 public:
  struct Options {
    std::string cluster;  // Its name: `[a-z][a-z0-9_-]{0,31}`.
    Member self;
    std::string cluster_id;  // That of the cluster which the node's data belongs to; empty for a node without data.
    ClusterFormat founding;  // Of a cluster that does not exist yet; its cluster_id is made up here.
    std::optional<std::uint16_t>
        store_partitions;  // What the node's store was made with: the cluster must have as many.
    // How long a node that died still counts as present. Nothing that players wait for depends on it: links notice a
    // silent peer within the failover time. It is what a wiped node waits before it may take its name again, and the
    // controller's successor before it goes on. Three seconds let two of three renewals fail (an etcd that elects
    // a leader is away for one); etcd itself grants no less than two.
    std::chrono::seconds lease_ttl{3};
  };

  // Called with every change of the view, after it; not from within calls of this class's functions.
  using OnChange = kj::Function<void(const ClusterChanges&)>;

  Membership(EtcdClient& etcd, kj::Timer& timer, Options options, OnChange on_change);
  ~Membership() noexcept(false);
  KJ_DISALLOW_COPY(Membership);

  // Founds or joins; resolves once the node is registered, with the format whose cluster_id the node must remember before
  // it takes anything in. Waits for an etcd that is away. Once. MALFORMED if the node does not belong here: its data is of
  // another cluster, the cluster is gone, or it has another number of partitions. UNAVAILABLE if a living node of that
  // name has another store.
  kj::Promise<Result<ClusterFormat>> join();
  // Gives the lease back, so that nobody has to wait for its end. Nothing may be asked afterwards.
  kj::Promise<void> leave();

  const ClusterView& view() const { return view_; }
  const Member& self() const { return options_.self; }
  ReplicaId replica() const { return {options_.self.node, options_.self.store}; }
  // 0 while the node is not registered. Another one after each loss.
  LeaseId lease() const { return lease_; }
  // How often the node has registered: whoever has done so again may have been taken for gone meanwhile.
  std::uint64_t registrations() const { return registrations_; }
  // Before the last of these: since etcd had confirmed the one before.
  std::chrono::milliseconds absent() const { return std::chrono::milliseconds(absent_ / kj::MILLISECONDS); }

  // Puts `record` in the place of the one whose revision is `expected` (0: there is none yet). The view knows the outcome
  // when this resolves; OnChange is not called for it.
  kj::Promise<SwapOutcome> swap(PartitionId partition, Revision expected, const PartitionRecord& record);

  // Marks `node`, which may be another one, as draining, or no longer.
  kj::Promise<Result<void>> set_draining(const NodeName& node, std::optional<Drain> drain);

  // Takes the controller's key if nobody has it; as for swap(), OnChange is not called for it. True if this node has it, as far as is known, under its present lease.
  kj::Promise<bool> become_controller();
  bool is_controller() const;
  // Gives it up, if this node has it, for others to take.
  kj::Promise<void> resign_as_controller();

  // For health: did etcd answer when it was last asked (three times in a lease's life, at least)?
  bool etcd_reachable() const { return reachable_; }
  // Sentences for a person; empty when all is well.
  std::vector<std::string> problems() const;

 private:
  enum class Registration { kDone, kAway, kTaken };
  static constexpr int kWaitForOldLeaseSeconds = 2;  // Beyond a lease's time: etcd takes a moment to end one.

  kj::Promise<Result<ClusterFormat>> agree_on_format();
  kj::Promise<Result<void>> register_patiently();
  kj::Promise<Registration> register_self();
  kj::Promise<Registration> take_name(LeaseId lease, Revision expected);
  kj::Promise<void> stay_registered();
  kj::Promise<void> follow_view();
  Result<void> judge(const ClusterFormat& format) const;
  // Is the cluster in etcd still the one that was joined?
  bool belongs_here() const;
  void note(const Error* trouble);
  void tell(const ClusterChanges& changes);

  EtcdClient& etcd_;
  kj::Timer& timer_;
  Options options_;
  OnChange on_change_;
  ClusterView view_;
  LeaseId lease_ = 0;
  std::uint64_t registrations_ = 0;
  kj::TimePoint confirmed_at_ = kj::origin<kj::TimePoint>();  // When that was asked for.
  kj::Duration absent_ = 0 * kj::SECONDS;
  bool reachable_ = false;
  kj::TimePoint register_until_ = kj::origin<kj::TimePoint>();
  std::string etcd_trouble_;          // While not reachable.
  std::string registration_trouble_;  // Why this node is not registered.
  kj::Own<EtcdWatch> watch_;
  kj::Promise<void> following_ = nullptr;
  kj::Promise<void> staying_ = nullptr;
};

}  // namespace carillon::cluster
