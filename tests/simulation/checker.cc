#include "tests/simulation/checker.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "runtime/fold.h"
#include "runtime/key.h"
#include "runtime/mailbox.h"
#include "tests/simulation/towns.h"

namespace carillon::simulation {
namespace {

using runtime::Tag;

// What makes an event the same event, wherever it stands.
struct Line {
  Sequence sequence = 0;
  std::string type, payload;
  std::optional<TraceParent> traceparent;  // That of its cause (docs/protocol.md).
  std::optional<UnixMs> due = {};          // Expected not before.
  UnixMs at = 0;                           // When it was accepted.

  bool is(const Line& expected) const {
    return sequence == expected.sequence && type == expected.type && payload == expected.payload &&
           traceparent == expected.traceparent;
  }
};

std::string text_of(const Line& line) {
  return std::to_string(line.sequence) + " " + line.type + " " + line.payload +
         (line.traceparent ? " of trace " + line.traceparent->text() : "");
}

struct StoredMailbox {
  Offset first = 1;
  Offset first_on_disk = 1;  // What stood before it in a hub's, retention has cut, and the simulation has remembered.
  std::vector<Event> events;
  Offset last() const { return first + events.size() - 1; }
};

class Checker {
 public:
  Checker(const World& world, const runtime::Storage& storage, const Operator& operations)
      : world_(world), storage_(storage), operations_(operations), catalogue_(catalogue_of_towns()) {}

  void check(const std::vector<std::unique_ptr<Client>>& clients,
             const std::vector<std::unique_ptr<Subscriber>>& subscribers) {
    read_mailboxes();
    read_dead_letters();
    for (const auto& client : clients)
      for (const auto& letter : client->letters())
        expected_[letter.entity][client->producer().stored()].push_back(
            {letter.sequence, letter.type, letter.payload, TraceParent::parse(letter.traceparent)});
    for (const auto& [entity, mailbox] : mailboxes_)
      if (!entity.is_player()) refold(entity, mailbox);
    for (const auto& [entity, mailbox] : mailboxes_) compare(entity, mailbox);
    for (const auto& [entity, producers] : expected_)
      if (!mailboxes_.contains(EntityId::trusted(entity)))
        world_.broken("P1: accepted means durable", "the mailbox of " + entity + " is gone");
    for (const auto& subscriber : subscribers) compare(*subscriber);
    check_redriven();
  }

 private:
  template <class... Parts>
  [[noreturn]] void broken(const char* promise, const Parts&... parts) const {
    std::ostringstream text;
    (text << ... << parts);
    world_.broken(promise, text.str());
  }

  void must(const Result<void>& read) const {
    if (!read) broken("P1: what is durable can be read", read.error().message);
  }

  PartitionId home(const EntityId& entity) const { return entity.partition_of(world_.settings.partitions); }

  void read_mailboxes() {
    for (std::uint16_t p = 0; p < world_.settings.partitions; ++p) {
      std::set<EntityId> entities;
      must(storage_.scan(tag_prefix({p}, Tag::kMailbox), tag_end({p}, Tag::kMailbox), [&](auto key, auto) {
        entities.insert(runtime::parse_entity_key(key)->entity);
        return true;
      }));
      for (const auto& entity : entities) {
        auto& mailbox = mailboxes_[entity];
        const auto extent = runtime::extent_of_mailbox(storage_, {p}, entity);
        if (!extent) broken("P1: what is durable can be read", extent.error().message);
        mailbox.first = mailbox.first_on_disk = extent->first;
        if (!entity.is_player()) {
          mailbox.first = 1;
          remembered(entity, mailbox);
        }
        while (mailbox.last() < extent->last) {
          auto run = runtime::read_mailbox(storage_, {p}, entity, mailbox.last() + 1, {});
          if (!run) broken("P4: offsets are contiguous", run.error().message);
          if (run->events.empty()) broken("P4: offsets are contiguous", entity.text(), " ends early");
          std::ranges::move(run->events, std::back_inserter(mailbox.events));
        }
        if (mailbox.last() != extent->last) broken("P4: offsets are contiguous", entity.text(), " goes on too long");
      }
    }
  }

  void remembered(const EntityId& hub, StoredMailbox& mailbox) const {
    const auto found = world_.cut.find(hub);
    for (Offset offset = 1; offset < mailbox.first_on_disk; ++offset) {
      if (found == world_.cut.end() || !found->second.contains(offset))
        broken("P5: hubs are deterministic folds", hub.text(), " has lost its event ", offset, ", not by retention");
      mailbox.events.push_back(found->second.at(offset));
    }
  }

  void read_dead_letters() {
    for (const auto& [hub, offset] : world_.settled) dead_[hub][offset] = true;
    for (std::uint16_t p = 0; p < world_.settings.partitions; ++p)
      must(storage_.scan(tag_prefix({p}, Tag::kDeadLetter), tag_end({p}, Tag::kDeadLetter), [&](auto key, auto value) {
        const auto parsed = runtime::parse_entity_key(key);
        dead_[parsed->entity][parsed->offset] = runtime::decode_dead_letter(value)->settled;
        return true;
      }));
    if (world_.settings.read_error_chance > 0) return;  // What cannot be counted is not too much.
    for (const auto& [hub, letters] : dead_) {
      const auto open = std::ranges::count(letters, false, [](const auto& letter) { return letter.second; });
      if (static_cast<std::uint64_t>(open) > world_.settings.limits.dead_letters_max)
        broken("P7: bounded", hub.text(), " has ", open, " dead letters");
    }
  }

  // What the hub must be, and must have sent, is a function of its mailbox and its dead letters (P5).
  void refold(const EntityId& hub, const StoredMailbox& mailbox) {
    const auto stored = storage_.get(runtime::entity_key(home(hub), Tag::kSnapshot, hub));
    if (!stored) broken("P1: what is durable can be read", stored.error().message);
    std::optional<runtime::Snapshot> snapshot;
    if (*stored) snapshot = runtime::decode_snapshot(**stored).value();

    if (mailbox.first_on_disk > 1 && (!snapshot || snapshot->offset + 1 < mailbox.first_on_disk))
      broken("P5: hubs are deterministic folds", hub.text(), " begins at ", mailbox.first_on_disk,
             ", which no snapshot reaches");

    const auto behaviour = *catalogue_.find(hub.kind());
    auto state = behaviour.initial_state();
    const auto producer = ProducerId::hub(hub).stored(), reminder = ProducerId::reminder(hub).stored();
    std::vector<Sequence> counters(world_.settings.partitions);
    const auto& dead = dead_[hub];
    for (Offset offset = 1; offset <= mailbox.last(); ++offset) {
      const auto& event = mailbox.events[offset - 1];
      auto next = state->clone();
      auto effects = next->apply(event, Context(hub, offset, event));
      const bool lucky = event.type == Gamble::kType;
      if (!effects && !dead.contains(offset))
        broken("P6: one bad event stops nobody", hub.text(), " ", offset, " fails and is no dead letter");
      if (effects && !lucky && dead.contains(offset))
        broken("P6: only bad events are dead letters", hub.text(), " ", offset, " is a dead letter");
      if (effects && !dead.contains(offset)) {
        state = std::move(next);
        for (const auto& effect : effects->list())
          expected_[effect.target.text()][effect.due ? reminder : producer].push_back(
              {++counters[home(effect.target).value], effect.type, effect.payload, event.traceparent, effect.due});
      }
      if (snapshot && snapshot->offset == offset) compare_snapshot(hub, *snapshot, *state, counters);
    }
    if (!dead.empty() && dead.rbegin()->first > mailbox.last())
      broken("P6: one bad event stops nobody", hub.text(), " has a dead letter beyond its end");
    if (snapshot && snapshot->offset > mailbox.last())
      broken("P5: hubs are deterministic folds", hub.text(), " has a snapshot beyond its end");
    compare_fold(hub, behaviour, mailbox.last(), state->encode());
  }

  void compare_snapshot(const EntityId& hub, const runtime::Snapshot& snapshot, const HubState& state,
                        const std::vector<Sequence>& counters) const {
    if (snapshot.state != state.encode())
      broken("P5: hubs are deterministic folds", "the snapshot of ", hub.text(), " at ", snapshot.offset, " is ",
             snapshot.state, ", its history gives ", state.encode());
    auto stored = std::vector<Sequence>(counters.size());
    for (const auto& counter : snapshot.emissions) stored.at(counter.partition.value) = counter.sequence;
    if (stored != counters)
      broken("P5: hubs are deterministic folds", "the snapshot of ", hub.text(), " at ", snapshot.offset,
             " counts other emissions than its history");
  }

  // A hub at rest wakes up with the state of its history, and has nothing more to say.
  void compare_fold(const EntityId& hub, const Behaviour& behaviour, Offset last, const std::string& state) const {
    auto fold = runtime::Fold::open({hub, world_.settings.partitions, world_.settings.limits}, behaviour, storage_);
    if (!fold) broken("P1: what is durable can be read", fold.error().message);
    fold->catch_up(last);
    for (bool more = true; more;) {
      const auto step = fold->step(1'000);
      if (!step) broken("P1: what is durable can be read", step.error().message);
      if (step->failure)
        broken("P6: one bad event stops nobody", hub.text(), " stands still: ", step->failure->error.message);
      if (!step->emissions.empty()) broken("P5: hubs are deterministic folds", hub.text(), " rested too early");
      more = step->more;
    }
    if (fold->folded() != last || fold->state_json() != state)
      broken("P5: hubs are deterministic folds", hub.text(), " wakes up with ", fold->state_json(),
             ", its history gives ", state);
  }

  // Each event of each producer once and in order, none missing, none invented.
  void compare(const EntityId& entity, const StoredMailbox& mailbox) {
    std::map<std::string, std::vector<Line>> actual;
    Offset redriven = 0;
    for (std::size_t i = 0; i < mailbox.events.size(); ++i) {
      const auto& event = mailbox.events[i];
      if (event.redrive_of != 0) {
        ++redriven;
        redrives_[{entity, event.redrive_of}].push_back(mailbox.first + i);
        const auto& original = mailbox.events.at(event.redrive_of - mailbox.first);
        if (original.payload != event.payload || original.type != event.type || original.sequence != event.sequence ||
            original.traceparent != event.traceparent || !(original.producer == event.producer))
          broken("P6: redriven once", entity.text(), " ", mailbox.first + i, " is not what it repeats");
        continue;
      }
      actual[event.producer.stored()].push_back(
          {event.sequence, event.type, event.payload, event.traceparent, {}, event.accepted_at_ms});
    }
    // Reminders come in the order in which they are due.
    for (auto& [producer, lines] : actual)
      if (producer.starts_with('r')) std::ranges::stable_sort(lines, {}, &Line::sequence);
    const auto& expected = expected_[entity.text()];
    Offset total = redriven;
    for (const auto& [producer, lines] : expected) {
      total += lines.size();
      compare(entity, producer, lines, actual[producer], mailbox.first == 1);
    }
    for (const auto& [producer, lines] : actual)
      if (!expected.contains(producer) && !lines.empty())
        broken("P5: hubs are deterministic folds", entity.text(), " has an event of ", producer.substr(1),
               " that nobody sent: ", text_of(lines.front()));
    if (total != mailbox.last())
      broken("P2: once", entity.text(), " ends at ", mailbox.last(), " and was sent ", total, " events");
    check_retention(entity, mailbox);
  }

  void compare(const EntityId& entity, const std::string& producer, const std::vector<Line>& expected,
               const std::vector<Line>& actual, bool complete) const {
    const auto where = entity.text() + ", producer " + producer.substr(1) + ": ";
    for (std::size_t i = 1; i < actual.size(); ++i)
      if (actual[i].sequence <= actual[i - 1].sequence) {
        const bool twice = std::ranges::count(actual, actual[i].sequence, &Line::sequence) > 1;
        broken(twice ? "P2: once" : "P3: in order", where, text_of(actual[i]), " comes after ", text_of(actual[i - 1]));
      }
    const bool client = producer.starts_with('c');
    const char* lost = client ? "P1: accepted means durable" : "P5: hubs are deterministic folds";
    if (actual.size() > expected.size()) broken("P2: once", where, "more events than were sent");
    if (complete && actual.size() < expected.size()) {
      std::size_t at = 0;
      while (at < actual.size() && actual[at].is(expected[at])) ++at;
      broken(lost, where, text_of(expected[at]), " is missing");
    }
    const auto skipped = expected.size() - actual.size();  // By retention.
    for (std::size_t i = 0; i < actual.size(); ++i) {
      if (!actual[i].is(expected[skipped + i]))
        broken(lost, where, "there is ", text_of(actual[i]), " instead of ", text_of(expected[skipped + i]));
      if (const auto due = expected[skipped + i].due; due && actual[i].at < *due)
        broken("P5: hubs are deterministic folds", where, text_of(actual[i]), " came before it was due");
    }
  }

  void check_retention(const EntityId& entity, const StoredMailbox& mailbox) const {
    const auto& retention = world_.settings.retention.of(entity.kind());
    if (mailbox.first_on_disk == 1 || retention.age) return;
    const runtime::Extent kept{mailbox.first_on_disk, mailbox.last()};
    if (kept.size() < retention.events)
      broken("P4: resumable", "of ", entity.text(), " only ", kept.size(), " events were kept");
  }

  // Who followed saw every offset once (Subscriber), and the same events as everybody else.
  void compare(const Subscriber& subscriber) {
    for (const auto& stream : subscriber.streams()) {
      const auto found = mailboxes_.find(stream.entity);
      const Offset last = found == mailboxes_.end() ? 0 : found->second.last();
      if (stream.next != last + 1)
        broken("P4: resumable", subscriber.name(), " has got ", stream.entity.text(), " up to ", stream.next - 1,
               ", it ends at ", last);
      for (const auto& [offset, event] : stream.seen) {
        auto& known = seen_[{stream.entity, offset}];
        if (offset >= found->second.first) known = &found->second.events[offset - found->second.first];
        if (known == nullptr) known = &event;
        if (known->payload != event.payload || known->sequence != event.sequence ||
            known->traceparent != event.traceparent || !(known->producer == event.producer))
          broken("P3: all observers see one order", subscriber.name(), " saw ", event.payload, " as ",
                 stream.entity.text(), " ", offset, ", which is ", known->payload);
      }
    }
  }

  void check_redriven() const {
    for (const auto& [letter, offsets] : redrives_) {
      if (offsets.size() > 1) broken("P6: redriven once", letter.first.text(), " ", letter.second, " came again twice");
      const auto dead = dead_.find(letter.first);
      if (dead == dead_.end() || !dead->second.contains(letter.second) || !dead->second.at(letter.second))
        broken("P6: redriven once", letter.first.text(), " ", letter.second, " came again and is not settled");
      if (operations_.discarded().contains(letter))
        broken("P6: redriven once", letter.first.text(), " ", letter.second, " was discarded and came again");
    }
    for (const auto& [letter, offset] : operations_.redriven()) {
      const auto found = redrives_.find(letter);
      if (found == redrives_.end() || found->second.front() != offset)
        broken("P6: redriven once", letter.first.text(), " ", letter.second, " was redriven and did not come again");
    }
    for (const auto& letter : operations_.discarded())
      if (!dead_.at(letter.first).at(letter.second))
        broken("P6: redriven once", letter.first.text(), " ", letter.second, " was discarded and is back");
  }

  const World& world_;
  const runtime::Storage& storage_;
  const Operator& operations_;
  const Catalogue catalogue_;
  std::map<EntityId, StoredMailbox> mailboxes_;
  std::map<EntityId, std::map<Offset, bool>> dead_;                           // Settled?
  std::map<std::string, std::map<std::string, std::vector<Line>>> expected_;  // By entity and producer.
  std::map<Operator::DeadLetterId, std::vector<Offset>> redrives_;
  std::map<std::pair<EntityId, Offset>, const Event*> seen_;
};

}  // namespace

void check(const World& world, const runtime::Storage& storage, const std::vector<std::unique_ptr<Client>>& clients,
           const std::vector<std::unique_ptr<Subscriber>>& subscribers, const Operator& operations) {
  Checker(world, storage, operations).check(clients, subscribers);
}

}  // namespace carillon::simulation
