// Emissions that wait until they are due.
#include "runtime/partition.h"

#include <algorithm>

#include "runtime/key.h"
#include "runtime/mutation.h"

namespace carillon::runtime {
namespace {

constexpr std::size_t kRemindersPerCommit = 256;

}  // namespace

// Until it is due it stands on disk only, in the order in which reminders are due.
void Partition::keep(const Emission& reminder) {
  const auto hub = EntityId::trusted(std::string(reminder.event.producer.name()));
  const auto due = std::max(*reminder.due, UnixMs{0});
  Event event = reminder.event;
  event.producer = ProducerId::reminder(hub);
  const auto key = reminder_key(id(), due, hub, event.sequence);
  open_->staged_bytes += bytes_of(event);
  open_->writes.put(key, encode(Reminder{reminder.target, std::move(event)}));
  open_->first_due = std::min(open_->first_due, due);
  open_->worth_a_commit = true;
}

// Once, without a window: the event and the end of its reminder are one commit.
void Partition::remind(UnixMs now) {
  if (now < next_due_ || failed_ || finishing_) return;  // After the next start, then.
  // Not over all that has come already: LevelDB walks over what was erased until it compacts.
  const auto from = std::min(std::exchange(next_due_, kNever), std::exchange(passed_over_, kNever));
  std::set<EntityId> passed_over;  // What comes after such a reminder, to the same entity, waits for it.
  const auto pass_over = [&](UnixMs due) {
    passed_over_ = std::min(passed_over_, due);
    next_due_ = std::min(next_due_, now + kUnreadableRetryMs);
  };
  const auto unreadable = [&](UnixMs due) {  // `carillon verify` names what is damaged.
    ++counters_.unreadable;
    pass_over(due);
  };
  const auto scanned =
      storage_->scan_past_damage(reminders_from(id(), from), tag_end(id(), Tag::kReminder), [&](auto key, auto value) {
        const auto due = due_of(key).value_or(0);
        // However long commits take, no more than these wait for theirs in memory.
        const bool enough = open_->reminded.size() >= kRemindersPerCommit || !has_room();
        if ((due > now && !mutated(Mutation::kRemindEarly)) || enough) {
          next_due_ = std::min(next_due_, std::max(due, now));
          passed_over_ = std::min(passed_over_, due);
          return false;
        }
        if (reminded_.contains(key)) return true;
        auto reminder = decode_reminder(value);
        if (reminder && passed_over.contains(reminder->entity)) return pass_over(due), true;
        const auto to = reminder ? mailbox(reminder->entity) : Result<Mailbox*>(reminder.error());
        if (!to) {
          unreadable(due);
          if (reminder) passed_over.insert(reminder->entity);
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
  if (!scanned) unreadable(0);
}

}  // namespace carillon::runtime
