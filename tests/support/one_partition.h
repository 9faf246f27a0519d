// One partition with its hubs on a disk in memory, driven by hand: what the actors do, without actors.
//
// Nothing happens by itself: `settle` lets commits, folds and acknowledgements go on until all is done; `commit` does
// one commit only. The disk survives `restart`.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/fold.h"
#include "runtime/partition.h"
#include "runtime/store.h"
#include "tests/support/counting_hub.h"
#include "tests/support/failing_reads.h"
#include "tests/support/faulty_env.h"

namespace carillon::testing {

class OnePartition {
 public:
  explicit OnePartition(runtime::Limits limits = {}, std::uint32_t version = 1, runtime::RetentionTable given = {},
                        bool fold_before_commit = true);

  runtime::Partition& partition() { return *partition_; }
  runtime::Store& store() { return *store_; }
  FaultyEnv& env() { return env_; }
  UnixMs now = 1'000'000;
  runtime::RetentionTable retention;  // Changed, as the next: from the next restart on.
  std::uint32_t behaviour_version;
  FailingReads::Fails read_fails = [](auto) { return false; };

  // Publishes one event of a client; answers are in `answers`.
  void publish(const std::string& entity, const std::string& type, const std::string& payload, Sequence sequence,
               const std::string& producer = "tester", std::optional<TraceParent> traceparent = {});
  void add(const std::string& entity, std::uint64_t amount, Sequence sequence, const std::string& player = "");

  // A counter that is to remind `to`.
  void remind(const std::string& counter, const std::string& to, UnixMs due, std::uint64_t amount, Sequence sequence);

  // Takes the outputs; does everything but commits. True when a commit is wanted.
  bool work();
  // Writes the commit that is wanted and tells the partition how it went.
  void commit();
  // Until nothing is left to do. Time does not pass.
  void settle();
  // Lets time pass in ticks of 100 ms, settling in between.
  void pass_time(std::chrono::milliseconds time);
  // Idle hubs are put to rest, as their actors would after a while.
  void rest_idle_hubs();

  // The process ends and starts again: with what the disk has.
  void restart();
  void power_cut();

  // Takes what lies in [`from`, `until`) from the disk.
  void erase(std::string_view from, std::string_view until);
  // Leaves a record there that does not fit its checksum.
  void damage(std::string_view key);

  std::vector<Event> mailbox(const std::string& entity);
  // The payloads of a mailbox, in order.
  std::vector<std::string> payloads(const std::string& entity);
  std::string state_of(const std::string& hub);
  bool is_active(const std::string& hub) const { return folds_.contains(EntityId::trusted(hub)); }
  bool has_marker(const std::string& hub);

  std::vector<runtime::Published> answers;
  std::vector<runtime::Outputs::Redriven> redriven;
  std::vector<runtime::Outputs::DeadLettered> dead_lettered;
  std::vector<EntityId> not_installed;
  std::set<EntityId> rests;  // Hubs that were asked to rest.
  std::map<runtime::SessionId, std::vector<runtime::Delivery>> deliveries;
  std::vector<runtime::Outputs::Activation> activations;
  // Folds that were activated aside and have not been dismissed.
  std::size_t aside() const;
  std::size_t most_aside = 0;             // At a time.
  std::size_t catch_ups = 0;              // How often folds were told to read from disk.
  std::uint64_t most_unacknowledged = 0;  // Emissions that a fold had under way.

 private:
  void open();
  void step(const EntityId& hub);

  struct ActiveFold {
    runtime::Fold fold;
    std::uint64_t incarnation;
    bool aside = false;
    bool reported = false;
  };

  FaultyEnv env_;
  runtime::Limits limits_;
  const bool fold_before_commit_;
  Catalogue catalogue_;
  std::unique_ptr<runtime::Store> store_;
  std::optional<FailingReads> reads_;  // Of the store.
  std::unique_ptr<runtime::Partition> partition_;
  std::map<EntityId, ActiveFold> folds_;
  std::optional<runtime::WriteSet> wanted_;
  std::uint64_t calls_ = 0;
};

}  // namespace carillon::testing
