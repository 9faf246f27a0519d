// One node: opens the store, starts journal and partitions, and takes them down again.
#pragma once

#include <caf/actor_system.hpp>

#include <chrono>
#include <functional>
#include <memory>

#include "actors/journal.h"
#include "actors/messages.h"
#include "actors/reload_notice.h"
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

  // For the gateway, to be set when it starts.
  const std::shared_ptr<ReloadNotice>& reload_notice() const { return reload_notice_; }

  // Lets hubs finish what they have and saves them. False when that took longer; the rest is done after the next start.
  bool drain(std::chrono::milliseconds patience);

 private:
  Node() = default;

  std::unique_ptr<class SystemConfig> config_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<runtime::Store> store_;
  std::shared_ptr<ReloadNotice> reload_notice_ = std::make_shared<ReloadNotice>();
  caf::actor journal_;
  Partitions partitions_;
};

}  // namespace carillon::actors
