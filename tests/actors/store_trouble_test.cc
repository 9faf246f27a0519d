// Trouble with the disk or the directory that a node keeps its store in, as an operator meets it: the node says what is
// wrong and what to do, serves what it can, and loses nothing that it accepted.
#include <gmock/gmock.h>

#include <memory>

#include "runtime/key.h"
#include "runtime/mailbox_record.h"
#include "runtime/record.h"
#include "runtime/store.h"
#include "tests/support/damage.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"
#include "tests/support/small_disk.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::size_t kMiB = 1 << 20;

// What `serve` says when it does not start on `data`: within seconds, with exit code 1.
std::string refusal_to_serve(const std::string& data) {
  const auto ran =
      run_carillon_at_most(10s, {"serve", "--data", data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"});
  EXPECT_EQ(ran.exit_code, 1) << ran.output;
  return ran.output;
}

// Of a node that does not run.
std::unique_ptr<runtime::Store> open_store(const std::string& data) {
  runtime::StoreOptions options;
  options.directory = data;
  auto store = runtime::Store::open(options);
  CHECK(store.ok());
  return std::move(*store);
}

TEST(ReadyFile, IsNotThatOfANodeThatWasKilled) {
  // Given the file that a node left when it was killed, and a start that fails.
  const TemporaryDirectory directory;
  const auto ready = (directory.path() / "ready").string();
  const auto data = (directory.path() / "data").string();
  std::ofstream(ready) << "{}";
  std::ofstream(data) << "no directory";
  const auto ran = run_carillon_at_most(
      10s, {"serve", "--data", data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ready-file", ready});
  // Then nobody takes it for ready.
  EXPECT_EQ(ran.exit_code, 1) << ran.output;
  EXPECT_FALSE(std::filesystem::exists(ready));
}

// --- A disk that is full.

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT(disk);
    node = std::make_unique<RunningNode>(RunningNode::Options{.arguments = {}, .data_directory = disk.path() / "data"});
    node->publish_to_ledger(1'000);
  }

  static std::string filling(Sequence sequence) {
    return "{\"number\":" + std::to_string(sequence) + ",\"filler\":\"" + std::string(60'000, 'x') + "\"}";
  }
  Result<void> publish_filling(Sequence sequence) {
    const auto payload = filling(sequence);
    const client::Publication event{"player/filler", "note", payload, sequence};
    const auto answer = node->session().publish("filler", {&event, 1});
    if (!answer.ok()) return answer.error();
    if (answer->getRefusals().size() == 0) return {};
    EXPECT_GT(answer->getRefusals()[0].getRetryAfterMs(), 0u);
    return client::error_of(answer->getRefusals()[0]);
  }
  // Publishes until the node refuses; what it said.
  Error fill() {
    for (;; ++filled) {
      const auto published = publish_filling(filled + 1);
      if (!published.ok()) return published.error();
    }
  }
  // All that was accepted, once and in order, with what was refused sent again.
  void expect_filling_kept() {
    ASSERT_TRUE(publish_filling(++filled).ok());
    const auto payloads = node->payloads("player/filler");
    ASSERT_THAT(payloads, SizeIs(filled));
    for (Sequence number = 1; number <= filled; ++number)
      ASSERT_TRUE(payloads[number - 1] == filling(number)) << number;
  }

  SmallDisk disk{16 * kMiB};
  std::unique_ptr<RunningNode> node;
  Sequence filled = 0;
};

TEST_F(FullDisk, P1PublishingIsUnavailableAndReadingGoesOn) {
  // When the disk fills up.
  const auto refusal = fill();
  // Then whoever publishes is told so,
  EXPECT_EQ(refusal.code, ErrorCode::UNAVAILABLE) << refusal.message;
  const auto others = node->publish("player/ada", "{}");
  ASSERT_FALSE(others.ok());
  EXPECT_EQ(others.error().code, ErrorCode::UNAVAILABLE) << others.error().message;
  EXPECT_EQ(http_post(node->http(), "/events/player/ada?type=note", "{}").status, 503);
  // everything accepted can be read,
  node->expect_ledger_kept();
  EXPECT_THAT(node->payloads("player/filler"), SizeIs(filled));
  RawSocket follower(node->http());
  ASSERT_TRUE(follower.send("GET /streams/player/ledger?from=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(follower.receive_until("\"entry\":1000"), HasSubstr("id: 1000\n"));
  // and health says what is wrong, while the process stays.
  EXPECT_EQ(http_get(node->http(), "/readyz").status, 503);
  const auto health = http_get(node->http(), "/healthz");
  EXPECT_EQ(health.status, 200);
  EXPECT_THAT(health.body, AllOf(HasSubstr("degraded"), HasSubstr("read-only"), HasSubstr("disk")));
  EXPECT_EQ(node->figure("store_read_only"), 1);
  EXPECT_GE(node->figure("problems{blocking=\"true\"}"), 1);
  EXPECT_TRUE(eventually(20s, [&] { return node->figure("store_free_bytes") < kMiB; }));
  EXPECT_GT(node->figure("store_bytes"), 8 * kMiB);
}

TEST_F(FullDisk, P1NothingAcceptedIsLostWhenThereIsSpaceAgain) {
  // Given a node whose disk was full, and that was stopped.
  EXPECT_EQ(fill().code, ErrorCode::UNAVAILABLE);
  node->stop();
  // When there is space again and it is started.
  disk.resize(256 * kMiB);
  node->start();
  // Then all that was accepted is there, and it accepts more.
  EXPECT_EQ(http_get(node->http(), "/readyz").status, 200);
  expect_filling_kept();
  node->expect_sound();
}

TEST_F(FullDisk, P1ANodeThatDoesNotStartOnAFullDiskSaysWhyAndLosesNothing) {
  EXPECT_EQ(fill().code, ErrorCode::UNAVAILABLE);
  node->kill();
  EXPECT_THAT(refusal_to_serve(node->data()), AllOf(HasSubstr(node->data()), HasSubstr("No space left")));
  disk.resize(256 * kMiB);
  node->start();
  expect_filling_kept();
  node->expect_sound();
}

// --- A directory that cannot be used.

TEST(StoreDirectory, ThatIsInUseIsRefusedToASecondServerAndTheFirstGoesOn) {
  RunningNode node;
  node.publish_to_ledger(10);
  EXPECT_THAT(refusal_to_serve(node.data()),
              AllOf(HasSubstr(node.data()), HasSubstr("another process uses it"), HasSubstr("stop the other one")));
  const auto verified = run_carillon({"verify", "--data", node.data()});
  EXPECT_EQ(verified.exit_code, 1);
  EXPECT_THAT(verified.output, AllOf(HasSubstr(node.data()), HasSubstr("another process uses it")));
  node.expect_sound();
}

TEST(StoreDirectory, ThatIsReadOnlyIsRefusedAndLeftAsItWas) {
  // Given a store on a disk that may not be written any more.
  SmallDisk disk(32 * kMiB);
  SKIP_WITHOUT(disk);
  RunningNode node({.arguments = {}, .data_directory = disk.path() / "data"});
  node.publish_to_ledger(10);
  node.stop();
  disk.make_read_only();
  // Then neither it nor a new one is opened, and that is why.
  EXPECT_THAT(refusal_to_serve(node.data()),
              AllOf(HasSubstr(node.data()), HasSubstr("Read-only file system"), HasSubstr("may not be written")));
  const auto fresh = (disk.path() / "new").string();
  EXPECT_THAT(refusal_to_serve(fresh), AllOf(HasSubstr(fresh), HasSubstr("may not be written")));
  // And when it may be written again, all is there.
  disk.resize(32 * kMiB);
  node.start();
  node.expect_sound();
}

TEST(StoreDirectory, OfANewerFormatIsRefusedWithBothVersions) {
  RunningNode node;
  node.stop();
  constexpr auto kNewer = runtime::Store::kFormatVersion + 1;
  {
    const auto store = open_store(node.data());
    runtime::WriteSet writes;
    writes.put(runtime::store_key("format"), runtime::encode(runtime::StoreFormat{kNewer, 8, "from the future"}));
    ASSERT_TRUE(store->write(writes).ok());
  }
  const auto says_so = AllOf(HasSubstr(node.data()), HasSubstr("format version " + std::to_string(kNewer)),
                             HasSubstr("knows version " + std::to_string(runtime::Store::kFormatVersion)),
                             HasSubstr("use the program that wrote it"));
  EXPECT_THAT(refusal_to_serve(node.data()), says_so);
  const auto verified = run_carillon({"verify", "--data", node.data()});
  EXPECT_EQ(verified.exit_code, 1);
  EXPECT_THAT(verified.output, says_so);
}

// --- A byte that turned over.

// A node with players in all its partitions, and one of them whose events are going to be damaged.
class DamagedStore : public ::testing::Test {
 public:
  static constexpr int kPlayers = 64, kRounds = 20;

 protected:
  static constexpr std::uint16_t kPartitions = 8;

  static std::string name(int player) { return "player/" + std::to_string(100 + player); }
  static std::uint16_t partition_of(int player) {
    return EntityId::trusted(name(player)).partition_of(kPartitions).value;
  }
  static std::string payload(int player, int round) {
    return "{\"to\":\"" + name(player) + "\",\"round\":" + std::to_string(1'000 + round) + "}";
  }
  static std::vector<std::string> payloads(int player, int rounds) {
    std::vector<std::string> all;
    all.reserve(static_cast<std::size_t>(rounds));
    for (int round = 0; round < rounds; ++round) all.push_back(payload(player, round));
    return all;
  }
  // Amid the players of its partition, so that the damage reaches no other partition.
  static int victim() {
    std::vector<int> together;
    for (int player = 0; player < kPlayers; ++player)
      if (partition_of(player) == partition_of(0)) together.push_back(player);
    return together[together.size() / 2];
  }
  static std::string victims_partition() { return "partition " + std::to_string(partition_of(victim())) + ":"; }

  // One event for everybody, each to be accepted.
  void publish_round(int round) {
    std::vector<std::string> names, texts;
    std::vector<client::Publication> batch;
    for (int player = 0; player < kPlayers; ++player)
      names.push_back(name(player)), texts.push_back(payload(player, round));
    for (std::size_t i = 0; i < names.size(); ++i) batch.push_back({names[i], "note", texts[i], ++sequence});
    const auto answer = node.session().publish("herald", batch);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    ASSERT_EQ(answer->getRefusals().size(), 0u);
  }
  void verify_says_sound() {
    const auto ran = run_carillon({"verify", "--data", node.data()});
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
  }
  // It names the victim's partition, no other, and `what`.
  void verify_names(const std::string& what) {
    const auto ran = run_carillon({"verify", "--data", node.data(), "--json"});
    EXPECT_EQ(ran.exit_code, 1) << ran.output;
    EXPECT_THAT(ran.output, AllOf(HasSubstr("\"sound\":false"), HasSubstr(victims_partition()), HasSubstr(what)));
    for (int other = 0; other < kPartitions; ++other)
      EXPECT_TRUE(other == partition_of(victim()) ||
                  ran.output.find("partition " + std::to_string(other) + ":") == std::string::npos)
          << ran.output;
  }
  // Players of other partitions have all their events, and get more.
  void expect_others_go_on(int rounds) {
    for (int player = 0; player < kPlayers; ++player) {
      if (partition_of(player) == partition_of(victim())) continue;
      ASSERT_THAT(node.payloads(name(player)), ElementsAreArray(payloads(player, rounds))) << name(player);
      ASSERT_TRUE(node.publish(name(player), "{}").ok()) << name(player);
    }
  }
  // Players of the victim's partition get exactly what was published to them, or are told that it cannot be read.
  void expect_nothing_wrong_is_read(int rounds) {
    int unreadable = 0;
    for (int player = 0; player < kPlayers; ++player) {
      if (partition_of(player) != partition_of(victim())) continue;
      const auto page = node.session().read(name(player), 1, 1'000);
      if (!page.ok()) {
        EXPECT_EQ(name_of(page.error().code), "unavailable") << name(player) << ": " << page.error().message;
        ++unreadable;
        continue;
      }
      std::vector<std::string> found;
      for (const auto event : page->getEvents()) found.emplace_back(event.getPayload().cStr());
      EXPECT_THAT(found, ElementsAreArray(payloads(player, rounds))) << name(player);
    }
    EXPECT_GT(unreadable, 0);
  }

  RunningNode node;
  Sequence sequence = 0;
};

// The round whose event to the victim is damaged: beginning, middle and end of a mailbox are read differently.
class DamagedTable : public DamagedStore, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    for (int round = 0; round < kRounds; ++round) publish_round(round);
    node.stop();
    verify_says_sound();  // Its opening makes a table of the log.
    damage_where(files_ending(node.data(), ".ldb"), payload(victim(), GetParam()));
  }
  // The payload of the victim's event at `offset`, as a stopped node has left it.
  std::string stored_at(Offset offset) {
    const auto store = open_store(node.data());
    const auto key = runtime::entity_key({partition_of(victim())}, runtime::Tag::kMailbox,
                                         EntityId::trusted(name(victim())), offset);
    const auto record = store->get(key);
    if (!record.ok() || !*record) return "nothing";
    const auto events = runtime::decode_mailbox_record(**record);
    return events.ok() ? events->front().payload : "what does not decode";
  }
};

TEST_P(DamagedTable, IsNamedAndOtherPartitionsGoOn) {
  verify_names("cannot be read");
  node.start();
  expect_others_go_on(kRounds);
  node.stop();
}

TEST_P(DamagedTable, P4IsUnavailableToReadersAndNeverSkipped) {
  node.start();
  expect_nothing_wrong_is_read(kRounds);
  node.stop();
}

TEST_P(DamagedTable, P1NothingIsWrittenOverWhatCannotBeRead) {
  // When something is published behind the damage.
  node.start();
  const bool accepted = node.publish(name(victim()), "{\"new\":true}").ok();
  node.stop();
  // Then it was refused, or stands where the mailbox ended.
  EXPECT_TRUE(!accepted || stored_at(kRounds + 1) == "{\"new\":true}");
}

INSTANTIATE_TEST_SUITE_P(Round, DamagedTable,
                         ::testing::Values(0, DamagedStore::kRounds / 2, DamagedStore::kRounds - 1));

TEST_F(DamagedStore, ByteOfTheLogIsNamedAndOtherPartitionsGoOn) {
  // Given a log of a killed node, in which a stretch longer than LevelDB's blocks is of the victim's partition alone.
  publish_round(0);
  const std::string long_text(30'000, 'x');
  for (int i = 0; i < 9; ++i)
    ASSERT_TRUE(
        node.publish(name(victim()), "{\"n\":\"stretch " + std::to_string(i) + "\",\"x\":\"" + long_text + "\"}").ok());
  for (int round = 1; round < kRounds; ++round) publish_round(round);
  node.kill();
  // When a byte amid that stretch turns over.
  damage_where(files_ending(node.data(), ".log"), "stretch 4");
  // Then the node serves the others as ever and accepts nothing for the partition that has a hole, and says so;
  node.start();
  expect_others_go_on(kRounds);
  const auto refused = node.publish(name(victim()), "{}");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(refused.error().message, HasSubstr("carillon verify"));
  EXPECT_THAT(http_get(node.http(), "/healthz").body, AllOf(HasSubstr("degraded"), HasSubstr(victims_partition())));
  node.stop();
  // and `verify` names it.
  verify_names("the store's log was damaged");
}

}  // namespace
}  // namespace carillon::testing
