#include "actors/gateway.h"

#include <kj/exception.h>

#include <future>
#include <thread>

#include "actors/doors.h"
#include "actors/gateway_loop.h"
#include "actors/key_watch.h"
#include "actors/presence.h"
#include "actors/reading_turns.h"

namespace carillon::actors {

bool is_loopback(const std::string& address) {
  const auto host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

Result<void> check_access(const AccessOptions& access, const std::vector<std::string>& addresses) {
  const auto malformed = [](std::string what) { return Error{ErrorCode::MALFORMED, std::move(what), 0}; };
  if (access.tls_certificate.empty() != access.tls_key.empty())
    return malformed("--tls-certificate and --tls-key belong together");
  if (access.keys.empty() && !(access.expectations.issuer.empty() && access.expectations.audience.empty()))
    return malformed("--token-issuer and --token-audience need --keys");
  for (const auto& address : addresses) {
    if (is_loopback(address)) continue;
    if (access.keys.empty())
      return malformed(address +
                       " is beyond loopback, where everybody must show a token: name the keys with --keys FILE, or "
                       "listen on 127.0.0.1 (docs/security.md)");
    if (access.tls_certificate.empty() && !access.plaintext)
      return malformed(address +
                       " is beyond loopback, and without TLS tokens could be read on the way: give --tls-certificate "
                       "and --tls-key, or --plaintext if something else encrypts (docs/security.md)");
  }
  return {};
}

struct Gateway::Thread {
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
  GatewayLoop* loop = nullptr;      // Lives on the thread, until that may end.
  std::unique_ptr<FrontDesk> desk;  // Of the one at the front; likewise.
  std::promise<void> has_run, may_end;
  std::thread thread;
};

// What one thread does for all.
struct Gateway::FrontDesk {
  FrontDesk(GatewayLoop& here, const std::string& store_id, std::shared_ptr<const GatewayLoop::Team> team)
      : presence(here.edge(), store_id), doors(here, std::move(team)) {}

  PresenceReporter presence;
  std::unique_ptr<KeyWatch> keys;
  Doors doors;
};

Gateway::Gateway(const EdgeLimits& limits, caf::actor reading_turns)
    : node_(limits.per_address, limits.per_subject, std::move(reading_turns)) {}

Result<std::unique_ptr<Gateway>> Gateway::start(caf::actor_system& system, GatewayOptions options) {
  if (auto checked = check_access(options.access, {options.listen, options.http}); !checked) return checked.error();
  std::unique_ptr<Gateway> gateway(
      new Gateway(options.edge_limits, system.spawn(reading_turns, options.partitions->size())));
  for (std::size_t others = 1; others < options.threads; ++others)
    if (auto begun = gateway->begin_thread(system, options, [](GatewayLoop&) { return Result<void>(); }); !begun)
      return begun.error();
  if (auto begun =
          gateway->begin_thread(system, options, [&](GatewayLoop& front) { return gateway->open(options, front); });
      !begun)
    return begun.error();
  return gateway;
}

Result<void> Gateway::begin_thread(caf::actor_system& system, const GatewayOptions& options,
                                   const std::function<Result<void>(GatewayLoop&)>& prepare) {
  auto& mine = *threads_.emplace_back(std::make_unique<Thread>());
  std::promise<Result<void>> begun;
  auto outcome = begun.get_future();
  mine.thread = std::thread([&, begun = std::move(begun)]() mutable {
    std::unique_ptr<GatewayLoop> loop;
    auto prepared = Result<void>();
    try {
      loop = std::make_unique<GatewayLoop>(system, options, node_, mine.inbox);
      mine.loop = loop.get();
      prepared = prepare(*loop);
    } catch (const kj::Exception& failed) {
      prepared = Error{
          ErrorCode::UNAVAILABLE,
          "cannot listen on " + options.listen + " and " + options.http + ": " + failed.getDescription().cStr(), 0};
    }
    if (prepared) {
      begun.set_value({});
      loop->run();
      mine.has_run.set_value();
      mine.may_end.get_future().wait();
      loop->end_connections();  // They use what the desk has.
      mine.desk.reset();
      return;
    }
    mine.desk.reset();
    loop.reset();
    mine.loop = nullptr;
    begun.set_value(std::move(prepared));
  });
  return outcome.get();
}

// On the front's thread, before it runs.
Result<void> Gateway::open(const GatewayOptions& options, GatewayLoop& front) {
  auto team = std::make_shared<GatewayLoop::Team>();
  team->push_back(&front);
  for (const auto& thread : threads_)
    if (thread->loop != &front) team->push_back(thread->loop);
  front.join(team);
  auto& desk = *(threads_.back()->desk = std::make_unique<FrontDesk>(front, options.store_id, team));
  front.tell_all([team, presence = &desk.presence](GatewayLoop& loop) {
    loop.join(team);
    loop.edge().presence = presence;
  });
  auto keys = KeyWatch::start(front, options.access);
  if (!keys) return keys.error();
  desk.keys = std::move(*keys);
  if (options.reload_notice) options.reload_notice->set(tell_of_reloads());
  rpc_address_ = desk.doors.open(options.listen, GatewayLoop::Port::kNative);
  http_address_ = desk.doors.open(options.http, GatewayLoop::Port::kHttp);
  return {};
}

// They know one another, so all have run before the first one ends; and the one at the front, which has what all use, ends last.
Gateway::~Gateway() {
  for (const auto& thread : threads_)
    if (thread->loop != nullptr) thread->loop->post([](GatewayLoop& loop) { loop.stop(); });
  for (const auto& thread : threads_)
    if (thread->loop != nullptr) thread->has_run.get_future().wait();
  for (const auto& thread : threads_) {
    thread->may_end.set_value();
    thread->thread.join();
    thread->inbox->close();
  }
}

void Gateway::stop_accepting() {
  threads_.back()->loop->post([desk = threads_.back()->desk.get()](GatewayLoop&) { desk->doors.close(); });
  for (const auto& thread : threads_) thread->loop->post([](GatewayLoop& loop) { loop.wind_down(); });
}

void Gateway::announce_stop() {
  for (const auto& thread : threads_) thread->loop->post([](GatewayLoop& loop) { loop.edge().leaving = true; });
}

ReloadNotice::Notice Gateway::tell_of_reloads() const {
  std::vector<ReloadNotice::Notice> notices;
  for (const auto& thread : threads_)
    notices.emplace_back([inbox = thread->inbox, loop = thread->loop](PartitionId partition, std::uint64_t life) {
      // Jobs are run by the loop, so that they find it; without it there are none.
      inbox->push([loop, partition, life] { loop->edge().reloaded(partition, life); });
    });
  return [notices = std::move(notices)](PartitionId partition, std::uint64_t life) {
    for (const auto& notice : notices) notice(partition, life);
  };
}

void Gateway::belong_to_cluster(ClusterQuestions questions) {
  const auto shared = std::make_shared<const ClusterQuestions>(std::move(questions));
  for (const auto& thread : threads_) thread->loop->post([shared](GatewayLoop& loop) { loop.edge().cluster = shared; });
}

}  // namespace carillon::actors
