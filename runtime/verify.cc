#include "runtime/verify.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "runtime/key.h"
#include "runtime/mailbox.h"
#include "runtime/mailbox_record.h"
#include "runtime/record.h"
#include "runtime/store.h"

namespace carillon::runtime {
namespace {

class Verifier {
 public:
  Verifier(const Store& store, const JudgeCopy& judge) : store_(store), judge_(judge) {}

  void check(PartitionId partition) {
    partition_ = partition;
    extents_.clear();
    cut_.clear();
    if (!check_copy()) return;
    check_mailboxes();
    check_progress();
    check_windows();
    check_moved_windows();
    check_entities(Tag::kSnapshot, [this](const EntityId& entity, Offset, std::string_view value) {
      const auto snapshot = decode_snapshot(value);
      if (!snapshot) return report(entity.text() + ": the snapshot does not decode");
      ++counts_["snapshots"];
      within(entity, snapshot->offset, "the snapshot");
      if (cut_.erase(entity.text()) > 0 && snapshot->offset + 1 < extents_[entity.text()].first)
        report(entity.text() + ": the mailbox begins at " + std::to_string(extents_[entity.text()].first) +
               ", and the snapshot reaches no further than " + std::to_string(snapshot->offset));
    });
    for (const auto& hub : cut_)
      report(hub + ": the mailbox of a hub begins at " + std::to_string(extents_[hub].first) +
             ", and there is no snapshot to go on from");
    check_entities(Tag::kCursor, [this](const EntityId& entity, Offset, std::string_view value) {
      const auto cursor = decode_cursor(value);
      if (!cursor) return report(entity.text() + ": the cursor does not decode");
      within(entity, *cursor, "the cursor");
    });
    check_entities(Tag::kDeadLetter, [this](const EntityId& entity, Offset offset, std::string_view value) {
      const auto letter = decode_dead_letter(value);
      if (!letter) return report(entity.text() + ": a dead letter does not decode");
      counts_["dead letters"] += !letter->settled;
      within(entity, offset, "a dead letter");
      const auto extent = extents_.find(entity.text());
      if (extent != extents_.end() && offset < extent->second.first && !letter->settled && !letter->event)
        report(entity.text() + ": the event of dead letter " + std::to_string(offset) + " is gone");
    });
    check_reminders();
    for (const auto tag : {Tag::kLog, Tag::kEpoch, Tag::kApplied}) scan(tag, [](auto, auto) { return true; });
    check_entities(Tag::kUnfinished, [this](const EntityId& entity, Offset, std::string_view) {
      ++counts_["unfinished hubs"];
      within(entity, 1, "an unfinished marker");
    });
  }

  Verification result() && {
    Verification verification;
    for (const auto* what :
         {"partitions", "mailboxes", "events", "windows", "snapshots", "dead letters", "reminders", "unfinished hubs"})
      verification.counts.emplace_back(what, counts_[what]);
    verification.broken = std::move(broken_);
    verification.incomplete = std::move(incomplete_);
    return verification;
  }
  void counted(const char* what) { ++counts_[what]; }

 private:
  static constexpr std::size_t kReportsPerPartition = 20;

  void report(const std::string& sentence) {
    if (reports_[partition_.value]++ < kReportsPerPartition)
      broken_.push_back(
          "partition " + std::to_string(partition_.value) + ": " + sentence +
          (may_mend_ ? " (entries of its log are applied again when the node starts, which may mend it)" : ""));
  }

  // Scans one tag.
  void scan(Tag tag, const Storage::Visit& visit) {
    std::string last_key;
    const auto scanned =
        store_.scan_past_damage(tag_prefix(partition_, tag), tag_end(partition_, tag), [&](auto key, auto value) {
          last_key = key;
          return visit(key, value);
        });
    if (scanned) return;
    const auto last = last_key.empty() ? std::string("the beginning") : [&] {
      const auto parsed = parse_entity_key(last_key);
      return parsed ? parsed->entity.text() : std::string("a key that is no entity's");
    }();
    report(std::string("records of tag '") + static_cast<char>(tag) + "' cannot be read (" + scanned.error().message +
           "); the last one that was read is of " + last);
  }

  template <class Check>
  void check_entities(Tag tag, Check check) {
    scan(tag, [&](auto key, auto value) {
      const auto parsed = parse_entity_key(key);
      if (!parsed)
        report(std::string("a key of tag '") + static_cast<char>(tag) + "' names no entity");
      else
        check(parsed->entity, parsed->offset, value);
      return true;
    });
  }

  // False when there is nothing to be checked.
  bool check_copy() {
    const auto copy = judge_ ? judge_(partition_, store_) : CopyVerdict();
    may_mend_ = false;
    if (!copy.broken.empty()) report(copy.broken);
    may_mend_ = !copy.is_applied;
    if (!copy.is_complete) incomplete_.push_back(partition_);
    return copy.is_complete;
  }

  void check_mailboxes() {
    std::optional<EntityId> entity;
    Offset next = 0;
    check_entities(Tag::kMailbox, [&](const EntityId& of, Offset offset, std::string_view value) {
      if (!(entity == of)) {
        entity = of;
        next = 0;
        ++counts_["mailboxes"];
        if (!of.is_player()) extents_[of.text()].first = offset;
        if (!of.is_player() && offset != 1) cut_.insert(of.text());
        if (of.partition_of(store_.format().partitions) != partition_)
          report(of.text() + ": does not belong into this partition");
      }
      if (next != 0 && offset != next)
        report(of.text() + ": the mailbox has a hole from " + std::to_string(next) + " to " +
               std::to_string(offset - 1));
      const auto events = decode_mailbox_record(value);
      if (!events) {
        report(of.text() + ": the record at " + std::to_string(offset) + " does not decode");
        next = 0;
        return;
      }
      counts_["events"] += events->size();
      next = offset + events->size();
      if (!of.is_player()) extents_[of.text()].last = next - 1;
    });
  }

  void check_progress() {
    std::uint64_t previous = 0;
    scan(Tag::kProgress, [&](auto key, auto) {
      const auto batch = batch_of(key);
      if (previous != 0 && batch != previous + 1)
        report("the batches " + std::to_string(previous + 1) + " to " + std::to_string(batch - 1) +
               " are missing: the store's log was damaged");
      previous = batch;
      return true;
    });
  }

  void check_windows() {
    scan(Tag::kWindow, [&](auto, auto value) {
      if (const auto window = decode_window(value); !window || window->window.highest() == 0)
        report("a producer's window does not decode");
      ++counts_["windows"];
      return true;
    });
  }

  void check_moved_windows() {
    scan(Tag::kMovedWindows, [&](auto key, auto value) {
      if (!decode_moved_windows(value))
        report("the windows of batch " + std::to_string(batch_of(key)) + " do not decode");
      return true;
    });
  }

  void check_reminders() {
    scan(Tag::kReminder, [&](auto key, auto value) {
      const auto reminder = decode_reminder(value);
      if (!due_of(key) || !reminder)
        report("a reminder does not decode");
      else if (reminder->entity.partition_of(store_.format().partitions) != partition_)
        report("a reminder for " + reminder->entity.text() + " does not belong into this partition");
      ++counts_["reminders"];
      return true;
    });
  }

  void within(const EntityId& entity, Offset offset, const char* what) {
    const auto extent = extents_.find(entity.text());
    if (extent == extents_.end() || offset > extent->second.last)
      report(entity.text() + ": " + what + " names offset " + std::to_string(offset) +
             ", which the mailbox does not hold");
  }

  const Store& store_;
  const JudgeCopy& judge_;
  PartitionId partition_;
  std::map<std::string, Extent> extents_;  // Of the mailboxes of hubs in this partition.
  std::set<std::string> cut_;              // Those whose beginning is gone, until a snapshot is seen.
  std::map<std::string, std::uint64_t> counts_;
  std::map<std::uint16_t, std::size_t> reports_;
  std::vector<std::string> broken_;
  std::vector<PartitionId> incomplete_;
  bool may_mend_ = false;  // The next start, what is wrong with this partition.
};

}  // namespace

Result<Verification> verify(const std::filesystem::path& directory, const JudgeCopy& judge) {
  StoreOptions options;
  options.directory = directory;
  options.create_if_missing = false;
  const auto store = Store::open(options);
  if (!store) return store.error();
  Verifier verifier(**store, judge);
  for (std::uint16_t p = 0; p < (*store)->format().partitions; ++p) {
    verifier.counted("partitions");
    verifier.check({p});
  }
  return std::move(verifier).result();
}

}  // namespace carillon::runtime
