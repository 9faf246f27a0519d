#include "bench/sockets_bench.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "bench/clock.h"
#include "bench/conductor.h"
#include "bench/hunt/hunt_behaviour.h"
#include "bench/interrupt.h"
#include "bench/job.h"
#include "bench/row.h"
#include "bench/server_process.h"
#include "bench/socket_crowd.h"
#include "bench/sockets_rows.h"
#include "clients/cpp/publisher.h"
#include "clients/cpp/session.h"
#include "runtime/json.h"
#include "runtime/store.h"

namespace carillon::bench {
namespace {

using client::Connection;
using client::Session;

constexpr std::uint32_t kIdle = 20'000;
constexpr std::uint32_t kJobConnections = 30;  // Producers, gateways, whoever publishes; with room to spare.
constexpr std::uint32_t kOtherFiles = 70;      // A node's own, beside its store's and connections.
constexpr std::int64_t kSettleNs = 2 * kSecond;
constexpr std::int64_t kArriveWithinNs = 10 * kSecond;
constexpr std::int64_t kPollEveryNs = kMillisecond;  // What comes counts as arrived when it is read.
constexpr std::uint32_t kHistoryEvents = 10'000;     // What stopped readers have not read.
constexpr std::size_t kHistoryPayloadBytes = 1'000;
constexpr std::int64_t kSlowReadEveryNs = 100 * kMillisecond;
constexpr std::size_t kSlowReadBytes = 8 * 1024;
constexpr int kStoppedBufferBytes = 16 * 1024;
constexpr std::int64_t kFillNs = 4 * kSecond;
const std::string kHistory = "player/history";

std::string player_entity(std::uint32_t player) { return "player/p" + std::to_string(player); }

std::string follow_message(std::uint32_t id, std::string_view entity) {
  JsonWriter json;
  json.begin_object().key("follow").begin_object().field("id", id).field("entity", entity).field("from", 1);
  return json.end_object().end_object().take();
}

bool wants(const SocketsOptions& options, SocketsPart part) {
  return options.parts.empty() || std::ranges::find(options.parts, part) != options.parts.end();
}

std::uint32_t idle_of(const SocketsOptions& options) { return options.connections.value_or(kIdle); }

// As many as the part with most of them needs.
std::uint32_t connections_of(const SocketsOptions& options) {
  std::uint32_t most = 0;
  for (const auto& [part, connections] :
       {std::pair(SocketsPart::kIdle, idle_of(options)), std::pair(SocketsPart::kBroadcast, options.audience),
        std::pair(SocketsPart::kReaders, options.stopped)})
    if (wants(options, part)) most = std::max(most, connections);
  return most;
}

// Of a node with so many connections, and this process is content with as many.
std::uint64_t files_for(std::uint64_t connections) {
  return connections + kJobConnections + static_cast<std::uint64_t>(runtime::StoreOptions{}.open_files_max) +
         kOtherFiles;
}

// Who is measured: Carillon, or what it is held against.
struct Contender {
  std::string name;
  ServerProcess::Options process;
};

Contender carillon_of(const SocketsOptions& options) {
  std::vector<std::string> arguments = {
      "--connections-max=" + std::to_string(connections_of(options) + kJobConnections),
      "--websocket-follows-max=100000"};
  arguments.insert(arguments.end(), options.serve_arguments.begin(), options.serve_arguments.end());
  return {"carillon", {.parent_directory = options.data, .arguments = std::move(arguments)}};
}

// Carillon first.
std::vector<Contender> contenders_of(const SocketsOptions& options) {
  std::vector<Contender> contenders = {carillon_of(options)};
  if (!options.against.empty())
    contenders.push_back({options.against, {.parent_directory = options.data, .program = options.against}});
  return contenders;
}

template <class Row>
void print(const SocketsOptions& options, const std::vector<Row>& rows) {
  if (!options.json) {
    std::fputs(table_of(rows).c_str(), stdout);
    std::fflush(stdout);
  }
  for (const Row& row : rows)
    if (options.json) print_line(json_of(row));
}

// Waits for `done` on what the crowd hears.
template <class Done>
Result<void> poll_until(SocketCrowd& crowd, const char* what, Done done) {
  const std::int64_t give_up_ns = now_ns() + kArriveWithinNs;
  while (!done()) {
    crowd.poll_after(kPollEveryNs);
    if (crowd.failed()) return *crowd.failed();
    if (auto going_on = sleep_until_ns(0); !going_on.ok()) return going_on;
    if (now_ns() > give_up_ns) return Error{ErrorCode::UNAVAILABLE, std::string("waited too long for ") + what};
  }
  return {};
}

// Each of `count` sockets follows a player of its own; gives how many follow. Reads until all do.
Result<void> follow_one_each(SocketCrowd& crowd, std::uint32_t count, const std::uint64_t& following) {
  constexpr std::uint32_t kAhead = 1'000;
  for (std::uint32_t player = 0; player < count; ++player) {
    crowd.send(player, follow_message(0, player_entity(player)));
    if (player >= following + kAhead)
      if (auto some = poll_until(crowd, "follows", [&] { return player < following + kAhead; }); !some.ok())
        return some;
  }
  return poll_until(crowd, "follows", [&] { return following == count; });
}

// --- idle

double kib_each(std::uint64_t before, std::uint64_t after, std::uint32_t count) {
  return (static_cast<double>(after) - static_cast<double>(before)) / 1024 / count;
}

Result<double> idle_sockets(const SocketsOptions& options, const Contender& contender) {
  const std::uint32_t connections = idle_of(options);
  ServerProcess node(contender.process);
  if (const auto started = node.start(); !started.ok()) return started.error();
  if (auto slept = sleep_until_ns(now_ns() + kSettleNs); !slept.ok()) return slept.error();
  const std::uint64_t before = node.resident_bytes();
  std::uint64_t following = 0;
  SocketCrowd crowd(node.http_address(), [&](std::size_t, std::string_view message) {
    if (message.starts_with(R"({"following")")) ++following;
  });
  if (auto opened = crowd.open(connections); !opened.ok()) return opened.error();
  if (auto all = follow_one_each(crowd, connections, following); !all.ok()) return all.error();
  const std::int64_t settled_ns = now_ns() + kSettleNs;
  while (now_ns() < settled_ns) crowd.poll(settled_ns);
  if (crowd.failed()) return *crowd.failed();
  return kib_each(before, node.resident_bytes(), connections);
}

Result<double> idle_natives(const SocketsOptions& options) {
  const std::uint32_t connections_wanted = idle_of(options);
  ServerProcess node(carillon_of(options).process);
  if (const auto started = node.start(); !started.ok()) return started.error();
  if (auto slept = sleep_until_ns(now_ns() + kSettleNs); !slept.ok()) return slept.error();
  const std::uint64_t before = node.resident_bytes();
  Session session;
  std::vector<kj::Own<Connection>> connections;
  std::vector<capnp::Response<wire::Gateway::SubscribeResults>> subscriptions;
  for (std::uint32_t player = 0; player < connections_wanted; ++player) {
    auto connected = session.wait(Connection::connect(session.network(), session.timer(), node.address()));
    if (!connected.ok()) return connected.error();
    connections.push_back(kj::mv(*connected));
    const std::string entity = player_entity(player);
    const client::Follow follow{.entity = entity, .from = 1};
    auto subscribed = session.wait(connections.back()->subscribe({&follow, 1}, {.deliver = [](auto) {}, .ended = {}}));
    if (!subscribed.ok()) return subscribed.error();
    subscriptions.push_back(kj::mv(*subscribed));
    if (auto going_on = sleep_until_ns(0); !going_on.ok()) return going_on.error();
  }
  session.wait(session.timer().afterDelay(kSettleNs * kj::NANOSECONDS));
  return kib_each(before, node.resident_bytes(), connections_wanted);
}

Result<void> run_idle(const SocketsOptions& options) {
  std::vector<IdleRow> rows;
  for (const Contender& contender : contenders_of(options)) {
    const auto sockets = idle_sockets(options, contender);
    if (!sockets.ok()) return sockets.error();
    rows.push_back({.server = contender.name, .connections = idle_of(options), .kib_per_websocket = *sockets});
  }
  const auto natives = idle_natives(options);
  if (!natives.ok()) return natives.error();
  rows.front().kib_per_native_session = *natives;
  print(options, rows);
  return {};
}

// --- broadcast

// Of each round: until the first, the middle and the last of the audience had read it.
struct Broadcasts {
  std::vector<double> firsts, middles, lasts;
};

Result<void> broadcast(const SocketsOptions& options, const Contender& contender, std::uint32_t rounds,
                       Broadcasts& broadcasts) {
  ServerProcess node(contender.process);
  if (const auto started = node.start(); !started.ok()) return started.error();
  const std::uint32_t players = options.audience;
  std::uint64_t following = 0;
  std::vector<std::int64_t> arrived_ns;
  arrived_ns.reserve(players);
  SocketCrowd crowd(node.http_address(), [&](std::size_t, std::string_view message) {
    if (message.starts_with(R"({"events")"))
      arrived_ns.push_back(now_ns());
    else if (message.starts_with(R"({"following")"))
      ++following;
  });
  if (auto opened = crowd.open(players + 1); !opened.ok()) return opened;  // The last one publishes.
  if (auto all = follow_one_each(crowd, players, following); !all.ok()) return all;
  for (std::uint32_t round = 0; round <= rounds; ++round) {
    const std::int64_t calm_ns = now_ns() + 500 * kMillisecond;
    while (now_ns() < calm_ns) crowd.poll(calm_ns);
    arrived_ns.clear();
    const std::int64_t began = now_ns();
    JsonWriter json;
    json.begin_object().key("publish").begin_object().field("id", round).field("producer", "bench").key("events");
    json.begin_array().begin_object().field("sequence", round + 1).field("entity", "hunt/0");
    json.field("type", Muster::kType).key("payload").raw(to_json(Muster{.id = round, .at = began, .players = players}));
    crowd.send(players, json.end_object().end_array().end_object().end_object().text());
    if (auto all = poll_until(crowd, "a broadcast", [&] { return arrived_ns.size() >= players; }); !all.ok())
      return all;
    if (round == 0) continue;  // Makes the streams.
    broadcasts.firsts.push_back(milliseconds_of(arrived_ns.front() - began));
    broadcasts.middles.push_back(milliseconds_of(arrived_ns[players / 2] - began));
    broadcasts.lasts.push_back(milliseconds_of(arrived_ns[players - 1] - began));
  }
  return {};
}

Result<void> run_broadcast(const SocketsOptions& options) {
  const std::vector<Contender> contenders = contenders_of(options);
  std::vector<Broadcasts> broadcasts(contenders.size());
  const std::uint32_t turns = contenders.size() == 1 ? 1 : std::min(options.turns, options.rounds);
  for (std::uint32_t turn = 0; turn < turns; ++turn) {
    const std::uint32_t rounds = options.rounds * (turn + 1) / turns - options.rounds * turn / turns;
    for (std::size_t i = 0; i < contenders.size(); ++i)
      if (auto done = broadcast(options, contenders[i], rounds, broadcasts[i]); !done.ok()) return done;
  }
  std::vector<BroadcastRow> rows;
  for (std::size_t i = 0; i < contenders.size(); ++i)
    rows.push_back({.server = contenders[i].name,
                    .audience = options.audience,
                    .rounds = options.rounds,
                    .first_ms = median(broadcasts[i].firsts),
                    .p50_ms = median(broadcasts[i].middles),
                    .last_ms = median(broadcasts[i].lasts),
                    .worst_last_ms = std::ranges::max(broadcasts[i].lasts)});
  print(options, rows);
  return {};
}

// --- latency and readers: the hunt job, over WebSockets.

struct SocketStage {
  explicit SocketStage(const JobConfig& job_) : job(job_), ledger(job_) {}

  const JobConfig& job;
  Phase phase;
  Ledger ledger;
  std::atomic<std::uint32_t> following{0};
  std::atomic<bool> failed{false};

  void lost(const char* who, const SocketCrowd& crowd) {
    if (crowd.failed() && !failed.exchange(true))
      std::fprintf(stderr, "%s: %s\n", who, crowd.failed()->message.c_str());
  }
};

// All producers, one socket each. Publishes as client::Publisher does: what is due goes in one message.
void produce(SocketStage& stage, const client::Address& address) {
  struct Producer {
    Feed feed;
    struct Message {
      std::uint64_t first = 0, count = 0;  // Sequences of the ledger.
    };
    std::map<std::uint64_t, Message> under_way{};  // By id.
    std::uint64_t confirmed = 0, sent = 0;
    std::uint32_t next_id = 0;
  };
  std::vector<Producer> producers;
  for (std::uint32_t number = 0; number < stage.job.producers; ++number)
    producers.push_back({Feed(stage.job, stage.phase, stage.ledger, number)});
  SocketCrowd crowd(address, [&](std::size_t socket, std::string_view message) {
    Producer& producer = producers[socket];
    if (!message.starts_with(R"({"published")") || !message.ends_with(R"("refusals":[]}})")) {
      if (!stage.failed.exchange(true)) std::fprintf(stderr, "producer: %s\n", std::string(message).c_str());
      return;
    }
    constexpr std::string_view kId = R"("id":)";
    std::uint64_t id = 0;
    const auto digits = message.substr(message.find(kId) + kId.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), id);
    const auto answered = producer.under_way.extract(id);
    CHECK(!answered.empty());
    const auto [first, count] = answered.mapped();
    const bool measured = stage.phase.measures(now_ns());
    for (std::uint64_t i = 0; i < count; ++i)
      stage.ledger.confirmed(static_cast<std::uint32_t>(socket), first + i, measured);
    producer.confirmed += count;
  });
  if (auto opened = crowd.open(stage.job.producers); !opened.ok()) return stage.lost("producer", crowd);
  while (!stage.phase.over.load(std::memory_order_relaxed) && !stage.failed) {
    std::int64_t now = now_ns(), next = now + 5 * kMillisecond;
    for (std::size_t place = 0; place < producers.size(); ++place) {
      Producer& producer = producers[place];
      JsonWriter json(1024);
      std::uint64_t count = 0;
      while (const auto dig = producer.feed.next(now, producer.sent - producer.confirmed)) {
        if (count++ == 0) {
          json.begin_object().key("publish").begin_object().field("id", producer.next_id++);
          json.field("producer", "bench/" + std::to_string(place)).key("events").begin_array();
        }
        ++producer.sent;
        json.begin_object().field("sequence", DigId::of(dig->id).sequence + 1);
        json.field("entity", "hunt/" + std::to_string(dig->hub)).field("type", Dig::kType);
        json.key("payload").raw(encode_dig(*dig)).end_object();
        now = now_ns();
      }
      if (count > 0) {
        producer.under_way.emplace(producer.next_id - 1, Producer::Message{producer.sent - count, count});
        crowd.send(place, json.end_array().end_object().end_object().text());
      }
      next = std::min(next, producer.feed.next_call_ns(now));
    }
    crowd.poll(next);
    stage.lost("producer", crowd);
  }
}

// All gateways, one socket each, which follows its share of the players.
void gather(SocketStage& stage, const client::Address& address, Histogram& latencies) {
  std::vector<Receiver> receivers(stage.job.gateways, Receiver(stage.job, stage.phase, stage.ledger));
  constexpr std::string_view kPayload = R"("payload":)";
  SocketCrowd crowd(address, [&](std::size_t socket, std::string_view message) {
    if (message.starts_with(R"({"following")")) {
      ++stage.following;
      return;
    }
    if (!message.starts_with(R"({"events")")) return;
    for (auto at = message.find(kPayload); at != std::string_view::npos; at = message.find(kPayload, at + 1)) {
      const auto find = decode_find(message.substr(at + kPayload.size(), kPayloadBytes));
      if (find.ok()) receivers[socket].receive(*find);
    }
  });
  if (auto opened = crowd.open(stage.job.gateways); !opened.ok()) return stage.lost("gateway", crowd);
  for (std::uint32_t player = 0; player < stage.job.players; ++player) {
    crowd.send(player % stage.job.gateways, follow_message(player, player_entity(player)));
    if (player % 100 == 0) crowd.poll(0);
  }
  while (!stage.phase.over.load(std::memory_order_relaxed) && !stage.failed) {
    crowd.poll(now_ns() + 5 * kMillisecond);
    stage.lost("gateway", crowd);
  }
  for (const Receiver& receiver : receivers) latencies.merge(receiver.latencies());
}

struct JobFigures {
  Histogram latencies;
  std::uint64_t missing = 0;
  std::uint64_t resident_bytes_max = 0;
};

// The job on `node`; `meanwhile` is called about every 20 ms.
Result<JobFigures> do_job(const SocketsOptions& options, const JobConfig& job, ServerProcess& node,
                          const std::function<void()>& meanwhile) {
  SocketStage stage(job);
  stage.phase.start_ns = stage.phase.measure_from_ns = stage.phase.measure_until_ns = INT64_MAX / 2;
  JobFigures figures;
  std::thread gateways([&] { gather(stage, node.http_address(), figures.latencies); });
  std::thread producers([&] { produce(stage, node.http_address()); });
  const auto until = [&](std::int64_t at_ns, auto done) -> Result<void> {
    while (now_ns() < at_ns && !done()) {
      if (stage.failed) return Error{ErrorCode::UNAVAILABLE, "a client failed: " + node.last_words()};
      if (auto slept = sleep_until_ns(std::min(at_ns, now_ns() + 20 * kMillisecond)); !slept.ok()) return slept;
      figures.resident_bytes_max = std::max(figures.resident_bytes_max, node.resident_bytes());
      meanwhile();
    }
    return {};
  };
  const auto play = [&]() -> Result<void> {
    if (auto all = until(now_ns() + 30 * kSecond, [&] { return stage.following == job.players; }); !all.ok())
      return all;
    if (stage.following != job.players) return Error{ErrorCode::UNAVAILABLE, "not all streams could be followed"};
    const std::int64_t start = now_ns() + 500 * kMillisecond;
    const std::int64_t from = start + static_cast<std::int64_t>(options.warmup_s * 1e9);
    const std::int64_t end = from + static_cast<std::int64_t>(options.seconds * 1e9);
    stage.phase.measure_until_ns = end;
    stage.phase.measure_from_ns = from;
    stage.phase.start_ns = start;
    if (auto over = until(end, [] { return false; }); !over.ok()) return over;
    const auto arrived = [&] {
      const auto totals = stage.ledger.totals();
      return totals.confirmed == totals.sent && totals.delivered >= totals.sent;
    };
    if (auto waited = until(now_ns() + kArriveWithinNs, arrived); !waited.ok() || arrived()) return waited;
    const auto totals = stage.ledger.totals();
    return Error{ErrorCode::UNAVAILABLE, "not all is done: " + std::to_string(totals.sent) + " sent, " +
                                             std::to_string(totals.confirmed) + " confirmed, " +
                                             std::to_string(totals.delivered) + " delivered"};
  };
  const auto played = play();
  stage.phase.over = true;
  producers.join();
  gateways.join();
  if (!played.ok()) return played.error();
  figures.missing = stage.ledger.missing();
  return figures;
}

JobConfig job_of(const SocketsOptions& options) { return {.mode = Mode::kRate, .events_per_s = options.rate}; }

// Of each turn.
struct Latencies {
  std::vector<double> p50_ms, p99_ms;

  LatencyRow::Quantiles medians() const { return {median(p50_ms), median(p99_ms)}; }
};

Result<void> job_over_sockets(const SocketsOptions& options, const Contender& contender, Latencies& latencies) {
  ServerProcess node(contender.process);
  if (const auto started = node.start(); !started.ok()) return started.error();
  const auto figures = do_job(options, job_of(options), node, [] {});
  if (!figures.ok()) return figures.error();
  if (figures->missing > 0)
    return Error{ErrorCode::UNAVAILABLE, std::to_string(figures->missing) + " notifications were lost"};
  latencies.p50_ms.push_back(figures->latencies.quantile_ms(0.5));
  latencies.p99_ms.push_back(figures->latencies.quantile_ms(0.99));
  return {};
}

Result<void> job_over_rpc(const SocketsOptions& options, Latencies& latencies) {
  ServerProcess node(carillon_of(options).process);
  if (const auto started = node.start(); !started.ok()) return started.error();
  const auto outcome = conduct({.job = job_of(options),
                                .timing = {.warmup_s = options.warmup_s, .measured_s = options.seconds},
                                .addresses = node.address(),
                                .run_name = "sockets"});
  if (!outcome.ok()) return outcome.error();
  latencies.p50_ms.push_back(outcome->row.p50_ms);
  latencies.p99_ms.push_back(outcome->row.p99_ms);
  return {};
}

Result<void> run_latency(const SocketsOptions& options) {
  const std::vector<Contender> contenders = contenders_of(options);
  std::vector<Latencies> over_sockets(contenders.size());
  Latencies over_rpc;
  for (std::uint32_t turn = 0; turn < options.turns; ++turn) {
    for (std::size_t i = 0; i < contenders.size(); ++i)
      if (auto done = job_over_sockets(options, contenders[i], over_sockets[i]); !done.ok()) return done;
    if (auto done = job_over_rpc(options, over_rpc); !done.ok()) return done;
  }
  std::vector<LatencyRow> rows;
  for (std::size_t i = 0; i < contenders.size(); ++i)
    rows.push_back({.server = contenders[i].name,
                    .rate = options.rate,
                    .turns = options.turns,
                    .websocket = over_sockets[i].medians(),
                    .native = {}});
  rows.front().native = over_rpc.medians();
  print(options, rows);
  return {};
}

// Fills a stream of which a reader that has stopped leaves the most.
Result<void> write_history(const client::Address& address) {
  Session session;
  std::optional<Error> failed;
  client::Publisher publisher(session.network(), session.timer(), {.addresses = address, .producer = "history"},
                              {.accepted = {},
                               .refused = [&](Sequence, const Error& error) { failed = error; },
                               .disconnected = [&](const Error& error) { failed = error; },
                               .connected = {}});
  const std::string payload = R"({"text":")" + std::string(kHistoryPayloadBytes, 'x') + R"("})";
  for (Sequence sequence = 1; sequence <= kHistoryEvents && !failed; ++sequence)
    while (!publisher.offer({kHistory, "note", payload, sequence})) session.wait(publisher.has_room());
  if (!failed) session.wait(publisher.is_done());
  if (failed) return *failed;
  return {};
}

struct Readers {
  const char* name;
  std::uint32_t slow = 0, stopped = 0;
  bool are_full = true;  // Or have just come back, and the node has all their history to send.
};

Result<JobFigures> beside(const SocketsOptions& options, const Readers& readers) {
  ServerProcess node(carillon_of(options).process);
  if (const auto started = node.start(); !started.ok()) return started.error();
  if (auto written = write_history(node.address()); !written.ok()) return written.error();
  const std::uint32_t count = readers.slow + readers.stopped;
  SocketCrowd crowd(node.http_address(), [](std::size_t, std::string_view) {});
  if (readers.are_full) crowd.set_receive_buffer_bytes(kStoppedBufferBytes);
  if (auto opened = crowd.open(count); !opened.ok()) return opened.error();
  for (std::uint32_t reader = 0; reader < count; ++reader) {
    crowd.stop_reading(reader);
    crowd.send(reader, follow_message(0, kHistory));
    crowd.send(reader, follow_message(1, player_entity(reader)));  // Of the job.
  }
  // Until they are full, they are readers like others, with much to catch up.
  if (readers.are_full)
    if (auto slept = sleep_until_ns(now_ns() + kFillNs); !slept.ok()) return slept.error();
  std::int64_t read_ns = now_ns();
  return do_job(options, job_of(options), node, [&] {
    if (now_ns() - read_ns < kSlowReadEveryNs) return;
    read_ns = now_ns();
    for (std::uint32_t reader = 0; reader < readers.slow; ++reader) crowd.read_some(reader, kSlowReadBytes);
  });
}

Result<void> run_readers(const SocketsOptions& options) {
  const std::string many = std::to_string(options.stopped) + " stopped readers";
  const std::string back = std::to_string(options.stopped) + " that have just come back";
  if (!options.json)
    std::printf("%-40s %12s %12s %12s %12s\n", "others' publish to notification, beside", "p50 ms", "p99 ms", "max ms",
                "node MiB");
  for (const Readers& readers :
       {Readers{.name = "nobody"}, Readers{.name = "one slow reader", .slow = 1},
        Readers{.name = "one stopped reader", .stopped = 1}, Readers{.name = many.c_str(), .stopped = options.stopped},
        Readers{.name = back.c_str(), .stopped = options.stopped, .are_full = false}, Readers{.name = "nobody"}}) {
    const auto figures = beside(options, readers);
    if (!figures.ok()) return figures.error();
    if (figures->missing > 0)
      return Error{ErrorCode::UNAVAILABLE, std::to_string(figures->missing) + " notifications were lost"};
    const auto& latencies = figures->latencies;
    if (options.json) {
      JsonWriter json;
      json.begin_object().field("bench", "sockets").field("part", "readers").field("beside", readers.name);
      json.field("p50_ms", latencies.quantile_ms(0.5)).field("p99_ms", latencies.quantile_ms(0.99));
      json.field("max_ms", latencies.max_ms()).field("resident_mib_max", figures->resident_bytes_max >> 20);
      json.end_object();
      print_line(json.text());
    } else {
      std::printf("%-40s %12.2f %12.2f %12.2f %12llu\n", readers.name, latencies.quantile_ms(0.5),
                  latencies.quantile_ms(0.99), latencies.max_ms(),
                  static_cast<unsigned long long>(figures->resident_bytes_max >> 20));
      std::fflush(stdout);
    }
  }
  return {};
}

}  // namespace

std::uint32_t connections_within(std::uint64_t open_files) {
  return static_cast<std::uint32_t>(open_files - std::min(open_files, files_for(0)));
}

Result<void> run_sockets(const SocketsOptions& asked) {
  SocketsOptions options = asked;
  if (options.audience > kMusterMax) return Error{ErrorCode::MALFORMED, "the audience is too large"};
  catch_interrupts();
  const std::uint64_t files = allow_open_files(files_for(connections_of(options)));
  const std::uint32_t possible = connections_within(files);
  if (!options.connections && possible > 0 && possible < kIdle) {
    options.connections = possible;
    if (wants(options, SocketsPart::kIdle))
      std::fprintf(stderr, "%u idle connections, not %u: a process may open %llu files here (see ulimit -n)\n",
                   possible, kIdle, static_cast<unsigned long long>(files));
  }
  if (possible == 0 || connections_of(options) > possible)
    return Error{ErrorCode::MALFORMED, "so many connections need " +
                                           std::to_string(files_for(connections_of(options))) +
                                           " open files; at most " + std::to_string(possible) +
                                           " are possible here: ask for fewer, raise the limit (ulimit -n) or be root"};
  const std::pair<SocketsPart, Result<void> (*)(const SocketsOptions&)> parts[] = {
      {SocketsPart::kIdle, run_idle},
      {SocketsPart::kBroadcast, run_broadcast},
      {SocketsPart::kLatency, run_latency},
      {SocketsPart::kReaders, run_readers}};
  for (const auto& [part, run] : parts)
    if (wants(options, part))
      if (auto done = run(options); !done.ok()) return done;
  return {};
}

}  // namespace carillon::bench
