#include "cluster/membership.h"

#include <kj/debug.h>

#include <algorithm>
#include <random>
#include <utility>

#include "messages/text.h"

namespace carillon::cluster {
namespace {

constexpr std::size_t kNameBytesMax = 32;
constexpr auto kTryAgainAfter = 200 * kj::MILLISECONDS;

std::string random_id() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; ++i)
    for (auto bits = device(), digits = 8u; digits > 0; --digits, bits >>= 4) id += kDigits[bits & 15u];
  return id;
}

}  // namespace

Result<void> check_names(const std::string& cluster, const NodeName& node) {
  for (const auto& name : {cluster, node})
    if (!is_name(name, kNameBytesMax))
      return Error{ErrorCode::MALFORMED, "clusters and nodes have names like [a-z][a-z0-9_-]*, of at most " +
                                             std::to_string(kNameBytesMax) + " characters, and '" + name + "' is none"};
  return {};
}

Membership::Membership(EtcdClient& etcd, kj::Timer& timer, Options options, OnChange on_change)
    : etcd_(etcd),
      timer_(timer),
      options_(std::move(options)),
      on_change_(kj::mv(on_change)),
      view_(options_.cluster) {}

Membership::~Membership() noexcept(false) {
  following_ = nullptr;  // Before the watch that it waits for.
  staying_ = nullptr;
}

kj::Promise<Result<ClusterFormat>> Membership::join() {
  if (auto good = check_names(options_.cluster, options_.self.node); !good) return Result<ClusterFormat>(good.error());
  register_until_ = timer_.now() + (options_.lease_ttl.count() + kWaitForOldLeaseSeconds) * kj::SECONDS;
  return agree_on_format().then([this](Result<ClusterFormat> format) -> kj::Promise<Result<ClusterFormat>> {
    if (!format) return format;
    options_.cluster_id = format->cluster_id;
    watch_ = etcd_.watch(view_.keys().prefix());
    following_ = follow_view().eagerlyEvaluate(nullptr);
    return register_patiently().then([this, format = *format](Result<void> registered) -> Result<ClusterFormat> {
      if (!registered) return registered.error();
      staying_ = stay_registered().eagerlyEvaluate(nullptr);
      return format;
    });
  });
}

// Reads the format, or founds the cluster; tries again while etcd is away.
kj::Promise<Result<ClusterFormat>> Membership::agree_on_format() {
  const auto again = [this] { return timer_.afterDelay(kTryAgainAfter).then([this] { return agree_on_format(); }); };
  return etcd_.get(view_.keys().format())
      .then([this, again](Result<EtcdRange> found) -> kj::Promise<Result<ClusterFormat>> {
        note(found ? nullptr : &found.error());
        if (!found) return again();
        if (!found->entries.empty()) {
          auto format = decode_cluster_format(found->entries.front().value);
          if (!format) return format;
          if (const auto fits = judge(*format); !fits) return Result<ClusterFormat>(fits.error());
          return format;
        }
        if (!options_.cluster_id.empty())
          return Result<ClusterFormat>(
              Error{ErrorCode::MALFORMED, "this node's data belongs to the cluster " + options_.cluster_id +
                                              ", but etcd holds no cluster named " + options_.cluster +
                                              ": check --etcd and --cluster-name, or restore etcd from a snapshot"});
        auto format = options_.founding;
        format.cluster_id = random_id();
        return etcd_.create(view_.keys().format(), encode(format))
            .then([this, again](const WriteOutcome& outcome) -> kj::Promise<Result<ClusterFormat>> {
              note(outcome.unanswered() ? &outcome.error : nullptr);
              if (outcome.unanswered()) return again();  // It may answer what is read, and take nothing.
              return agree_on_format();                  // Whoever won.
            });
      });
}

Result<void> Membership::judge(const ClusterFormat& format) const {
  if (!options_.cluster_id.empty() && options_.cluster_id != format.cluster_id)
    return Error{ErrorCode::MALFORMED, "this node's data belongs to the cluster " + options_.cluster_id +
                                           ", but the one named " + options_.cluster + " in etcd is " +
                                           format.cluster_id + ": check --etcd and --cluster-name"};
  if (options_.store_partitions && *options_.store_partitions != format.partitions)
    return Error{ErrorCode::MALFORMED, "this node's store has " + std::to_string(*options_.store_partitions) +
                                           " partitions, but the cluster has " + std::to_string(format.partitions)};
  return {};
}

// At first: an earlier life of this node may not have been forgotten yet, so a while is allowed for its lease to end.
kj::Promise<Result<void>> Membership::register_patiently() {
  return register_self().then([this](Registration outcome) -> kj::Promise<Result<void>> {
    if (outcome == Registration::kDone) return Result<void>();
    if (outcome == Registration::kTaken && timer_.now() >= register_until_)
      return Result<void>(Error{ErrorCode::UNAVAILABLE, registration_trouble_});
    return timer_.afterDelay(kTryAgainAfter).then([this] { return register_patiently(); });
  });
}

// One attempt: a lease, and our member entry under it.
kj::Promise<Membership::Registration> Membership::register_self() {
  return etcd_.grant_lease(options_.lease_ttl).then([this](Result<LeaseId> lease) -> kj::Promise<Registration> {
    note(lease ? nullptr : &lease.error());
    if (!lease) return Registration::kAway;
    return take_name(*lease, 0).then([this, lease = *lease](Registration outcome) -> kj::Promise<Registration> {
      if (outcome == Registration::kDone) {
        registration_trouble_.clear();
        return outcome;
      }
      return etcd_.revoke_lease(lease).then([outcome](const Result<void>&) { return outcome; });
    });
  });
}

kj::Promise<Membership::Registration> Membership::take_name(LeaseId lease, Revision expected) {
  const auto key = view_.keys().member(options_.self.node);
  const auto value = encode(options_.self);
  return etcd_.swap(key, expected, value, lease)
      .then([this, lease, expected, key, value](WriteOutcome outcome) -> kj::Promise<Registration> {
        note(outcome.unanswered() ? &outcome.error : nullptr);
        if (outcome.done()) {
          // Known before the watch tells of it, so that the end of an earlier registration is not taken for that of this.
          lease_ = lease;
          ++registrations_;
          absent_ = timer_.now() - confirmed_at_;
          confirmed_at_ = timer_.now();
          tell(view_.apply(EtcdEntry{key, value, outcome.revision, lease}));
          return Registration::kDone;
        }
        if (outcome.unanswered()) return Registration::kAway;
        if (!outcome.current) return Registration::kAway;  // It went just now.
        const auto other = decode_member(outcome.current->value);
        // The store is the same: so it was this node, in a life before, for a store is locked by whoever has it open.
        const bool was_us = !other || other->store == options_.self.store;
        if (was_us && outcome.current->modified != expected) return take_name(lease, outcome.current->modified);
        if (was_us) return Registration::kAway;
        registration_trouble_ = "there is a living node named " + options_.self.node + " with another store (" +
                                other->store + ", at " + other->peer +
                                "): choose another name, or stop that node and wait until its lease ends";
        return Registration::kTaken;
      });
}

// Renews the lease three times in its life, and begins anew when it is lost. Never ends.
kj::Promise<void> Membership::stay_registered() {
  const auto pause = lease_ == 0 ? kTryAgainAfter : options_.lease_ttl.count() * 1'000 / 3 * kj::MILLISECONDS;
  return timer_.afterDelay(pause).then([this]() -> kj::Promise<void> {
    if (lease_ == 0) return register_self().then([this](Registration) { return stay_registered(); });
    return etcd_.keep_alive(lease_).then([this, asked_at = timer_.now()](const Result<bool>& renewed) {
      note(renewed ? nullptr : &renewed.error());
      // A lease that etcd could not be asked about may last yet: etcd gives each its whole time after a restart.
      if (renewed && *renewed) confirmed_at_ = asked_at;
      if (renewed && !*renewed) lease_ = 0;
      return stay_registered();
    });
  });
}

kj::Promise<void> Membership::follow_view() {
  return watch_->next().then([this](const WatchBatch& batch) {
    const auto changes = view_.apply(batch);
    // Erased by an operator, say: a lease alone is no registration.
    const auto self = view_.members().find(options_.self.node);
    if (changes.members.contains(options_.self.node) && (self == view_.members().end() || self->second.lease != lease_))
      lease_ = 0;
    tell(changes);
    return follow_view();
  });
}

kj::Promise<void> Membership::leave() {
  staying_ = nullptr;
  following_ = nullptr;
  const auto lease = std::exchange(lease_, 0);
  if (lease == 0) return kj::READY_NOW;
  return etcd_.revoke_lease(lease).ignoreResult();
}

kj::Promise<SwapOutcome> Membership::swap(PartitionId partition, Revision expected, const PartitionRecord& record) {
  const auto key = view_.keys().partition(partition);
  auto value = encode(record);
  if (!belongs_here())
    return SwapOutcome{.kind = WriteOutcome::Kind::kNotSent,
                       .error = {ErrorCode::UNAVAILABLE, "the cluster in etcd is not the one this node belongs to", 0}};
  return etcd_.swap(key, expected, value).then([this, partition, key, value](WriteOutcome outcome) -> SwapOutcome {
    note(outcome.unanswered() ? &outcome.error : nullptr);
    SwapOutcome swapped{.kind = outcome.kind, .revision = outcome.revision, .error = outcome.error};
    if (outcome.done()) (void)view_.apply(EtcdEntry{key, value, outcome.revision, 0});
    if (outcome.lost() && outcome.current) {
      tell(view_.apply(*outcome.current));  // The watch brings nothing newer.
      if (const auto* known = view_.find(partition); known != nullptr) swapped.current = *known;
    }
    return swapped;
  });
}

kj::Promise<Result<void>> Membership::set_draining(const NodeName& node, std::optional<Drain> drain) {
  const auto key = view_.keys().draining(node);
  const std::string mark = !drain ? "" : *drain == Drain::kAll ? "all" : "primaries";
  auto written = drain ? etcd_.put(key, mark) : etcd_.erase(key);
  return written.then([this, key, mark](const WriteOutcome& outcome) -> Result<void> {
    if (outcome.unanswered()) return outcome.error;
    // Known before the watch tells of it: who has it answered asks next how far the draining is.
    if (!mark.empty()) tell(view_.apply(EtcdEntry{key, mark, outcome.revision, 0}));
    return {};
  });
}

kj::Promise<bool> Membership::become_controller() {
  const auto lease = lease_;
  if (is_controller()) return true;
  if (lease == 0 || view_.controller() || !belongs_here()) return false;
  const auto key = view_.keys().controller();
  return etcd_.create(key, options_.self.node, lease).then([this, key, lease](WriteOutcome outcome) {
    note(outcome.unanswered() ? &outcome.error : nullptr);
    if (outcome.done()) (void)view_.apply(EtcdEntry{key, options_.self.node, outcome.revision, lease});
    if (outcome.lost() && outcome.current) (void)view_.apply(*outcome.current);
    return is_controller();
  });
}

kj::Promise<void> Membership::resign_as_controller() {
  if (!is_controller()) return kj::READY_NOW;
  return etcd_.erase_if(view_.keys().controller(), view_.controller()->revision)
      .then([this](const WriteOutcome& outcome) { note(outcome.unanswered() ? &outcome.error : nullptr); });
}

bool Membership::is_controller() const {
  return lease_ != 0 && view_.controller() && view_.controller()->lease == lease_;
}

bool Membership::belongs_here() const {
  return view_.format() && view_.format()->value.cluster_id == options_.cluster_id;
}

std::vector<std::string> Membership::problems() const {
  std::vector<std::string> problems;
  if (!reachable_) problems.push_back(etcd_trouble_.empty() ? "etcd has not answered yet" : etcd_trouble_);
  if (reachable_ && lease_ == 0)
    problems.push_back(registration_trouble_.empty() ? "this node is not registered" : registration_trouble_);
  if (view_.revision() > 0 && !belongs_here())
    problems.push_back("the cluster in etcd is not the one this node belongs to (" + options_.cluster_id + ")");
  for (const auto& [key, why] : view_.unreadable())
    problems.push_back(std::string("etcd's ").append(key).append(" cannot be read: ").append(why));
  return problems;
}

void Membership::tell(const ClusterChanges& changes) {
  if (!changes.empty()) on_change_(changes);
}

void Membership::note(const Error* trouble) {
  reachable_ = trouble == nullptr;
  etcd_trouble_ = trouble == nullptr ? "" : trouble->message;
}

}  // namespace carillon::cluster
