// What goes with time: windows, and what mailboxes hold beyond their retention.
#include "runtime/partition.h"

#include "runtime/key.h"
#include "runtime/mailbox_record.h"
#include "runtime/mutation.h"

namespace carillon::runtime {
namespace {

constexpr UnixMs kSaveIntervalMs = 10'000;  // Also of what is worth no commit of its own, as cursors.
constexpr std::size_t kSweepStep = 64;

// All of a mailbox record.
bool is_old(std::string_view record, const Retention& retention, UnixMs now) {
  if (!retention.age) return false;
  const auto events = decode_mailbox_record(record);
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(*retention.age);
  return events && events->back().accepted_at_ms + age.count() < now;
}

}  // namespace

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
  if (open_->is_cut_enough()) return;  // The sweep comes by again.
  const auto& retention = *mailbox.retention;
  // A record may go when the next one begins at or before these. The newest stays, so that the mailbox keeps its place.
  const auto too_many = surplus(mailbox);
  const auto wanted = mailbox.first + too_many + (mutated(Mutation::kTrimOneTooMany) ? 1 : 0);
  const auto until = std::min(recovered_without(mailbox) + 1, mailbox.committed);
  if (mailbox.first == 0 || until <= mailbox.first) return;
  std::vector<std::string> old;
  std::size_t old_bytes = 0;
  Offset first = mailbox.first;
  const auto scanned = storage_->scan(entity_key(id(), Tag::kMailbox, mailbox.id, mailbox.first),
                                      entity_end(id(), Tag::kMailbox, mailbox.id), [&](auto key, auto value) {
                                        const auto parsed = parse_entity_key(key);
                                        const auto count = count_of_mailbox_record(value);
                                        if (!parsed || !count || open_->is_cut_enough(old.size(), old_bytes))
                                          return false;
                                        const auto next = parsed->offset + *count;
                                        if (next > until || (next > wanted && !is_old(value, retention, now)))
                                          return false;
                                        old.emplace_back(key);
                                        old_bytes += value.size();
                                        first = next;
                                        return true;
                                      });
  if (!scanned || old.empty() || !keep_dead_letters(mailbox, first)) return;
  for (const auto& key : old) open_->writes.erase(key);
  open_->cut += old.size();
  open_->cut_bytes += old_bytes;
  mailbox.first = first;
}

// --- Sweeping.

void Partition::sweep(UnixMs now) {
  if (now >= save_due_) {
    save_due_ = now + kSaveIntervalMs;
    if (!unsaved_windows_.empty()) save_windows_ = open_->worth_a_commit = true;
    if (!open_->writes.empty()) open_->worth_a_commit = true;  // What waited for company.
  }
  if (!mutated(Mutation::kKeepWindows)) sweep_windows(now);
  if (!mutated(Mutation::kKeepWhatIsOld)) sweep_mailboxes(now);
}

// Forgets clients' windows that have not moved within the deduplication horizon.
void Partition::sweep_windows(UnixMs now) {
  const auto begin = sweep_windows_at_.empty() ? tag_prefix(id(), Tag::kWindow).text() : sweep_windows_at_;
  const auto horizon = std::chrono::duration_cast<std::chrono::milliseconds>(options_.limits.deduplication_horizon);
  std::vector<std::string> old;
  std::size_t seen = 0;
  sweep_windows_at_.clear();
  // What cannot be read stays, until it can; whoever needs it is told.
  (void)storage_->scan_past_damage(begin, tag_end(id(), Tag::kWindow), [&](auto key, auto value) {
    if (seen++ == kSweepStep) {
      sweep_windows_at_ = key;
      return false;
    }
    const auto window = decode_window(value);
    if (window && key[3] != 'h' && window->moved_at_ms + horizon.count() < now) old.emplace_back(key);
    return true;
  });
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
    (void)storage_->scan_past_damage(at, tag_end(id(), Tag::kMailbox), [&](auto key, auto value) {
      if (auto parsed = parse_entity_key(key)) found = std::move(*parsed);
      const auto* retention = found ? retention_of(found->entity) : nullptr;
      old = retention != nullptr && is_old(value, *retention, now);
      return false;
    });
    if (!found) return;
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
