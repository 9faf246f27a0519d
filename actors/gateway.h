// Where clients connect: some threads, each with a KJ event loop and connections of its own, native and HTTP.
#pragma once

#include <caf/actor_system.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/access_options.h"
#include "actors/edge.h"
#include "actors/reload_notice.h"

namespace carillon::actors {

class GatewayLoop;

struct GatewayOptions {
  std::string listen = "127.0.0.1:7411";  // HOST:PORT; port 0 picks a free one.
  std::string http = "127.0.0.1:7480";
  std::size_t threads = 1;
  std::vector<std::string> allowed_origins;  // Of pages, as parse_origin gives them.
  Partitions partitions;
  caf::actor journal;
  Catalogue catalogue;
  runtime::Limits limits;
  EdgeLimits edge_limits;
  std::string store_id;
  AccessOptions access;
  // Of the node, which the gateway sets before anybody can connect. Nothing where partitions are never loaded anew.
  std::shared_ptr<ReloadNotice> reload_notice;
};

class Gateway {
 public:
  // Listens when it returns. UNAVAILABLE with the address when it cannot be listened on; MALFORMED when it is beyond
  // loopback without keys for tokens, or without TLS where plaintext was not asked for (P9), or when a file that it was
  // given is of no use.
  static Result<std::unique_ptr<Gateway>> start(caf::actor_system& system, GatewayOptions options);
  // Closes all connections and ends the threads.
  ~Gateway();

  // HOST:PORT, as they are reached.
  const std::string& rpc_address() const { return rpc_address_; }
  const std::string& http_address() const { return http_address_; }

  // Nothing new is accepted from here on; what is under way is answered. Any thread.
  void stop_accepting();
  // From here on it is not ready, and serves as before.
  void announce_stop();
  // From here on the node belongs to a cluster. What `questions` refer to must outlive the gateway. Any thread.
  void belong_to_cluster(ClusterQuestions questions);

 private:
  struct Thread;
  struct FrontDesk;

  explicit Gateway(const EdgeLimits& limits, caf::actor reading_turns);
  // Starts a thread, which does `prepare` before it serves anything.
  Result<void> begin_thread(caf::actor_system& system, const GatewayOptions& options,
                            const std::function<Result<void>(GatewayLoop&)>& prepare);
  Result<void> open(const GatewayOptions& options, GatewayLoop& front);
  // After the gateway's end it does nothing, for actors outlive the gateway.
  ReloadNotice::Notice tell_of_reloads() const;

  NodeEdge node_;
  std::string rpc_address_, http_address_;
  std::vector<std::unique_ptr<Thread>> threads_;  // The last one is at the front: it accepts connections.
};

// Whether it is safe to listen on these addresses (P9); MALFORMED when these settings are not, whatever is in the files.
Result<void> check_access(const AccessOptions& access, const std::vector<std::string>& addresses);

// Whether HOST:PORT names an address of this machine's loopback.
bool is_loopback(const std::string& address);

}  // namespace carillon::actors
