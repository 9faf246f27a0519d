#include "bench/cluster_process.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "bench/clock.h"

namespace carillon::bench {
namespace {

constexpr std::chrono::milliseconds kLookEvery{20};

}  // namespace

ClusterProcess::~ClusterProcess() noexcept {
  for (const auto& node : nodes_) node->kill();
  client_.reset();
  nodes_.clear();
  etcd_.reset();
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Result<void> ClusterProcess::make_directory() {
  std::string pattern = options_.parent_directory + "/carillon-cluster-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr)
    return Error{ErrorCode::UNAVAILABLE,
                 "cannot make a directory in " + options_.parent_directory + ": " + std::strerror(errno)};
  directory_ = std::filesystem::absolute(pattern);
  std::filesystem::create_directory(directory_ + "/etcd");
  return {};
}

Result<void> ClusterProcess::start() {
  if (const auto reason = EtcdProcess::why_not(); !reason.empty()) return Error{ErrorCode::UNAVAILABLE, reason};
  if (auto made = make_directory(); !made.ok()) return made;
  etcd_ = std::make_unique<EtcdProcess>(
      EtcdProcess::Options{.directory = directory_ + "/etcd", .host = options_.etcd_host});
  if (auto started = etcd_->start(); !started.ok()) return started;
  client_ = std::make_unique<cluster::EtcdClient>(session_.network(), session_.timer(),
                                                  std::vector<std::string>{etcd_->endpoint()});
  for (std::size_t number = 0; number < options_.nodes; ++number)
    if (auto added = add_node(); !added.ok()) return added;
  return await_in_sync();
}

Result<void> ClusterProcess::add_node() {
  const std::size_t number = nodes_.size();
  ServerProcess::Options node{
      .parent_directory = directory_,
      .data_directory = directory_ + "/" + name(number),
      .arguments = {"--cluster", "--etcd", "http://" + etcd_->endpoint(), "--node", name(number), "--cluster-name",
                    options_.cluster, "--replicas", std::to_string(replicas()), "--min-in-sync",
                    std::to_string(std::min<std::size_t>(options_.nodes, 2)), "--partitions",
                    std::to_string(options_.partitions)},
      .program = options_.program};
  node.arguments.insert(node.arguments.end(), options_.arguments.begin(), options_.arguments.end());
  if (options_.adapt) options_.adapt(number, node);
  nodes_.push_back(std::make_unique<ServerProcess>(std::move(node)));
  if (auto started = nodes_.back()->start(); !started.ok()) return started.error();
  return {};
}

std::string ClusterProcess::name(std::size_t number) const {
  static constexpr std::array kNames = {"ant", "bee", "cat", "dog", "eel", "fox", "gnu"};
  CHECK(number < kNames.size());
  return kNames[number];
}

client::Addresses ClusterProcess::addresses() const {
  std::vector<client::Address> all;
  for (const auto& node : nodes_) all.push_back(node->address());
  return client::Addresses(std::move(all));
}

void ClusterProcess::freeze(std::size_t number) {
  CHECK(node(number).process() != 0);
  const auto process = node(number).process();
  ::kill(process, SIGSTOP);
  // A thread stops when it next enters the kernel; until then it goes on, on a busy machine for a while.
  siginfo_t stopped{};
  CHECK(::waitid(P_PID, static_cast<id_t>(process), &stopped, WSTOPPED | WEXITED | WNOWAIT) == 0);
}

void ClusterProcess::thaw(std::size_t number) {
  CHECK(node(number).process() != 0);
  ::kill(node(number).process(), SIGCONT);
}

void ClusterProcess::wipe(std::size_t number) {
  CHECK(node(number).process() == 0);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(node(number).data_directory(), ignored))
    std::filesystem::remove_all(entry.path(), ignored);
}

cluster::EtcdClient& ClusterProcess::etcd_now() {
  session_.catch_up();
  return *client_;
}

Result<ClusterProcess::Records> ClusterProcess::records() {
  const auto prefix = "/carillon/" + options_.cluster + "/partitions/";
  const auto found = session_.wait(etcd_now().range(prefix));
  if (!found.ok()) return found.error();
  Records records;
  for (const auto& entry : found->entries) {
    PartitionId partition;
    const auto number = std::string_view(entry.key).substr(prefix.size());
    std::from_chars(number.data(), number.data() + number.size(), partition.value);
    auto record = cluster::decode_partition_record(entry.value);
    if (!record.ok()) return record.error();
    records.emplace(partition, std::move(*record));
  }
  return records;
}

Result<std::vector<cluster::Member>> ClusterProcess::members() {
  const auto found = session_.wait(etcd_now().range("/carillon/" + options_.cluster + "/members/"));
  if (!found.ok()) return found.error();
  std::vector<cluster::Member> members;
  for (const auto& entry : found->entries) {
    auto member = cluster::decode_member(entry.value);
    if (!member.ok()) return member.error();
    members.push_back(std::move(*member));
  }
  return members;
}

Result<void> ClusterProcess::pretend(const cluster::Member& member) {
  const auto key = "/carillon/" + options_.cluster + "/members/" + member.node;
  const auto written = session_.wait(etcd_now().put(key, cluster::encode(member)));
  if (!written.done()) return written.error;
  return {};
}

Result<std::size_t> ClusterProcess::primary_of(const EntityId& entity) {
  const auto all = records();
  if (!all.ok()) return all.error();
  const auto found = all->find(entity.partition_of(options_.partitions));
  if (found != all->end())
    for (std::size_t number = 0; number < size(); ++number)
      if (name(number) == found->second.primary.node) return number;
  return Error{ErrorCode::UNAVAILABLE, "the partition of " + entity.text() + " has no record"};
}

Result<std::vector<std::size_t>> ClusterProcess::primaries() {
  const auto all = records();
  if (!all.ok()) return all.error();
  std::vector<std::size_t> counts(size(), 0);
  for (const auto& [partition, record] : *all)
    for (std::size_t number = 0; number < size(); ++number) counts[number] += name(number) == record.primary.node;
  return counts;
}

Result<void> ClusterProcess::await(const std::function<bool(const Records&)>& holds, const std::string& what,
                                   std::chrono::milliseconds patience) {
  const std::int64_t until = now_ns() + patience.count() * kMillisecond;
  for (;;) {
    const auto all = records();
    if (all.ok() && holds(*all)) return {};
    if (now_ns() > until) {
      std::string text = all.ok() ? "" : all.error().message;
      if (all.ok())
        for (const auto& [partition, record] : *all)
          text += "\n  " + std::to_string(partition.value) + " " + cluster::encode(record);
      for (std::size_t number = 0; number < size(); ++number)
        text += "\n" + name(number) + " says:\n" + node(number).last_words();
      return Error{ErrorCode::UNAVAILABLE,
                   what + " has not come about within " + std::to_string(patience.count()) + " ms: " + text};
    }
    session_.wait(session_.timer().afterDelay(kLookEvery.count() * kj::MILLISECONDS));
  }
}

Result<void> ClusterProcess::await_in_sync(std::chrono::milliseconds patience) {
  return await(
      [&](const Records& all) {
        if (all.size() != options_.partitions) return false;
        std::map<cluster::NodeName, std::size_t> counts;
        for (const auto& [partition, record] : all) {
          if (record.in_sync.size() != replicas()) return false;
          ++counts[record.primary.node];
        }
        return std::ranges::all_of(
                   counts, [&](const auto& of) { return of.second <= (options_.partitions + size() - 1) / size(); }) &&
               counts.size() == std::min<std::size_t>(size(), options_.partitions);
      },
      "that every replica is in sync and primaries are spread evenly", patience);
}

}  // namespace carillon::bench
