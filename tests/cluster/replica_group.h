// Replicas of one partition on several nodes, with disks in memory, an etcd that answers next, and links that lose
// nothing unless told to. Time passes only when a test lets it.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/replica.h"

namespace carillon::cluster::testing {

using namespace std::chrono_literals;

class MemoryStorage final : public runtime::Storage {
 public:
  Result<std::optional<std::string>> get(std::string_view key) const override;
  Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) const override;
  Result<void> scan_past_damage(std::string_view from, std::string_view until, const Visit& visit) const override {
    return scan(from, until, visit);
  }
  Result<void> scan_back(std::string_view from, std::string_view until, const Visit& visit) const override;
  void write(const runtime::WriteSet& writes);

  std::map<std::string, std::string, std::less<>> records;  // With their checksums.
};

class ReplicaGroup {
 public:
  struct Node {
    std::string name;
    std::string store;
    MemoryStorage disk;
    std::unique_ptr<Replica> replica;  // Null while the node is down.
    std::deque<Write> journal;         // Not carried out yet.
    bool journal_held = false;
    bool disk_broken = false;
    bool stopped = false;          // The process gets no time (SIGSTOP).
    bool etcd_cut = false;         // Hears nothing from etcd, and gets no answers.
    bool etcd_gone = false;        // The same, and nothing that it asks for is done.
    bool etcd_hangs = false;       // Nothing that it asks for is answered.
    std::uint64_t unanswered = 0;  // The last proposal that was not.
    bool ready = false;            // As the events say.
    std::size_t committed = 0;
    std::size_t lost = 0;  // How often it was told that it is not primary any more.
    std::size_t disk_failures = 0;
    std::size_t discarded = 0;
    ReplicaId id() const { return {name, store}; }
  };

  // All of them wanted; the first is primary and alone in sync. When `joined` they are in sync, and have been long enough for
  // wishes to be heard.
  explicit ReplicaGroup(std::vector<std::string> names, ReplicaLimits limits = {}, bool joined = true);

  Node& operator[](const std::string& name) { return *nodes_.at(name); }
  Replica& replica(const std::string& name) { return *nodes_.at(name)->replica; }
  std::string primary() const;  // The ready one that etcd names; empty when there is none.
  const PartitionRecord& record() const { return record_; }
  bool is_in_sync(const std::string& name) const;
  Instant now() const { return now_; }

  // A write by the primary `name`, and what storage shows there. "" for nothing.
  void put(const std::string& name, const std::string& key, const std::string& value);
  std::string value(const std::string& name, const std::string& key) const;
  // All that is not the replication's own.
  std::map<std::string, std::string> records(const std::string& name) const;

  // Everything that can happen without time passing.
  void settle();
  void pass(std::chrono::milliseconds time);
  // Lets time pass until it holds; false when it does not within ten seconds.
  bool until(const std::function<bool()>& holds);

  // Nothing gets from one to the other any more; both notice at once, or not.
  void cut(const std::string& from, const std::string& to, bool noticed = true);
  void mend(const std::string& from, const std::string& to);
  void isolate(const std::string& name, bool noticed = true);
  void rejoin(const std::string& name);

  void kill(const std::string& name);
  void start(const std::string& name);
  void wipe(const std::string& name);  // Starts it with another disk.
  void stop(const std::string& name) { (*this)[name].stopped = true; }
  void resume(const std::string& name) { (*this)[name].stopped = false; }

  void set_replicas(std::vector<std::string> names);
  void nominate(const std::string& name);      // As if it had asked for it.
  void name_primary(const std::string& name);  // As if the primary had handed over to it.
  void recover(const std::string& name);       // As if an operator had named it the only one in sync.
  void inject(const std::string& to, PeerMessage message);

  // Answers to swaps do not arrive, although they are made.
  bool etcd_is_silent = false;
  // Watches tell of a swap before it is answered.
  bool watches_are_faster = false;
  // Who hears of the next swap that is won; then etcd is gone.
  struct LastWords {
    bool answer = false;            // Whoever asked for it.
    std::set<std::string> watches;  // Of these nodes.
  };
  std::optional<LastWords> last_words;
  // Asked for every message; false loses it.
  std::function<bool(const std::string& to, const PeerMessage& message)> passes;
  std::vector<Outgoing> sent;   // Everything that was said, lost or not.
  std::size_t swaps_asked = 0;  // Answered or not.
  std::uint16_t min_in_sync = 1;

  static constexpr PartitionId kPartition{0};

 private:
  bool perform(Node& node);
  void watch(Node& node);
  void tell_watches();
  void propose(Node& node, const Proposal& proposal);

  ReplicaLimits limits_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  PartitionRecord record_;
  Revision revision_ = 1;
  Instant now_ = std::chrono::seconds(100);
  std::set<std::pair<std::string, std::string>> cuts_;
  std::map<std::pair<std::string, std::string>, std::deque<PeerMessage>> links_;
  std::deque<std::pair<Node*, Proposal>> proposals_;
  std::uint64_t stores_ = 0;
};

}  // namespace carillon::cluster::testing
