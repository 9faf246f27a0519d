// What we ask of etcd (3.4 or later), over its JSON gateway, with KJ's HTTP client.
//
// Lives on the thread of the KJ event loop that its network and timer belong to, and must outlive every promise and watch
// that it gives. No promise rejects: trouble is an Error UNAVAILABLE with a sentence that names the endpoint. Dropping a
// promise gives its request up.
//
// Each request has a connection of its own and a deadline, and an answer has at most kAnswerBytesMax. Endpoints are used
// one at a time; one that fails is left for the next. A read that failed is tried again within its deadline, a write only
// where it certainly was not sent.
#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/etcd_values.h"
#include "messages/result.h"

namespace kj {
class HttpHeaderTable;
}

namespace carillon::cluster {

class EtcdWatch {
 public:
  virtual ~EtcdWatch() noexcept(false) = default;

  // The next batch, never an empty one unless a reset. Waits as long as it takes: while etcd is away it tries again and
  // again, with pauses that grow and vary. One at a time; dropping the promise, which must go before the watch does, loses
  // nothing.
  virtual kj::Promise<WatchBatch> next() = 0;
};

class EtcdClient {
 public:
  static constexpr std::size_t kAnswerBytesMax = 32u << 20;

  struct Timeouts {
    std::chrono::milliseconds connect_within{500};
    std::chrono::milliseconds request_within{2'000};
    std::chrono::milliseconds retry_first{50};           // Pauses of a watch between attempts, doubled each time,
    std::chrono::milliseconds retry_longest{1'000};      // up to this; each varies between half and all of itself.
    std::chrono::milliseconds check_watch_every{1'000};  // A silent watch whose endpoint does not answer is left.
  };

  // MALFORMED unless `endpoints` is "http://HOST:PORT[,http://HOST:PORT…]".
  static Result<std::vector<std::string>> parse_endpoints(std::string_view endpoints);

  // `endpoints` as parse_endpoints gives them, at least one.
  EtcdClient(kj::Network& network, kj::Timer& timer, std::vector<std::string> endpoints, Timeouts timeouts);
  EtcdClient(kj::Network& network, kj::Timer& timer, std::vector<std::string> endpoints)
      : EtcdClient(network, timer, std::move(endpoints), Timeouts{}) {}
  ~EtcdClient() noexcept(false);
  KJ_DISALLOW_COPY(EtcdClient);

  // At most one entry.
  kj::Promise<Result<EtcdRange>> get(std::string_view key);
  // Every key that begins with `prefix`. Not empty.
  kj::Promise<Result<EtcdRange>> range(std::string_view prefix);

  // Never kLost. With a lease, the entry goes when that ends; a lease that has ended already is kUnknown.
  kj::Promise<WriteOutcome> put(std::string_view key, std::string_view value, LeaseId lease = 0);
  // Only if there is no such key.
  kj::Promise<WriteOutcome> create(std::string_view key, std::string_view value, LeaseId lease = 0);
  // Only if the key was last modified at `expected`; 0: if there is none.
  kj::Promise<WriteOutcome> swap(std::string_view key, Revision expected, std::string_view value, LeaseId lease = 0);
  // Never kLost; done also if there was none.
  kj::Promise<WriteOutcome> erase(std::string_view key);
  kj::Promise<WriteOutcome> erase_if(std::string_view key, Revision expected);

  kj::Promise<Result<LeaseId>> grant_lease(std::chrono::seconds time_to_live);
  // True: it lasts for its whole time from now. False: it has ended.
  kj::Promise<Result<bool>> keep_alive(LeaseId lease);
  // Ends it now, and with it the entries bound to it. Well also if it had ended.
  kj::Promise<Result<void>> revoke_lease(LeaseId lease);

  // What becomes of the keys that begin with `prefix`. `after` 0: begins with a reset that gives all of them; otherwise
  // with what came after that revision. A reset comes as well where etcd has compacted that history away, or where its
  // revisions have gone back (it lost its data).
  kj::Own<EtcdWatch> watch(std::string prefix, Revision after = 0);

  // Forgets changes before `revision`. For tests; operators set etcd's --auto-compaction-retention.
  kj::Promise<Result<void>> compact(Revision revision);

 private:
  struct Exchange;
  class Call;
  class Watch;
  enum class Repeat { kAtWill, kUnlessSent };

  kj::Promise<void> open(Exchange& exchange, std::size_t endpoint, const char* path);
  kj::Promise<Result<std::string>> ask(const char* path, std::string body, Repeat repeat);
  kj::Promise<Result<EtcdRange>> read(std::string request);
  kj::Promise<WriteOutcome> write(std::string transaction);
  void leave(std::size_t endpoint);

  kj::Network& network_;
  kj::Timer& timer_;
  Timeouts timeouts_;
  std::vector<std::string> endpoints_;
  std::size_t current_ = 0;  // The endpoint in use.
  kj::Own<kj::HttpHeaderTable> headers_;
};

}  // namespace carillon::cluster
