// How a command joins the program: it declares its options on the parser and says what to do once they are parsed.
//
// Each command is a pair of files with one function, as `void add_tail_command(CLI::App& app, Action& action)`, and one
// line in main.cc. The function sets `action` when the command line names its command; main runs it. What an action
// returns is the exit code.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "clients/cpp/credentials.h"

namespace carillon::cli {

using Action = std::function<int()>;

// The node that a command asks, and what it shows it.
struct NodeOptions {
  std::string address;
  client::Credentials credentials;
};

// `--connect HOST:PORT[,HOST:PORT…]`, CARILLON_CONNECT, or the local node; and the token: a file, or CARILLON_TOKEN, but never
// on the command line, which others on the machine can see.
inline constexpr const char* kConnectDefault = "127.0.0.1:7411";
inline void add_connect_option(CLI::App& command, NodeOptions& node) {
  command.add_option("--connect", node.address, "the node's RPC address; of a cluster several, tried in turn")
      ->envname("CARILLON_CONNECT")
      ->type_name("HOST:PORT,…")
      ->default_val(kConnectDefault);
  command
      .add_option("--token-file", node.credentials.token_file,
                  "the token to show; or the token itself in CARILLON_TOKEN")
      ->envname("CARILLON_TOKEN_FILE")
      ->type_name("FILE");
  command.add_flag("--tls", node.credentials.tls, "speak TLS; likewise with CARILLON_TLS=1")->envname("CARILLON_TLS");
  command.add_option("--tls-ca", node.credentials.tls_ca_file, "with --tls: trust this authority, not the system's")
      ->envname("CARILLON_TLS_CA")
      ->type_name("FILE");
  command.add_option("--tls-name", node.credentials.tls_name, "with --tls: the name in the node's certificate")
      ->type_name("NAME");
  if (const char* token = std::getenv("CARILLON_TOKEN"); token != nullptr) node.credentials.token = token;
}

// Makes `run(options)` the action of `command`; `options` lives as long as the parser.
template <class Options>
void run_with(CLI::App& command, Action& action, std::shared_ptr<Options> options, int (*run)(const Options&)) {
  command.callback([&action, options, run] { action = [options, run] { return run(*options); }; });
}

// Examples stand at the end of a command's help.
inline void add_examples(CLI::App& command, const std::string& examples) { command.footer("Examples:\n" + examples); }

}  // namespace carillon::cli
