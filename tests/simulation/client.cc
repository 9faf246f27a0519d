#include "tests/simulation/client.h"

#include <algorithm>
#include <utility>

#include "runtime/behaviour.h"
#include "tests/simulation/towns.h"

namespace carillon::simulation {
namespace {

client::Outbox::Limits limits_of(Dice& dice) {
  return {.batch_events_max = dice.pick<std::size_t>({1, 3, 10, 100}),
          .calls_in_flight_max = dice.pick<std::size_t>({1, 2, 8})};
}

// Another one for each event of a client.
std::string trace_of(Sequence sequence) {
  auto digits = std::to_string(sequence);
  return "00-" + std::string(32 - digits.size(), '0') + digits + "-00f067aa0ba902b7-01";
}

}  // namespace

Client::Client(World& world, FindEntrance find_entrance, std::string_view name)
    : world_(&world),
      find_entrance_(std::move(find_entrance)),
      producer_(ProducerId::client(name).value()),
      outbox_(limits_of(world.dice)),
      write_every_(world.settings.faults_until / static_cast<Micros>(world.settings.client_events)) {
  live();
}

Client::~Client() { disconnected(); }

void Client::live() {
  world_->schedule.after(world_->calm ? 1'000 : world_->dice.between(0, 2 * write_every_), [this] {
    live();
    if (!wire_)
      if (auto* at = find_entrance_()) connect(*at);
    write_some();
    // A call seems lost: it is made again while the first one is still under way.
    if (!world_->calm && !calls_.empty() && world_->dice.chance(0.02)) {
      world_->count("call made again before its answer");
      const auto call = calls_[world_->dice.below(calls_.size())];
      std::erase(calls_, call);
      take_in(outbox_.failed(call));
    }
    if (!world_->calm && wire_ && letters_.size() > repeatable_from_ && world_->dice.chance(0.05)) {
      const auto& letter = letters_[repeatable_from_ + world_->dice.below(letters_.size() - repeatable_from_)];
      // Only what was acknowledged before: all others are the outbox's to send.
      if (outbox_.empty()) {
        world_->count("acknowledged event sent again");
        send_stray(letter);
      }
    }
    pump();
  });
}

void Client::connect(Entrance& at) {
  wire_.emplace(Wire{&at, Inbox::make(*world_, world_->settings.network_pace),
                     Inbox::make(*world_, world_->settings.network_pace), 0});
  const auto number = ++wires_;
  wire_->id = at.gateway().connect(
      producer_, [this, number, down = std::weak_ptr(wire_->down)](std::uint64_t call, auto refusals) {
        if (const auto still = down.lock())
          still->send([this, number, call, refusals = std::move(refusals)] {
            if (number == wires_) answered(call, refusals);
          });
      });
}

void Client::disconnected() {
  if (!wire_) return;
  wire_->up->close();
  wire_->down->close();
  wire_.reset();
  ++wires_;
  calls_.clear();
  strays_.clear();
  strays_under_way_ = 0;
  outbox_.disconnected();
}

void Client::node_died(const Entrance& node) {
  if (!wire_ || wire_->at != &node) return;
  // What the node had sent may still arrive.
  if (world_->dice.chance(0.5)) std::shared_ptr(wire_->down)->flush();
  disconnected();
}

void Client::break_connection() {
  if (!wire_) return;
  world_->count("publisher disconnected");
  // What was sent may still arrive, before what comes by the next connection.
  if (world_->dice.chance(0.5)) std::shared_ptr(wire_->up)->flush();
  wire_->at->gateway().disconnect(wire_->id);
  disconnected();
}

void Client::write_some() {
  for (auto some = world_->dice.between(0, 3); some > 0 && letters_.size() < world_->settings.client_events; --some) {
    auto& letter = letters_.emplace_back(next_letter());
    if (letter.sequence % 3 != 0) letter.traceparent = trace_of(letter.sequence);
    CHECK(outbox_.offer({letter.entity, letter.type, letter.payload, letter.sequence, letter.traceparent}));
  }
}

Letter Client::next_letter() {
  auto& dice = world_->dice;
  const auto& settings = world_->settings;
  const Sequence sequence = letters_.size() + 1;
  const auto id = std::string(producer_.name()) + "/" + std::to_string(sequence);
  const auto player = "p" + std::to_string(dice.below(settings.players));
  if (dice.chance(0.15)) return {"player/" + player, std::string(Seen::kType), to_json(Seen{.id = id}), sequence};
  const auto town = (dice.chance(0.5) ? "town/" : "road/") + std::to_string(dice.below(settings.towns));
  const auto towns = static_cast<std::uint32_t>(settings.towns);
  if (settings.poison && dice.chance(0.05)) {
    if (dice.chance(0.5)) return {town, std::string(Bomb::kType), to_json(Bomb{.id = id}), sequence};
    return {town, std::string(Visit::kType), R"({"id":")" + id + R"(","hops":"not a number"})", sequence};
  }
  if (dice.chance(0.08))
    return {town, std::string(Crowd::kType),
            to_json(Crowd{.id = id,
                          .notifications = static_cast<std::uint32_t>(dice.below(30)),
                          .players = static_cast<std::uint32_t>(settings.players)}),
            sequence};
  const Visit visit{.id = id,
                    .player = dice.chance(0.7) ? player : "",
                    .hops = static_cast<std::uint32_t>(dice.chance(0.4) ? dice.below(5) : 0),
                    .towns = towns};
  if (settings.failing_chance > 0 && dice.chance(0.1))
    return {town, std::string(Gamble::kType), to_json(Gamble{.visit = visit}), sequence};
  auto payload = to_json(visit);
  if (settings.padding_bytes > 0 && dice.chance(0.3))  // A field of a later version, as far as towns know.
    payload.insert(payload.size() - 1, R"(,"padding":")" + std::string(settings.padding_bytes, '.') + '"');
  return {town, std::string(Visit::kType), std::move(payload), sequence};
}

void Client::pump() {
  while (wire_) {
    const auto call = outbox_.next_call();
    if (call.id == 0) return;
    std::vector<Letter> letters;
    for (const auto& publication : call.batch)
      letters.push_back({std::string(publication.entity), std::string(publication.type),
                         std::string(publication.payload), publication.sequence, std::string(publication.traceparent)});
    calls_.push_back(call.id);
    send(call.id, std::move(letters));
  }
}

void Client::send(std::uint64_t call, std::vector<Letter> letters) {
  wire_->up->send([node = wire_->at, connection = wire_->id, call, letters = std::move(letters)] {
    node->gateway().publish(connection, call, letters);
  });
}

void Client::send_stray(const Letter& letter) {
  ++strays_under_way_;
  const auto call = ++last_stray_;
  strays_.emplace(call, letter);
  send(call, {letter});
}

void Client::answered(std::uint64_t call, std::vector<client::Outbox::Refusal> refusals) {
  if (const auto stray = strays_.find(call); stray != strays_.end()) {
    const auto letter = stray->second;
    strays_.erase(stray);
    --strays_under_way_;
    // Once refused it must come again, or the gateway lets nothing pass.
    if (!refusals.empty()) send_stray(letter);
    return;
  }
  if (std::erase(calls_, call) == 0) return;  // Its answer came too late.
  take_in(outbox_.answered(call, std::move(refusals)));
  pump();
}

void Client::take_in(const client::Outbox::Outcome& outcome) {
  if (!outcome.refused.empty())
    world_->broken("every event is welcome", "refused for good: " + to_string(outcome.refused.front().error));
  if (!outcome.pause) return;
  world_->schedule.after(outcome.pause->count() * 1'000, [this, number = wires_] {
    if (number != wires_) return;
    outbox_.resume();
    pump();
  });
}

}  // namespace carillon::simulation
