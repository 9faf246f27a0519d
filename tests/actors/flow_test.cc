// Too much, too fast, too slow, and stopped in the middle of it: memory stays bounded, others are served, and nothing
// that was accepted is lost or doubled.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "bench/hunt/hunt_behaviour.h"
#include "clients/cpp/follower.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;

constexpr std::size_t kMiB = 1 << 20;

std::string numbered(std::uint64_t number, std::size_t filler_bytes = 0) {
  return "{\"number\":" + std::to_string(number) + ",\"filler\":\"" + std::string(filler_bytes, 'x') + "\"}";
}

// A call's worth of events with consecutive sequences and payloads that say them.
class Batch {
 public:
  Batch(std::string_view entity, Sequence first, std::size_t events, std::size_t filler_bytes = 0) {
    for (std::size_t i = 0; i < events; ++i) payloads_.push_back(numbered(first + i, filler_bytes));
    for (std::size_t i = 0; i < events; ++i) events_.push_back({entity, "note", payloads_[i], first + i});
  }
  operator std::span<const client::Publication>() const { return events_; }

 private:
  std::vector<std::string> payloads_;
  std::vector<client::Publication> events_;
};

// Exactly 1 to `last`, in order.
void expect_numbered(const std::vector<std::string>& payloads, std::uint64_t last) {
  ASSERT_EQ(payloads.size(), last);
  for (std::uint64_t number = 1; number <= last; ++number) ASSERT_EQ(payloads[number - 1], numbered(number));
}

// --- Too fast.

// A producer that sends all it has without waiting for answers.
class Flood {
 public:
  static constexpr std::size_t kCallEvents = 1'000;
  static constexpr Sequence kLast = 60 * kCallEvents;
  static constexpr const char* kEntity = "player/flood";

  explicit Flood(RunningNode& node) : session_(node.session()) {
    auto connected = session_.wait(client::Connection::connect(session_.network(), session_.timer(), node.rpc()));
    CHECK(connected.ok());
    connection_ = kj::mv(*connected);
  }

  bool done() const { return next_ > kLast; }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t duplicates() const { return duplicates_; }

  // Sends everything from the first event that was refused on, and takes in the answers.
  void send() {
    refusing_ = false;
    std::vector<kj::Promise<client::Answer<wire::Gateway::PublishResults>>> answers;
    for (auto first = next_; first <= kLast; first += kCallEvents)
      answers.push_back(connection_->publish("flood", Batch(kEntity, first, kCallEvents)));
    for (auto& answer : answers) take(session_.wait(kj::mv(answer)));
  }
  // As long as the node has asked for.
  void wait() { session_.wait(session_.timer().afterDelay(retry_after_ms_ * kj::MILLISECONDS)); }

 private:
  void take(client::Answer<wire::Gateway::PublishResults> answer) {
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    const auto refusals = answer->getRefusals();
    const auto accepted = kCallEvents - refusals.size();
    ASSERT_TRUE(accepted == 0 || !refusing_) << "an event has overtaken a refused one (P3)";
    refusing_ = refusals.size() > 0;
    next_ += accepted;
    refused_ += refusals.size();
    duplicates_ += answer->getDuplicates();
    for (const auto refusal : refusals) {
      ASSERT_EQ(refusal.getCode(), ErrorCode::OVERLOADED) << refusal.getMessage().cStr();
      ASSERT_GT(refusal.getRetryAfterMs(), 0u);
      ASSERT_GE(refusal.getIndex(), accepted) << "what is accepted comes before what is refused";
      retry_after_ms_ = refusal.getRetryAfterMs();
    }
  }

  client::Session& session_;
  kj::Own<client::Connection> connection_;
  Sequence next_ = 1;
  bool refusing_ = false;
  std::uint64_t refused_ = 0, duplicates_ = 0;
  std::uint32_t retry_after_ms_ = 0;
};

TEST(Overload, P7IsAnsweredWithARetryDelayAndWhatIsSentAgainIsThereOnce) {
  // Given a producer that publishes far more than may be under way, without waiting.
  RunningNode node(
      {.arguments = {"--connection-events-max", "2000", "--retain", "player=1000000"}, .data_directory = {}});
  Flood flood(node);
  // When it sends what was refused again after the delay that it was told, as recklessly.
  ASSERT_TRUE(eventually(60s, [&] {
    flood.send();
    if (!flood.done()) flood.wait();
    return flood.done() || ::testing::Test::HasFatalFailure();
  }));
  // Then it was refused now and then, and everything is there, once and in order.
  EXPECT_GT(flood.refused(), 0u) << "it was never overloaded: nothing was tested";
  EXPECT_GT(node.figure("events_overloaded_total"), 0);
  EXPECT_EQ(flood.duplicates(), 0u);
  expect_numbered(node.payloads(Flood::kEntity), Flood::kLast);
}

// --- Too slow.

constexpr std::uint64_t kNotifications = 200'000;
constexpr std::size_t kFillerBytes = 400;  // 200,000 of them are more memory than a node may take for one reader.

// A subscriber on a thread of its own that reads its first notification, and then nothing until it is told to.
class StubbornSubscriber {
 public:
  StubbornSubscriber(const client::Address& address, const std::string& entity)
      : thread_([this, address, entity] { follow(address, entity); }) {}
  ~StubbornSubscriber() {
    given_up_ = true;
    read_on();
    thread_.join();
  }

  bool began() const { return began_; }
  void read_on() {
    may_read_ = true;
    may_read_.notify_all();
  }
  // The notifications seen so far, each where it belongs.
  std::uint64_t seen() const { return seen_; }
  bool wrong() const { return wrong_; }

 private:
  void follow(const client::Address& address, const std::string& entity) {
    client::Session session;
    auto all = kj::newPromiseAndFulfiller<void>();
    client::Follower follower(session.network(), session.timer(), {.addresses = address}, {{entity, 1}},
                              {.event = [&](std::size_t, Offset offset, wire::StoredEvent::Reader event) {
                                take(offset, event.getPayload().cStr());
                                if (offset == kNotifications) all.fulfiller->fulfill();
                              }});
    auto done = all.promise.fork();
    while (!given_up_ && !session.wait_at_most(20ms, done.addBranch())) {
    }
  }
  void take(Offset offset, const char* payload) {
    began_ = true;
    may_read_.wait(false);  // Holds up the thread, and so the reading of its connection.
    if (offset != seen_ + 1 || payload != numbered(offset, kFillerBytes)) wrong_ = true;
    seen_ = offset;
  }

  std::atomic<bool> began_ = false, may_read_ = false, wrong_ = false, given_up_ = false;
  std::atomic<std::uint64_t> seen_ = 0;
  std::thread thread_;
};

// The same over HTTP: the ids of a stream of server-sent events, read when `read_all` is called.
class StubbornEventSource {
 public:
  StubbornEventSource(const client::Address& address, const std::string& entity) : socket_(address, 4'096) {
    EXPECT_TRUE(socket_.send("GET /streams/" + entity + " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    text_ = socket_.receive_until("id: 1\n");
  }

  void read_all() {
    while (seen_ < kNotifications) {
      take();
      ASSERT_TRUE(seen_ == kNotifications || socket_.receive_more(text_)) << "nothing comes after " << seen_;
    }
  }

 private:
  void take() {
    std::size_t at = 0;
    for (std::size_t begin; (begin = text_.find("\nid: ", at)) != std::string::npos;) {
      const auto end = text_.find("\n\n", begin + 1);
      if (end == std::string::npos) break;
      ++seen_;
      ASSERT_EQ(text_.compare(begin, 5 + std::to_string(seen_).size() + 1, "\nid: " + std::to_string(seen_) + "\n"), 0)
          << text_.substr(begin, 80) << " comes as number " << seen_;
      ASSERT_NE(text_.substr(begin, end - begin).find("\"number\":" + std::to_string(seen_) + ","), std::string::npos);
      at = end;
    }
    text_.erase(0, at);
  }

  RawSocket socket_;
  std::string text_;
  std::uint64_t seen_ = 0;
};

// Publishes to one stream as fast as it can, and to another now and then; watches the node's memory.
class Herald {
 public:
  static constexpr std::size_t kBatchEvents = 4'000;

  explicit Herald(RunningNode& node)
      : node_(node),
        quick_(node.session().network(), node.session().timer(), {.addresses = node.rpc()}, {{"player/quick", 1}},
               {.event = [this](std::size_t, Offset offset, auto) { quick_seen_ = offset; }}) {}

  // Events `from` to `to` of the stream, as numbered; gives the most memory that the node had meanwhile.
  std::uint64_t publish(const std::string& entity, Sequence from, Sequence to) {
    std::uint64_t peak = 0;
    for (auto first = from; first <= to; first += kBatchEvents) {
      const auto events = std::min<std::uint64_t>(kBatchEvents, to - first + 1);
      const auto answer = node_.session().publish("herald of " + entity, Batch(entity, first, events, kFillerBytes));
      EXPECT_TRUE(answer.ok() && answer->getRefusals().size() == 0);
      peak = std::max(peak, node_.anonymous_bytes());
      reach_the_quick_one();
      if (::testing::Test::HasFailure()) break;
    }
    return peak;
  }

 private:
  // One notification for somebody else: it must be there at once.
  void reach_the_quick_one() {
    EXPECT_TRUE(node_.publish("player/quick", "{}").ok());
    ++quick_sent_;
    EXPECT_TRUE(eventually(5s, [&] {
      node_.session().io().waitScope.poll();
      return quick_seen_ == quick_sent_;
    })) << "another subscriber was held up";
  }

  RunningNode& node_;
  Offset quick_seen_ = 0, quick_sent_ = 0;
  client::Follower quick_;
};

#ifdef __SANITIZE_ADDRESS__
constexpr bool kKeepsFreedMemory = true;
#else
constexpr bool kKeepsFreedMemory = false;
#endif

// Goal: what subscribers do not read is on disk, not in memory; others do not feel them; and they miss nothing.
// Method: the same load twice, the second time to two subscribers that have stopped reading, one of each protocol.
TEST(SlowSubscriber, P7CostsBoundedMemoryHoldsUpNobodyAndGetsEverythingLater) {
  RunningNode node({.arguments = {"--retain", "player=1000000"}, .data_directory = {}});
  Herald herald(node);
  const auto at_first = node.anonymous_bytes();
  const auto peak_without = herald.publish("player/unread", 1, kNotifications);
  ASSERT_FALSE(HasFailure());
  // Given two subscribers that read one notification and then stop.
  herald.publish("player/slow", 1, 1);
  StubbornSubscriber native(node.rpc(), "player/slow");
  StubbornEventSource http(node.http(), "player/slow");
  ASSERT_TRUE(eventually(10s, [&] { return native.began(); }));
  // When 200,000 are published to them.
  const auto peak_with = herald.publish("player/slow", 2, kNotifications);
  ASSERT_FALSE(HasFailure());
  // Then the node needs hardly more memory than without them,
  if (!kKeepsFreedMemory) {
    const auto in_write_buffer = peak_without - at_first;  // It takes in as much again, whoever reads.
    EXPECT_LT(peak_with, peak_without + in_write_buffer + 64 * kMiB) << peak_without / kMiB << " MiB without them";
  }
  RecordProperty("peak_without_mib", static_cast<int>(peak_without / kMiB));
  RecordProperty("peak_with_mib", static_cast<int>(peak_with / kMiB));
  // and when they read again, they get each, in order.
  native.read_on();
  http.read_all();
  EXPECT_TRUE(eventually(60s, [&] { return native.seen() == kNotifications; })) << native.seen();
  EXPECT_FALSE(native.wrong());
}

// --- Stopped.

// Publishes without end, on a thread of its own; what is not acknowledged is sent again, across restarts of the node.
class TirelessProducer {
 public:
  static constexpr std::size_t kBatchEvents = 20;

  using PayloadOf = std::string (*)(Sequence);
  TirelessProducer(const client::Address& address, std::string entity, std::string_view type, PayloadOf payload_of)
      : entity_(std::move(entity)),
        type_(type),
        payload_of_(payload_of),
        thread_([this, address] { publish(address); }) {}
  ~TirelessProducer() {
    given_up_ = true;
    stop();
  }

  // Returns when all it has sent is acknowledged.
  void stop() {
    enough_ = true;
    if (thread_.joinable()) thread_.join();
  }

  const std::string& entity() const { return entity_; }
  Sequence acknowledged() const { return acknowledged_; }
  std::uint64_t interruptions() const { return interruptions_; }
  // Answers that a producer must not get when a node stops. To be called after stop().
  const std::vector<std::string>& strange_answers() const { return strange_; }

 private:
  void publish(const client::Address& address) {
    client::Session session;
    for (bool settled = true; !given_up_ && (!enough_ || !settled);) {
      settled = (session.connected() || session.connect(address).ok()) && publish_batch(session);
      if (!settled) std::this_thread::sleep_for(kLookEvery);  // The pause of a client before it tries again.
    }
  }
  // Whether it was acknowledged as a whole.
  bool publish_batch(client::Session& session) {
    std::vector<std::string> payloads;
    std::vector<client::Publication> batch;
    payloads.reserve(kBatchEvents);
    batch.reserve(kBatchEvents);
    for (Sequence i = 1; i <= kBatchEvents; ++i) payloads.push_back(payload_of_(acknowledged_ + i));
    for (const auto& payload : payloads) batch.push_back({entity_, type_, payload, acknowledged_ + batch.size() + 1});
    const auto answer = session.publish(entity_, batch);
    if (!answer.ok()) return interrupted(answer.error());
    for (const auto refusal : answer->getRefusals()) return interrupted(client::error_of(refusal));
    acknowledged_ += kBatchEvents;
    return true;
  }
  bool interrupted(const Error& error) {
    ++interruptions_;
    if (error.code != ErrorCode::UNAVAILABLE) strange_.push_back(to_string(error));
    return false;
  }

  const std::string entity_;
  const std::string_view type_;
  const PayloadOf payload_of_;
  std::atomic<bool> enough_ = false, given_up_ = false;
  std::atomic<Sequence> acknowledged_ = 0;
  std::atomic<std::uint64_t> interruptions_ = 0;
  std::vector<std::string> strange_;
  std::thread thread_;
};

constexpr std::uint32_t kAudience = 8, kNotificationsPerDig = 4;

std::string dig_of(Sequence sequence) {
  return bench::encode_dig(
      {.id = sequence, .at = 0, .hub = 0, .k = kNotificationsPerDig, .audience = kAudience, .filler = {}});
}

// Several players and a hub that notifies others, all busy.
class StopUnderLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i)
      producers.push_back(std::make_unique<TirelessProducer>(node.rpc(), "player/" + std::to_string(i), "note",
                                                             [](Sequence number) { return numbered(number); }));
    producers.push_back(std::make_unique<TirelessProducer>(node.rpc(), "hunt/0", "dig", dig_of));
    ASSERT_TRUE(everyone_gets_on());
  }

  bool everyone(auto does) {
    return std::ranges::all_of(producers, [&](auto& p) { return does(*p); });
  }
  // Each gets more acknowledged than it has now.
  bool everyone_gets_on() {
    std::map<const TirelessProducer*, Sequence> before;
    for (const auto& producer : producers) before[producer.get()] = producer->acknowledged();
    return eventually(30s, [&] {
      return everyone([&](auto& producer) { return producer.acknowledged() > before[&producer] + 2'000; });
    });
  }
  // The hub has folded all, and everybody has heard of it.
  void wait_for_the_hub(Sequence digs) {
    ASSERT_TRUE(eventually(30s, [&] {
      const auto seen = node.session().inspect("hunt/0");
      return seen.ok() && seen->getInspection().getCursor() == digs;
    }));
  }
  // Each notification of each dig, once.
  void expect_each_find_once(Sequence digs) {
    std::set<std::pair<std::uint64_t, std::uint32_t>> finds;
    std::size_t notifications = 0;
    for (std::uint32_t player = 0; player < kAudience; ++player) {
      for (const auto& payload : node.payloads("player/p" + std::to_string(player))) {
        const auto find = bench::decode_find(payload);
        ASSERT_TRUE(find.ok()) << payload;
        finds.emplace(find->id, find->index);
        ++notifications;
      }
    }
    EXPECT_EQ(finds.size(), digs * kNotificationsPerDig);
    EXPECT_EQ(notifications, finds.size());
  }

  RunningNode node{{.arguments = {"--retain", "player=1000000"}, .data_directory = {}}};
  std::vector<std::unique_ptr<TirelessProducer>> producers;
};

TEST_F(StopUnderLoad, P1P2EndsWellInTimeAndNothingIsLostOrDoubled) {
  for (int round = 0; round < 3; ++round) {
    // When it is told to stop, then it does so within 5 s, with exit code 0,
    const auto stopped = node.process().stop();
    ASSERT_TRUE(stopped.ok()) << stopped.error().message;
    EXPECT_LT(*stopped, 5s);
    // and after the next start all goes on.
    node.start();
    ASSERT_TRUE(everyone_gets_on());
  }
  for (const auto& producer : producers) {
    producer->stop();
    EXPECT_GE(producer->interruptions(), 3u);
    EXPECT_THAT(producer->strange_answers(), IsEmpty());
  }
  // Then everything acknowledged is there, once and in order; and so is what the hub made of it.
  for (std::size_t i = 0; i < 3; ++i)
    expect_numbered(node.payloads(producers[i]->entity()), producers[i]->acknowledged());
  const auto digs = producers.back()->acknowledged();
  std::vector<std::string> wanted;
  for (Sequence dig = 1; dig <= digs; ++dig) wanted.push_back(dig_of(dig));
  EXPECT_TRUE(node.payloads("hunt/0") == wanted);
  wait_for_the_hub(digs);
  expect_each_find_once(digs);
}

}  // namespace
}  // namespace carillon::testing
