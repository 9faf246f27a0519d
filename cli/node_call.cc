#include "cli/node_call.h"

#include "cli/terminal.h"

namespace carillon::cli {

ExitCode connect(client::Session& session, const NodeOptions& node) {
  const auto parsed = client::Addresses::parse(node.address);
  if (!parsed) {
    complain("--connect: " + parsed.error().message);
    return kUsage;
  }
  const auto connected = session.connect(*parsed, node.credentials);
  if (connected) return kOk;
  if (connected.error().code != ErrorCode::UNAVAILABLE) return complain_of_refusal(connected.error());
  complain(connected.error().message);
  say("Start a node with `carillon serve --data DIR`, or name others with --connect or CARILLON_CONNECT.");
  say(node.credentials.tls ? "If it runs: is that its port for RPC, does --tls-ca name its authority, and its "
                             "certificate this host (--tls-name)?"
                           : "If it runs with TLS: --tls, and --tls-ca FILE where its authority is your own.");
  return kCannotConnect;
}

ExitCode complain_of(const client::Session& session, const Error& error) {
  if (session.connected()) return complain_of_refusal(error);
  complain(error.message);
  return kCannotConnect;
}

ExitCode complain_of_refusal(const Error& error) {
  complain(to_string(error));
  if (error.code == ErrorCode::UNAUTHENTICATED)
    say("Show a good token with --token-file FILE or CARILLON_TOKEN; `carillon token` makes one (docs/security.md).");
  if (error.code == ErrorCode::FORBIDDEN) say("`carillon token inspect` shows what a token allows (docs/security.md).");
  return kRefused;
}

}  // namespace carillon::cli
