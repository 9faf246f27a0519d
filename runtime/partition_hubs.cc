// When hubs are active, what they are fed, and what they report.
#include "runtime/partition.h"

#include <algorithm>

#include "runtime/key.h"
#include "runtime/mutation.h"

namespace carillon::runtime {

void Partition::activate(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  if (hub.aside && hubs_aside_ >= options_.limits.hubs_aside_max) hub.aside = false;
  hubs_aside_ += hub.aside;
  hub.incarnation = ++incarnations_;
  hub.active = true;
  hub.lagging = true;  // Until it reports that it has caught up with the disk.
  hub.handed = mailbox.committed;
  hub.folded = 0;
  hub.repeats = false;
  ++counters_.active_hubs;
  count_backlog(mailbox);
  outputs_.activations.push_back({mailbox.id, hub.incarnation, hub.aside});
  outputs_.feeds.push_back({mailbox.id, mailbox.committed, {}});
}

void Partition::feed(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  if (hub.waits || failed_) return;
  if (!hub.active) {
    if (!is_installed(mailbox.id)) return;
    if (is_full()) {
      hubs_wait_ = search_again_ = true;  // It is found by its marker when there is room.
      // Without one nobody tries it again before something comes for it.
      if (!mailbox.unfinished) not_computed_.erase(mailbox.id);
      return;
    }
    activate(mailbox);
    return;
  }
  const auto until = visible(mailbox);
  if (hub.handed >= until) return;
  const auto* slice = mailbox.in_flight;
  // A slice keeps its whole commit in memory: those that wait for long, say for a target that is away, must not have too many.
  const bool is_in_memory =
      until - hub.folded <= options_.limits.hub_events_ahead_max && slice != nullptr &&
      slice->first <= hub.handed + 1 &&
      options_.commits_held->load(std::memory_order_relaxed) < options_.limits.commits_held_bytes_max;
  if (hub.lagging || !is_in_memory) {
    hub.lagging = true;
    if (hub.folded < hub.handed) return;  // Its report leads here again.
    if (!is_in_memory) {
      if (mailbox.committed <= hub.handed) return;  // From disk, once it is committed.
      hub.handed = mailbox.committed;
      outputs_.feeds.push_back({mailbox.id, mailbox.committed, {}});
      return;
    }
    hub.lagging = false;
  }
  outputs_.feeds.push_back({mailbox.id, 0, {slice->from(hub.handed + 1)}});
  hub.handed = until;
}

// A hub with a long backlog is started anew aside; once it has nearly caught up, back among the others.
bool Partition::moves(Mailbox& mailbox) {
  constexpr std::uint64_t kNearly = 16;  // A part of what it takes to go aside, so that it does not go to and fro.
  auto& hub = mailbox.hub;
  // What an earlier fold has been through is no backlog, though it is folded again: or it would go to and fro for ever.
  const auto behind = mailbox.committed - std::min(hub.reached, mailbox.committed);
  const auto limit = options_.limits.events_aside;
  if (hub.aside ? behind > limit / kNearly : behind <= limit) return false;
  if (!hub.aside && hubs_aside_ >= options_.limits.hubs_aside_max) return false;
  end_fold(mailbox);
  hub.aside = !hub.aside;
  activate(mailbox);
  return true;
}

bool Partition::is_installed(const EntityId& hub) {
  if (options_.catalogue.find(hub.kind()) != nullptr) return true;
  // Accepted when it was: its events wait until it is again.
  if (kinds_not_installed_.emplace(hub.kind()).second) outputs_.not_installed.push_back(hub);
  if (not_installed_.size() < kStandingStillMax) not_installed_.insert(hub);
  return false;
}

Partition::StandingStill Partition::not_installed() const {
  if (not_installed_.empty()) return {};
  return {not_installed_.size(), *not_installed_.begin()};
}

Partition::StandingStill Partition::not_computed() const {
  if (not_computed_.empty()) return {};
  return {not_computed_.size(), not_computed_.begin()->first};
}

void Partition::activate_waiting(std::size_t markers) {
  if (!hubs_wait_ || failed_ || is_full()) return;
  const auto begin = tag_prefix(id(), Tag::kUnfinished);
  std::vector<EntityId> found;
  std::size_t seen = 0;
  bool at_end = true;
  const auto scanned = storage_->scan_past_damage(wait_scan_.empty() ? std::string_view(begin) : wait_scan_,
                                                  tag_end(id(), Tag::kUnfinished), [&](auto key, auto) {
                                                    if (seen++ == markers) {
                                                      wait_scan_ = std::string(key);
                                                      return at_end = false;
                                                    }
                                                    if (auto parsed = parse_entity_key(key))
                                                      found.push_back(parsed->entity);
                                                    return true;
                                                  });
  if (!scanned) search_again_ = true;
  for (const auto& entity : found) {
    if (!is_installed(entity)) continue;
    const auto box = mailbox(entity);
    if (!box) {
      ++counters_.unreadable;
      search_again_ = true;
    }
    if (!box || (*box)->hub.active || (*box)->hub.waits) continue;
    if (is_full()) {
      search_again_ = true;
      continue;
    }
    if ((*box)->unfinished) activate(**box);
  }
  if (at_end) {
    wait_scan_.clear();
    hubs_wait_ = std::exchange(search_again_, false);
  }
}

// Others wait while hubs that have nothing to do stay active for what may come: some of these should rest.
void Partition::make_room() {
  constexpr std::size_t kRestsAtOnce = 256;
  if (!std::exchange(room_wanted_, false) && !hubs_wait_) return;
  if (!is_full()) return;
  mailboxes_.for_each([&](const EntityId& entity, const Mailbox& mailbox) {
    const auto& hub = mailbox.hub;
    if (outputs_.rests.size() < kRestsAtOnce && hub.active && hub.folded == mailbox.last)
      outputs_.rests.push_back(entity);
  });
}

void Partition::report(HubReport report, UnixMs now) {
  auto* box = mailboxes_.find(report.hub);
  if (box == nullptr || !box->hub.active || box->hub.incarnation != report.incarnation || failed_) return;
  auto& hub = box->hub;
  hub.folded = report.folded;
  hub.reached = std::max(hub.reached, hub.folded);
  hub.cursor = report.cursor;
  count_backlog(*box);
  // One that is lost at the same event again and again reports, and stands still all the same.
  if (const auto still = not_computed_.find(box->id);
      still != not_computed_.end() && (hub.folded > still->second || hub.folded >= box->committed))
    not_computed_.erase(still);
  for (auto& [target, emissions] : report.emissions) outputs_.emissions[target.value].push_back(std::move(emissions));
  // One that is too much for this commit is left out, until there is another or the hub rests.
  if (report.snapshot) {
    snapshots_left_out_.erase(box->id);
    if (!has_room_for_snapshots() || !save_snapshot(*box, *report.snapshot))
      snapshots_left_out_.insert_or_assign(box->id, std::move(*report.snapshot));
  }
  if (hub.cursor >= hub.cursor_saved + options_.limits.events_per_cursor) {
    open_->writes.put(entity_key(id(), Tag::kCursor, box->id),
                      encode_cursor(mutated(Mutation::kCursorTooFar) ? hub.folded : hub.cursor));
    hub.cursor_saved = hub.cursor;
  }
  if (report.failure) {
    const auto& failure = *report.failure;
    hub.failures = failure.offset == hub.failed_at ? hub.failures + 1 : 1;
    hub.failed_at = failure.offset;
    end_fold(*box);
    if (failure.is_final() || hub.failures > options_.limits.retries)
      to_dead_letters(*box, failure);
    else
      retry_later(*box, now + options_.limits.retry_pause.count());
    return;
  }
  if (!moves(*box)) feed(*box);
}

// False when it cannot be, for now. Never one before the last: a fold may have begun before that one was durable, and be behind it still.
bool Partition::save_snapshot(Mailbox& mailbox, const Snapshot& snapshot) {
  if (mailbox.retention != nullptr) {
    if (!know_snapshot(mailbox)) return false;
    if (snapshot.offset < *mailbox.hub.snapshot && !mutated(Mutation::kSnapshotGoesBack)) return true;
    mailbox.hub.snapshot = snapshot.offset;
    open_->snapshots.emplace_back(mailbox.id, snapshot.offset);
    pin(mailbox);
  }
  auto record = encode(snapshot);
  open_->snapshot_bytes += record.size();
  open_->staged_bytes += record.size();
  if (!has_room()) open_->worth_a_commit = true;
  open_->writes.put(entity_key(id(), Tag::kSnapshot, mailbox.id), record);
  mailbox.hub.cursor_saved = std::max(mailbox.hub.cursor_saved, snapshot.offset);
  return true;
}

// False when it cannot be read.
bool Partition::know_snapshot(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  if (hub.snapshot) return true;
  const auto stored = storage_->get(entity_key(id(), Tag::kSnapshot, mailbox.id));
  if (!stored) return false;
  if (!*stored) return hub.snapshot.emplace(0) == 0;
  const auto snapshot = decode_snapshot(**stored);
  if (!snapshot) return hub.snapshot.emplace(0) == 0;  // Nothing can begin at it; the next one takes its place.
  hub.snapshot = snapshot->offset;
  // Another version's may be of no use to this one, which then begins with the first event.
  const auto* behaviour = options_.catalogue.find(mailbox.id.kind());
  if (behaviour != nullptr && behaviour->version() == snapshot->behaviour_version)
    hub.snapshot_durable = snapshot->offset;
  return true;
}

void Partition::pin(Mailbox& mailbox) {
  open_->pinned.push_back(&mailbox);
  ++mailbox.pins;
}

void Partition::end_fold(Mailbox& mailbox) {
  if (!mailbox.hub.active) return;
  mailbox.hub.active = false;
  snapshots_left_out_.erase(mailbox.id);
  hubs_aside_ -= mailbox.hub.aside;
  --counters_.active_hubs;
  count_backlog(mailbox);
  // What was to be said to it has not been taken yet, perhaps not even that it begins.
  std::erase_if(outputs_.feeds, [&](const Outputs::Feed& feed) { return feed.hub == mailbox.id; });
  const auto never_begun = std::erase_if(
      outputs_.activations, [&](const Outputs::Activation& activation) { return activation.hub == mailbox.id; });
  if (never_begun == 0) outputs_.dismissals.push_back(mailbox.id);
}

void Partition::count_backlog(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  const bool is_known = hub.active && hub.reached > 0;  // Not before its first report.
  const auto behind = is_known ? mailbox.committed - std::min(hub.reached, mailbox.committed) : Offset{0};
  counters_.backlog_events += behind - hub.behind;  // Modulo 2^64.
  hub.behind = behind;
}

void Partition::retry_later(Mailbox& mailbox, UnixMs due) {
  mailbox.hub.waits = true;
  retries_.emplace(due, mailbox.id);
}

void Partition::rest(const EntityId& entity, std::uint64_t incarnation, Offset folded,
                     std::optional<Snapshot> snapshot) {
  auto* box = mailboxes_.find(entity);
  if (box == nullptr || !box->hub.active || box->hub.incarnation != incarnation || failed_) return;
  if (auto left_out = snapshots_left_out_.extract(entity); !snapshot && !left_out.empty())
    snapshot = std::move(left_out.mapped());
  if (!has_room_for_snapshots()) {
    // One for each hub, however often it asks meanwhile.
    const auto earlier = std::ranges::find(rests_, entity, &RestRequest::hub);
    if (earlier == rests_.end())
      return static_cast<void>(rests_.push_back({entity, incarnation, folded, std::move(snapshot)}));
    if (!snapshot && earlier->incarnation == incarnation) snapshot = std::move(earlier->snapshot);
    *earlier = {entity, incarnation, folded, std::move(snapshot)};
    return;
  }
  if (snapshot && !save_snapshot(*box, *snapshot))  // It asks again.
    return static_cast<void>(snapshots_left_out_.insert_or_assign(entity, std::move(*snapshot)));
  if (box->last != folded && !mutated(Mutation::kRemoveMarkerEarly)) return;  // New events are on their way to it.
  if (box->unfinished) {
    open_->writes.erase(entity_key(id(), Tag::kUnfinished, entity));
    open_->writes.put(entity_key(id(), Tag::kCursor, entity), encode_cursor(folded));
    pin(*box);
    box->unfinished = false;
    box->hub.cursor_saved = folded;
  }
  not_computed_.erase(entity);
  end_fold(*box);
  activate_waiting(kMarkersPerRest);
}

void Partition::take_rests() {
  while (!rests_.empty() && has_room_for_snapshots()) {
    auto request = std::move(rests_.front());
    rests_.pop_front();
    rest(request.hub, request.incarnation, request.folded, std::move(request.snapshot));
  }
}

void Partition::hub_lost(const EntityId& entity, std::uint64_t incarnation, UnixMs now) {
  auto* box = mailboxes_.find(entity);
  if (box == nullptr || !box->hub.active || box->hub.incarnation != incarnation) return;
  if (not_computed_.size() < kStandingStillMax || not_computed_.contains(entity)) {
    auto& got_to = not_computed_[entity];
    got_to = std::max(got_to, box->hub.reached);
  }
  end_fold(*box);
  retry_later(*box, now + kUnreadableRetryMs);
}

void Partition::restart_hub(const EntityId& entity, std::uint64_t incarnation) {
  auto* box = mailboxes_.find(entity);
  if (box == nullptr || !box->hub.active || box->hub.incarnation != incarnation) return;
  end_fold(*box);
  feed(*box);
}

void Partition::repeat_later(const EntityId& entity, UnixMs now) {
  auto* box = mailboxes_.find(entity);
  if (box == nullptr || !box->hub.active || box->hub.repeats) return;
  auto& hub = box->hub;
  const bool got_on = hub.repeated_after == 0 || hub.cursor > hub.cursor_when_repeated;
  hub.repeats = true;
  hub.repeated_after = got_on ? kRepeatAfterMs : std::min(2 * hub.repeated_after, kRepeatAfterMostMs);
  hub.cursor_when_repeated = std::max(hub.cursor_when_repeated, hub.cursor);
  repeats_.emplace(now + hub.repeated_after, std::pair(entity, hub.incarnation));
}

std::vector<EntityId> Partition::active_hubs() {
  std::vector<EntityId> active;
  mailboxes_.for_each([&](const EntityId& entity, const Mailbox& mailbox) {
    if (mailbox.hub.active) active.push_back(entity);
  });
  return active;
}

Result<void> Partition::wake(const EntityId& entity) {
  if (failed_) return *failed_;
  const auto box = mailbox(entity);
  if (!box) return box.error();
  if ((*box)->hub.active || (*box)->hub.waits) return {};
  if (options_.catalogue.find(entity.kind()) == nullptr)
    return Error{ErrorCode::UNKNOWN_KIND, "no behaviour is installed for kind " + std::string(entity.kind())};
  if (is_full()) {
    room_wanted_ = true;
    return Error{ErrorCode::OVERLOADED, "too many hubs are active; try again in a moment"};
  }
  activate(**box);
  return {};
}

}  // namespace carillon::runtime
