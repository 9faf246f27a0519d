// Publishes many events from the main thread, exactly once, with progress on a terminal; says when the node goes away
// and comes back, or takes nothing, and gives up when it stays so.
//
// Lost connections and a busy node are client::Publisher's business. Refusals for good are counted, the first are shown.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/node_call.h"
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
    bool default_is_for_once = false;   // The next run has another one.
    std::chrono::seconds patience{60};  // How long to try while there is no connection, or nothing is taken.
  };

  explicit Bulk(Options options) : options_(std::move(options)), progress_("published") {}

  // kOk, or what the program ends with after having said why.
  ExitCode connect();

  // All below after connect() went well. False: the node stayed away, or took nothing, too long, as was said; the program ends with
  // exit_code().
  // Waits for room. Sequences must rise.
  [[nodiscard]] bool offer(const client::Publication& publication);
  // Lets answers come in, for at most that long, or until all is settled.
  [[nodiscard]] bool work_for(std::chrono::milliseconds time);
  [[nodiscard]] bool finish();

  ExitCode exit_code() const { return exit_code_; }
  const std::string& producer() const { return options_.producer; }
  bool idle() const { return publisher_->done(); }
  const client::Publisher::Figures& figures() const { return publisher_->figures(); }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLookEvery{100};
  static constexpr std::uint64_t kRefusalsShown = 10;
  static constexpr std::chrono::seconds kSaysAfter{3};

  bool has_patience();
  bool has_patience_with_refusals();
  bool give_up(ExitCode code, const std::string& why);

  Options options_;
  bool producer_is_for_once_ = false;
  Progress progress_;
  client::Session session_;
  std::optional<client::Publisher> publisher_;  // From connect() on; behind the session, on whose loop it runs.
  std::optional<Clock::time_point> lost_since_;
  Absence absence_{options_.node};
  std::uint64_t settled_ = 0;          // What the node has accepted or refused for good,
  Clock::time_point settled_since_{};  // and since when nothing has been added though something waits.
  bool said_ = false;                  // That it takes nothing.
  ExitCode exit_code_ = kOk;
};

}  // namespace carillon::cli
