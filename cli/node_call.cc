#include "cli/node_call.h"

#include <algorithm>
#include <chrono>

#include "cli/terminal.h"

namespace carillon::cli {
namespace {

constexpr std::chrono::milliseconds kStartTakes{2'000}, kLookEvery{50};

bool is_here(const client::Address& address) {
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

// A node on this machine may just have been started.
Result<void> connect_patiently(client::Session& session, const client::Addresses& addresses,
                               const client::Credentials& credentials) {
  const auto give_up_at = std::chrono::steady_clock::now() + kStartTakes;
  for (;;) {
    auto connected = session.connect(addresses, credentials);
    const bool may_come =
        !connected && connected.error().code == ErrorCode::UNAVAILABLE && std::ranges::any_of(addresses.all(), is_here);
    if (!may_come || std::chrono::steady_clock::now() >= give_up_at) return connected;
    session.wait(session.timer().afterDelay(kLookEvery.count() * kj::MILLISECONDS));
  }
}

bool is_about_token(const Error& error) {
  return error.code == ErrorCode::UNAUTHENTICATED || error.code == ErrorCode::FORBIDDEN;
}

}  // namespace

ExitCode connect(client::Session& session, const NodeOptions& node) {
  const auto parsed = client::Addresses::parse(node.address);
  if (!parsed) {
    complain("--connect: " + parsed.error().message);
    return kUsage;
  }
  if (const auto token = client::token_to_show(node.credentials); !token) {
    complain("--token-file (CARILLON_TOKEN_FILE): " + token.error().message);
    return kUsage;
  }
  const auto connected = connect_patiently(session, *parsed, node.credentials);
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

std::optional<std::string> Absence::lost(const Error& error) {
  const bool is_refused = is_about_token(error);
  refusals_ = is_refused ? refusals_ + 1 : 0;
  const auto addresses = client::Addresses::parse(node_.address);
  const auto& file = node_.credentials.token_file;
  if (is_refused && file.empty() && addresses && refusals_ >= addresses->all().size()) hopeless_ = error;
  if (hopeless_ || !told_.insert(error.code).second) return std::nullopt;
  if (is_refused && !file.empty())
    return "The node does not take the token in " + file + " (" + error.message +
           "); put a new one there. Trying again until then.";
  return "Lost the node (" + error.message + "); trying again until it is back.";
}

void Absence::over() {
  told_.clear();
  refusals_ = 0;
}

}  // namespace carillon::cli
