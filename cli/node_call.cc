#include "cli/node_call.h"

#include "cli/terminal.h"

namespace carillon::cli {

ExitCode connect(client::Session& session, const std::string& address) {
  const auto parsed = client::Addresses::parse(address);
  if (!parsed) {
    complain("--connect: " + parsed.error().message);
    return kUsage;
  }
  const auto connected = session.connect(*parsed);
  if (connected) return kOk;
  complain(connected.error().message);
  say("Start a node with `carillon serve --data DIR`, or name others with --connect or CARILLON_CONNECT.");
  return kCannotConnect;
}

ExitCode complain_of(const client::Session& session, const Error& error) {
  if (session.connected()) return complain_of_refusal(error);
  complain(error.message);
  return kCannotConnect;
}

ExitCode complain_of_refusal(const Error& error) {
  complain(to_string(error));
  return kRefused;
}

}  // namespace carillon::cli
