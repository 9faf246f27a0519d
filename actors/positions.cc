#include "actors/positions.h"

#include <algorithm>

#include "actors/node_publisher.h"
#include "actors/questions.h"
#include "messages/text.h"
#include "runtime/admission.h"

namespace carillon::actors {
namespace {

// The hub that knows about a mailbox.
Result<EntityId> reader_of(const Edge& edge, std::string_view mailbox) {
  const auto entity = runtime::check_entity(mailbox, edge.catalogue);
  if (!entity) return entity.error();
  auto reader = EntityId::of(kReaderKind, entity->text());
  if (!reader)
    return Error{
        ErrorCode::MALFORMED,
        "KIND/KEY of a mailbox with positions has at most " + std::to_string(EntityId::kKeyBytesMax) + " bytes", 0};
  return reader;
}

// Of a hub's state as it is inspected; empty before its first event.
Result<ReaderState> state_of(const EntityInspection& reader) {
  if (reader.state.empty()) return ReaderState();
  return from_json<ReaderState>(reader.state);
}

}  // namespace

Result<Effects> on(ReaderState& state, const Acknowledged& acknowledged, const Context& context) {
  auto& position = state.devices[acknowledged.device];
  position.offset = std::max(position.offset, acknowledged.offset);
  position.told_at = context.offset();
  if (state.devices.size() > kDevicesMax)
    state.devices.erase(
        std::ranges::min_element(state.devices, {}, [](const auto& device) { return device.second.told_at; }));
  return Effects();
}

Behaviour reader_behaviour() { return Behaviour::of<ReaderState>(kReaderKind, /*version=*/1).on<Acknowledged>(); }

kj::Promise<Result<Positions>> positions_of(Edge& edge, const access::Rights& rights, std::string_view mailbox) {
  // From here on the node asks for itself.
  if (auto allowed = rights.check_read(mailbox); !allowed) return Result<Positions>(allowed.error());
  const auto reader = reader_of(edge, mailbox);
  if (!reader) return Result<Positions>(reader.error());
  auto known = inspect_entity(edge, access::Rights::everything(), reader->text());
  return extent_of(edge, mailbox)
      .then([known = kj::mv(known)](Result<runtime::Extent> reaches) mutable -> kj::Promise<Result<Positions>> {
        if (!reaches) return Result<Positions>(reaches.error());
        return known.then([extent = *reaches](const Result<EntityInspection>& told) -> Result<Positions> {
          if (!told) return told.error();
          const auto state = state_of(*told);
          if (!state) return state.error();
          Positions positions{extent.first, extent.last, {}};
          for (const auto& [device, position] : state->devices) positions.devices.emplace(device, position.offset);
          return positions;
        });
      });
}

Result<void> check_device(std::string_view name) {
  if (is_printable_utf8(name, kDeviceBytesMax)) return {};
  return Error{ErrorCode::MALFORMED, "a device's name is 1 to 64 bytes of UTF-8 without control characters", 0};
}

kj::Promise<Result<Offset>> acknowledge(Edge& edge, const access::Rights& rights, std::string_view mailbox,
                                        std::string_view device, Offset offset) {
  if (auto allowed = rights.check_read(mailbox); !allowed) return Result<Offset>(allowed.error());
  using Answer = Result<Offset>;
  const auto reader = reader_of(edge, mailbox);
  if (!reader) return Answer(reader.error());
  if (const auto named = check_device(device); !named) return Answer(named.error());
  return extent_of(edge, mailbox)
      .then([&edge, hub = *reader, mailbox = std::string(mailbox), device = std::string(device),
             offset](const Result<runtime::Extent>& reaches) mutable -> kj::Promise<Answer> {
        if (!reaches) return Answer(reaches.error());
        if (offset > reaches->last)
          return Answer(Error{ErrorCode::BEYOND_END,
                              "the mailbox ends at " + std::to_string(reaches->last) + "; nobody has read further",
                              reaches->last + 1});
        // The node goes on trying; positions only grow, so that it does no harm if it is stored later.
        return edge.timer
            .timeoutAfter(
                edge.edge_limits.answer_within.count() * kj::MILLISECONDS,
                edge.own_events->publish(NodePublisher::For::kClients, std::move(hub), std::string(Acknowledged::kType),
                                         to_json(Acknowledged{.device = device, .offset = offset})))
            .catch_([](kj::Exception&& failed) -> Result<void> {
              if (failed.getType() != kj::Exception::Type::OVERLOADED) kj::throwFatalException(kj::mv(failed));
              return Error{ErrorCode::UNAVAILABLE, "the position could not be stored in time; try again in a moment",
                           0};
            })
            .then([&edge, mailbox = std::move(mailbox), device](const Result<void>& stored) -> kj::Promise<Answer> {
              if (!stored) return Answer(stored.error());
              return positions_of(edge, access::Rights::everything(), mailbox)
                  .then([device](const Result<Positions>& positions) -> Answer {
                    if (!positions) return positions.error();
                    const auto found = positions->devices.find(device);
                    return found == positions->devices.end() ? Offset{0} : found->second;
                  });
            });
      });
}

}  // namespace carillon::actors
