#include "tests/simulation/subscriber.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/gateway.h"
#include "tests/simulation/session.h"

namespace carillon::simulation {

Subscriber::Subscriber(World& world, FindEntrance find_entrance, std::string name)
    : world_(&world), find_entrance_(std::move(find_entrance)), name_(std::move(name)) {
  auto& dice = world.dice;
  pace_ = dice.pick<Micros>({20, 500, 500, 30'000});
  for (auto count = dice.between(1, 3); count > 0; --count) {
    const auto text = dice.chance(0.8) ? "player/p" + std::to_string(dice.below(world.settings.players))
                                       : "town/" + std::to_string(dice.below(world.settings.towns));
    const auto entity = EntityId::parse(text).value();
    if (std::ranges::find(streams_, entity, &Stream::entity) == streams_.end()) streams_.push_back({entity, 1, {}});
  }
  live();
}

void Subscriber::live() {
  world_->schedule.after(world_->dice.between(1'000, 60'000), [this] {
    live();
    if (!wire_)
      if (auto* at = find_entrance_()) connect(*at);
  });
}

void Subscriber::connect(Entrance& node) {
  const auto number = ++wires_;
  const auto pace = world_->calm ? Micros{20} : pace_;
  if (pace > 1'000) world_->count("slow subscriber");
  wire_.emplace(Wire{&node, Inbox::make(*world_, world_->settings.network_pace), Inbox::make(*world_, pace), nullptr});
  const std::weak_ptr down = wire_->down;
  wire_->session =
      std::make_shared<Session>(*world_, node, node.gateway().new_session(),
                                Session::Client{[this, number, down](std::uint32_t follow, runtime::EventSlice events) {
                                                  if (const auto still = down.lock())
                                                    still->send([this, number, follow, events = std::move(events)] {
                                                      if (number == wires_) take(follow, events);
                                                    });
                                                },
                                                [this, number, down](std::uint32_t follow, const Error& error) {
                                                  if (const auto still = down.lock())
                                                    still->send([this, number, follow, error] {
                                                      if (number == wires_) refused(follow, error);
                                                    });
                                                }});
  node.open_session(wire_->session);
  std::vector<std::pair<EntityId, Offset>> follows;
  for (const auto& stream : streams_) follows.emplace_back(stream.entity, stream.next);
  wire_->up->send([session = wire_->session.get(), follows] { session->follow_all(follows); });
}

void Subscriber::disconnected() {
  if (!wire_) return;
  wire_->up->close();
  wire_->down->close();
  wire_.reset();
  ++wires_;
}

void Subscriber::node_died(const Entrance& node) {
  if (!wire_ || wire_->at != &node) return;
  // What the node had sent may still arrive.
  if (world_->dice.chance(0.5)) std::shared_ptr(wire_->down)->flush();
  disconnected();
}

void Subscriber::break_connection() {
  if (!wire_) return;
  world_->count("subscriber disconnected");
  wire_->at->close_session(wire_->session->id());
  disconnected();
}

void Subscriber::take(std::uint32_t follow, const runtime::EventSlice& events) {
  auto& stream = streams_.at(follow);
  if (events.first != stream.next)
    world_->broken("P4: resumable", name_ + " follows " + stream.entity.text() + ", wants offset " +
                                        std::to_string(stream.next) + " and gets " + std::to_string(events.first));
  for (const auto* event : events.events) stream.seen.emplace(stream.next++, *event);
  if (wire_) wire_->up->send([session = wire_->session.get(), count = events.events.size()] { session->taken(count); });
}

void Subscriber::refused(std::uint32_t follow, const Error& error) {
  auto& stream = streams_.at(follow);
  if (error.code == ErrorCode::TRUNCATED) {
    world_->count("follow behind retention");
    if (error.first_offset <= stream.next)
      world_->broken("P4: resumable", "retention says " + std::to_string(error.first_offset) + " comes after " +
                                          std::to_string(stream.next) + " in " + stream.entity.text());
    stream.next = error.first_offset;
  } else if (error.code != ErrorCode::UNAVAILABLE) {
    world_->broken("P4: resumable", name_ + " cannot follow " + stream.entity.text() + " from " +
                                        std::to_string(stream.next) + ": " + to_string(error));
  }
  break_connection();
}

}  // namespace carillon::simulation
