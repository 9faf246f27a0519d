#include "bench/backlog_bench.h"

#include <cstdio>

#include "bench/conductor.h"
#include "bench/interrupt.h"
#include "bench/server_process.h"
#include "clients/cpp/publisher.h"
#include "clients/cpp/session.h"
#include "runtime/json.h"

namespace carillon::bench {
namespace {

using client::Publisher;
using client::Session;

constexpr std::uint32_t kOtherHubs = 63;
const std::string kBurdened = "hunt/63";

Result<void> burden(const BacklogOptions& options, const client::Address& address) {
  Session session;
  std::optional<Error> failed;
  const auto fail = [&](const Error& error) { failed = error; };
  Publisher publisher(session.network(), session.timer(), {.addresses = address, .producer = "backlog"},
                      {.accepted = {},
                       .refused = [&](Sequence, const Error& error) { fail(error); },
                       .disconnected = fail,
                       .connected = {}});
  const std::string payload = to_json(Burden{.spin_us = options.spin_us});
  for (Sequence sequence = 1; sequence <= options.events && !failed; ++sequence)
    while (!publisher.offer({kBurdened, Burden::kType, payload, sequence})) {
      if (auto going_on = sleep_until_ns(0); !going_on.ok()) return going_on;
      session.wait(publisher.has_room());
    }
  if (!failed) session.wait(publisher.is_done());
  if (failed) return *failed;
  return {};
}

// Events of the burdened hub that it has not folded yet.
Result<std::uint64_t> backlog_of(const client::Address& address) {
  Session session;
  if (const auto connected = session.connect(address); !connected.ok()) return connected.error();
  const auto answer = session.inspect(kBurdened);
  if (!answer.ok()) return answer.error();
  const auto inspection = (*answer).getInspection();
  return inspection.getLastOffset() - inspection.getCursor();
}

struct Measured {
  Row row;
  std::uint64_t backlog_before = 0, backlog_after = 0;
};

Result<Measured> measure(const BacklogOptions& options, bool burdened) {
  ServerProcess node({.parent_directory = options.data, .arguments = options.serve_arguments});
  if (const auto started = node.start(); !started.ok()) return started.error();
  Measured measured;
  Run run{.job = {.mode = Mode::kRate, .events_per_s = options.rate, .hubs = kOtherHubs},
          .timing = {.warmup_s = options.warmup_s, .measured_s = options.seconds},
          .addresses = node.address(),
          .run_name = "backlog"};
  if (burdened)
    run.before = [&]() -> Result<void> {
      if (auto done = burden(options, node.address()); !done.ok()) return done;
      const auto backlog = backlog_of(node.address());
      if (!backlog.ok()) return backlog.error();
      measured.backlog_before = *backlog;
      return {};
    };
  auto outcome = conduct(run);
  if (!outcome.ok()) return outcome.error();
  measured.row = std::move(outcome->row);
  if (burdened) {
    const auto backlog = backlog_of(node.address());
    if (!backlog.ok()) return backlog.error();
    measured.backlog_after = *backlog;
  }
  return measured;
}

}  // namespace

Result<void> run_backlog(const BacklogOptions& options) {
  catch_interrupts();
  const auto without = measure(options, false);
  if (!without.ok()) return without.error();
  const auto with = measure(options, true);
  if (!with.ok()) return with.error();
  if (with->backlog_after == 0)
    std::fprintf(stderr, "the backlog was gone before the end: raise --events or --spin-us for a fair answer\n");

  JsonWriter json(512);
  json.begin_object().field("bench", "backlog").field("events", options.events).field("spin_us", options.spin_us);
  json.field("rate", options.rate).field("hubs", kOtherHubs);
  json.field("p50_ms_without", without->row.p50_ms).field("p99_ms_without", without->row.p99_ms);
  json.field("p50_ms_with", with->row.p50_ms).field("p99_ms_with", with->row.p99_ms);
  json.field("p50_ratio", with->row.p50_ms / without->row.p50_ms)
      .field("p99_ratio", with->row.p99_ms / without->row.p99_ms);
  json.field("backlog_before", with->backlog_before).field("backlog_after", with->backlog_after);
  json.field("lost", without->row.lost + with->row.lost)
      .field("duplicated", without->row.duplicated + with->row.duplicated);
  json.end_object();
  print_line(json.text());
  return {};
}

}  // namespace carillon::bench
