// One node: opens the store, starts journal and partitions, and takes them down again.
#pragma once

#include <caf/actor_system.hpp>

#include <chrono>
#include <functional>
#include <memory>

#include "actors/journal.h"
#include "actors/messages.h"
#include "runtime/retention.h"
#include "runtime/store.h"

namespace carillon::actors {

struct NodeOptions {
  runtime::StoreOptions store;
  runtime::Limits limits;
  runtime::RetentionTable retention;
  Catalogue catalogue;
  JournalOptions journal;
  std::size_t threads = 2;  // Of CAF's scheduler: partitions and hubs. Journal and gateway have their own.
};

class Node {
 public:
  // UNAVAILABLE when the store cannot be opened; the message says why.
  static Result<std::unique_ptr<Node>> start(NodeOptions options);
  // Ends all actors. What was acknowledged is on disk in any case.
  ~Node();

  caf::actor_system& system() { return *system_; }
  const Partitions& partitions() const { return partitions_; }
  const caf::actor& journal() const { return journal_; }
  const runtime::StoreFormat& format() const { return store_->format(); }

  // Called from an actor when a partition was loaded anew. Set before anything is published.
  void on_reload(std::function<void(PartitionId, std::uint64_t life)> reloaded);

  // Lets hubs finish what they have and saves them. False when that took longer; the rest is done after the next start.
  bool drain(std::chrono::milliseconds patience);

 private:
  Node() = default;

  std::unique_ptr<class SystemConfig> config_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<runtime::Store> store_;
  std::shared_ptr<std::function<void(PartitionId, std::uint64_t)>> reloaded_;
  caf::actor journal_;
  Partitions partitions_;
};

}  // namespace carillon::actors
