#include "bench/network_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <kj/async-io.h>
#include <kj/io.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <thread>

namespace carillon::bench {
namespace {

constexpr std::uint64_t kSmallDiskBytes = 6ull << 30;

Error broken(const std::string& what) { return {ErrorCode::UNAVAILABLE, what + ": " + std::strerror(errno)}; }

Result<void> run(const std::string& line) {
  if (std::system((line + " >/dev/null 2>&1").c_str()) == 0) return {};
  return Error{ErrorCode::UNAVAILABLE, "this did not work: " + line};
}

Result<void> run(std::initializer_list<std::string> lines) {
  for (const auto& line : lines)
    if (auto done = run(line); !done.ok()) return done;
  return {};
}

}  // namespace

// --- Relays.

// A thread that carries bytes from ports of this machine into namespaces.
class NetworkLab::Relays {
 public:
  Relays() {
    std::promise<void> ready;
    thread_ = std::thread([&] {
      auto io = kj::setupAsyncIo();
      auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
      io_ = &io;
      stop_ = kj::mv(stop.fulfiller);
      executor_ = &kj::getCurrentThreadExecutor();
      tasks_ = kj::heap<kj::TaskSet>(errors_);
      ready.set_value();
      stop.promise.wait(io.waitScope);
      tasks_ = nullptr;
      receivers_.clear();
    });
    ready.get_future().wait();
  }
  ~Relays() {
    stop_->fulfill();
    thread_.join();
  }

  Result<client::Address> add(std::string space, std::uint16_t port) {
    const std::uint16_t listening = executor_->executeSync([&] {
      const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      sockaddr_in at = loopback(0);
      socklen_t bytes = sizeof at;
      CHECK(bind(file, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 && listen(file, SOMAXCONN) == 0);
      CHECK(getsockname(file, reinterpret_cast<sockaddr*>(&at), &bytes) == 0);
      receivers_.push_back(io_->lowLevelProvider->wrapListenSocketFd(kj::AutoCloseFd(file)));
      tasks_->add(accept(*receivers_.back(), kj::mv(space), port));
      return ntohs(at.sin_port);
    });
    return client::Address{"127.0.0.1", listening};
  }

 private:
  struct IgnoreErrors final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override {}  // A connection that ended.
  };

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
  }

  // A socket belongs to the namespace in which it was made, wherever its thread goes afterwards.
  static int connect_within(const std::string& space, std::uint16_t port) {
    const int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    const int away = open(space.c_str(), O_RDONLY | O_CLOEXEC);
    int file = -1;
    if (home >= 0 && away >= 0 && setns(away, CLONE_NEWNET) == 0) {
      file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in to = loopback(port);
      if (file >= 0 && connect(file, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        close(file);
        file = -1;
      }
      CHECK(setns(home, CLONE_NEWNET) == 0);
    }
    if (home >= 0) close(home);
    if (away >= 0) close(away);
    if (file >= 0) fcntl(file, F_SETFL, O_NONBLOCK);
    return file;
  }

  kj::Promise<void> accept(kj::ConnectionReceiver& receiver, std::string space, std::uint16_t port) {
    return receiver.accept().then([this, &receiver, space = kj::mv(space), port](kj::Own<kj::AsyncIoStream> client) {
      if (const int file = connect_within(space, port); file >= 0) {
        auto server = io_->lowLevelProvider->wrapSocketFd(kj::AutoCloseFd(file));
        // Whichever side ends first ends both, as when a process dies.
        auto there = client->pumpTo(*server).ignoreResult();
        auto back = server->pumpTo(*client).ignoreResult();
        tasks_->add(there.exclusiveJoin(kj::mv(back)).attach(kj::mv(client), kj::mv(server)));
      }
      return accept(receiver, space, port);
    });
  }

  IgnoreErrors errors_;
  std::thread thread_;
  kj::AsyncIoContext* io_ = nullptr;
  const kj::Executor* executor_ = nullptr;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop_;
  kj::Own<kj::TaskSet> tasks_;
  std::vector<kj::Own<kj::ConnectionReceiver>> receivers_;
};

// --- The lab.

std::string NetworkLab::why_not() {
  if (geteuid() != 0) return "network namespaces need root";
  const std::string name = "carillon-try-" + std::to_string(getpid());
  const bool works = run("ip netns add " + name).ok();
  return works && run("ip netns del " + name).ok() ? "" : "`ip netns add` is not permitted here";
}

NetworkLab::NetworkLab(std::size_t nodes)
    : nodes_(nodes),
      prefix_("cl" + std::to_string(getpid() % 100'000)),
      subnet_(static_cast<int>(getpid() % 200) + 20) {}

NetworkLab::~NetworkLab() {
  relays_.reset();
  for (auto line = undo_.rbegin(); line != undo_.rend(); ++line) std::ignore = run(*line);
}

std::string NetworkLab::name_of(std::size_t number) const { return prefix_ + "n" + std::to_string(number); }
std::string NetworkLab::cable_of(std::size_t number) const { return prefix_ + "v" + std::to_string(number); }
std::string NetworkLab::inside(std::size_t number) const { return "ip netns exec " + name_of(number) + " "; }
std::string NetworkLab::namespace_of(std::size_t number) const { return "/var/run/netns/" + name_of(number); }
std::string NetworkLab::address_of(std::size_t number) const {
  return "10.213." + std::to_string(subnet_) + "." + std::to_string(number + 10);
}
std::string NetworkLab::address_of_machine() const { return "10.213." + std::to_string(subnet_) + ".1"; }

Result<void> NetworkLab::start() {
  const std::string bridge = prefix_ + "b";
  undo_.push_back("ip link del " + bridge);
  if (auto done = run({"ip link add " + bridge + " type bridge",
                       "ip addr add " + address_of_machine() + "/24 dev " + bridge, "ip link set " + bridge + " up"});
      !done.ok())
    return done;
  for (std::size_t number = 0; number < nodes_; ++number) {
    const auto name = name_of(number), cable = cable_of(number);
    undo_.push_back("ip netns del " + name);
    undo_.push_back("ip link del " + cable);
    if (auto done = run({"ip netns add " + name, "ip link add " + cable + " type veth peer name eth0 netns " + name,
                         "ip link set " + cable + " master " + bridge + " up",
                         inside(number) + "ip addr add " + address_of(number) + "/24 dev eth0",
                         inside(number) + "ip link set eth0 up", inside(number) + "ip link set lo up"});
        !done.ok())
      return done;
  }
  relays_ = std::make_unique<Relays>();
  return {};
}

Result<client::Address> NetworkLab::relay(std::size_t number, const client::Address& to) {
  return relays_->add(namespace_of(number), to.port);
}

bool NetworkLab::can_slow_down() const {
  const std::string device = inside(0) + "tc qdisc ";
  const bool can = run(device + "add dev lo root netem delay 1ms").ok();
  return run(device + "del dev lo root").ok() && can;
}

Result<void> NetworkLab::cut_off(std::size_t number) { return run("ip link set " + cable_of(number) + " nomaster"); }

Result<void> NetworkLab::cut_between(std::size_t one, std::size_t other) {
  return run({inside(one) + "ip route add blackhole " + address_of(other) + "/32",
              inside(other) + "ip route add blackhole " + address_of(one) + "/32"});
}

Result<void> NetworkLab::lose_what_it_sends(std::size_t number) {
  // More specific than the route to everybody on the cable.
  const auto net = "10.213." + std::to_string(subnet_);
  return run({inside(number) + "ip route add blackhole " + net + ".0/25",
              inside(number) + "ip route add blackhole " + net + ".128/25"});
}

Result<void> NetworkLab::slow_down(std::size_t number) {
  return run(inside(number) + "tc qdisc replace dev eth0 root netem delay 15ms 10ms loss 2%");
}

Result<void> NetworkLab::heal() {
  for (std::size_t number = 0; number < nodes_; ++number) {
    if (auto plugged = run("ip link set " + cable_of(number) + " master " + prefix_ + "b"); !plugged.ok())
      return plugged;
    // What is not there need not be undone.
    std::ignore = run(inside(number) + "tc qdisc del dev eth0 root");
    std::ignore = run(inside(number) + "ip route flush type blackhole");
  }
  return {};
}

// --- Small disks.

Result<void> mount_small_disk(const std::string& directory) {
  if (mount("carillon", directory.c_str(), "tmpfs", MS_NOATIME, ("size=" + std::to_string(kSmallDiskBytes)).c_str()) !=
      0)
    return broken("cannot mount a small disk on " + directory);
  return {};
}

void unmount_small_disk(const std::string& directory) { umount2(directory.c_str(), MNT_DETACH); }

Result<void> fill_disk(const std::string& directory) {
  struct statfs disk;
  if (statfs(directory.c_str(), &disk) != 0) return broken("cannot look at " + directory);
  const auto used = static_cast<std::uint64_t>(disk.f_blocks - disk.f_bfree) * static_cast<std::uint64_t>(disk.f_bsize);
  // A little more than what is used: what is being written meanwhile must not make the remount fail.
  const auto size = "size=" + std::to_string(used + (4u << 20));
  if (mount("carillon", directory.c_str(), "tmpfs", MS_REMOUNT | MS_NOATIME, size.c_str()) != 0)
    return broken("cannot make " + directory + " smaller");
  return {};
}

Result<void> empty_disk(const std::string& directory) {
  const auto size = "size=" + std::to_string(kSmallDiskBytes);
  if (mount("carillon", directory.c_str(), "tmpfs", MS_REMOUNT | MS_NOATIME, size.c_str()) != 0)
    return broken("cannot make " + directory + " larger");
  return {};
}

}  // namespace carillon::bench
