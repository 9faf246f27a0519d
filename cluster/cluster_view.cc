#include "cluster/cluster_view.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace carillon::cluster {
namespace {

// What follows `folder` in a key below it.
std::optional<std::string_view> name_in(std::string_view key, std::string_view folder) {
  if (!key.starts_with(folder)) return std::nullopt;
  return key.substr(folder.size());
}

std::optional<PartitionId> partition_in(std::string_view digits) {
  PartitionId partition;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), partition.value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (digits != std::to_string(partition.value)) return std::nullopt;  // "007" is another key than "7".
  return partition;
}

Result<Drain> decode_drain(std::string_view text) {
  if (text.empty() || text == "all") return Drain::kAll;
  if (text == "primaries") return Drain::kPrimaries;
  return Error{ErrorCode::MALFORMED, "a mark for draining is empty, \"all\" or \"primaries\""};
}

template <class Map>
bool put_in(Map& map, const typename Map::key_type& key, typename Map::mapped_type next) {
  const auto found = map.find(key);
  if (found == map.end()) {
    map.emplace(key, std::move(next));
    return true;
  }
  if (found->second.revision >= next.revision) return false;
  const bool changed = !(found->second.value == next.value);
  found->second = std::move(next);
  return changed;
}

template <class Map>
bool erase_from(Map& map, const typename Map::key_type& key, Revision at) {
  const auto found = map.find(key);
  if (found == map.end() || found->second.revision >= at) return false;
  map.erase(found);
  return true;
}

// The same for what there is one of.
template <class T>
bool put_in(std::optional<Versioned<T>>& place, Versioned<T> next) {
  if (place && place->revision >= next.revision) return false;
  const bool changed = !place || !(place->value == next.value) || place->lease != next.lease;
  place = std::move(next);
  return changed;
}

template <class T>
bool erase_from(std::optional<Versioned<T>>& place, Revision at) {
  if (!place || place->revision >= at) return false;
  place.reset();
  return true;
}

}  // namespace

std::string ClusterKeys::partition(PartitionId partition) const {
  return prefix_ + "partitions/" + std::to_string(partition.value);
}

ClusterChanges ClusterView::apply(const WatchBatch& batch) {
  ClusterChanges changes;
  if (batch.reset) {
    // An etcd that lost its data counts from 1 again.
    if (batch.revision < revision_) *this = forgotten(changes);
    std::set<std::string> there;
    for (const auto& entry : batch.entries) there.insert(entry.key);
    std::vector<std::string> gone;
    if (format_ && !there.contains(keys_.format())) gone.push_back(keys_.format());
    if (controller_ && !there.contains(keys_.controller())) gone.push_back(keys_.controller());
    const auto look_for = [&](const auto& known, auto key_of) {
      for (const auto& [name, value] : known)
        if (auto key = key_of(name); !there.contains(key)) gone.push_back(std::move(key));
    };
    look_for(members_, [&](const NodeName& node) { return keys_.member(node); });
    look_for(draining_, [&](const NodeName& node) { return keys_.draining(node); });
    look_for(partitions_, [&](PartitionId partition) { return keys_.partition(partition); });
    look_for(unreadable_, [](const std::string& key) { return key; });
    // What is known at a later revision, from a write of our own, stays.
    for (const auto& key : gone) erase(key, batch.revision + 1, changes);
    for (const auto& entry : batch.entries) put(entry, changes);
  }
  for (const auto& change : batch.changes) {
    if (change.erased)
      erase(change.entry.key, change.entry.modified, changes);
    else
      put(change.entry, changes);
  }
  revision_ = std::max(revision_, batch.revision);
  return changes;
}

ClusterChanges ClusterView::apply(const EtcdEntry& entry) {
  ClusterChanges changes;
  put(entry, changes);
  return changes;
}

ClusterView ClusterView::forgotten(ClusterChanges& changes) const {
  ClusterView view(*this);
  for (const auto& [node, member] : members_) changes.members.insert(node);
  for (const auto& [node, drain] : draining_) changes.draining.insert(node);
  for (const auto& [partition, record] : partitions_) changes.partitions.insert(partition);
  changes.format = format_.has_value();
  changes.controller = controller_.has_value();
  view.revision_ = 0;
  view.format_.reset();
  view.controller_.reset();
  view.members_.clear();
  view.draining_.clear();
  view.partitions_.clear();
  view.unreadable_.clear();
  return view;
}

void ClusterView::put(const EtcdEntry& entry, ClusterChanges& changes) {
  const auto path = name_in(entry.key, keys_.prefix());
  if (!path) return;
  const auto versioned = [&](auto value) {
    return Versioned<decltype(value)>{std::move(value), entry.modified, entry.lease};
  };
  const auto note = [&](const Error& error) { unreadable_[entry.key] = error.message; };
  unreadable_.erase(entry.key);
  if (*path == "format") {
    if (auto format = decode_cluster_format(entry.value); !format)
      note(format.error());
    else
      changes.format |= put_in(format_, versioned(std::move(*format)));
  } else if (*path == "controller") {
    changes.controller |= put_in(controller_, versioned(NodeName(entry.value)));
  } else if (const auto node = name_in(*path, "members/")) {
    auto member = decode_member(entry.value);
    if (member && member->node != *node) member = Error{ErrorCode::MALFORMED, "it names another node"};
    if (!member)
      note(member.error());
    else if (put_in(members_, NodeName(*node), versioned(std::move(*member))))
      changes.members.emplace(*node);
  } else if (const auto marked = name_in(*path, "draining/")) {
    if (const auto drain = decode_drain(entry.value); !drain)
      note(drain.error());
    else if (put_in(draining_, NodeName(*marked), versioned(*drain)))
      changes.draining.emplace(*marked);
  } else if (const auto digits = name_in(*path, "partitions/")) {
    const auto partition = partition_in(*digits);
    auto record = decode_partition_record(entry.value);
    if (!partition)
      note({ErrorCode::MALFORMED, "it is no partition's number"});
    else if (!record)
      note(record.error());
    else if (put_in(partitions_, *partition, versioned(std::move(*record))))
      changes.partitions.insert(*partition);
  }
}

void ClusterView::erase(const std::string& key, Revision at, ClusterChanges& changes) {
  const auto path = name_in(key, keys_.prefix());
  if (!path) return;
  unreadable_.erase(key);
  if (*path == "format") {
    changes.format |= erase_from(format_, at);
  } else if (*path == "controller") {
    changes.controller |= erase_from(controller_, at);
  } else if (const auto node = name_in(*path, "members/")) {
    if (erase_from(members_, NodeName(*node), at)) changes.members.emplace(*node);
  } else if (const auto marked = name_in(*path, "draining/")) {
    if (erase_from(draining_, NodeName(*marked), at)) changes.draining.emplace(*marked);
  } else if (const auto digits = name_in(*path, "partitions/")) {
    const auto partition = partition_in(*digits);
    if (partition && erase_from(partitions_, *partition, at)) changes.partitions.insert(*partition);
  }
}

const Versioned<PartitionRecord>* ClusterView::find(PartitionId partition) const {
  const auto found = partitions_.find(partition);
  return found == partitions_.end() ? nullptr : &found->second;
}

const Member* ClusterView::find_member(const NodeName& node) const {
  const auto found = members_.find(node);
  return found == members_.end() ? nullptr : &found->second.value;
}

bool ClusterView::is_present(const ReplicaId& replica) const {
  const auto* member = find_member(replica.node);
  return member != nullptr && member->store == replica.store;
}

}  // namespace carillon::cluster
