// Publishes many events from the main thread, exactly once, with progress on a terminal; says when the node goes away
// and comes back, and gives up when it stays away.
//
// Lost connections and a busy node are client::Publisher's business. Refusals for good are counted, the first are shown.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "clients/cpp/publisher.h"
#include "clients/cpp/session.h"

namespace carillon::cli {

class Bulk {
 public:
  struct Options {
    NodeOptions node;
    std::string producer;  // Empty: the next one, which with a token gets its subject in front.
    std::string producer_by_default;
    std::chrono::seconds patience{60};  // How long to try while there is no connection.
  };

  explicit Bulk(Options options) : options_(std::move(options)), progress_("published") {}

  // kOk, or what the program ends with after having said why.
  ExitCode connect();

  // All below after connect() went well. False: the node stayed away too long, as was said.
  // Waits for room. Sequences must rise.
  [[nodiscard]] bool offer(const client::Publication& publication);
  // Lets answers come in, for at most that long, or until all is settled.
  [[nodiscard]] bool work_for(std::chrono::milliseconds time);
  [[nodiscard]] bool finish();

  const std::string& producer() const { return options_.producer; }
  bool idle() const { return publisher_->done(); }
  const client::Publisher::Figures& figures() const { return publisher_->figures(); }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLookEvery{100};
  static constexpr std::uint64_t kRefusalsShown = 10;

  bool has_patience();

  Options options_;
  Progress progress_;
  client::Session session_;
  std::optional<client::Publisher> publisher_;  // From connect() on; behind the session, on whose loop it runs.
  std::optional<Clock::time_point> lost_since_;
};

}  // namespace carillon::cli
