// How a command joins the program: it declares its options on the parser and says what to do once they are parsed.
//
// Each command is a pair of files with one function, as `void add_tail_command(CLI::App& app, Action& action)`, and one
// line in main.cc. The function sets `action` when the command line names its command; main runs it. What an action
// returns is the exit code.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <string>

namespace carillon::cli {

using Action = std::function<int()>;

// `--connect HOST:PORT[,HOST:PORT…]`, CARILLON_CONNECT, or the local node.
inline constexpr const char* kConnectDefault = "127.0.0.1:7411";
inline void add_connect_option(CLI::App& command, std::string& address) {
  command.add_option("--connect", address, "the node's RPC address; of a cluster several, tried in turn")
      ->envname("CARILLON_CONNECT")
      ->type_name("HOST:PORT,…")
      ->default_val(kConnectDefault);
}

// Makes `run(options)` the action of `command`; `options` lives as long as the parser.
template <class Options>
void run_with(CLI::App& command, Action& action, std::shared_ptr<Options> options, int (*run)(const Options&)) {
  command.callback([&action, options, run] { action = [options, run] { return run(*options); }; });
}

// Examples stand at the end of a command's help.
inline void add_examples(CLI::App& command, const std::string& examples) { command.footer("Examples:\n" + examples); }

}  // namespace carillon::cli
