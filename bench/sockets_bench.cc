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
#include "clients/cpp/publisher.h"
#include "clients/cpp/session.h"
#include "runtime/json.h"

namespace carillon::bench {
namespace {

using client::Connection;
using client::Session;

constexpr std::uint32_t kOtherFiles = 400;  // A node's own, with room to spare.
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

// As many as a part has at a time, and some for the job.
bool wants(const SocketsOptions& options, SocketsPart part) {
  return options.parts.empty() || std::ranges::find(options.parts, part) != options.parts.end();
}

// As many as the part with most of them needs.
std::uint32_t connections_of(const SocketsOptions& options) {
  std::uint32_t most = 0;
  for (const auto& [part, connections] :
       {std::pair(SocketsPart::kIdle, options.connections), std::pair(SocketsPart::kBroadcast, options.audience),
        std::pair(SocketsPart::kReaders, options.stopped)})
    if (wants(options, part)) most = std::max(most, connections);
  return most + 100;
}

ServerProcess::Options node_options(const SocketsOptions& options) {
  std::vector<std::string> arguments = {"--connections-max=" + std::to_string(connections_of(options)),
                                        "--websocket-follows-max=100000"};
  arguments.insert(arguments.end(), options.serve_arguments.begin(), options.serve_arguments.end());
  return {.parent_directory = options.data, .arguments = std::move(arguments)};
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

struct IdleFigures {
  double kib_per_socket = 0, kib_per_native = 0;
};

double kib_each(std::uint64_t before, std::uint64_t after, std::uint32_t count) {
  return (static_cast<double>(after) - static_cast<double>(before)) / 1024 / count;
}

Result<double> idle_sockets(const SocketsOptions& options) {
  ServerProcess node(node_options(options));
  if (const auto started = node.start(); !started.ok()) return started.error();
  if (auto slept = sleep_until_ns(now_ns() + kSettleNs); !slept.ok()) return slept.error();
  const std::uint64_t before = node.resident_bytes();
  std::uint64_t following = 0;
  SocketCrowd crowd(node.http_address(), [&](std::size_t, std::string_view message) {
    if (message.starts_with(R"({"following")")) ++following;
  });
  if (auto opened = crowd.open(options.connections); !opened.ok()) return opened.error();
  if (auto all = follow_one_each(crowd, options.connections, following); !all.ok()) return all.error();
  const std::int64_t settled_ns = now_ns() + kSettleNs;
  while (now_ns() < settled_ns) crowd.poll(settled_ns);
  if (crowd.failed()) return *crowd.failed();
  return kib_each(before, node.resident_bytes(), options.connections);
}

Result<double> idle_natives(const SocketsOptions& options) {
  ServerProcess node(node_options(options));
  if (const auto started = node.start(); !started.ok()) return started.error();
  if (auto slept = sleep_until_ns(now_ns() + kSettleNs); !slept.ok()) return slept.error();
  const std::uint64_t before = node.resident_bytes();
  Session session;
  std::vector<kj::Own<Connection>> connections;
  std::vector<capnp::Response<wire::Gateway::SubscribeResults>> subscriptions;
  for (std::uint32_t player = 0; player < options.connections; ++player) {
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
  return kib_each(before, node.resident_bytes(), options.connections);
}

Result<void> run_idle(const SocketsOptions& options) {
  const auto sockets = idle_sockets(options);
  if (!sockets.ok()) return sockets.error();
  const auto natives = idle_natives(options);
  if (!natives.ok()) return natives.error();
  if (options.json) {
    JsonWriter json;
    json.begin_object().field("bench", "sockets").field("part", "idle").field("connections", options.connections);
    json.field("kib_per_websocket", *sockets).field("kib_per_native_session", *natives).end_object();
    print_line(json.text());
    return {};
  }
  std::printf("%-40s %12s\n", "idle, each following a stream", "KiB each");
  std::printf("%-40s %12.1f\n%-40s %12.1f\n\n", (std::to_string(options.connections) + " WebSockets").c_str(), *sockets,
              (std::to_string(options.connections) + " native sessions").c_str(), *natives);
  std::fflush(stdout);
  return {};
}

// --- broadcast

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Result<void> run_broadcast(const SocketsOptions& options) {
  ServerProcess node(node_options(options));
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
  std::vector<double> firsts, middles, lasts;
  for (std::uint32_t round = 0; round <= options.rounds; ++round) {
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
    firsts.push_back(milliseconds_of(arrived_ns.front() - began));
    middles.push_back(milliseconds_of(arrived_ns[players / 2] - began));
    lasts.push_back(milliseconds_of(arrived_ns[players - 1] - began));
  }
  const double worst = std::ranges::max(lasts);
  if (options.json) {
    JsonWriter line;
    line.begin_object().field("bench", "sockets").field("part", "broadcast").field("audience", players);
    line.field("rounds", options.rounds).field("first_ms", median(firsts)).field("p50_ms", median(middles));
    line.field("last_ms", median(lasts)).field("worst_last_ms", worst).end_object();
    print_line(line.text());
    return {};
  }
  std::printf("%-40s %12s %12s %12s %12s\n", "broadcast to one hub (medians)", "first ms", "p50 ms", "last ms",
              "worst last");
  std::printf("%-40s %12.1f %12.1f %12.1f %12.1f\n\n", (std::to_string(players) + " WebSockets").c_str(),
              median(firsts), median(middles), median(lasts), worst);
  std::fflush(stdout);
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
    return until(now_ns() + kArriveWithinNs, arrived);
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

Result<void> run_latency(const SocketsOptions& options) {
  const JobConfig job = job_of(options);
  std::vector<double> socket_p50, socket_p99, native_p50, native_p99;
  for (std::uint32_t turn = 0; turn < options.turns; ++turn) {
    {
      ServerProcess node(node_options(options));
      if (const auto started = node.start(); !started.ok()) return started.error();
      const auto figures = do_job(options, job, node, [] {});
      if (!figures.ok()) return figures.error();
      if (figures->missing > 0)
        return Error{ErrorCode::UNAVAILABLE, std::to_string(figures->missing) + " notifications were lost"};
      socket_p50.push_back(figures->latencies.quantile_ms(0.5));
      socket_p99.push_back(figures->latencies.quantile_ms(0.99));
    }
    ServerProcess node(node_options(options));
    if (const auto started = node.start(); !started.ok()) return started.error();
    const auto outcome = conduct({.job = job,
                                  .timing = {.warmup_s = options.warmup_s, .measured_s = options.seconds},
                                  .addresses = node.address(),
                                  .run_name = "sockets"});
    if (!outcome.ok()) return outcome.error();
    native_p50.push_back(outcome->row.p50_ms);
    native_p99.push_back(outcome->row.p99_ms);
  }
  if (options.json) {
    JsonWriter json;
    json.begin_object().field("bench", "sockets").field("part", "latency").field("rate", options.rate);
    json.field("turns", options.turns).field("websocket_p50_ms", median(socket_p50));
    json.field("websocket_p99_ms", median(socket_p99)).field("native_p50_ms", median(native_p50));
    json.field("native_p99_ms", median(native_p99)).end_object();
    print_line(json.text());
    return {};
  }
  std::printf("%-40s %12s %12s\n", "publish to notification (medians)", "p50 ms", "p99 ms");
  std::printf("%-40s %12.2f %12.2f\n%-40s %12.2f %12.2f\n\n", "WebSocket", median(socket_p50), median(socket_p99),
              "native RPC", median(native_p50), median(native_p99));
  std::fflush(stdout);
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
  ServerProcess node(node_options(options));
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

Result<void> run_sockets(const SocketsOptions& options) {
  if (options.audience > kMusterMax) return Error{ErrorCode::MALFORMED, "the audience is too large"};
  catch_interrupts();
  if (auto allowed = allow_open_files(connections_of(options) + kOtherFiles); !allowed.ok()) return allowed;
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
