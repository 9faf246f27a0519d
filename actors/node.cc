#include "actors/node.h"

#include <caf/all.hpp>

#include "actors/partition.h"
#include "actors/store_owner.h"
#include "actors/system_config.h"

namespace carillon::actors {

Result<std::unique_ptr<Node>> Node::start(NodeOptions options) {
  auto opened = runtime::Store::open(options.store);
  if (!opened) return opened.error();
  if (auto alone = check_no_cluster(**opened); !alone) return alone.error();
  std::unique_ptr<Node> node(new Node());
  node->store_ = std::move(*opened);
  node->config_ = std::make_unique<SystemConfig>(options.threads);
  node->system_ = std::make_unique<caf::actor_system>(*node->config_);
  node->journal_ = node->system_->spawn<caf::detached>(actors::journal, node->store_, options.journal);

  const auto partitions = node->store_->format().partitions;
  const auto emission_bytes = std::make_shared<runtime::EmissionBytes>(0);
  const auto commits_held = std::make_shared<runtime::CommitBytes>(0);
  auto actors = std::make_shared<std::vector<caf::actor>>();
  for (std::uint16_t p = 0; p < partitions; ++p) {
    PartitionOptions partition_options{
        {{p}, partitions, options.catalogue, options.limits, options.retention, true},
        node->store_,
        node->journal_,
        [notice = node->reload_notice_](PartitionId id, std::uint64_t life) { (*notice)(id, life); }};
    partition_options.emission_bytes = emission_bytes;
    partition_options.partition.commits_held = commits_held;
    actors->push_back(node->system_->spawn(partition, std::move(partition_options)));
  }
  node->partitions_ = actors;
  for (const auto& actor : *actors) caf::anon_send(actor, Peers{node->partitions_});
  return node;
}

Node::~Node() {
  if (partitions_)
    for (const auto& partition : *partitions_) caf::anon_send(partition, Stop{});
  caf::anon_send_exit(journal_, caf::exit_reason::user_shutdown);
  partitions_.reset();
  journal_ = nullptr;
  // Waits for all actors: the thread of a detached one ends only when nobody refers to it any more.
  system_.reset();
}

bool Node::drain(std::chrono::milliseconds patience) {
  caf::scoped_actor self{*system_};
  const auto until = Clock::now() + patience;
  for (bool had_work = true; had_work;) {
    had_work = false;
    for (const auto& partition : *partitions_) self->send(partition, Drain{caf::actor_cast<caf::actor>(self)});
    for (std::size_t missing = partitions_->size(); missing > 0; --missing) {
      bool in_time = true;
      const auto left = std::max(until - Clock::now(), Clock::duration::zero());
      self->receive([&](const Drained& drained) { had_work |= drained.had_work; },
                    caf::after(left) >> [&] { in_time = false; });
      if (!in_time) return false;
    }
  }
  return true;
}

}  // namespace carillon::actors
