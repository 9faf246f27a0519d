// A node of its own process ($CARILLON_PROGRAM), and a client with a ledger of what the node told it is accepted.
//
// For tests of what users see: whatever happens to the node meanwhile, the ledger must balance in the end, and the node
// must serve others. Failing to start fails the test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/server_process.h"
#include "clients/cpp/session.h"

namespace carillon::testing {

class RunningNode {
 public:
  struct Options {
    std::vector<std::string> arguments;  // More for `serve`.
    std::string data_directory;          // Empty: a new one.
  };

  explicit RunningNode(Options options = {});
  ~RunningNode() noexcept {}  // KJ's destructors may throw, those of fixtures may not.

  bench::ServerProcess& process() { return process_; }
  client::Session& session() { return session_; }
  const client::Address& rpc() const { return process_.address(); }
  const client::Address& http() const { return process_.http_address(); }
  std::string data() const { return process_.data_directory(); }

  // Starts it, at first or again, and connects.
  void start();
  // SIGTERM, and all must be well.
  void stop();
  // SIGKILL.
  void kill() { process_.kill(); }
  void connect();

  // Publishes that many events to `player/ledger`, each to be accepted, and notes them.
  void publish_to_ledger(int events);
  // Everything noted is there, once and in order, and nothing else; and one more event is accepted.
  void expect_sound();
  // Only the first half of it: for a node that accepts nothing.
  void expect_ledger_kept();

  // Publishes as somebody new, numbered from 1; what the node answered.
  Result<void> publish(std::span<const client::Publication> events);
  Result<void> publish(std::string_view entity, std::string_view payload, std::string_view type = "note");
  // The payloads of a mailbox from `from` to its end, read page by page.
  std::vector<std::string> payloads(std::string_view entity, Offset from = 1);
  // One of the figures of `stats`.
  double figure(std::string_view name);
  // Memory of the process that is not a mapped file.
  std::uint64_t anonymous_bytes() const;
  std::size_t open_files() const;

 private:
  bench::ServerProcess process_;
  client::Session session_;
  std::uint64_t noted_ = 0;
  std::uint64_t producers_ = 0;
};

// The program under test: $CARILLON_PROGRAM.
std::string carillon_program();

// Runs `carillon` with these arguments to its end; its stdout and stderr together.
struct Ran {
  int exit_code = -1;
  std::string output;
};
Ran run_carillon(const std::vector<std::string>& arguments);
// The same for a command that may go on for ever: it is killed after that long, and its exit code is then 137.
Ran run_carillon_at_most(std::chrono::seconds longest, const std::vector<std::string>& arguments);

}  // namespace carillon::testing
