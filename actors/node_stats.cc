#include "actors/node_stats.h"

#include <algorithm>
#include <iterator>

namespace carillon::actors {

namespace {

using runtime::Partition;

Partition::StandingStill sum_of(const std::vector<PartitionStats>& partitions,
                                Partition::StandingStill PartitionStats::*why) {
  Partition::StandingStill all;
  for (const auto& partition : partitions) {
    const auto& some = partition.*why;
    all.hubs += some.hubs;
    if (!all.one) all.one = some.one;
  }
  return all;
}

// Of at least one.
std::string named(const Partition::StandingStill& hubs) {
  const auto others = hubs.hubs - 1;
  return "hub " + hubs.one->text() +
         (others == 0 ? " stands still and its events wait: "
                      : " and " + std::to_string(others) + " more stand still and their events wait: ");
}

Figure standing_still(const char* why, const Partition::StandingStill& hubs) {
  return {"hubs_standing_still",
          "Hubs that take events in and handle none; health names one.",
          static_cast<double>(hubs.hubs),
          false,
          {{"why", why}}};
}

Figure limited(const char* by, const char* what, std::uint64_t times) {
  return {"limited_total",
          "What was refused, or not read at once, since an address or a subject had too much.",
          static_cast<double>(times),
          true,
          {{"by", by}, {"what", what}}};
}

// Without some of them rather than with zeros when they are not known: those would look like a restart.
std::vector<Figure> figures_of(const JournalStats& journal) {
  const auto count = [](auto value) { return static_cast<double>(value); };
  std::vector<Figure> figures = {
      {"journal_syncs_total", "Synced writes of the journal.", count(journal.syncs)},
      {"journal_bytes_total", "Bytes written by the journal.", count(journal.bytes)},
      {"store_read_only", "1 after the disk refused a write.", journal.read_only ? 1.0 : 0.0, false},
  };
  if (!journal.room) return figures;
  figures.push_back({"store_bytes", "Bytes of the files in the data directory, as of some seconds ago.",
                     count(journal.room->bytes), false});
  figures.push_back({"store_free_bytes", "Bytes that the disk of the data directory has left, as of then.",
                     count(journal.room->free_bytes), false});
  return figures;
}

}  // namespace

std::vector<Figure> NodeStats::figures() const {
  Partition::Counters sum;
  double reloads = 0;
  double unavailable = 0;
  for (const auto& partition : partitions) {
    sum.add(partition.counters);
    sum.active_hubs += partition.counters.active_hubs;
    sum.backlog_events += partition.counters.backlog_events;
    reloads += static_cast<double>(partition.reloads);
    unavailable += partition.available ? 0 : 1;
  }
  const auto count = [](auto value) { return static_cast<double>(value); };
  std::vector<Figure> figures = {
      {"events_accepted_total", "Events of clients that were accepted.", count(sum.accepted)},
      {"events_duplicate_total", "Events of clients that had been accepted before.", count(sum.duplicates)},
      {"events_refused_total", "Events that partitions refused.", count(sum.refused)},
      {"events_overloaded_total", "Events that the gateway refused for load.", count(edge.overloaded)},
      {"emissions_accepted_total", "Emissions of hubs that were accepted.", count(sum.emissions)},
      {"emissions_duplicate_total", "Emissions of hubs that had been accepted before.", count(sum.emission_duplicates)},
      {"events_delivered_total", "Events handed to subscribers' connections.", count(edge.delivered)},
      {"reminders_total", "Reminders of hubs that came due.", count(sum.reminders)},
      {"unreadable_total", "How often a partition could not read what it needs: run `carillon verify`.",
       count(sum.unreadable)},
      {"dead_letters_total", "Events that went to the dead letters.", count(sum.dead_letters)},
      {"dead_letters_dropped_total", "Dead letters that were discarded for newer ones, for want of room.",
       count(sum.dead_letters_dropped)},
      {"partition_batches_total", "Commits that partitions asked for.", count(sum.batches)},
      {"partition_reloads_total", "Partitions loaded anew after a bug.", reloads},
      {"partitions_unavailable", "Partitions that accept nothing now.", unavailable, false},
      {"hubs_active", "Hubs in memory now.", count(sum.active_hubs), false},
      standing_still("not_computed", sum_of(partitions, &PartitionStats::not_computed)),
      standing_still("not_installed", sum_of(partitions, &PartitionStats::not_installed)),
      {"hub_backlog_events", "Accepted events that hubs in memory have not handled yet.", count(sum.backlog_events),
       false},
      {"store_hangs", "1 while the disk does not answer a write.", journal ? 0.0 : 1.0, false},
      {"connections", "Connections now, native and HTTP.", count(edge.connections), false},
      {"connections_refused_total", "Connections beyond the limit.", count(edge.connections_refused)},
      {"tls_handshakes_failed_total", "TLS handshakes that failed or took too long.", count(edge.handshakes_failed)},
      {"tokens_refused_total", "Tokens that were shown and not good.", count(edge.tokens_refused)},
      {"tokens_ended_total", "Tokens that expired, or whose key went, while they were used.", count(edge.tokens_ended)},
      limited("address", "connections", edge.limited_by_address.connections),
      limited("address", "reads", edge.limited_by_address.reads),
      limited("address", "requests", edge.limited_by_address.requests),
      limited("subject", "connections", edge.limited_by_subject.connections),
      limited("subject", "reads", edge.limited_by_subject.reads),
      limited("subject", "requests", edge.limited_by_subject.requests),
      {"publish_calls_total", "Publish calls.", count(edge.publish_calls)},
      {"uptime_seconds", "Since the node was ready.", std::chrono::duration<double>(uptime).count(), false},
      {"build_info", "Always 1; its label is the program's version.", 1.0, false, {{"version", version}}},
  };
  if (journal) std::ranges::move(figures_of(*journal), std::back_inserter(figures));
  if (certificate_ends_at)
    figures.push_back({"tls_certificate_end_timestamp_seconds",
                       "Unix time at which the TLS certificate that is shown to clients ends.",
                       count(certificate_ends_at->time_since_epoch().count()), false});
  const auto all_problems = problems();
  const auto blocking = std::ranges::count(all_problems, true, &Problem::blocks);
  const auto count_problems = [&](const char* are_blocking, auto number) {
    figures.push_back({"problems",
                       "Problems that health names now; those that block send clients to other nodes.",
                       count(number),
                       false,
                       {{"blocking", are_blocking}}});
  };
  count_problems("true", blocking);
  count_problems("false", std::ssize(all_problems) - blocking);
  if (cluster) std::ranges::move(cluster->figures(), std::back_inserter(figures));
  return figures;
}

std::vector<NodeStats::Stage> NodeStats::stages() const {
  Stage publish{"publish", "From the arrival of a publish call to its answer.", edge.publish};
  Stage commit{
      "commit", "From a partition's wish to commit until it is synced, in a cluster by the whole in-sync set.", {}};
  Stage sync{"sync", "One LevelDB write with its sync.", journal ? journal->write : LatencyHistogram()};
  Stage fold{"fold", "From feeding a hub to its report.", {}};
  Stage deliver{"deliver", "From the commit of a notification to its subscriber's connection.", edge.deliver};
  for (const auto& partition : partitions) {
    commit.latencies.merge(partition.commit);
    fold.latencies.merge(partition.fold);
  }
  std::vector<Stage> stages{publish, commit, sync, fold, deliver};
  if (!journal) stages.erase(stages.begin() + 2);
  return stages;
}

std::vector<NodeStats::BusyEntity> NodeStats::busiest() const {
  std::vector<BusyEntity> busy;
  for (const auto& partition : partitions)
    for (const auto& count : partition.busiest)
      busy.push_back({count.entity.text(), static_cast<double>(count.events) * 1e3 /
                                               static_cast<double>(std::max<UnixMs>(partition.busiest_ms, 1))});
  std::ranges::sort(busy, [](const BusyEntity& a, const BusyEntity& b) {
    return a.events_per_s != b.events_per_s ? a.events_per_s > b.events_per_s : a.entity < b.entity;
  });
  if (busy.size() > kBusiest) busy.resize(kBusiest);
  return busy;
}

std::vector<Problem> NodeStats::problems() const {
  std::vector<Problem> problems;
  if (!journal)
    problems.push_back({"the disk has not answered a write for seconds"});
  else if (journal->read_only)
    problems.push_back({"the store is read-only since the disk refused a write"});
  // Where a few cannot be reached, other nodes hardly reach more; who reaches few is better passed by.
  const auto away = static_cast<std::size_t>(std::ranges::count(partitions, false, &PartitionStats::available));
  const bool most_are_away = 2 * away > partitions.size();
  for (const auto& partition : partitions)
    if (!partition.available)
      problems.push_back(
          {"partition " + std::to_string(partition.partition.value) + ": " + partition.problem, most_are_away});
  if (const auto hubs = sum_of(partitions, &PartitionStats::not_computed); hubs.one)
    problems.push_back({named(hubs) + "`carillon inspect " + hubs.one->text() + "`, or the log, says why", false});
  if (const auto hubs = sum_of(partitions, &PartitionStats::not_installed); hubs.one)
    problems.push_back({named(hubs) + "this program has no behaviour for kind '" + std::string(hubs.one->kind()) +
                            "'; start one that has",
                        false});
  for (const auto& complaint : {complaints.keys, complaints.certificate})
    if (!complaint.empty()) problems.push_back({complaint, false});
  if (cluster)
    std::ranges::move(cluster->problems(), std::back_inserter(problems));
  else if (in_cluster)
    problems.push_back({"what is known of the cluster did not come in time"});
  return problems;
}

}  // namespace carillon::actors
