#include "tests/cluster/replica_group.h"

#include <algorithm>
#include <utility>

#include "runtime/key.h"

namespace carillon::cluster::testing {
namespace {

class Writer final : public leveldb::WriteBatch::Handler {
 public:
  explicit Writer(MemoryStorage& storage) : storage_(storage) {}
  void Put(const leveldb::Slice& key, const leveldb::Slice& record) override {
    storage_.records[key.ToString()] = record.ToString();
  }
  void Delete(const leveldb::Slice& key) override { storage_.records.erase(key.ToString()); }

 private:
  MemoryStorage& storage_;
};

std::string record_key(const std::string& key) {
  return runtime::entity_key(ReplicaGroup::kPartition, runtime::Tag::kCursor, EntityId::trusted("thing/" + key)).text();
}

}  // namespace

// --- The disk.

Result<std::optional<std::string>> MemoryStorage::get(std::string_view key) const {
  const auto found = records.find(key);
  if (found == records.end()) return std::optional<std::string>();
  const auto value = runtime::value_of_record(key, found->second);
  if (!value) return Error{ErrorCode::UNAVAILABLE, "the record is damaged"};
  return std::optional(std::string(*value));
}

Result<void> MemoryStorage::scan(std::string_view from, std::string_view until, const Visit& visit) const {
  for (auto at = records.lower_bound(from); at != records.end() && at->first < until; ++at)
    if (!visit(at->first, runtime::value_of_record(at->first, at->second).value())) break;
  return {};
}

Result<void> MemoryStorage::scan_back(std::string_view from, std::string_view until, const Visit& visit) const {
  for (auto at = records.lower_bound(until); at != records.begin();) {
    --at;
    if (at->first < from || !visit(at->first, runtime::value_of_record(at->first, at->second).value())) break;
  }
  return {};
}

void MemoryStorage::write(const runtime::WriteSet& writes) {
  Writer writer(*this);
  CHECK(writes.batch().Iterate(&writer).ok());
}

// --- The group.

ReplicaGroup::ReplicaGroup(std::vector<std::string> names, ReplicaLimits limits, bool joined) : limits_(limits) {
  for (const auto& name : names) {
    auto node = std::make_unique<Node>();
    node->name = name;
    node->store = "s" + std::to_string(++stores_);
    record_.replicas.push_back(name);
    nodes_.emplace(name, std::move(node));
  }
  record_.epoch = 1;
  record_.primary = nodes_.at(names.front())->id();
  record_.in_sync = {record_.primary};
  for (const auto& name : names) start(name);
  settle();
  if (!joined) return;
  CHECK(until([&] { return record_.in_sync.size() == names.size() && !primary().empty(); }));
  pass(1s);
}

std::string ReplicaGroup::primary() const {
  const auto found = nodes_.find(record_.primary.node);
  return found != nodes_.end() && found->second->replica && found->second->ready ? found->first : "";
}

bool ReplicaGroup::is_in_sync(const std::string& name) const { return record_.is_in_sync(nodes_.at(name)->id()); }

void ReplicaGroup::put(const std::string& name, const std::string& key, const std::string& value) {
  runtime::WriteSet writes;
  writes.put(record_key(key), value);
  replica(name).append(writes, now_);
  settle();
}

std::string ReplicaGroup::value(const std::string& name, const std::string& key) const {
  return nodes_.at(name)->disk.get(record_key(key)).value().value_or("");
}

std::map<std::string, std::string> ReplicaGroup::records(const std::string& name) const {
  std::map<std::string, std::string> all;
  for (const auto& [key, record] : nodes_.at(name)->disk.records)
    if (key[2] != 'a' && key[2] != 'e' && key[2] != 'l') all.emplace(key, record);
  return all;
}

// True when something was done.
bool ReplicaGroup::perform(Node& node) {
  if (!node.replica || node.stopped) return false;
  bool done = false;
  auto outputs = node.replica->take();
  for (auto& write : outputs.writes) node.journal.push_back(std::move(write));
  for (auto& outgoing : outputs.messages) {
    sent.push_back(outgoing);
    // As over a link: what arrives is what was encoded.
    const auto bytes = encode(outgoing.message);
    links_[{node.name, outgoing.to}].push_back(decode_peer_message(bytes).value());
    done = true;
  }
  for (const auto& event : outputs.events) {
    done = true;
    if (std::holds_alternative<BecamePrimary>(event)) node.ready = true;
    if (std::holds_alternative<AppendCommitted>(event)) ++node.committed;
    if (std::holds_alternative<DiskFailed>(event)) ++node.disk_failures;
    if (std::holds_alternative<Discarded>(event)) ++node.discarded;
    if (std::holds_alternative<PrimaryLost>(event)) {
      node.ready = false;
      ++node.lost;
    }
  }
  if (outputs.proposal) {
    ++swaps_asked;
    proposals_.emplace_back(&node, *outputs.proposal);
  }
  while (!node.journal.empty() && !node.journal_held) {
    const auto write = std::move(node.journal.front());
    node.journal.pop_front();
    done = true;
    if (node.disk_broken) {
      node.journal.clear();
      node.replica->write_failed({ErrorCode::UNAVAILABLE, "the disk is broken"}, now_);
    } else {
      node.disk.write(write.writes);
      node.replica->written(write.number, now_);
    }
  }
  return done;
}

void ReplicaGroup::watch(Node& node) {
  if (node.replica && !node.etcd_cut && !node.etcd_gone && !node.etcd_hangs && !node.stopped)
    node.replica->record_changed(record_, revision_, now_);
}

void ReplicaGroup::propose(Node& node, const Proposal& proposal) {
  if (node.etcd_hangs) return static_cast<void>(node.unanswered = proposal.number);
  if (node.etcd_gone) return node.replica->proposal_answered(proposal.number, Replica::Swap::kNotSent, 0, now_);
  if (node.etcd_cut) return node.replica->proposal_answered(proposal.number, Replica::Swap::kUnknown, 0, now_);
  const bool won = proposal.based_on == revision_;
  if (won) {
    record_ = proposal.record;
    ++revision_;
  }
  const bool is_last = won && last_words;
  if (is_last)
    for (auto& [name, other] : nodes_) other->etcd_gone = !last_words->watches.contains(name);
  if (watches_are_faster) tell_watches();
  const bool unknown = etcd_is_silent || (is_last && !last_words->answer);
  const auto outcome = unknown ? Replica::Swap::kUnknown : won ? Replica::Swap::kWon : Replica::Swap::kLost;
  node.replica->proposal_answered(proposal.number, outcome, revision_, now_);
  if (!watches_are_faster && !etcd_is_silent) tell_watches();
  if (!is_last) return;
  for (auto& [name, other] : nodes_) other->etcd_gone = true;
  last_words.reset();
}

void ReplicaGroup::tell_watches() {
  for (auto& [name, node] : nodes_) watch(*node);
}

void ReplicaGroup::settle() {
  for (bool again = true; again;) {
    again = false;
    for (auto& [name, node] : nodes_) again = perform(*node) || again;
    for (auto& [link, messages] : links_) {
      auto& to = *nodes_.at(link.second);
      while (!messages.empty() && !to.stopped) {
        auto message = std::move(messages.front());
        messages.pop_front();
        again = true;
        if (!to.replica || cuts_.contains(link) || (passes && !passes(link.second, message))) continue;
        (void)to.replica->received(std::move(message), now_);
      }
    }
    // An etcd syncs before it answers; what nodes tell each other is there sooner.
    if (!again && !proposals_.empty()) {
      const auto [node, proposal] = std::move(proposals_.front());
      proposals_.pop_front();
      if (node->replica) propose(*node, proposal);
      again = true;
    }
  }
}

void ReplicaGroup::pass(std::chrono::milliseconds time) {
  for (const auto end = now_ + time; now_ < end;) {
    now_ += 5ms;
    for (auto& [name, node] : nodes_)
      if (node->replica && !node->stopped) {
        watch(*node);
        node->replica->tick(now_);
      }
    settle();
  }
}

bool ReplicaGroup::until(const std::function<bool()>& holds) {
  for (const auto end = now_ + 10s; now_ < end; pass(5ms))
    if (holds()) return true;
  return holds();
}

// --- Faults.

void ReplicaGroup::cut(const std::string& from, const std::string& to, bool noticed) {
  cuts_.insert({from, to});
  if (!noticed) return;
  if (auto& node = *nodes_.at(from); node.replica) node.replica->link_lost(to, now_);
  if (auto& node = *nodes_.at(to); node.replica) node.replica->link_lost(from, now_);
}

void ReplicaGroup::mend(const std::string& from, const std::string& to) {
  cuts_.erase({from, to});
  if (auto& node = *nodes_.at(from); node.replica) node.replica->link_up(to, now_);
  if (auto& node = *nodes_.at(to); node.replica) node.replica->link_up(from, now_);
}

void ReplicaGroup::isolate(const std::string& name, bool noticed) {
  (*this)[name].etcd_cut = true;
  for (const auto& [other, node] : nodes_)
    if (other != name) {
      cut(name, other, noticed);
      cut(other, name, noticed);
    }
}

void ReplicaGroup::rejoin(const std::string& name) {
  (*this)[name].etcd_cut = false;
  for (const auto& [other, node] : nodes_)
    if (other != name) {
      mend(name, other);
      mend(other, name);
    }
}

void ReplicaGroup::kill(const std::string& name) {
  auto& node = (*this)[name];
  node.replica.reset();
  node.journal.clear();
  node.ready = false;
  for (auto& [link, messages] : links_)
    if (link.first == name || link.second == name) messages.clear();
  for (auto& [other, at] : nodes_)
    if (at->replica) at->replica->link_lost(name, now_);
}

void ReplicaGroup::start(const std::string& name) {
  auto& node = (*this)[name];
  node.disk_broken = false;
  auto opened = Replica::open({kPartition, node.id(), min_in_sync, {}, limits_}, node.disk, now_);
  CHECK(opened.ok());
  node.replica = std::move(*opened);
  for (auto& [other, at] : nodes_)
    if (at->replica && other != name) {
      at->replica->link_up(name, now_);
      node.replica->link_up(other, now_);
    }
  watch(node);
}

void ReplicaGroup::wipe(const std::string& name) {
  auto& node = (*this)[name];
  node.disk.records.clear();
  node.store = "s" + std::to_string(++stores_);
  start(name);
}

void ReplicaGroup::set_replicas(std::vector<std::string> names) {
  record_.replicas = std::move(names);
  ++revision_;
  tell_watches();
  settle();
}

void ReplicaGroup::nominate(const std::string& name) {
  std::erase(record_.in_sync, record_.primary);
  name_primary(name);
}

void ReplicaGroup::name_primary(const std::string& name) {
  record_.primary = (*this)[name].id();
  ++record_.epoch;
  ++revision_;
}

void ReplicaGroup::recover(const std::string& name) {
  record_.in_sync = {(*this)[name].id()};
  name_primary(name);
  record_.recovered = record_.epoch;
}

void ReplicaGroup::inject(const std::string& to, PeerMessage message) {
  (void)replica(to).received(std::move(message), now_);
  settle();
}

}  // namespace carillon::cluster::testing
