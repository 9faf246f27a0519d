// What the commands that ask a node have in common: connecting, and the sentence and exit code for what went wrong.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "clients/cpp/session.h"

namespace carillon::cli {

// kOk, or what the program ends with after having said why.
ExitCode connect(client::Session& session, const NodeOptions& node);
// Says what the node refused, or that it went away, and gives the exit code.
ExitCode complain_of(const client::Session& session, const Error& error);
ExitCode complain_of_refusal(const Error& error);

// Of a command that keeps trying: what it has heard since it was without its node.
class Absence {
 public:
  explicit Absence(const NodeOptions& node) : node_(node) {}

  // The node was lost, or cannot be had again. What to say of that; nothing when that was said.
  std::optional<std::string> lost(const Error& error);
  void over();
  bool is() const { return !told_.empty(); }
  // Trying is of no use: each address in turn refuses the token, and nobody can put another one in its place.
  const std::optional<Error>& hopeless() const { return hopeless_; }

 private:
  const NodeOptions& node_;
  std::set<ErrorCode> told_;
  std::size_t refusals_ = 0;  // Of the token, one after the other.
  std::optional<Error> hopeless_;
};

// A producer's name that nobody chose: with a token it must be among its subject's own.
inline std::string own_producer(client::Session& session, const std::string& name) {
  return session.subject().empty() ? name : session.subject() + "/" + name;
}

inline std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

}  // namespace carillon::cli
