#include "tests/simulation/gateway.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/node.h"
#include "tests/simulation/towns.h"

namespace carillon::simulation {
namespace {

constexpr std::uint16_t kNowhere = 0xffff;
constexpr std::chrono::milliseconds kRetryAfter{5};

}  // namespace

Gateway::Gateway(World& world, Node& node)
    : world_(&world),
      node_(&node),
      catalogue_(catalogue_of_towns()),
      inbox_(Inbox::make(world, 10)),
      lives_(world.settings.partitions) {}

ConnectionId Gateway::connect(ProducerId producer, Answer answer) {
  const auto id = new_session();
  inbox_->send([this, id, producer = std::move(producer), answer = std::move(answer)] {
    connections_.emplace(id, Connection{producer, answer, {}, {}, 0});
  });
  return id;
}

void Gateway::publish(ConnectionId connection, std::uint64_t call, std::vector<Letter> letters) {
  inbox_->send([this, connection, call, letters = std::move(letters)] { handle(connection, call, letters); });
}

void Gateway::disconnect(ConnectionId connection) {
  inbox_->send([this, connection] { connections_.erase(connection); });
}

void Gateway::refuse(Connection& connection, Call& call, std::uint32_t index, const Error& error) {
  if (error.code == ErrorCode::OVERLOADED || error.code == ErrorCode::UNAVAILABLE)
    connection.admission.refused(connection.producer, call.sequences.at(index));
  call.refusals.push_back({index, error, kRetryAfter});
}

void Gateway::handle(ConnectionId id, std::uint64_t number, const std::vector<Letter>& letters) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  auto& connection = found->second;
  auto& call = connection.calls[number];
  std::vector<std::vector<runtime::PublishItem>> by_partition(lives_.size());
  for (const auto& letter : letters) call.sequences.push_back(letter.sequence);
  call.partitions.assign(letters.size(), kNowhere);
  std::size_t events = 0;
  for (std::uint32_t i = 0; i < letters.size(); ++i) {
    const auto& letter = letters[i];
    auto checked = runtime::check_publication({letter.entity, letter.type, letter.payload, letter.sequence},
                                              connection.producer, i, catalogue_, world_->settings.limits);
    if (!checked) {
      refuse(connection, call, i, checked.error());
    } else if (!connection.admission.passes(connection.producer, letter.sequence)) {
      refuse(connection, call, i, {ErrorCode::OVERLOADED, "an earlier event of this producer was refused", 0});
    } else if (connection.events_under_way + events >= world_->settings.connection_events_max) {
      world_->count("publisher refused as overloaded");
      refuse(connection, call, i, {ErrorCode::OVERLOADED, "too much is under way already", 0});
    } else {
      ++events;
      const auto partition = node_->partition_of(checked->entity).value;
      call.partitions[i] = partition;
      by_partition[partition].push_back(std::move(*checked));
    }
  }
  connection.events_under_way += letters.size();
  for (std::uint16_t p = 0; p < by_partition.size(); ++p) {
    auto& items = by_partition[p];
    if (items.empty()) continue;
    call.parts.emplace_back(PartitionId{p}, items.front().index);
    node_->publish({p}, {id, number, std::move(items)}, lives_[p]);
  }
  finish_if_complete(connection, number);
}

void Gateway::finish_if_complete(Connection& connection, std::uint64_t number) {
  const auto at = connection.calls.find(number);
  if (!at->second.parts.empty()) return;
  connection.events_under_way -= at->second.sequences.size();
  connection.answer(number, std::move(at->second.refusals));
  connection.calls.erase(at);
}

void Gateway::answered(runtime::Published published) {
  inbox_->send([this, published = std::move(published)] {
    const auto found = connections_.find(published.session);
    if (found == connections_.end()) return;
    auto& connection = found->second;
    const auto at = connection.calls.find(published.call);
    if (at == connection.calls.end()) return;
    auto& call = at->second;
    const auto part = std::ranges::find(call.parts, published.first_index, &std::pair<PartitionId, std::uint32_t>::second);
    if (part == call.parts.end()) return;
    call.parts.erase(part);
    for (const auto& refusal : published.refusals) refuse(connection, call, refusal.index, refusal.error);
    if (!published.refusals.empty()) world_->count("publish refused as unavailable");
    finish_if_complete(connection, published.call);
  });
}

void Gateway::reloaded(PartitionId partition, std::uint64_t life) {
  inbox_->send([this, partition, life] {
    lives_[partition.value] = life;
    for (auto& [id, connection] : connections_) {
      std::vector<std::uint64_t> numbers;
      for (const auto& [number, call] : connection.calls) numbers.push_back(number);
      for (const auto number : numbers) {
        auto& call = connection.calls.at(number);
        if (std::erase_if(call.parts, [&](const auto& part) { return part.first == partition; }) == 0) continue;
        for (std::uint32_t i = 0; i < call.sequences.size(); ++i)
          if (call.partitions[i] == partition.value)
            refuse(connection, call, i, {ErrorCode::UNAVAILABLE, "the partition was loaded anew", 0});
        finish_if_complete(connection, number);
      }
    }
  });
}

}  // namespace carillon::simulation
