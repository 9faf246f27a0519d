// Runs the hunt job over a node that is listening, or several of one cluster: starts producers and gateways, keeps the time, sums up.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/job.h"
#include "bench/row.h"
#include "clients/cpp/address.h"

namespace carillon::bench {

struct Timing {
  double warmup_s = 3;
  double measured_s = 10;
  double quiet_s = 15;  // Gives up on what has not arrived when nothing did for so long.
};

// What has come of a run so far; may be asked by any thread.
class Progress {
 public:
  virtual std::uint64_t accepted() const = 0;
  virtual std::uint64_t unanswered() const = 0;  // Publish calls that failed or were told to wait.

 protected:
  ~Progress() = default;
};

struct Run {
  JobConfig job;
  Timing timing;
  client::Addresses addresses;  // Producers and gateways begin at different ones, gateways one further than producers.
  std::string run_name;         // Part of the producers' names: another run is another producer.
  bool from_end = false;        // Streams may hold notifications of earlier runs: follow from their ends.
  // How clients share threads; producers and gateways are never mixed.
  std::uint32_t producer_threads = 1, gateway_threads = 1;
  // Called by the conducting thread before the first event, when all gateways follow, and in the middle of the measured time.
  std::function<Result<void>()> before{}, in_the_middle{};
  // Instead: called by the conducting thread when the measured time begins, which then lasts until this returns.
  std::function<Result<void>(const Progress&)> throughout{};
};

struct Outcome {
  Row row;                                    // Without system, version, mode, guarantee.
  std::uint64_t resent = 0;                   // Events that the node had accepted already when they came again.
  std::uint64_t connections = 0;              // Made by all clients.
  std::uint64_t accepted = 0, delivered = 0;  // From the first event to the last.
  std::vector<Silence> silences;              // Of all players, each at least Receiver::kSilenceNs long.
};

// Lost connections are an error in all modes but crash.
Result<Outcome> conduct(const Run& run);

}  // namespace carillon::bench
