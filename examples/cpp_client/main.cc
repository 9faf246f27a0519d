// A client in C++, whole, and a start for yours: publishes each line of stdin, a JSON object, to a stream exactly once, and
// prints what the stream shows, without a gap, whatever happens to nodes and network meanwhile.
//
// Usage: cpp_client HOST:PORT[,HOST:PORT...] player/ana PRODUCER [SHOW]   (ends when SHOW events are shown)
//
// A token, where one is needed, is in $CARILLON_TOKEN, or in the file that $CARILLON_TOKEN_FILE names; $CARILLON_TLS_CA names
// the file with the authority of nodes that speak TLS. The numbering begins at 1 with each start, so a PRODUCER names one
// input: the same lines again, under the same name, change nothing.
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "clients/cpp/follower.h"
#include "clients/cpp/publisher.h"
#include "clients/cpp/session.h"

namespace {

using namespace std::chrono_literals;
using carillon::Error;
using carillon::Offset;
using carillon::Sequence;
namespace client = carillon::client;

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

int fail(const std::string& why) {
  std::cerr << why << std::endl;
  return 2;
}

bool input_waits() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return std::cin.rdbuf()->in_avail() > 0 || poll(&input, 1, 0) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return fail("usage: cpp_client HOST:PORT[,HOST:PORT...] KIND/KEY PRODUCER [SHOW]");
  const auto nodes = client::Addresses::parse(argv[1]);
  if (!nodes.ok()) return fail(nodes.error().message);
  const std::string entity = argv[2], producer = argv[3], authority = from_environment("CARILLON_TLS_CA");
  const std::uint64_t show = argc == 5 ? std::strtoull(argv[4], nullptr, 10) : UINT64_MAX;
  const client::Credentials credentials{.token = from_environment("CARILLON_TOKEN"),
                                        .token_file = from_environment("CARILLON_TOKEN_FILE"),
                                        .tls = !authority.empty(),
                                        .tls_ca_file = authority};
  std::ios::sync_with_stdio(false);  // Lets in_avail() see what was read ahead.

  client::Session session;  // The event loop of this thread. What follows runs on it whenever somebody waits.
  std::optional<carillon::ErrorCode> lost;  // As it was said.
  client::Publisher publisher(
      session.network(), session.timer(), {.addresses = *nodes, .producer = producer, .credentials = credentials},
      {.refused = [](Sequence line, const Error& e) { std::cerr << "line " << line << ": " << e.message << std::endl; },
       .disconnected =
           [&](const Error& error) {
             if (lost != error.code) std::cerr << "lost, and trying again: " << error.message << std::endl;
             lost = error.code;
           },
       .connected = [&] { lost.reset(); }});

  std::uint64_t shown = 0;
  std::optional<Error> ended;
  const client::Follower follower(
      session.network(), session.timer(), {.addresses = *nodes, .credentials = credentials}, {{.entity = entity}},
      {.event =
           [&](std::size_t, Offset offset, carillon::wire::StoredEvent::Reader event) {
             if (shown++ >= show) return;
             std::cout << offset << " " << event.getType().cStr() << " " << event.getPayload().cStr() << std::endl;
           },
       .ended = [&](std::size_t, const Error& error) -> std::optional<Offset> {
         if (error.code == carillon::ErrorCode::TRUNCATED) return error.first_offset;  // What came before is not kept.
         ended = error;
         return std::nullopt;
       }});

  Sequence sequence = 0;
  std::string line;
  while (!ended && (shown < show || !publisher.done())) {
    while (input_waits() && std::getline(std::cin, line)) {
      const client::Publication event{.entity = entity, .type = "line", .payload = line, .sequence = ++sequence};
      while (!publisher.offer(event)) session.wait(publisher.has_room());
    }
    session.wait_at_most(20ms, kj::NEVER_DONE);  // A game server's tick: until the next one the event loop runs.
  }
  return ended ? fail(entity + ": " + ended->message) : 0;
}
