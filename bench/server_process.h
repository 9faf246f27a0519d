// A node of its own process and its own new data directory, for benches and tests to start, kill and start again.
//
// Used by one thread, which must outlive it: if that thread dies, the kernel kills the node.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "clients/cpp/address.h"
#include "messages/result.h"

namespace carillon::bench {

class ServerProcess {
 public:
  struct Options {
    std::string parent_directory = ".";  // The data directory is made in it and removed at the end. Not tmpfs.
    std::string data_directory;          // Instead of one made there, wherever it is; stays at the end.
    std::vector<std::string> arguments;  // More for `serve`.
    std::string program = "/proc/self/exe";
    bool keep_http_port = false;    // From the second start on; else another one each time.
    std::string network_namespace;  // A file to enter, as /var/run/netns/NAME; its addresses are of that.
    std::chrono::seconds ready_within{60};
    std::chrono::seconds stop_within{60};
  };

  explicit ServerProcess(Options options) : options_(std::move(options)) {}
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Starts it and waits until it is ready: at first on a free port, from then on with the same data on the same port. Gives the
  // time that this took.
  Result<std::chrono::nanoseconds> start();
  // SIGTERM; gives the time until it was gone. An exit code but 0 is an error.
  Result<std::chrono::nanoseconds> stop();
  // SIGKILL; returns when it is gone.
  void kill();
  // Whether it is there; notices when it has ended by itself.
  bool is_running();

  // The next start gives these to `serve`.
  void set_arguments(std::vector<std::string> arguments) { options_.arguments = std::move(arguments); }

  const client::Address& address() const { return address_; }
  const client::Address& http_address() const { return http_address_; }  // See keep_http_port.
  std::string data_directory() const {
    return options_.data_directory.empty() ? directory_ + "/data" : options_.data_directory;
  }
  std::string log() const { return directory_ + "/log"; }  // What it says on stdout and stderr.
  // The end of that, for error messages.
  std::string last_words() const;
  pid_t process() const { return process_; }  // 0 when it was not started, or was stopped or killed.
  // Of the process, as the kernel counts it (VmRSS); 0 when it is not running.
  std::uint64_t resident_bytes() const;

 private:
  Result<void> make_directory();
  Result<void> spawn();
  Result<void> read_ready_file(const std::string& text);

  Options options_;
  std::string directory_;    // Empty before the first start.
  client::Address address_;  // Port 0 before the first start.
  client::Address http_address_;
  pid_t process_ = 0;
};

}  // namespace carillon::bench
