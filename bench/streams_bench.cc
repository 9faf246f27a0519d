#include "bench/streams_bench.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "bench/clock.h"
#include "bench/histogram.h"
#include "bench/hunt/hunt_behaviour.h"
#include "bench/interrupt.h"
#include "bench/row.h"
#include "bench/server_process.h"
#include "clients/cpp/publisher.h"
#include "clients/cpp/session.h"
#include "runtime/json.h"

namespace carillon::bench {
namespace {

using client::Publisher;
using client::Session;

constexpr std::int64_t kSettleNs = 2 * kSecond;  // Until a node that was started counts as idle.
constexpr std::string_view kType = "note";

std::string player_entity(std::uint64_t number) { return "player/" + std::to_string(number); }

// One producer: the streams whose number leaves `number` when divided by the number of producers.
class Loader {
 public:
  Loader(Session& session, const StreamsOptions& options, const client::Address& address, std::uint32_t number)
      : options_(options),
        stream_(number),
        publisher_(session.network(), session.timer(),
                   {.addresses = address, .producer = "streams " + std::to_string(number)},
                   {.accepted = [this](std::span<const Sequence>) { pump(); },
                    .refused = [this](Sequence, const Error& error) { fail(error); },
                    .disconnected = [this](const Error& error) { fail(error); },
                    .connected = [this] { pump(); }}) {}

  bool done() const { return round_ >= options_.notifications && publisher_.done(); }
  const std::optional<Error>& failed() const { return failed_; }
  std::uint64_t sent() const { return sequence_; }

 private:
  void pump() {
    while (round_ < options_.notifications && stream_ < options_.streams) {
      const std::string entity = player_entity(stream_);
      const std::string payload =
          encode_dig({.id = sequence_, .at = now_ns(), .hub = 0, .k = round_, .audience = 0, .filler = {}});
      if (!publisher_.offer({entity, kType, payload, sequence_ + 1})) return;
      ++sequence_;
      stream_ += options_.producers;
      if (stream_ >= options_.streams) {
        stream_ %= options_.producers;
        ++round_;
      }
    }
  }
  void fail(const Error& error) {
    if (!failed_) failed_ = error;
  }

  const StreamsOptions& options_;
  std::uint64_t stream_;
  std::uint32_t round_ = 0;
  Sequence sequence_ = 0;  // Sent so far.
  std::optional<Error> failed_;
  Publisher publisher_;
};

Result<void> build(const StreamsOptions& options, const client::Address& address) {
  Session session;
  std::vector<std::unique_ptr<Loader>> loaders;
  for (std::uint32_t number = 0; number < options.producers; ++number)
    loaders.push_back(std::make_unique<Loader>(session, options, address, number));
  const std::uint64_t all = options.streams * options.notifications;
  for (std::uint64_t shown = 0; !std::ranges::all_of(loaders, &Loader::done);) {
    session.wait(session.timer().afterDelay(10 * kj::MILLISECONDS));
    if (auto going_on = sleep_until_ns(0); !going_on.ok()) return going_on;
    std::uint64_t sent = 0;
    for (const auto& loader : loaders) {
      if (loader->failed()) return *loader->failed();
      sent += loader->sent();
    }
    if (sent * 10 / all > shown) {
      shown = sent * 10 / all;
      std::fprintf(stderr, "%llu0 %% built\n", static_cast<unsigned long long>(shown));
    }
  }
  return {};
}

// Reads the last notifications of random streams; each must end where it was built to end.
Result<Histogram> read_tails(const StreamsOptions& options, const client::Address& address) {
  Session session;
  if (const auto connected = session.connect(address); !connected.ok()) return connected.error();
  Histogram latencies;
  for (std::uint32_t i = 0; i < options.reads; ++i) {
    if (const auto going_on = sleep_until_ns(0); !going_on.ok()) return going_on.error();
    const std::string entity = player_entity(mix(i) % options.streams);
    const Offset from = options.notifications > 3 ? options.notifications - 2 : 1;
    const std::int64_t began = now_ns();
    const auto page = session.read(entity, from, 10);
    latencies.add(now_ns() - began);
    if (!page.ok()) return page.error();
    if ((*page).getLastOffset() != options.notifications ||
        from + (*page).getEvents().size() != options.notifications + 1ull)
      return Error{ErrorCode::UNAVAILABLE, entity + " is not as it was built"};
  }
  return latencies;
}

}  // namespace

Result<void> run_streams(const StreamsOptions& options) {
  if (options.streams < options.producers || options.producers == 0 || options.notifications == 0)
    return Error{ErrorCode::MALFORMED, "every producer needs a stream, and every stream a notification"};
  catch_interrupts();
  ServerProcess node({.parent_directory = options.data, .arguments = options.serve_arguments});
  if (const auto started = node.start(); !started.ok()) return started.error();

  const std::int64_t began = now_ns();
  if (auto built = build(options, node.address()); !built.ok()) return built;
  const double build_s = seconds_of(now_ns() - began);
  const std::uint64_t resident_built = node.resident_bytes();

  const auto stopped = node.stop();
  if (!stopped.ok()) return stopped.error();
  const auto ready = node.start();
  if (!ready.ok()) return ready.error();
  if (auto slept = sleep_until_ns(now_ns() + kSettleNs); !slept.ok()) return slept;
  const std::uint64_t resident_idle = node.resident_bytes();
  const auto reads = read_tails(options, node.address());
  if (!reads.ok()) return reads.error();

  JsonWriter json(512);
  json.begin_object().field("bench", "streams").field("streams", options.streams);
  json.field("notifications_per_stream", options.notifications);
  json.field("build_s", build_s);
  json.field("events_per_s", static_cast<double>(options.streams * options.notifications) / build_s);
  json.field("resident_mib_built", resident_built >> 20);
  json.field("stop_ms", milliseconds_of(stopped->count())).field("ready_ms", milliseconds_of(ready->count()));
  json.field("resident_mib_idle", resident_idle >> 20);
  json.field("reads", reads->count()).field("read_kind", "random tails, after restart");
  json.field("read_p50_ms", reads->quantile_ms(0.5)).field("read_p99_ms", reads->quantile_ms(0.99));
  json.field("read_max_ms", reads->max_ms()).end_object();
  print_line(json.text());
  return {};
}

}  // namespace carillon::bench
