#include "runtime/partition.h"

#include <algorithm>

#include "runtime/key.h"
#include "runtime/mailbox_record.h"
#include "runtime/mutation.h"
#include "runtime/witnesses.h"

namespace carillon::runtime {
namespace {

// Windows are saved under their own keys only so often; in between, a batch has one record of all that it moved.
constexpr std::uint64_t kBatchesPerWindowSave = 256;
constexpr std::size_t kUnsavedWindowsMax = 1'024;

constexpr std::size_t kStagedKept = 64;  // Room for so many events stays with a mailbox between batches.
constexpr UnixMs kSweepIntervalMs = 1'000;
constexpr UnixMs kOrderAgeMs = 10'000;  // Whoever comes back at all does so long before.

}  // namespace

void Partition::Counters::add(const Counters& past) {
  accepted += past.accepted;
  duplicates += past.duplicates;
  emissions += past.emissions;
  emission_duplicates += past.emission_duplicates;
  reminders += past.reminders;
  unreadable += past.unreadable;
  refused += past.refused;
  dead_letters += past.dead_letters;
  dead_letters_dropped += past.dead_letters_dropped;
  batches += past.batches;
}

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
  const auto last = last_witness(*storage_, id());
  if (!last) return last.error();
  batch_number_ = *last;
  if (auto loaded = load_moved_windows(); !loaded) return loaded;
  hubs_wait_ = true;  // Recovery: unfinished hubs are found by their markers.
  activate_waiting(kMarkersPerTick);
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

void Partition::mark_window(const ProducerId& producer, WindowSlot& slot) {
  slot.moved_at_ms = now_;
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
  open_->staged_bytes += bytes_of(event);
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
  now_ = now;
  if (failed_) return refuse_all(request, *failed_);
  if (!has_room()) return static_cast<void>(waiting_.emplace_back(std::move(request)));
  admit(std::move(request));
}

void Partition::emissions_arrived(PartitionId from, std::vector<HubEmissions> arrived, UnixMs now) {
  now_ = now;
  if (failed_) return;  // Not acknowledged: the hubs repeat them after a restart.
  for (auto& emissions : arrived) {
    if (has_room())
      admit({from, std::move(emissions)});
    else
      waiting_.emplace_back(ArrivedEmissions{from, std::move(emissions)});
  }
}

void Partition::admit_waiting() {
  if (mutated(Mutation::kOvertakeWaiting)) std::ranges::reverse(waiting_);
  while (!waiting_.empty() && has_room()) {
    std::visit([&](auto& input) { admit(std::move(input)); }, waiting_.front());
    waiting_.pop_front();
  }
}

void Partition::admit(PublishRequest request) {
  Published published{request.session, request.call, 0, 0, {}, request.items.front().index};
  // Events are staged where they lie: the batch keeps the request.
  auto& items = open_->publishes.emplace_back(std::move(request.items));
  WindowSlot* slot = nullptr;
  const ProducerId* slot_of = nullptr;
  for (auto& item : items) {
    const auto refuse = [&](const Error& error) {
      published.refusals.push_back({item.index, error});
      unreadable(item.event);
    };
    if (auto turn = in_turn(item.event); !turn) {
      published.refusals.push_back({item.index, turn.error()});
      continue;
    }
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
    mark_window(item.event.producer, *slot);
    item.event.accepted_at_ms = now_;
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

Result<void> Partition::in_turn(const Event& event) {
  if (mutated(Mutation::kOvertakeUnreadable)) return {};
  for (auto* order : {&older_order_, &order_}) {
    auto passed = order->pass(event.producer, event.sequence);
    if (passed) continue;
    if (passed.error().code == ErrorCode::LIMIT_EXCEEDED)
      continue;  // Others must not suffer for those that are waited for.
    order->refused(event.producer, event.sequence);
    return passed;
  }
  return {};
}

void Partition::unreadable(const Event& event) {
  ++counters_.unreadable;
  if (order_.waits_for(event.producer) || !order_.is_full()) order_.refused(event.producer, event.sequence);
}

void Partition::admit(ArrivedEmissions arrived) {
  auto& emissions = open_->emissions.emplace_back(std::move(arrived.emissions));
  const auto found = window(emissions.emissions.front().event.producer);
  if (!found) {
    ++counters_.unreadable;
    outputs_.acks[arrived.from.value].push_back({emissions.hub, 0, true});
    return open_->emissions.pop_back();
  }
  WindowSlot& slot = **found;
  // What this partition had acknowledged and a person has given up (`carillon cluster recover-partition`) never comes again.
  if (emissions.acknowledged > slot.window.highest()) slot.window = Window(emissions.acknowledged, {});
  bool is_kept = false;
  for (auto& emission : emissions.emissions) {
    // Dense: what skips a number follows something that was not taken, and will come again after it.
    const bool gap = emission.event.sequence > slot.window.highest() + 1;
    if (gap && !mutated(Mutation::kAcceptGapInEmissions)) break;
    const auto to = emission.due ? Result<Mailbox*>(nullptr) : mailbox(emission.target);
    if (!to) {
      ++counters_.unreadable;
      break;
    }
    if (slot.window.admit(emission.event.sequence) == Window::Verdict::kDuplicate) {
      ++counters_.emission_duplicates;
      continue;
    }
    mark_window(emission.event.producer, slot);
    emission.event.accepted_at_ms = now_;
    if (emission.due)
      keep(emission);
    else
      stage(**to, emission.event);
    is_kept = true;
    ++counters_.emissions;
  }
  const bool untaken = slot.window.highest() < emissions.last() && !mutated(Mutation::kStayStuck);
  EmissionAck ack{emissions.hub, std::min(slot.window.highest(), emissions.last()), untaken};
  auto* const batch = last_batch();
  (batch != nullptr ? batch->acks : outputs_.acks)[arrived.from.value].push_back(std::move(ack));
  if (!is_kept)
    open_->emissions.pop_back();  // Repetitions, which may come again and again while a commit takes its time.
}

// --- Committing.

void Partition::seal() {
  if (in_flight_ || failed_ || !open_->worth_a_commit) return;
  in_flight_ = std::move(open_);
  open_ = std::make_shared<Batch>();
  Batch& batch = *in_flight_;
  batch.count_in(options_.commits_held);
  open_->cuts_max = std::max(kCutsPerBatch, 2 * batch.touched.size());
  open_->cut_bytes_max = std::max(kCutBytesPerBatch, 2 * batch.staged_bytes);

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
  now_ = now;
  CHECK(in_flight_);
  // The batch ends with this call; who still holds slices keeps it alive.
  const auto batch = std::move(in_flight_);
  for (auto* slot : batch->saved) --slot->saves_under_way;
  for (auto& [mailbox, slice] : batch->appended) {
    mailbox->committed = slice.last();
    if (!mailbox->followers.empty() && !mutated(Mutation::kDeliverBeforeCommit)) deliver(*mailbox, slice);
    const auto* retention = mailbox->retention;
    if (is_hub(*mailbox)) {
      feed(*mailbox);  // It is trimmed when a snapshot is durable: nothing more may go before.
      count_backlog(*mailbox);
    } else if (retention != nullptr && mailbox->committed > retention->events && surplus(*mailbox) > 0) {
      trim(*mailbox, now);
    }
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
      if (mailbox->hub.dead_letters) ++*mailbox->hub.dead_letters;
      feed(*mailbox);
    }
  }
  for (auto& [published, items] : batch->published) outputs_.published.push_back(std::move(published));
  for (auto& [partition, acks] : batch->acks) {
    auto& out = outputs_.acks[partition];
    std::ranges::move(acks, std::back_inserter(out));
  }
  for (auto& redriven : batch->redriven) outputs_.redriven.push_back(std::move(redriven));
  for (const auto& [entity, offset] : batch->settling) {
    settling_.erase({entity, offset});
    if (auto* counting = mailboxes_.find(entity); counting != nullptr && counting->hub.dead_letters)
      --*counting->hub.dead_letters;
    // One before the first event that is kept is of no use any more: no replay comes by it, and no cut.
    const auto* box = mailboxes_.peek(entity);
    const auto first =
        box != nullptr && box->first > 0 ? Result<Offset>(box->first) : first_of_mailbox(*storage_, id(), entity);
    if (first && offset < *first) open_->writes.erase(entity_key(id(), Tag::kDeadLetter, entity, offset));
  }
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
  for (const auto& input : std::exchange(waiting_, {}))
    if (const auto* request = std::get_if<PublishRequest>(&input)) refuse_all(*request, *failed_);
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
  if ((finishing_ && !open_->writes.empty()) || !rests_.empty()) open_->worth_a_commit = true;
  seal();
  if (!waiting_.empty()) remind(now_);  // Or what waits would fill every commit before a reminder finds room.
  admit_waiting();
  take_rests();
  return std::exchange(outputs_, {});
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
  auto& followers = (*box)->followers;
  const bool is_new = followed_[follower.session].insert(entity).second;
  // Whoever asks again, not knowing whether it was heard, is not told everything twice.
  if (is_new || std::ranges::find(followers, follower) == followers.end()) followers.push_back(follower);
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

Result<Partition::Inspection> Partition::inspect(const EntityId& entity) {
  const auto box = mailbox(entity);
  if (!box) return box.error();
  Inspection inspection;
  const auto extent = extent_of_mailbox(*storage_, id(), entity);
  if (!extent) return extent.error();
  inspection.extent = *extent;
  inspection.cursor = (*box)->hub.cursor;
  const auto dead_letters = open_dead_letters(**box);
  if (!dead_letters) return dead_letters.error();
  inspection.dead_letters = *dead_letters;
  return inspection;
}

// --- Time.

void Partition::tick(UnixMs now) {
  now_ = now;
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
  while (!repeats_.empty() && repeats_.begin()->first <= now) {
    const auto [entity, incarnation] = repeats_.begin()->second;
    repeats_.erase(repeats_.begin());
    restart_hub(entity, incarnation);
  }
  activate_waiting(kMarkersPerTick);
  make_room();
  if (now >= next_sweep_) {
    sweep(now);
    next_sweep_ = now + kSweepIntervalMs;
  }
  if (now >= order_ages_at_) {
    older_order_ = std::exchange(order_, {});
    order_ages_at_ = now + kOrderAgeMs;
  }
}

}  // namespace carillon::runtime
