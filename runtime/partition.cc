#include "runtime/partition.h"

#include <algorithm>

#include "runtime/key.h"
#include "runtime/mailbox_record.h"
#include "runtime/mutation.h"

namespace carillon::runtime {
namespace {

// Batches leave witnesses, so that a hole in LevelDB's log shows (DESIGN section 9). As many as a log may hold.
constexpr std::uint64_t kWitnesses = 65'536;

// Windows are saved under their own keys only so often; in between, a batch has one record of all that it moved.
constexpr std::uint64_t kBatchesPerWindowSave = 256;
constexpr std::size_t kUnsavedWindowsMax = 1'024;
constexpr UnixMs kSaveIntervalMs = 10'000;  // Also of what is worth no commit of its own, as cursors.

constexpr std::size_t kActivationsPerScan = 64;
constexpr std::size_t kStagedKept = 64;  // Room for so many events stays with a mailbox between batches.
constexpr std::size_t kSweepStep = 64;
constexpr std::size_t kRemindersPerCommit = 256;
constexpr UnixMs kSweepIntervalMs = 1'000;
constexpr UnixMs kUnreadableRetryMs = 2'000;

// All of a mailbox record.
bool is_old(std::string_view record, const Retention& retention, UnixMs now) {
  if (!retention.age) return false;
  const auto events = decode_mailbox_record(record);
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(*retention.age);
  return events && events->back().accepted_at_ms + age.count() < now;
}

}  // namespace

// --- Opening.

Partition::Partition(Options options, const Storage& storage)
    : options_(std::move(options)),
      storage_(&storage),
      mailboxes_(options_.limits.mailboxes_cached),
      windows_(options_.limits.windows_cached),
      open_(std::make_shared<Batch>()),
      incarnations_(options_.life << 32) {}

Partition::~Partition() {
  if (in_flight_) in_flight_->appended.clear();  // Its slices refer to the batch itself.
}

Result<std::unique_ptr<Partition>> Partition::open(Options options, const Storage& storage) {
  std::unique_ptr<Partition> partition(new Partition(std::move(options), storage));
  if (auto loaded = partition->load(); !loaded) return loaded.error();
  return partition;
}

Result<void> Partition::load() {
  std::uint64_t previous = 0;
  std::optional<Error> hole;
  const auto scanned =
      storage_->scan(tag_prefix(id(), Tag::kProgress), tag_end(id(), Tag::kProgress), [&](auto key, auto) {
        const auto batch = batch_of(key);
        if (previous != 0 && batch != previous + 1)
          hole = Error{ErrorCode::UNAVAILABLE, "partition " + std::to_string(id().value) + " misses the batches " +
                                                   std::to_string(previous + 1) + " to " + std::to_string(batch - 1) +
                                                   ": the log of the store is damaged; run `carillon verify`"};
        previous = batch;
        return !hole;
      });
  if (!scanned) return scanned.error();
  if (hole) return *hole;
  batch_number_ = previous;
  if (auto loaded = load_moved_windows(); !loaded) return loaded;
  hubs_wait_ = true;  // Recovery: unfinished hubs are found by their markers.
  activate_waiting();
  return {};
}

Result<void> Partition::load_moved_windows() {
  std::optional<Error> damaged;
  windows_saved_at_ = batch_number_;
  const auto scanned = storage_->scan(tag_prefix(id(), Tag::kMovedWindows), tag_end(id(), Tag::kMovedWindows),
                                      [&](auto key, auto value) {
                                        windows_saved_at_ = std::min(windows_saved_at_, batch_of(key) - 1);
                                        auto moved = decode_moved_windows(value);
                                        if (!moved) {
                                          damaged = moved.error();
                                          return false;
                                        }
                                        for (auto& [producer, stored] : *moved) {
                                          auto* slot = windows_.find(producer);
                                          if (slot == nullptr) {
                                            slot = &windows_.insert(producer, {});
                                            slot->unsaved = true;
                                            unsaved_windows_.emplace_back(producer, slot);
                                          }
                                          slot->window = stored.window;
                                          slot->moved_at_ms = stored.moved_at_ms;
                                        }
                                        return true;
                                      });
  if (!scanned) return scanned.error();
  if (damaged) return *damaged;
  return {};
}

Result<Partition::Mailbox*> Partition::mailbox(const EntityId& entity) {
  if (auto* cached = mailboxes_.find(entity)) return cached;
  const auto last = last_of_mailbox(*storage_, id(), entity);
  if (!last) return last.error();
  Mailbox loaded(entity);
  loaded.last = loaded.sealed = loaded.committed = *last;
  loaded.retention = retention_of(entity);
  if (!entity.is_player() && *last > 0) {
    const auto marker = storage_->get(entity_key(id(), Tag::kUnfinished, entity));
    if (!marker) return marker.error();
    loaded.unfinished = marker->has_value();
  }
  return &mailboxes_.insert(entity, std::move(loaded));
}

Result<Partition::WindowSlot*> Partition::window(const ProducerId& producer) {
  if (auto* cached = windows_.find(producer)) return cached;
  const auto stored = storage_->get(window_key(id(), producer));
  if (!stored) return stored.error();
  WindowSlot slot;
  if (*stored) {
    auto decoded = decode_window(**stored);
    if (!decoded) return decoded.error();
    slot.window = decoded->window;
    slot.moved_at_ms = decoded->moved_at_ms;
  }
  return &windows_.insert(producer, slot);
}

// --- Accepting.

void Partition::mark_window(const ProducerId& producer, WindowSlot& slot, UnixMs now) {
  slot.moved_at_ms = now;
  if (slot.dirty) return;
  slot.dirty = true;
  open_->windows.emplace_back(&producer, &slot);
}

Offset Partition::stage(Mailbox& mailbox, const Event& event) {
  if (mailbox.staged.empty()) {
    open_->touched.push_back(&mailbox);
    if (is_hub(mailbox) && !mailbox.unfinished && !mutated(Mutation::kSkipMarker)) {
      open_->writes.put(entity_key(id(), Tag::kUnfinished, mailbox.id), {});
      mailbox.unfinished = true;
    }
  }
  mailbox.staged.push_back(&event);
  ++open_->staged;
  open_->worth_a_commit = true;
  return ++mailbox.last;
}

Partition::Batch* Partition::last_batch() {
  if (open_->worth_a_commit) return open_.get();
  return in_flight_.get();
}

void Partition::refuse_all(const PublishRequest& request, const Error& error) {
  Published published{request.session, request.call, 0, 0, {}, request.items.front().index};
  for (const auto& item : request.items) published.refusals.push_back({item.index, error});
  counters_.refused += request.items.size();
  outputs_.published.push_back(std::move(published));
}

void Partition::publish(PublishRequest request, UnixMs now) {
  if (failed_) return refuse_all(request, *failed_);
  Published published{request.session, request.call, 0, 0, {}, request.items.front().index};
  // Events are staged where they lie: the batch keeps the request.
  auto& items = open_->publishes.emplace_back(std::move(request.items));
  WindowSlot* slot = nullptr;
  const ProducerId* slot_of = nullptr;
  for (auto& item : items) {
    const auto refuse = [&](const Error& error) { published.refusals.push_back({item.index, error}); };
    // The mailbox first: an event that cannot be staged must leave no trace in the window.
    const auto to = mailbox(item.entity);
    if (!to) {
      refuse(to.error());
      continue;
    }
    if (slot_of == nullptr || !(*slot_of == item.event.producer)) {
      const auto found = window(item.event.producer);
      if (!found) {
        refuse(found.error());
        continue;
      }
      slot = *found;
      slot_of = &item.event.producer;
    }
    if (slot->window.admit(item.event.sequence) == Window::Verdict::kDuplicate) {
      ++published.duplicates;
      continue;
    }
    mark_window(item.event.producer, *slot, now);
    item.event.accepted_at_ms = now;
    stage(**to, item.event);
    ++published.accepted;
  }
  counters_.accepted += published.accepted;
  counters_.duplicates += published.duplicates;
  counters_.refused += published.refusals.size();
  // Also what was only repeated may be said to be durable only when its original is.
  const bool at_once = mutated(Mutation::kAnswerDuplicateAtOnce) && published.accepted == 0;
  if (auto* batch = at_once ? nullptr : last_batch())
    return static_cast<void>(batch->published.emplace_back(std::move(published), &items));
  outputs_.published.push_back(std::move(published));
  open_->publishes.pop_back();  // Nothing of it is staged, and there may be no commit for long.
}

void Partition::emissions_arrived(PartitionId from, std::vector<HubEmissions> arrived, UnixMs now) {
  if (failed_) return;  // Not acknowledged: the hubs repeat them after a restart.
  for (auto& group : arrived) {
    auto& emissions = open_->emissions.emplace_back(std::move(group));
    const auto found = window(emissions.emissions.front().event.producer);
    if (!found) continue;
    WindowSlot& slot = **found;
    for (auto& emission : emissions.emissions) {
      // Dense: what skips a number follows something that was lost on the way, and will come again after it.
      const bool gap = emission.event.sequence > slot.window.highest() + 1;
      if (gap && !mutated(Mutation::kAcceptGapInEmissions)) break;
      const auto to = emission.due ? Result<Mailbox*>(nullptr) : mailbox(emission.target);
      if (!to) break;
      if (slot.window.admit(emission.event.sequence) == Window::Verdict::kDuplicate) {
        ++counters_.emission_duplicates;
        continue;
      }
      mark_window(emission.event.producer, slot, now);
      emission.event.accepted_at_ms = now;
      if (emission.due)
        keep(emission);
      else
        stage(**to, emission.event);
      ++counters_.emissions;
    }
    EmissionAck ack{emissions.hub, std::min(slot.window.highest(), emissions.last())};
    if (auto* batch = last_batch()) {
      batch->acks[from.value].push_back(std::move(ack));
    } else {
      outputs_.acks[from.value].push_back(std::move(ack));
      open_->emissions.pop_back();  // As above.
    }
  }
}

// --- Reminders.

// Until it is due it stands on disk only, in the order in which reminders are due.
void Partition::keep(const Emission& reminder) {
  const auto hub = EntityId::trusted(std::string(reminder.event.producer.name()));
  const auto due = std::max(*reminder.due, UnixMs{0});
  Event event = reminder.event;
  event.producer = ProducerId::reminder(hub);
  const auto key = reminder_key(id(), due, hub, event.sequence);
  open_->writes.put(key, encode(Reminder{reminder.target, std::move(event)}));
  open_->first_due = std::min(open_->first_due, due);
  open_->worth_a_commit = true;
}

// Once, without a window: the event and the end of its reminder are one commit.
void Partition::remind(UnixMs now) {
  if (now < next_due_ || failed_) return;
  next_due_ = kNever;
  const auto unreadable = [&] {  // `carillon verify` names what is damaged.
    ++counters_.reminders_unreadable;
    next_due_ = std::min(next_due_, now + kUnreadableRetryMs);
  };
  const auto scanned =
      storage_->scan(tag_prefix(id(), Tag::kReminder), tag_end(id(), Tag::kReminder), [&](auto key, auto value) {
        const auto due = due_of(key).value_or(0);
        // However long commits take, no more than these wait for theirs in memory.
        const bool enough = open_->reminded.size() >= kRemindersPerCommit;
        if ((due > now && !mutated(Mutation::kRemindEarly)) || enough) {
          next_due_ = std::min(next_due_, std::max(due, now));
          return false;
        }
        if (reminded_.contains(key)) return true;
        auto reminder = decode_reminder(value);
        const auto to = reminder ? mailbox(reminder->entity) : Result<Mailbox*>(reminder.error());
        if (!to) {
          unreadable();
          return true;
        }
        auto& event = open_->own_events.emplace_back(std::move(reminder->event));
        event.accepted_at_ms = now;
        stage(**to, event);
        open_->writes.erase(key);
        open_->reminded.emplace_back(key);
        if (!mutated(Mutation::kRemindTwice)) reminded_.emplace(key);
        ++counters_.reminders;
        return true;
      });
  if (!scanned) unreadable();
}

// --- Committing.

void Partition::seal() {
  if (in_flight_ || failed_ || !open_->worth_a_commit) return;
  in_flight_ = std::move(open_);
  open_ = std::make_shared<Batch>();
  Batch& batch = *in_flight_;

  WriteSet writes = std::move(batch.writes);
  batch.appended.reserve(batch.touched.size());
  batch.events.reserve(batch.staged);  // Slices point into it.
  busiest_.begin_batch(batch.staged);
  // In the order of their keys, which LevelDB's memtable takes in faster.
  std::ranges::sort(batch.touched, {}, [](const Mailbox* mailbox) -> const std::string& { return mailbox->id.text(); });
  for (auto* mailbox : batch.touched) {
    const Offset first = mailbox->last - mailbox->staged.size() + 1;
    writes.put(entity_key(id(), Tag::kMailbox, mailbox->id, first), encode_mailbox_record(mailbox->staged));
    const auto* const begin = batch.events.data() + batch.events.size();
    batch.events.insert(batch.events.end(), mailbox->staged.begin(), mailbox->staged.end());
    batch.appended.emplace_back(mailbox, EventSlice{first, {begin, mailbox->staged.size()}, in_flight_});
    busiest_.add(mailbox->id, mailbox->staged.size());
    mailbox->staged.clear();
    if (mailbox->staged.capacity() > kStagedKept) mailbox->staged = {};
    mailbox->sealed = mailbox->last;
  }
  ++batch_number_;
  if (!mutated(Mutation::kForgetWindow)) write_windows(batch, writes);
  writes.put(batch_key(id(), Tag::kProgress, batch_number_), {});
  if (batch_number_ > kWitnesses) writes.erase(batch_key(id(), Tag::kProgress, batch_number_ - kWitnesses));
  ++counters_.batches;
  outputs_.commit = std::move(writes);

  for (auto& [mailbox, slice] : batch.appended) {
    mailbox->in_flight = &slice;
    if (mutated(Mutation::kDeliverBeforeCommit)) deliver(*mailbox, slice);
    if (is_hub(*mailbox) && options_.fold_before_commit) feed(*mailbox);
  }
}

void Partition::write_windows(Batch& batch, WriteSet& writes) {
  std::vector<MovedWindow> moved;
  moved.reserve(batch.windows.size());
  for (const auto& [producer, slot] : batch.windows) {
    moved.push_back({producer->stored(), &slot->window, slot->moved_at_ms});
    slot->dirty = false;
    if (!std::exchange(slot->unsaved, true)) unsaved_windows_.emplace_back(*producer, slot);
  }
  const bool save_now = std::exchange(save_windows_, false) || unsaved_windows_.size() >= kUnsavedWindowsMax ||
                        batch_number_ >= windows_saved_at_ + kBatchesPerWindowSave;
  if (!save_now) {
    if (!moved.empty()) writes.put(batch_key(id(), Tag::kMovedWindows, batch_number_), encode(moved));
    return;
  }
  for (const auto& [producer, slot] : unsaved_windows_) {
    writes.put(window_key(id(), producer), encode(StoredWindow{slot->window, slot->moved_at_ms}));
    slot->unsaved = false;
    ++slot->saves_under_way;
    batch.saved.push_back(slot);
  }
  unsaved_windows_.clear();
  for (auto number = windows_saved_at_ + 1; number < batch_number_; ++number)
    writes.erase(batch_key(id(), Tag::kMovedWindows, number));
  windows_saved_at_ = batch_number_;
}

void Partition::committed(UnixMs now) {
  CHECK(in_flight_);
  // The batch ends with this call; who still holds slices keeps it alive.
  const auto batch = std::move(in_flight_);
  for (auto* slot : batch->saved) --slot->saves_under_way;
  for (auto& [mailbox, slice] : batch->appended) {
    mailbox->committed = slice.last();
    if (!mailbox->followers.empty() && !mutated(Mutation::kDeliverBeforeCommit)) deliver(*mailbox, slice);
    const auto* retention = mailbox->retention;
    if (is_hub(*mailbox))
      feed(*mailbox);  // It is trimmed when a snapshot is durable: nothing more may go before.
    else if (retention != nullptr && mailbox->committed > retention->events && surplus(*mailbox) > 0)
      trim(*mailbox, now);
    mailbox->in_flight = nullptr;
  }
  if (!mutated(Mutation::kForgetMarkerChange))  // With it, some of them are gone.
    for (auto* mailbox : batch->pinned) --mailbox->pins;
  for (const auto& [hub, offset] : batch->snapshots) {
    auto* mailbox = mailboxes_.find(hub);
    if (mailbox == nullptr || !mailbox->hub.snapshot) continue;
    mailbox->hub.snapshot_durable = offset;
    trim(*mailbox, now);
  }
  for (const auto& entity : batch->resume) {
    if (auto* mailbox = mailboxes_.find(entity)) {
      mailbox->hub.waits = false;
      feed(*mailbox);
    }
  }
  for (auto& [published, items] : batch->published) outputs_.published.push_back(std::move(published));
  for (auto& [partition, acks] : batch->acks) {
    auto& out = outputs_.acks[partition];
    std::ranges::move(acks, std::back_inserter(out));
  }
  for (auto& redriven : batch->redriven) outputs_.redriven.push_back(std::move(redriven));
  for (const auto& settled : batch->settling) settling_.erase(settled);
  for (const auto& key : batch->reminded) reminded_.erase(key);
  if (!mutated(Mutation::kForgetReminder)) next_due_ = std::min(next_due_, batch->first_due);
  remind(now);
  // Slices hold the batch, and the batch holds the slices: cut the circle.
  batch->appended.clear();
}

void Partition::commit_failed(const Error& error) {
  failed_ = Error{ErrorCode::UNAVAILABLE, error.message, 0};
  for (auto* batch : {in_flight_.get(), open_.get()}) {
    if (batch == nullptr) continue;
    for (auto& [published, items] : batch->published) {
      // Whether it reached the disk is unknown, so nothing of it is confirmed; the client keeps it and tries again.
      published.refusals.clear();
      for (const auto& item : *items) published.refusals.push_back({item.index, *failed_});
      published.accepted = published.duplicates = 0;
      outputs_.published.push_back(std::move(published));
    }
    for (auto& redriven : batch->redriven) {
      redriven.outcome = *failed_;
      outputs_.redriven.push_back(std::move(redriven));
    }
    for (auto& [mailbox, slice] : batch->appended) mailbox->in_flight = nullptr;
    batch->appended.clear();
  }
}

void Partition::deliver(const Mailbox& mailbox, const EventSlice& events) {
  for (const auto& follower : mailbox.followers)
    outputs_.deliveries[follower.session].push_back({follower.follow, events});
}

void Partition::finish() {
  finishing_ = true;
  if (!unsaved_windows_.empty()) save_windows_ = open_->worth_a_commit = true;
}

Outputs Partition::take() {
  if (finishing_ && !open_->writes.empty()) open_->worth_a_commit = true;
  seal();
  return std::exchange(outputs_, {});
}

// --- Hubs.

void Partition::activate(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  if (hub.aside && hubs_aside_ >= options_.limits.hubs_aside_max) hub.aside = false;
  hubs_aside_ += hub.aside;
  hub.incarnation = ++incarnations_;
  hub.active = true;
  hub.lagging = true;  // Until it reports that it has caught up with the disk.
  hub.handed = mailbox.committed;
  hub.folded = 0;
  ++counters_.active_hubs;
  outputs_.activations.push_back({mailbox.id, hub.incarnation, hub.aside});
  outputs_.feeds.push_back({mailbox.id, mailbox.committed, {}});
}

void Partition::feed(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  if (hub.waits || failed_) return;
  if (!hub.active) {
    if (counters_.active_hubs >= options_.limits.active_hubs_max) {
      hubs_wait_ = search_again_ = true;  // It is found by its marker when there is room.
      return;
    }
    activate(mailbox);
    return;
  }
  const auto until = visible(mailbox);
  if (hub.handed >= until) return;
  if (hub.lagging) {
    if (hub.folded < hub.handed) return;
    if (mailbox.committed > hub.handed) {
      hub.handed = mailbox.committed;
      outputs_.feeds.push_back({mailbox.id, mailbox.committed, {}});
      return;
    }
    hub.lagging = false;
  }
  const auto* slice = mailbox.in_flight;
  if (until - hub.folded > options_.limits.hub_events_ahead_max || slice == nullptr || slice->first > hub.handed + 1) {
    hub.lagging = true;  // Too much for memory, or no longer there: from disk, once it is committed.
    return;
  }
  outputs_.feeds.push_back({mailbox.id, 0, {slice->from(hub.handed + 1)}});
  hub.handed = until;
}

// A hub with a long backlog is started anew aside; once it has nearly caught up, back among the others.
bool Partition::moves(Mailbox& mailbox) {
  constexpr std::uint64_t kNearly = 16;  // A part of what it takes to go aside, so that it does not go to and fro.
  auto& hub = mailbox.hub;
  // What an earlier fold has been through is no backlog, though it is folded again: or it would go to and fro for ever.
  hub.reached = std::max(hub.reached, hub.folded);
  const auto behind = mailbox.committed - std::min(hub.reached, mailbox.committed);
  const auto limit = options_.limits.events_aside;
  if (hub.aside ? behind > limit / kNearly : behind <= limit) return false;
  if (!hub.aside && hubs_aside_ >= options_.limits.hubs_aside_max) return false;
  end_fold(mailbox);
  hub.aside = !hub.aside;
  activate(mailbox);
  return true;
}

void Partition::activate_waiting() {
  if (!hubs_wait_ || failed_ || counters_.active_hubs >= options_.limits.active_hubs_max) return;
  const auto begin = tag_prefix(id(), Tag::kUnfinished);
  std::vector<EntityId> found;
  std::size_t seen = 0;
  bool at_end = true;
  const auto scanned = storage_->scan(wait_scan_.empty() ? std::string_view(begin) : wait_scan_,
                                      tag_end(id(), Tag::kUnfinished), [&](auto key, auto) {
                                        if (seen++ == kActivationsPerScan) {
                                          wait_scan_ = std::string(key);
                                          return at_end = false;
                                        }
                                        if (auto parsed = parse_entity_key(key)) found.push_back(parsed->entity);
                                        return true;
                                      });
  if (!scanned) search_again_ = true;
  for (const auto& entity : found) {
    const auto box = mailbox(entity);
    if (!box || (*box)->hub.active || (*box)->hub.waits) continue;
    if (counters_.active_hubs >= options_.limits.active_hubs_max) {
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

void Partition::report(HubReport report, UnixMs now) {
  auto* box = mailboxes_.find(report.hub);
  if (box == nullptr || !box->hub.active || box->hub.incarnation != report.incarnation || failed_) return;
  auto& hub = box->hub;
  hub.folded = report.folded;
  hub.cursor = report.cursor;
  for (auto& [target, emissions] : report.emissions) outputs_.emissions[target.value].push_back(std::move(emissions));
  if (report.snapshot) {
    save_snapshot(*box, *report.snapshot);
    hub.cursor_saved = std::max(hub.cursor_saved, report.snapshot->offset);
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
    if (hub.failures > options_.limits.retries)
      to_dead_letters(*box, failure);
    else
      retry_later(*box, now + options_.limits.retry_pause.count());
    return;
  }
  if (!moves(*box)) feed(*box);
}

// Never one before the last: a fold may have begun before that one was durable, and be behind it still.
void Partition::save_snapshot(Mailbox& mailbox, const Snapshot& snapshot) {
  if (mailbox.retention != nullptr) {
    if (!know_snapshot(mailbox)) return;
    if (snapshot.offset < *mailbox.hub.snapshot && !mutated(Mutation::kSnapshotGoesBack)) return;
    mailbox.hub.snapshot = snapshot.offset;
    open_->snapshots.emplace_back(mailbox.id, snapshot.offset);
    pin(mailbox);
  }
  open_->writes.put(entity_key(id(), Tag::kSnapshot, mailbox.id), encode(snapshot));
}

// False when it cannot be read.
bool Partition::know_snapshot(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  if (hub.snapshot) return true;
  const auto stored = storage_->get(entity_key(id(), Tag::kSnapshot, mailbox.id));
  if (!stored) return false;
  if (!*stored) return hub.snapshot.emplace(0) == 0;
  const auto snapshot = decode_snapshot(**stored);
  if (!snapshot) return false;
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
  hubs_aside_ -= mailbox.hub.aside;
  --counters_.active_hubs;
  // What was to be said to it has not been taken yet, perhaps not even that it begins.
  std::erase_if(outputs_.feeds, [&](const Outputs::Feed& feed) { return feed.hub == mailbox.id; });
  const auto never_begun = std::erase_if(
      outputs_.activations, [&](const Outputs::Activation& activation) { return activation.hub == mailbox.id; });
  if (never_begun == 0) outputs_.dismissals.push_back(mailbox.id);
}

void Partition::retry_later(Mailbox& mailbox, UnixMs due) {
  mailbox.hub.waits = true;
  retries_.emplace(due, mailbox.id);
}

void Partition::to_dead_letters(Mailbox& mailbox, const Fold::Failure& failure) {
  open_->writes.put(entity_key(id(), Tag::kDeadLetter, mailbox.id, failure.offset),
                    encode(DeadLetter{failure.reason, mailbox.hub.failures, false}));
  open_->worth_a_commit = true;
  outputs_.dead_lettered.push_back({mailbox.id, failure.offset, mailbox.hub.failures, failure.traceparent});
  mailbox.hub.failures = 0;
  ++counters_.dead_letters;
  if (mutated(Mutation::kDeadLetterNotAwaited)) return feed(mailbox);
  // What follows it may be folded only when the decision to skip it is durable (P5).
  open_->resume.push_back(mailbox.id);
  mailbox.hub.waits = true;
}

void Partition::rest(const EntityId& entity, std::uint64_t incarnation, Offset folded,
                     std::optional<Snapshot> snapshot) {
  auto* box = mailboxes_.find(entity);
  if (box == nullptr || !box->hub.active || box->hub.incarnation != incarnation || failed_) return;
  if (snapshot) save_snapshot(*box, *snapshot);
  if (box->last != folded && !mutated(Mutation::kRemoveMarkerEarly)) return;  // New events are on their way to it.
  if (box->unfinished) {
    open_->writes.erase(entity_key(id(), Tag::kUnfinished, entity));
    open_->writes.put(entity_key(id(), Tag::kCursor, entity), encode_cursor(folded));
    pin(*box);
    box->unfinished = false;
    box->hub.cursor_saved = folded;
  }
  end_fold(*box);
  activate_waiting();
}

void Partition::hub_lost(const EntityId& entity, std::uint64_t incarnation, UnixMs now) {
  auto* box = mailboxes_.find(entity);
  if (box == nullptr || !box->hub.active || box->hub.incarnation != incarnation) return;
  end_fold(*box);
  retry_later(*box, now + kUnreadableRetryMs);
}

void Partition::restart_hubs() {
  for (const auto& entity : active_hubs()) {
    auto* box = mailboxes_.find(entity);
    end_fold(*box);
    feed(*box);
  }
}

void Partition::restart_hub(const EntityId& entity, std::uint64_t incarnation) {
  auto* box = mailboxes_.find(entity);
  if (box == nullptr || !box->hub.active || box->hub.incarnation != incarnation) return;
  end_fold(*box);
  feed(*box);
}

std::vector<EntityId> Partition::active_hubs() {
  std::vector<EntityId> active;
  mailboxes_.for_each([&](const EntityId& entity, const Mailbox& mailbox) {
    if (mailbox.hub.active) active.push_back(entity);
  });
  return active;
}

bool Partition::at_rest() const {
  const bool saved = !finishing_ || open_->writes.empty();
  return failed_ || (!in_flight_ && !open_->worth_a_commit && saved && counters_.active_hubs == 0);
}

// --- Followers and operators.

Result<Extent> Partition::follow(const EntityId& entity, Follower follower) {
  const auto box = mailbox(entity);
  if (!box) return box.error();
  const auto extent = extent_of_mailbox(*storage_, id(), entity);
  if (!extent) return extent.error();
  (*box)->followers.push_back(follower);
  followed_[follower.session].insert(entity);
  // The disk may be ahead of `committed`, by a commit of which this partition has not heard yet; readers have seen it.
  return Extent{extent->first, std::max(extent->last, (*box)->committed)};
}

void Partition::unfollow(const EntityId& entity, Follower follower) {
  const auto found = followed_.find(follower.session);
  auto* box = mailboxes_.find(entity);
  if (found == followed_.end() || box == nullptr) return;
  std::erase(box->followers, follower);
  // A session may follow the same entity more than once.
  if (std::ranges::find(box->followers, follower.session, &Follower::session) != box->followers.end()) return;
  found->second.erase(entity);
  if (found->second.empty()) followed_.erase(found);
}

void Partition::unfollow(SessionId session) {
  const auto found = followed_.find(session);
  if (found == followed_.end()) return;
  for (const auto& entity : found->second)
    if (auto* box = mailboxes_.find(entity))
      std::erase_if(box->followers, [&](const Follower& follower) { return follower.session == session; });
  followed_.erase(found);
}

Result<void> Partition::wake(const EntityId& entity) {
  if (failed_) return *failed_;
  const auto box = mailbox(entity);
  if (!box) return box.error();
  if (!(*box)->hub.active && !(*box)->hub.waits) activate(**box);
  return {};
}

Result<Partition::Inspection> Partition::inspect(const EntityId& entity) {
  const auto box = mailbox(entity);
  if (!box) return box.error();
  Inspection inspection;
  const auto extent = extent_of_mailbox(*storage_, id(), entity);
  if (!extent) return extent.error();
  inspection.extent = *extent;
  inspection.cursor = (*box)->hub.cursor;
  const auto letters = storage_->scan(entity_key(id(), Tag::kDeadLetter, entity),
                                      entity_end(id(), Tag::kDeadLetter, entity), [&](auto, auto value) {
                                        const auto letter = decode_dead_letter(value);
                                        inspection.dead_letters += letter.ok() && !letter->settled;
                                        return true;
                                      });
  if (!letters) return letters.error();
  return inspection;
}

Result<std::vector<DeadLetterEntry>> Partition::dead_letters(const std::optional<EntityId>& entity,
                                                             std::size_t most) const {
  std::vector<DeadLetterEntry> entries;
  std::optional<Error> failed;
  const auto begin = entity ? entity_key(id(), Tag::kDeadLetter, *entity) : tag_prefix(id(), Tag::kDeadLetter);
  const auto end = entity ? entity_end(id(), Tag::kDeadLetter, *entity) : tag_end(id(), Tag::kDeadLetter);
  const auto scanned = storage_->scan(begin, end, [&](auto key, auto value) {
    const auto parsed = parse_entity_key(key);
    auto letter = decode_dead_letter(value);
    if (!parsed || !letter) {
      failed = parsed ? letter.error() : parsed.error();
      return false;
    }
    if (letter->settled) return true;
    auto event = event_of_dead_letter(parsed->entity, parsed->offset);
    if (!event) {
      failed = event.error();
      return false;
    }
    entries.push_back({parsed->entity, parsed->offset, std::move(*letter), std::move(*event)});
    return entries.size() < most;
  });
  if (!scanned) return scanned.error();
  if (failed) return *failed;
  return entries;
}

// In the mailbox, or in the letter once the mailbox is cut behind it: looked for in this order, for that may become durable meanwhile.
Result<Event> Partition::event_of_dead_letter(const EntityId& entity, Offset offset) const {
  auto run = read_mailbox(*storage_, id(), entity, offset, {1, 1});
  if (run && !run->events.empty()) return std::move(run->events.front());
  if (!run && run.error().code != ErrorCode::TRUNCATED) return run.error();
  const auto stored = storage_->get(entity_key(id(), Tag::kDeadLetter, entity, offset));
  if (!stored) return stored.error();
  auto letter = *stored ? decode_dead_letter(**stored) : Result<DeadLetter>(DeadLetter());
  if (!letter) return letter.error();
  if (!letter->event)
    return Error{ErrorCode::UNAVAILABLE, "the event of dead letter " + entity.text() + " " + std::to_string(offset) +
                                             " is not there; run `carillon verify`"};
  return std::move(*letter->event);
}

void Partition::redrive(const EntityId& entity, Offset offset, std::uint64_t call, UnixMs now) {
  const auto answer = [&](const Error& error) { outputs_.redriven.push_back({call, error}); };
  if (failed_) return answer(*failed_);
  const auto stored = storage_->get(entity_key(id(), Tag::kDeadLetter, entity, offset));
  if (!stored) return answer(stored.error());
  auto letter = *stored ? decode_dead_letter(**stored) : Result<DeadLetter>(DeadLetter{{}, 0, true});
  if (!letter) return answer(letter.error());
  if (letter->settled || settling_.contains({entity, offset}))
    return answer({ErrorCode::NOT_FOUND, "no dead letter stands there; it may have been redriven or discarded"});
  auto original = event_of_dead_letter(entity, offset);
  const auto box = mailbox(entity);
  if (!original || !box) return answer(original ? box.error() : original.error());

  // Once, without a window: the new event and the end of the dead letter are one commit.
  auto& event = open_->own_events.emplace_back(std::move(*original));
  event.accepted_at_ms = now;
  event.redrive_of = offset;
  const auto new_offset = stage(**box, event);
  letter->settled = true;
  letter->event.reset();
  open_->writes.put(entity_key(id(), Tag::kDeadLetter, entity, offset), encode(*letter));
  open_->settling.emplace_back(entity, offset);
  if (!mutated(Mutation::kRedriveTwice)) settling_.emplace(entity, offset);
  open_->redriven.push_back({call, new_offset});
}

void Partition::discard(const EntityId& entity, Offset offset, std::uint64_t call) {
  const auto answer = [&](const Error& error) { outputs_.redriven.push_back({call, error}); };
  if (failed_) return answer(*failed_);
  const Key key = entity_key(id(), Tag::kDeadLetter, entity, offset);
  const auto stored = storage_->get(key);
  if (!stored) return answer(stored.error());
  auto letter = *stored ? decode_dead_letter(**stored) : Result<DeadLetter>(DeadLetter{{}, 0, true});
  if (!letter) return answer(letter.error());
  if (letter->settled || settling_.contains({entity, offset}))
    return answer({ErrorCode::NOT_FOUND, "no dead letter stands there; it may have been redriven or discarded"});
  letter->settled = true;
  letter->event.reset();
  open_->writes.put(key, encode(*letter));
  open_->worth_a_commit = true;
  open_->settling.emplace_back(entity, offset);
  settling_.emplace(entity, offset);
  open_->redriven.push_back({call, Offset{0}});
}

// --- Time.

void Partition::tick(UnixMs now) {
  if (failed_) return;
  busiest_.tick(now);
  remind(now);
  while (!retries_.empty() && retries_.begin()->first <= now) {
    const auto entity = retries_.begin()->second;
    retries_.erase(retries_.begin());
    if (auto* box = mailboxes_.find(entity); box != nullptr && box->hub.waits) {
      box->hub.waits = false;
      feed(*box);
    }
  }
  activate_waiting();
  if (now >= next_sweep_) {
    sweep(now);
    next_sweep_ = now + kSweepIntervalMs;
  }
}

// --- Retention.

const Retention* Partition::retention_of(const EntityId& entity) const {
  if (!entity.is_player() && options_.catalogue.find(entity.kind()) == nullptr) return nullptr;
  const auto& retention = options_.retention.of(entity.kind());
  return retention.keeps_all() ? nullptr : &retention;
}

std::uint64_t Partition::surplus(Mailbox& mailbox) {
  if (mailbox.first == 0) {
    const auto extent = extent_of_mailbox(*storage_, id(), mailbox.id);
    if (!extent) return 0;
    mailbox.first = extent->first;
  }
  return mailbox.retention->surplus(Extent{mailbox.first, mailbox.committed}.size());
}

// A hub's begins anew at its durable snapshot, all emissions up to which are acknowledged; a fold that began before that one was
// durable reads on from where it is.
Offset Partition::recovered_without(Mailbox& mailbox) {
  const auto& hub = mailbox.hub;
  if (!is_hub(mailbox) || mutated(Mutation::kCutBeyondSnapshot)) return mailbox.committed;
  if (!know_snapshot(mailbox)) return 0;
  return hub.active ? std::min(hub.snapshot_durable, hub.folded) : hub.snapshot_durable;
}

// Drops the records of which retention keeps nothing and recovery needs nothing, a bounded number in one batch. What cannot be read
// is not trimmed; readers will say so.
void Partition::trim(Mailbox& mailbox, UnixMs now) {
  const auto& retention = *mailbox.retention;
  // A record may go when the next one begins at or before these. The newest stays, so that the mailbox keeps its place.
  const auto wanted = mailbox.first + surplus(mailbox) + (mutated(Mutation::kTrimOneTooMany) ? 1 : 0);
  const auto until = std::min(recovered_without(mailbox) + 1, mailbox.committed);
  if (mailbox.first == 0 || until <= mailbox.first) return;
  std::vector<std::string> old;
  Offset first = mailbox.first;
  const auto scanned = storage_->scan(entity_key(id(), Tag::kMailbox, mailbox.id, mailbox.first),
                                      entity_end(id(), Tag::kMailbox, mailbox.id), [&](auto key, auto value) {
                                        const auto parsed = parse_entity_key(key);
                                        const auto count = count_of_mailbox_record(value);
                                        if (!parsed || !count || open_->is_cut_enough()) return false;
                                        const auto next = parsed->offset + *count;
                                        if (next > until || (next > wanted && !is_old(value, retention, now)))
                                          return false;
                                        old.emplace_back(key);
                                        ++open_->cut;
                                        open_->cut_bytes += value.size();
                                        first = next;
                                        return true;
                                      });
  if (!scanned || old.empty() || !keep_dead_letters(mailbox, first)) return;
  for (const auto& key : old) open_->writes.erase(key);
  mailbox.first = first;
}

// Before the mailbox is cut there: open dead letters before `until` get their events, and those that are settled go, for no replay
// comes by them again.
Result<void> Partition::keep_dead_letters(const Mailbox& mailbox, Offset until) {
  if (!is_hub(mailbox)) return {};
  std::vector<std::pair<Offset, DeadLetter>> open;  // Without their events.
  std::vector<std::string> settled;
  Result<void> done;
  const auto letter_key = [&](Offset offset) { return entity_key(id(), Tag::kDeadLetter, mailbox.id, offset); };
  auto scanned = storage_->scan(letter_key(0), letter_key(until), [&](auto key, auto value) {
    const auto parsed = parse_entity_key(key);
    auto letter = decode_dead_letter(value);
    if (!parsed || !letter) {
      done = parsed ? letter.error() : parsed.error();
      return false;
    }
    if (settling_.contains({mailbox.id, parsed->offset})) return true;  // The next cut finds it settled.
    if (letter->settled)
      settled.emplace_back(key);
    else if (!letter->event && parsed->offset >= mailbox.first)  // Others got theirs by a cut that is under way.
      open.emplace_back(parsed->offset, std::move(*letter));
    return true;
  });
  if (!scanned || !done) return scanned ? done : scanned;

  auto missing = open.begin();
  const auto record_key = [&](Offset offset) { return entity_key(id(), Tag::kMailbox, mailbox.id, offset); };
  scanned = storage_->scan(record_key(mailbox.first), record_key(until), [&](auto key, auto value) {
    if (missing == open.end()) return false;
    const auto parsed = parse_entity_key(key);
    const auto count = count_of_mailbox_record(value);
    if (!parsed || !count || missing->first < parsed->offset) return false;
    const auto next = parsed->offset + *count;
    if (missing->first >= next) return true;
    auto events = decode_mailbox_record(value);
    if (!events) return false;
    for (; missing != open.end() && missing->first < next; ++missing)
      missing->second.event = std::move((*events)[missing->first - parsed->offset]);
    return true;
  });
  if (!scanned) return scanned;
  if (missing != open.end())
    return Error{ErrorCode::UNAVAILABLE, "the event of a dead letter of " + mailbox.id.text() + " cannot be read"};
  if (!mutated(Mutation::kForgetDeadEvent))
    for (const auto& [offset, letter] : open) open_->writes.put(letter_key(offset), encode(letter));
  for (const auto& key : settled) open_->writes.erase(key);
  return {};
}

// --- Sweeping.

void Partition::sweep(UnixMs now) {
  if (now >= save_due_) {
    save_due_ = now + kSaveIntervalMs;
    if (!unsaved_windows_.empty()) save_windows_ = open_->worth_a_commit = true;
    if (!open_->writes.empty()) open_->worth_a_commit = true;  // What waited for company.
  }
  sweep_windows(now);
  sweep_mailboxes(now);
}

// Forgets clients' windows that have not moved within the deduplication horizon.
void Partition::sweep_windows(UnixMs now) {
  const auto begin = sweep_windows_at_.empty() ? tag_prefix(id(), Tag::kWindow).text() : sweep_windows_at_;
  const auto horizon = std::chrono::duration_cast<std::chrono::milliseconds>(options_.limits.deduplication_horizon);
  std::vector<std::string> old;
  std::size_t seen = 0;
  sweep_windows_at_.clear();
  const auto scanned = storage_->scan(begin, tag_end(id(), Tag::kWindow), [&](auto key, auto value) {
    if (seen++ == kSweepStep) {
      sweep_windows_at_ = key;
      return false;
    }
    const auto window = decode_window(value);
    if (window && key[3] != 'h' && window->moved_at_ms + horizon.count() < now) old.emplace_back(key);
    return true;
  });
  if (!scanned) return;
  for (const auto& key : old) {
    const auto producer = ProducerId::trusted(std::string_view(key).substr(3, key.size() - 4));
    const auto* cached = windows_.peek(producer);
    if (cached != nullptr && (cached->in_use() || cached->moved_at_ms + horizon.count() >= now)) continue;
    windows_.erase(producer);
    open_->writes.erase(key);
  }
}

// Applies retention to mailboxes that nothing comes to: some at a time, in turns.
void Partition::sweep_mailboxes(UnixMs now) {
  auto at = sweep_mailboxes_at_.empty() ? tag_prefix(id(), Tag::kMailbox).text() : sweep_mailboxes_at_;
  sweep_mailboxes_at_.clear();
  for (std::size_t step = 0; step < kSweepStep; ++step) {
    std::optional<EntityKey> found;
    bool old = false;
    const auto scanned = storage_->scan(at, tag_end(id(), Tag::kMailbox), [&](auto key, auto value) {
      if (auto parsed = parse_entity_key(key)) found = std::move(*parsed);
      const auto* retention = found ? retention_of(found->entity) : nullptr;
      old = retention != nullptr && is_old(value, *retention, now);
      return false;
    });
    if (!scanned || !found) return;
    const auto& entity = found->entity;
    const auto* retention = retention_of(entity);
    if (retention == nullptr) {  // On to the next kind.
      at = tag_prefix(id(), Tag::kMailbox).add(entity.kind()).add_byte('/' + 1).text();
      continue;
    }
    // It need not be in memory for that.
    const auto* cached = mailboxes_.peek(entity);
    const auto last = cached != nullptr ? Result<Offset>(cached->committed) : last_of_mailbox(*storage_, id(), entity);
    if (last && (old || retention->surplus(Extent{found->offset, *last}.size()) > 0))
      if (const auto box = mailbox(entity)) trim(**box, now);
    if (open_->is_cut_enough()) {
      open_->worth_a_commit = true;
      at = entity_key(id(), Tag::kMailbox, entity).text();
      break;
    }
    at = entity_end(id(), Tag::kMailbox, entity).text();
  }
  sweep_mailboxes_at_ = at;
}

}  // namespace carillon::runtime
