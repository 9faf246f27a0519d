#include "actors/coordinator.h"

#include <kj/async-io.h>
#include <spdlog/spdlog.h>

#include <future>
#include <map>
#include <set>

#include "actors/replica.h"
#include "cluster/controller.h"
#include "cluster/etcd_client.h"
#include "cluster/membership.h"
#include "cluster/placement.h"

namespace carillon::actors {

using cluster::ClusterChanges;

namespace {

constexpr auto kLookEvery = 250 * kj::MILLISECONDS;
constexpr auto kHandOverEvery = 50 * kj::MILLISECONDS;
constexpr auto kJoinsWithin = 1 * kj::SECONDS;  // As a rule.

cluster::Replica::Swap swap_of(cluster::WriteOutcome::Kind kind) {
  switch (kind) {
    case cluster::WriteOutcome::Kind::kDone:
      return cluster::Replica::Swap::kWon;
    case cluster::WriteOutcome::Kind::kLost:
      return cluster::Replica::Swap::kLost;
    case cluster::WriteOutcome::Kind::kNotSent:
      return cluster::Replica::Swap::kNotSent;
    case cluster::WriteOutcome::Kind::kUnknown:
      break;
  }
  return cluster::Replica::Swap::kUnknown;
}

}  // namespace

// Everything that lives on the thread.
struct Coordinator::Loop final : private kj::TaskSet::ErrorHandler {
  Loop(CoordinatorOptions given, const std::shared_ptr<Inbox>& jobs)
      : options(std::move(given)),
        io(kj::setupAsyncIo()),
        timer(io.provider->getTimer()),
        etcd(io.provider->getNetwork(), timer, options.etcd),
        membership(etcd, timer,
                   {.cluster = options.cluster,
                    .self = options.self,
                    .cluster_id = options.cluster_id,
                    .founding = options.founding,
                    .store_partitions = options.founding.partitions},
                   [this](const ClusterChanges& changes) { changed(changes); }),
        controller(membership, timer,
                   {.replace_after = options.replace_after,
                    .linked = [this](const NodeName& node) { return linked.contains(node); }},
                   [this](const cluster::PlacementStep& step) {
                     spdlog::info("partition {}: {}", step.partition.value, step.reason);
                     tell_of(step.partition);  // The membership does not call back for swaps of this node.
                   }),
        inbox(jobs),
        tasks(*this) {
    auto stop = kj::newPromiseAndFulfiller<void>();
    stopped = kj::mv(stop.promise);
    stop_now = kj::mv(stop.fulfiller);
    tasks.add(jobs->run(*io.lowLevelProvider));
  }

  // What keeps the node from joining, each once; in the log, for there is no health to ask yet.
  void tell_what_keeps_it() {
    if (timer.now() - began < kJoinsWithin) return;
    constexpr std::size_t kToldMax = 100;  // What others say is part of some.
    for (const auto& problem : membership.problems())
      if (told.size() < kToldMax && told.insert(problem).second)
        spdlog::warn("waiting to join the cluster: {}", problem);
  }

  // --- What is told.

  void tell_of(PartitionId partition) {
    if (!routes || partition.value >= routes->size()) return;
    const auto* record = membership.view().find(partition);
    RecordChanged news;
    if (record != nullptr) news = {record->value, record->revision};
    // A record is never erased; what is not there has not been founded yet.
    if (!news.record) return;
    caf::anon_send((*replicas)[partition.value], news);
    caf::anon_send((*routes)[partition.value], news);
  }

  void tell_of_member(const NodeName& node) {
    if (!routes || node == options.self.node) return;
    const auto* member = membership.view().find_member(node);
    if (member == nullptr) return;  // Its lease has ended; the link tells whether it lives.
    auto& link = links[node];
    if (link.actor && link.address == member->peer) return;
    if (link.actor) {
      caf::anon_send(link.actor, PeerMoved{member->peer});
    } else {
      link.actor = system->spawn(actors::link, LinkOptions{.self = {cluster_id, options.self.node, linking.secret},
                                                           .peer = node,
                                                           .address = member->peer,
                                                           .settings = linking.settings,
                                                           .routes = routes,
                                                           .replicas = replicas,
                                                           .standings = standings,
                                                           .meetings = meetings,
                                                           .changed = [this, to = inbox, node](bool up) {
                                                             to->push([this, node, up] { link_changed(node, up); });
                                                           }});
      const PeerKnown known{node, link.actor};
      for (const auto& [other, its] : links) {
        if (other == node) continue;
        caf::anon_send(its.actor, known);
        caf::anon_send(link.actor, PeerKnown{other, its.actor});
      }
      for (const auto& route : *routes) caf::anon_send(route, known);
      for (const auto& replica : *replicas) caf::anon_send(replica, known);
      caf::anon_send(reception, known);
    }
    link.address = member->peer;
  }

  void link_changed(const NodeName& node, bool up) {
    if (up)
      linked.insert(node);
    else
      linked.erase(node);
  }

  void changed(const ClusterChanges& changes) {
    for (const auto& node : changes.members) tell_of_member(node);
    for (const auto& partition : changes.partitions) tell_of(partition);
    carry_out_wishes();
  }

  // Primaries that the placement wants elsewhere, once whoever is to follow can.
  void carry_out_wishes() {
    if (!routes) return;
    for (const auto& [partition, record] : membership.view().partitions()) {
      if (record.value.primary != membership.replica()) continue;
      if (auto to = cluster::wished_hand_over(record.value, membership.view()))
        caf::anon_send((*replicas)[partition.value], HandOver{std::move(*to)});
    }
  }

  kj::Promise<void> look_now_and_then() {
    return timer.afterDelay(kLookEvery).then([this] {
      carry_out_wishes();
      return look_now_and_then();
    });
  }

  void attach(caf::actor_system& actor_system, Partitions all_routes, Partitions all_replicas, caf::actor front,
              Standings all_standings, LinkSetting setting) {
    system = &actor_system;
    routes = std::move(all_routes);
    replicas = std::move(all_replicas);
    reception = std::move(front);
    standings = std::move(all_standings);
    linking = std::move(setting);
    for (const auto& [node, member] : membership.view().members()) tell_of_member(node);
    for (const auto& [partition, record] : membership.view().partitions()) tell_of(partition);
    controller.start();
    tasks.add(look_now_and_then());
  }

  // --- What is asked.

  void propose(PartitionId partition, const cluster::Proposal& proposal) {
    if (!replicas) return;  // The node ends.
    const auto number = proposal.number;
    tasks.add(membership.swap(partition, proposal.based_on, proposal.record)
                  .then([this, partition, number](const cluster::SwapOutcome& outcome) {
                    if (!replicas) return;
                    caf::anon_send((*replicas)[partition.value],
                                   ProposalAnswered{number, swap_of(outcome.kind), outcome.revision});
                    tell_of(partition);
                  }));
  }

  void set_draining(const NodeName& node, std::optional<cluster::Drain> drain,
                    std::function<void(Result<void>)> answer) {
    // A mark would wait for a node that was never meant; and who undoes one for such a node means another.
    const bool is_marked = membership.view().draining().contains(node);
    if (membership.view().find_member(node) == nullptr && (drain || !is_marked))
      return answer(Error{ErrorCode::NOT_FOUND, "no member of the cluster is called '" + node + "'"});
    tasks.add(membership.set_draining(node, drain).then([answer = std::move(answer)](const Result<void>& done) {
      answer(done);
    }));
  }

  kj::Promise<void> unmark_self() {
    return membership.set_draining(options.self.node, std::nullopt)
        .then([this](const Result<void>& done) -> kj::Promise<void> {
          if (done) return kj::READY_NOW;
          return timer.afterDelay(kLookEvery).then([this] { return unmark_self(); });
        });
  }

  ClusterDescription describe() const {
    const auto& view = membership.view();
    ClusterDescription all;
    all.cluster = options.cluster;
    all.cluster_id = cluster_id;
    all.self = options.self.node;
    if (view.controller()) all.controller = view.controller()->value;
    if (view.format()) {
      all.replicas = view.format()->value.replicas;
      all.min_in_sync = view.format()->value.min_in_sync;
    }
    all.etcd_reachable = membership.etcd_reachable();
    all.registrations = membership.registrations();
    all.absent = membership.absent();
    for (const auto& [node, member] : view.members()) {
      ClusterDescription::Node one{member.value, {}, cluster::is_drained(view, node), node == options.self.node};
      if (const auto mark = view.draining().find(node); mark != view.draining().end())
        one.draining = mark->second.value;
      all.nodes.push_back(std::move(one));
    }
    for (const auto& [partition, record] : view.partitions()) all.partitions.push_back({partition, record.value});
    all.problems = membership.problems();
    return all;
  }

  kj::Promise<void> hand_over_all(std::function<void(bool)> progress) {
    bool any = false;
    for (const auto& [partition, record] : membership.view().partitions()) {
      if (record.value.primary != membership.replica()) continue;
      any = true;
      if (routes && record.value.in_sync.size() > 1) caf::anon_send((*replicas)[partition.value], HandOver{});
    }
    progress(!any);
    if (!any) return kj::READY_NOW;
    return timer.afterDelay(kHandOverEvery).then([this, progress = std::move(progress)]() mutable {
      return hand_over_all(std::move(progress));
    });
  }

  void taskFailed(kj::Exception&& failed) override { spdlog::error("coordinator: {}", failed.getDescription().cStr()); }

  struct Link {
    caf::actor actor;
    std::string address;
  };

  const CoordinatorOptions options;
  kj::AsyncIoContext io;
  kj::Timer& timer;
  cluster::EtcdClient etcd;
  cluster::Membership membership;
  cluster::Controller controller;
  std::string cluster_id;
  const kj::TimePoint began = timer.now();
  std::set<std::string> told;  // Of what keeps it from joining.

  caf::actor_system* system = nullptr;
  Partitions routes, replicas;
  caf::actor reception;
  Standings standings;
  LinkSetting linking;
  std::shared_ptr<std::atomic<std::uint64_t>> meetings = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::map<NodeName, Link> links;
  std::set<NodeName> linked;           // Of them, to whom the link is up.
  const std::shared_ptr<Inbox> inbox;  // Jobs for this thread; links may outlive it.

  kj::Promise<void> stopped = kj::READY_NOW;
  kj::Own<kj::PromiseFulfiller<void>> stop_now;
  kj::TaskSet tasks;  // Ended first.
};

Result<std::unique_ptr<Coordinator>> Coordinator::join(CoordinatorOptions options) {
  std::unique_ptr<Coordinator> coordinator(new Coordinator());
  coordinator->inbox_ = std::make_shared<Inbox>();
  std::promise<Result<cluster::ClusterFormat>> joined;
  auto joining = joined.get_future();
  coordinator->thread_ =
      std::thread([&coordinator = *coordinator, joined = std::move(joined), options = std::move(options)]() mutable {
        Loop loop(std::move(options), coordinator.inbox_);
        const std::function<kj::Promise<void>()> until_stopped = [&]() -> kj::Promise<void> {
          if (loop.options.stopped()) return kj::READY_NOW;
          loop.tell_what_keeps_it();
          return loop.timer.afterDelay(100 * kj::MILLISECONDS).then([&] { return until_stopped(); });
        };
        auto format = loop.membership.join()
                          .exclusiveJoin(until_stopped().then([]() -> Result<cluster::ClusterFormat> {
                            return Error{ErrorCode::UNAVAILABLE, "stopped while waiting for etcd"};
                          }))
                          .wait(loop.io.waitScope);
        if (!format) return joined.set_value(std::move(format));
        loop.cluster_id = format->cluster_id;
        coordinator.loop_ = &loop;
        joined.set_value(std::move(format));
        loop.stopped.wait(loop.io.waitScope);
        loop.membership.leave().wait(loop.io.waitScope);
      });
  auto format = joining.get();
  if (!format) return format.error();
  coordinator->format_ = std::move(*format);
  return coordinator;
}

Coordinator::~Coordinator() {
  if (loop_ != nullptr) inbox_->push([loop = loop_] { loop->stop_now->fulfill(); });
  if (thread_.joinable()) thread_.join();
  if (inbox_) inbox_->close();
}

void Coordinator::attach(caf::actor_system& system, Partitions routes, Partitions replicas, caf::actor reception,
                         Standings standings, LinkSetting links) {
  inbox_->push([loop = loop_, &system, routes = std::move(routes), replicas = std::move(replicas),
                reception = std::move(reception), standings = std::move(standings),
                links = std::move(links)] { loop->attach(system, routes, replicas, reception, standings, links); });
}

void Coordinator::stop_links() {
  inbox_->push([loop = loop_] {
    loop->routes.reset();
    loop->replicas.reset();
    for (const auto& [node, link] : loop->links) caf::anon_send(link.actor, Stop{});
    loop->links.clear();
    loop->reception = nullptr;
  });
}

std::function<void(PartitionId partition, cluster::Proposal proposal)> Coordinator::proposing() const {
  return [inbox = inbox_, loop = loop_](PartitionId partition, cluster::Proposal proposal) {
    inbox->push([loop, partition, proposal = std::move(proposal)] { loop->propose(partition, proposal); });
  };
}

void Coordinator::set_draining(NodeName node, std::optional<cluster::Drain> drain,
                               std::function<void(Result<void>)> answer) {
  inbox_->push([loop = loop_, node = std::move(node), drain, answer = std::move(answer)] {
    loop->set_draining(node, drain, answer);
  });
}

void Coordinator::unmark_self() {
  inbox_->push([loop = loop_] { loop->tasks.add(loop->unmark_self()); });
}

void Coordinator::describe(std::function<void(ClusterDescription)> answer) {
  inbox_->push([loop = loop_, answer = std::move(answer)] {
    auto all = loop->describe();
    // Links answer for themselves, one after the other.
    auto shared = std::make_shared<ClusterDescription>(std::move(all));
    auto missing = std::make_shared<std::atomic<std::size_t>>(1);
    const auto done = [shared, missing, answer] {
      if (missing->fetch_sub(1) != 1) return;
      for (auto& node : shared->nodes)
        for (const auto& link : shared->links)
          if (link.peer == node.member.node) node.linked = link.up;
      answer(std::move(*shared));
    };
    shared->links.resize(loop->links.size());
    auto slot = shared->links.begin();
    for (const auto& [node, link] : loop->links) {
      missing->fetch_add(1);
      caf::anon_send(link.actor, AskLink{[&stats = *slot++, shared, done](const LinkStats& answered) {
                       stats = answered;
                       done();
                     }});
    }
    done();
  });
}

void Coordinator::hand_over_all(std::function<void(bool)> progress) {
  inbox_->push([loop = loop_, progress = std::move(progress)] { loop->tasks.add(loop->hand_over_all(progress)); });
}

Result<std::optional<cluster::ClusterFormat>> read_cluster_format(const std::vector<std::string>& etcd,
                                                                  const std::string& cluster,
                                                                  std::chrono::milliseconds patience) {
  std::promise<Result<std::optional<cluster::ClusterFormat>>> outcome;
  auto answer = outcome.get_future();
  // A thread of its own, for a thread has at most one event loop.
  std::thread([&] {
    auto io = kj::setupAsyncIo();
    auto& timer = io.provider->getTimer();
    cluster::EtcdClient client(io.provider->getNetwork(), timer, etcd);
    const auto give_up = timer.now() + patience.count() * kj::MILLISECONDS;
    for (;;) {
      auto found = client.get(cluster::ClusterKeys(cluster).format()).wait(io.waitScope);
      if (!found && timer.now() < give_up) {
        timer.afterDelay(200 * kj::MILLISECONDS).wait(io.waitScope);
        continue;
      }
      if (!found) return outcome.set_value(found.error());
      if (found->entries.empty()) return outcome.set_value(std::optional<cluster::ClusterFormat>());
      auto format = cluster::decode_cluster_format(found->entries.front().value);
      if (!format) return outcome.set_value(format.error());
      return outcome.set_value(std::optional(std::move(*format)));
    }
  }).join();
  return answer.get();
}

}  // namespace carillon::actors
