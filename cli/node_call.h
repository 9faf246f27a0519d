// What the commands that ask a node have in common: connecting, and the sentence and exit code for what went wrong.
#pragma once

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

// Of a command that keeps trying: why it is without its node, as a sentence; and whether trying is of no use, since its token is
// refused and nobody can put another one in its place.
std::string lost_because(const Error& error, const NodeOptions& node);
bool is_hopeless(const Error& error, const NodeOptions& node);

// A producer's name that nobody chose: with a token it must be among its subject's own.
inline std::string own_producer(client::Session& session, const std::string& name) {
  return session.subject().empty() ? name : session.subject() + "/" + name;
}

inline std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

}  // namespace carillon::cli
