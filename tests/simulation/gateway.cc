#include "tests/simulation/gateway.h"

#include <optional>
#include <utility>

#include "tests/simulation/towns.h"

namespace carillon::simulation {
namespace {

constexpr std::chrono::milliseconds kRetryAfter{5};

}  // namespace

Gateway::Gateway(World& world, Entrance& entrance, ConnectionId first_session,
                 std::shared_ptr<const Micros> asleep_until)
    : world_(&world),
      node_(&entrance),
      catalogue_(catalogue_of_towns()),
      inbox_(Inbox::make(world, 10, std::move(asleep_until))),
      lives_(world.settings.partitions),
      last_session_(first_session) {}

ConnectionId Gateway::connect(ProducerId producer, Answer answer) {
  const auto id = new_session();
  inbox_->send([this, id, producer = std::move(producer), answer = std::move(answer)] {
    connections_.emplace(
        id, Connection{producer, answer, {id, world_->settings.partitions, catalogue_, world_->settings.limits}, {}});
  });
  return id;
}

void Gateway::publish(ConnectionId connection, std::uint64_t call, std::vector<Letter> letters) {
  inbox_->send([this, connection, call, letters = std::move(letters)] {
    const auto found = connections_.find(connection);
    if (found != connections_.end()) handle(found->second, call, letters);
  });
}

void Gateway::disconnect(ConnectionId connection) {
  inbox_->send([this, connection] { connections_.erase(connection); });
}

void Gateway::handle(Connection& connection, std::uint64_t number, const std::vector<Letter>& letters) {
  const auto item = [&](std::uint32_t i) {
    return runtime::PublicationView{letters[i].entity, letters[i].type, letters[i].payload, letters[i].sequence,
                                    TraceParent::parse(letters[i].traceparent)};
  };
  const auto gate = [&](std::size_t events, std::size_t) -> std::optional<Error> {
    if (events <= world_->settings.connection_events_max) return std::nullopt;
    world_->count("publisher refused as overloaded");
    return Error{ErrorCode::OVERLOADED, "too much is under way already", 0};
  };
  const auto permit = [](std::string_view) { return Result<void>(); };  // Rights are the edge's business.
  auto begun =
      connection.calls.begin(connection.producer, static_cast<std::uint32_t>(letters.size()), item, permit, gate);
  connection.numbers.emplace(begun.call, number);
  for (auto& [partition, request] : begun.requests)
    node_->publish(partition, std::move(request), lives_[partition.value]);
  if (begun.finished) finish(connection, *begun.finished);
}

void Gateway::finish(Connection& connection, const runtime::PublishCalls::Finished& finished) {
  std::vector<client::Outbox::Refusal> refusals;
  for (const auto& refusal : finished.outcome.refusals) refusals.push_back({refusal.index, refusal.error, kRetryAfter});
  connection.answer(connection.numbers.extract(finished.call).mapped(), std::move(refusals));
}

void Gateway::answered(runtime::Published published) {
  inbox_->send([this, published = std::move(published)] {
    const auto found = connections_.find(published.session);
    if (found == connections_.end()) return;
    if (!published.refusals.empty()) world_->count("publish refused as unavailable");
    if (auto finished = found->second.calls.answered(published)) finish(found->second, *finished);
  });
}

void Gateway::reloaded(PartitionId partition, std::uint64_t life) {
  inbox_->send([this, partition, life] {
    lives_[partition.value] = life;
    for (auto& [id, connection] : connections_)
      for (const auto& finished : connection.calls.reloaded(partition)) finish(connection, finished);
  });
}

}  // namespace carillon::simulation
