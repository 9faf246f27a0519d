#include "bench/hunt_bench.h"

#include <unistd.h>

#include <cstdio>
#include <optional>

#include "bench/conductor.h"
#include "bench/interrupt.h"
#include "bench/server_process.h"
#include "clients/cpp/session.h"

namespace carillon::bench {
namespace {

const char* name_of(Mode mode) {
  switch (mode) {
    case Mode::kMax:
      return "max";
    case Mode::kRate:
      return "rate";
    case Mode::kCrash:
      return "crash";
  }
  return "?";
}

Result<void> check(const HuntOptions& options) {
  const JobConfig& job = options.job;
  const auto wrong = [](const char* what) { return Error{ErrorCode::MALFORMED, what}; };
  if ((job.mode == Mode::kMax) != (job.events_per_s == 0)) return wrong("--rate belongs to the modes rate and crash");
  if (job.mode == Mode::kCrash && !options.connect.empty())
    return wrong("crash needs a node of its own; leave --connect away");
  if (job.players < job.hubs) return wrong("every hub needs a player");
  if (job.notifications_per_event > kNotificationsMax) return wrong("so many notifications are not possible");
  if (job.in_flight_max > job.unconfirmed_max) return wrong("so many cannot be in flight: a publisher holds fewer");
  if (job.events_per_s / job.producers * (options.warmup_s + options.seconds) > double{Ledger::kSequencesMax})
    return wrong("so long a run at this rate has more events of one producer than are counted; take more producers");
  return {};
}

Result<std::string> version_of(const client::Addresses& addresses) {
  client::Session session;
  if (const auto connected = session.connect(addresses); !connected.ok()) return connected.error();
  const auto stats = session.stats();
  if (!stats.ok()) return stats.error();
  return std::string((*stats).getStats().getVersion().cStr());
}

}  // namespace

Result<void> run_hunt(const HuntOptions& options) {
  if (auto checked = check(options); !checked.ok()) return checked;
  catch_interrupts();

  ServerProcess node({.parent_directory = options.data, .arguments = options.serve_arguments});
  Run run{.job = options.job,
          .timing = {.warmup_s = options.warmup_s, .measured_s = options.seconds},
          .addresses = client::Address{},
          .run_name = std::to_string(getpid()) + "-" + std::to_string(now_ns()),
          .from_end = !options.connect.empty(),
          .producer_threads = options.producer_threads,
          .gateway_threads = options.gateway_threads};
  if (options.connect.empty()) {
    if (const auto started = node.start(); !started.ok()) return started.error();
    run.addresses = node.address();
  } else {
    auto addresses = client::Addresses::parse(options.connect);
    if (!addresses.ok()) return addresses.error();
    run.addresses = std::move(*addresses);
  }
  const auto version = version_of(run.addresses);
  if (!version.ok()) return version.error();

  std::int64_t down_ns = 0;
  if (options.job.mode == Mode::kCrash) {
    run.in_the_middle = [&]() -> Result<void> {
      const std::int64_t killed = now_ns();
      node.kill();
      if (const auto started = node.start(); !started.ok()) return started.error();
      down_ns = now_ns() - killed;
      return {};
    };
  }
  auto outcome = conduct(run);
  if (!outcome.ok()) return outcome.error();
  Row& row = outcome->row;
  row.system = "carillon";
  row.version = *version;
  row.mode = name_of(options.job.mode);
  row.guarantee = "fdatasync per confirm, grouped; deduplicated";
  print_line(json_of(row));
  if (options.job.mode == Mode::kCrash)
    std::fprintf(
        stderr,
        "down for %.0f ms from SIGKILL to ready; longest silence beyond that %.0f ms; %llu events resent that it had\n",
        milliseconds_of(down_ns), row.longest_silence_ms - milliseconds_of(down_ns),
        static_cast<unsigned long long>(outcome->resent));
  if (row.lost + row.duplicated + row.out_of_order > 0)
    return Error{ErrorCode::UNAVAILABLE, "something was lost, doubled or out of order: see the row"};
  return {};
}

}  // namespace carillon::bench
