// Events that no handler could take: set aside, shown, redriven, discarded, and kept when retention cuts their mailbox.
#include "runtime/partition.h"

#include "runtime/key.h"
#include "runtime/mailbox_record.h"
#include "runtime/mutation.h"

namespace carillon::runtime {

void Partition::to_dead_letters(Mailbox& mailbox, const Fold::Failure& failure) {
  const auto discarded = make_room_for_dead_letter(mailbox);
  open_->writes.put(entity_key(id(), Tag::kDeadLetter, mailbox.id, failure.offset),
                    encode(DeadLetter{failure.error.message, mailbox.hub.failures, false}));
  open_->worth_a_commit = true;
  outputs_.dead_lettered.push_back({mailbox.id, failure.offset, mailbox.hub.failures, failure.traceparent, discarded});
  mailbox.hub.failures = 0;
  mailbox.hub.dead_letters_from = std::min(mailbox.hub.dead_letters_from, failure.offset);
  ++counters_.dead_letters;
  if (mutated(Mutation::kDeadLetterNotAwaited)) return feed(mailbox);
  // What follows it may be folded only when the decision to skip it is durable (P5).
  open_->resume.push_back(mailbox.id);
  mailbox.hub.waits = true;
}

Result<std::vector<DeadLetterEntry>> Partition::dead_letters(const std::optional<EntityId>& entity,
                                                             std::size_t most) const {
  std::vector<DeadLetterEntry> entries;
  std::size_t bytes = 0;
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
    if (!event) {  // It can be discarded all the same.
      letter->reason += "; its event cannot be read: " + event.error().message;
      event = Event{.type = "unknown", .payload = "{}", .producer = ProducerId::client("unknown").value()};
    }
    entries.push_back({parsed->entity, parsed->offset, std::move(*letter), std::move(*event)});
    bytes += entries.back().bytes();
    return entries.size() < most && bytes <= kDeadLetterBytes;
  });
  if (!scanned) return scanned.error();
  if (failed) return *failed;
  return entries;
}

Result<std::uint64_t> Partition::count_dead_letters(const EntityId& entity) const {
  std::uint64_t open = 0;
  const auto scanned = storage_->scan(entity_key(id(), Tag::kDeadLetter, entity),
                                      entity_end(id(), Tag::kDeadLetter, entity), [&](auto, auto value) {
                                        const auto letter = decode_dead_letter(value);
                                        open += letter.ok() && !letter->settled;
                                        return true;
                                      });
  if (!scanned) return scanned.error();
  return open;
}

// Those that are durable. Remembered, unless one is on its way to the disk: then what stands there holds for a moment only.
Result<std::uint64_t> Partition::open_dead_letters(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  if (hub.dead_letters) return *hub.dead_letters;
  const auto counted = count_dead_letters(mailbox.id);
  if (!counted) return counted.error();
  const auto settling = settling_.lower_bound({mailbox.id, 0});
  const bool moves = hub.waits || (settling != settling_.end() && settling->first == mailbox.id);
  if (!moves) hub.dead_letters = *counted;
  return *counted;
}

// What cannot be read stays: it is told of by whoever lists them.
std::optional<Offset> Partition::make_room_for_dead_letter(Mailbox& mailbox) {
  auto& hub = mailbox.hub;
  const auto open = open_dead_letters(mailbox);
  if (!open || *open < options_.limits.dead_letters_max) return std::nullopt;
  std::optional<std::pair<Offset, DeadLetter>> oldest;
  const auto scanned =
      storage_->scan(entity_key(id(), Tag::kDeadLetter, mailbox.id, hub.dead_letters_from),
                     entity_end(id(), Tag::kDeadLetter, mailbox.id), [&](auto key, auto value) {
                       const auto parsed = parse_entity_key(key);
                       auto letter = decode_dead_letter(value);
                       if (!parsed || !letter || letter->settled || settling_.contains({mailbox.id, parsed->offset}))
                         return true;
                       oldest.emplace(parsed->offset, std::move(*letter));
                       return false;
                     });
  if (!scanned || !oldest) return std::nullopt;
  hub.dead_letters_from = oldest->first + 1;
  settle_dead_letter(mailbox.id, oldest->first, std::move(oldest->second));
  ++counters_.dead_letters_dropped;
  return oldest->first;
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
  settle_dead_letter(entity, offset, std::move(*letter));
  open_->redriven.push_back({call, new_offset});
}

void Partition::settle_dead_letter(const EntityId& entity, Offset offset, DeadLetter letter) {
  open_->settling.emplace_back(entity, offset);
  if (!mutated(Mutation::kRedriveTwice)) settling_.emplace(entity, offset);
  letter.settled = true;
  letter.event.reset();
  open_->writes.put(entity_key(id(), Tag::kDeadLetter, entity, offset), encode(letter));
}

void Partition::discard(const EntityId& entity, Offset offset, std::uint64_t call) {
  const auto answer = [&](const Error& error) { outputs_.redriven.push_back({call, error}); };
  if (failed_) return answer(*failed_);
  const auto stored = storage_->get(entity_key(id(), Tag::kDeadLetter, entity, offset));
  if (!stored) return answer(stored.error());
  auto letter = *stored ? decode_dead_letter(**stored) : Result<DeadLetter>(DeadLetter{{}, 0, true});
  if (!letter) return answer(letter.error());
  if (letter->settled || settling_.contains({entity, offset}))
    return answer({ErrorCode::NOT_FOUND, "no dead letter stands there; it may have been redriven or discarded"});
  settle_dead_letter(entity, offset, std::move(*letter));
  open_->worth_a_commit = true;
  open_->redriven.push_back({call, Offset{0}});
}

// Before the mailbox is cut there: open dead letters before `until` get their events, and those that are settled go, for no replay
// comes by them again.
Result<void> Partition::keep_dead_letters(const Mailbox& mailbox, Offset until) {
  if (!is_hub(mailbox)) return {};
  std::vector<std::pair<Offset, DeadLetter>> open;  // Without their events.
  std::vector<std::string> settled;
  Result<void> done;
  const auto letter_key = [&](Offset offset) { return entity_key(id(), Tag::kDeadLetter, mailbox.id, offset); };
  auto scanned = storage_->scan(letter_key(mailbox.first), letter_key(until), [&](auto key, auto value) {
    const auto parsed = parse_entity_key(key);
    auto letter = decode_dead_letter(value);
    if (!parsed || !letter) {
      done = parsed ? letter.error() : parsed.error();
      return false;
    }
    if (settling_.contains({mailbox.id, parsed->offset})) return true;  // The next cut finds it settled.
    if (letter->settled)
      settled.emplace_back(key);
    else if (!letter->event)
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

}  // namespace carillon::runtime
