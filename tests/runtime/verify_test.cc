// `carillon verify`: a sound store is called sound, and each kind of damage is named with the partition that it is in.
#include "runtime/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "runtime/key.h"
#include "runtime/mailbox_record.h"
#include "runtime/record.h"
#include "runtime/store.h"
#include "tests/support/damage.h"
#include "tests/support/temporary_directory.h"

namespace carillon::runtime {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;
using testing::TemporaryDirectory;

constexpr PartitionId kPartition{0};
const EntityId kHub = EntityId::trusted("guild/1");
const EntityId kPlayer = EntityId::trusted("player/ada");
const ProducerId kProducer = *ProducerId::client("tester");

std::string mailbox_record(std::size_t events, const std::string& payload = "{}") {
  Event event{.type = "note", .payload = payload, .producer = kProducer, .sequence = 1};
  const std::vector<const Event*> all(events, &event);
  return std::string(encode_mailbox_record(all));
}

void put_mailbox(WriteSet& writes, const EntityId& entity, Offset first, std::size_t events) {
  writes.put(entity_key(kPartition, Tag::kMailbox, entity, first), mailbox_record(events));
}

std::string reminder_for(const EntityId& entity) {
  return encode(
      Reminder{entity, {.type = "note", .payload = "{}", .producer = ProducerId::reminder(kHub), .sequence = 2}});
}

// What a healthy partition holds: a hub of 5 events with all its records, a player's stream that retention has cut.
void write_sound_partition(WriteSet& writes) {
  put_mailbox(writes, kHub, 1, 3);
  put_mailbox(writes, kHub, 4, 2);
  put_mailbox(writes, kPlayer, 11, 4);
  put_mailbox(writes, kPlayer, 15, 1);
  writes.put(entity_key(kPartition, Tag::kSnapshot, kHub), encode(Snapshot{4, 1, "{}", {}}));
  writes.put(entity_key(kPartition, Tag::kCursor, kHub), encode_cursor(5));
  writes.put(entity_key(kPartition, Tag::kDeadLetter, kHub, 2), encode(DeadLetter{"it failed", 3, false}));
  writes.put(entity_key(kPartition, Tag::kUnfinished, kHub), {});
  writes.put(reminder_key(kPartition, 1'000, kHub, 1), reminder_for(kPlayer));
  writes.put(window_key(kPartition, kProducer), encode(StoredWindow{Window(9, {}), 1}));
  const Window moved(12, {});
  const MovedWindow entry{kProducer.stored(), &moved, 1};
  writes.put(batch_key(kPartition, Tag::kMovedWindows, 7), encode({&entry, 1}));
  for (std::uint64_t batch = 5; batch <= 8; ++batch) writes.put(batch_key(kPartition, Tag::kProgress, batch), {});
}

class Verify : public ::testing::Test {
 protected:
  // What `change` writes goes into the store.
  void write(const std::function<void(WriteSet&)>& change) {
    StoreOptions options;
    options.directory = data();
    options.partitions = 2;
    const auto store = Store::open(options);
    ASSERT_TRUE(store.ok()) << store.error().message;
    WriteSet writes;
    change(writes);
    ASSERT_TRUE((*store)->write(writes).ok());
  }
  void make_sound() { write(write_sound_partition); }

  std::vector<std::string> broken() {
    const auto verification = verify(data());
    EXPECT_TRUE(verification.ok()) << verification.error().message;
    return verification.ok() ? verification->broken : std::vector<std::string>{"not opened"};
  }
  std::filesystem::path data() const { return directory.path() / "data"; }

  TemporaryDirectory directory;
};

// Entities that live in the partition that they are written to, whatever the hash of their names.
EntityId in_partition(PartitionId partition, const std::string& kind) {
  for (int i = 0;; ++i) {
    auto entity = EntityId::trusted(kind + "/" + std::to_string(i));
    if (entity.partition_of(2) == partition) return entity;
  }
}

TEST_F(Verify, ASoundStoreIsSoundAndCounted) {
  ASSERT_EQ(kHub.partition_of(2), kPartition) << "the test's names are badly chosen";
  ASSERT_EQ(kPlayer.partition_of(2), kPartition) << "the test's names are badly chosen";
  make_sound();
  const auto verification = verify(data());
  ASSERT_TRUE(verification.ok()) << verification.error().message;
  EXPECT_THAT(verification->broken, IsEmpty());
  EXPECT_THAT(verification->counts, ElementsAre(Pair("partitions", 2), Pair("mailboxes", 2), Pair("events", 10),
                                                Pair("windows", 1), Pair("snapshots", 1), Pair("dead letters", 1),
                                                Pair("reminders", 1), Pair("unfinished hubs", 1)));
}

TEST_F(Verify, AHubThatRetentionHasCutIsSound) {
  make_sound();
  write([](auto& writes) {
    const Event event{.type = "note", .payload = "{}", .producer = kProducer, .sequence = 2};
    writes.erase(entity_key(kPartition, Tag::kMailbox, kHub, 1));
    writes.put(entity_key(kPartition, Tag::kSnapshot, kHub), encode(Snapshot{3, 1, "{}", {}}));
    writes.put(entity_key(kPartition, Tag::kDeadLetter, kHub, 1), encode(DeadLetter{"it failed", 3, true}));
    writes.put(entity_key(kPartition, Tag::kDeadLetter, kHub, 2), encode(DeadLetter{"it failed", 3, false, event}));
  });
  EXPECT_THAT(broken(), IsEmpty());
}

TEST_F(Verify, DoesItAgainWithTheSameResult) {
  make_sound();
  EXPECT_THAT(broken(), IsEmpty());
  EXPECT_THAT(broken(), IsEmpty());
}

// One kind of damage, and what is to be said about it.
struct Damage {
  const char* name;
  std::function<void(WriteSet&)> change;
  const char* sentence;

  friend void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }
};

class VerifyNames : public Verify, public ::testing::WithParamInterface<Damage> {};

TEST_P(VerifyNames, TheDamage) {
  make_sound();
  write(GetParam().change);
  EXPECT_THAT(broken(), ElementsAre(AllOf(StartsWith("partition 0: "), HasSubstr(GetParam().sentence))));
}

const std::string kGarbage = "not Cap'n Proto";

INSTANTIATE_TEST_SUITE_P(
    , VerifyNames,
    ::testing::Values(
        Damage{"HoleInAHubsMailbox", [](auto& writes) { put_mailbox(writes, kHub, 8, 1); },
               "guild/1: the mailbox has a hole from 6 to 7"},
        Damage{"HoleInAPlayersStream", [](auto& writes) { put_mailbox(writes, kPlayer, 17, 1); },
               "player/ada: the mailbox has a hole from 16 to 16"},
        Damage{"HubWithoutItsBeginning",
               [](auto& writes) {
                 writes.erase(entity_key(kPartition, Tag::kMailbox, kHub, 1));
                 writes.erase(entity_key(kPartition, Tag::kDeadLetter, kHub, 2));
                 writes.erase(entity_key(kPartition, Tag::kSnapshot, kHub));
               },
               "guild/1: the mailbox of a hub begins at 4, and there is no snapshot to go on from"},
        Damage{"HubThatBeginsBehindItsSnapshot",
               [](auto& writes) {
                 writes.erase(entity_key(kPartition, Tag::kMailbox, kHub, 1));
                 writes.erase(entity_key(kPartition, Tag::kDeadLetter, kHub, 2));
                 writes.put(entity_key(kPartition, Tag::kSnapshot, kHub), encode(Snapshot{2, 1, "{}", {}}));
               },
               "guild/1: the mailbox begins at 4, and the snapshot reaches no further than 2"},
        Damage{"DeadLetterWhoseEventIsGone",
               [](auto& writes) { writes.erase(entity_key(kPartition, Tag::kMailbox, kHub, 1)); },
               "guild/1: the event of dead letter 2 is gone"},
        Damage{"RecordThatDoesNotDecode",
               [](auto& writes) { writes.put(entity_key(kPartition, Tag::kMailbox, kPlayer, 15), kGarbage); },
               "player/ada: the record at 15 does not decode"},
        Damage{"EntityOfAnotherPartition", [](auto& writes) { put_mailbox(writes, in_partition({1}, "player"), 1, 1); },
               "does not belong into this partition"},
        Damage{"MailboxKeyThatNamesNoEntity",
               [](auto& writes) { writes.put(tag_prefix(kPartition, Tag::kMailbox).add("zzz"), mailbox_record(1)); },
               "a key of tag 'm' names no entity"},
        Damage{"MissingBatches", [](auto& writes) { writes.put(batch_key(kPartition, Tag::kProgress, 11), {}); },
               "the batches 9 to 10 are missing: the store's log was damaged"},
        Damage{"WindowThatDoesNotDecode", [](auto& writes) { writes.put(window_key(kPartition, kProducer), kGarbage); },
               "a producer's window does not decode"},
        Damage{"WindowThatHasSeenNothing",
               [](auto& writes) { writes.put(window_key(kPartition, kProducer), encode(StoredWindow{})); },
               "a producer's window does not decode"},
        Damage{"MovedWindowsThatDoNotDecode",
               [](auto& writes) { writes.put(batch_key(kPartition, Tag::kMovedWindows, 8), kGarbage); },
               "the windows of batch 8 do not decode"},
        Damage{"SnapshotThatDoesNotDecode",
               [](auto& writes) { writes.put(entity_key(kPartition, Tag::kSnapshot, kHub), kGarbage); },
               "guild/1: the snapshot does not decode"},
        Damage{"SnapshotBeyondTheMailbox",
               [](auto& writes) {
                 writes.put(entity_key(kPartition, Tag::kSnapshot, kHub), encode(Snapshot{6, 1, "{}", {}}));
               },
               "guild/1: the snapshot names offset 6, which the mailbox does not hold"},
        Damage{"CursorThatDoesNotDecode",
               [](auto& writes) { writes.put(entity_key(kPartition, Tag::kCursor, kHub), kGarbage); },
               "guild/1: the cursor does not decode"},
        Damage{"CursorBeyondTheMailbox",
               [](auto& writes) { writes.put(entity_key(kPartition, Tag::kCursor, kHub), encode_cursor(6)); },
               "guild/1: the cursor names offset 6, which the mailbox does not hold"},
        Damage{"DeadLetterThatDoesNotDecode",
               [](auto& writes) { writes.put(entity_key(kPartition, Tag::kDeadLetter, kHub, 2), kGarbage); },
               "guild/1: a dead letter does not decode"},
        Damage{
            "DeadLetterBeyondTheMailbox",
            [](auto& writes) {
              writes.put(entity_key(kPartition, Tag::kDeadLetter, kHub, 9), encode(DeadLetter{"it failed", 3, false}));
            },
            "guild/1: a dead letter names offset 9, which the mailbox does not hold"},
        Damage{"ReminderThatDoesNotDecode",
               [](auto& writes) { writes.put(reminder_key(kPartition, 1'000, kHub, 2), kGarbage); },
               "a reminder does not decode"},
        Damage{"ReminderForAnotherPartition",
               [](auto& writes) {
                 writes.put(reminder_key(kPartition, 1'000, kHub, 2), reminder_for(in_partition({1}, "match")));
               },
               "does not belong into this partition"},
        Damage{"MarkerOfAHubWithoutEvents",
               [](auto& writes) {
                 writes.put(entity_key(kPartition, Tag::kUnfinished, in_partition(kPartition, "match")), {});
               },
               "an unfinished marker names offset 1, which the mailbox does not hold"}),
    [](const auto& damage) { return std::string(damage.param.name); });

TEST_F(Verify, OfACopyThatIsNotCompleteNothingElseIsSaid) {
  // Given damage in a partition of which there is no complete copy here,
  make_sound();
  write([](auto& writes) { put_mailbox(writes, kHub, 8, 1); });
  const auto verification =
      verify(data(), [](PartitionId partition, const Storage&) { return CopyVerdict{partition != kPartition}; });
  // then that is all that is said of it,
  ASSERT_TRUE(verification.ok());
  EXPECT_THAT(verification->incomplete, ElementsAre(kPartition));
  EXPECT_THAT(verification->broken, IsEmpty());
  // and what is broken in a replica's log is named.
  const auto other = verify(data(), [](PartitionId, const Storage&) {
    return CopyVerdict{false, "the log has a hole"};
  });
  EXPECT_THAT(other->broken, Contains(HasSubstr("partition 0: the log has a hole")));
}

TEST_F(Verify, NamesDamageInEachPartitionAndGoesOnBehindIt) {
  make_sound();
  write([](auto& writes) {
    const auto other = in_partition({1}, "match");
    writes.put(entity_key({1}, Tag::kCursor, other), encode_cursor(1));
    writes.put(entity_key(kPartition, Tag::kMailbox, kHub, 4), kGarbage);
  });
  EXPECT_THAT(broken(), AllOf(Contains(AllOf(StartsWith("partition 0: "), HasSubstr("the record at 4"))),
                              Contains(AllOf(StartsWith("partition 1: "), HasSubstr("the cursor")))));
}

TEST_F(Verify, RefusesWhatIsNoStore) {
  const auto nowhere = verify(data());
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(nowhere.error().message, HasSubstr(data().string()));
}

TEST_F(Verify, RefusesAStoreThatIsInUse) {
  make_sound();
  StoreOptions options;
  options.directory = data();
  const auto store = Store::open(options);
  ASSERT_TRUE(store.ok());
  const auto verification = verify(data());
  ASSERT_FALSE(verification.ok());
  EXPECT_THAT(verification.error().message, HasSubstr("another process uses it"));
}

// --- Bytes that turn over on disk.

// A store whose events are in one table: 200 players in two partitions, 10 events each.
class VerifyOfDamagedTable : public Verify {
 protected:
  static constexpr int kPlayers = 200;
  static std::string payload_of(int player) { return "{\"who\":\"player number " + std::to_string(player) + "\"}"; }
  static EntityId player(int number) { return EntityId::trusted("player/" + std::to_string(number)); }

  void SetUp() override {
    write([](auto& writes) {
      for (int i = 0; i < kPlayers; ++i)
        writes.put(entity_key(player(i).partition_of(2), Tag::kMailbox, player(i), 1),
                   mailbox_record(10, payload_of(i)));
    });
    ASSERT_THAT(broken(), IsEmpty());  // Its opening makes a table of the log.
    const auto tables = testing::files_ending(data(), ".ldb");
    ASSERT_FALSE(tables.empty());
    table = *std::ranges::max_element(tables, {}, [](const auto& file) { return std::filesystem::file_size(file); });
  }
  // Whether every event is there as it was written.
  bool all_is_there() {
    StoreOptions options;
    options.directory = data();
    const auto store = Store::open(options);
    if (!store.ok()) return false;
    for (int i = 0; i < kPlayers; ++i) {
      const auto record = (*store)->get(entity_key(player(i).partition_of(2), Tag::kMailbox, player(i), 1));
      if (!record.ok() || record->value_or("") != mailbox_record(10, payload_of(i))) return false;
    }
    return true;
  }

  std::filesystem::path table;
};

TEST_F(VerifyOfDamagedTable, NamesThePartitionAndTheLastThatCouldBeRead) {
  // Given one damaged byte in an event of one player.
  testing::damage_where({table}, "player number 77\"");
  // Then that player's partition is named and no other, and where to look.
  const auto sentences = broken();
  ASSERT_THAT(sentences, Contains(AllOf(HasSubstr("records of tag 'm' cannot be read"), HasSubstr("player/"))));
  const auto prefix = "partition " + std::to_string(player(77).partition_of(2).value) + ": ";
  for (const auto& sentence : sentences) EXPECT_THAT(sentence, StartsWith(prefix));
}

// Goal: no byte of a table can turn over without either being noticed or being of no meaning.
TEST_F(VerifyOfDamagedTable, NoDamagedByteGoesUnnoticed) {
  const auto bytes = std::filesystem::file_size(table);
  const auto copy = directory.path() / "copy";
  std::filesystem::copy(data(), copy);
  int noticed = 0, positions = 0;
  const auto check = [&](std::uint64_t at) {
    SCOPED_TRACE(at);
    testing::damage_byte(table, at);
    const auto verification = verify(data());
    const bool named = !verification.ok() || !verification->broken.empty();
    EXPECT_TRUE(named || all_is_there());
    noticed += named, ++positions;
    // The store as it was: opening it has changed which files there are.
    std::filesystem::remove_all(data());
    std::filesystem::copy(copy, data());
  };
  for (std::uint64_t at = 0; at < bytes; at += 1 + bytes / 97) check(at);
  for (std::uint64_t at = bytes - 60; at < bytes; at += 7) check(at);  // The index and the footer.
  EXPECT_GT(noticed, positions * 9 / 10);
}

}  // namespace
}  // namespace carillon::runtime
