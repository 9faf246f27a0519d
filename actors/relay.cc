#include "actors/relay.h"

#include "actors/link.h"

namespace carillon::actors {
namespace {

using Self = caf::stateful_actor<RelayState>*;

constexpr std::chrono::milliseconds kTick{200};

// Passes on to the other side of whoever says it; nobody else is heard.
template <class Atom>
void pass_on(Self self, Atom atom, std::string& bytes) {
  auto& state = self->state;
  auto& options = *state.options;
  const auto& sender = self->current_sender();
  if (!sender) return;
  if (sender == options.caller) {
    state.heard_caller = Clock::now();
    return self->send(caf::actor_cast<caf::actor>(options.target), atom, std::move(bytes));
  }
  if (!state.answered && sender->node() == options.target->node()) {
    state.answered = true;
    self->demonitor(options.target->address());
    options.target = sender;
    self->monitor(options.target->address());
  }
  if (sender != options.target) return;
  state.heard_target = Clock::now();
  self->send(caf::actor_cast<caf::actor>(options.caller), atom, std::move(bytes));
}

}  // namespace

caf::behavior relay(Self self, RelayOptions options) {
  auto& state = self->state;
  state.options.emplace(std::move(options));
  state.heard_caller = state.heard_target = Clock::now();
  self->monitor(state.options->caller->address());
  self->monitor(state.options->target->address());
  self->set_down_handler([=](const caf::down_msg&) { self->quit(); });
  // Messages of other nodes may hold anything.
  self->set_default_handler(
      [](caf::scheduled_actor*, caf::message_view&) -> caf::result<caf::message> { return caf::message(); });
  self->delayed_send(self, kTick, TickDue{});
  return {
      [=](knock_atom atom, std::string& bytes) { pass_on(self, atom, bytes); },
      [=](frame_atom atom, std::string& bytes) { pass_on(self, atom, bytes); },
      [=](TickDue) {
        const auto& relayed = self->state;
        if (Clock::now() - std::min(relayed.heard_caller, relayed.heard_target) > relayed.options->silence_max)
          return self->quit();
        self->delayed_send(self, kTick, TickDue{});
      },
      [=](Dismiss) { self->quit(); },
  };
}

}  // namespace carillon::actors
