#include "actors/hub.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "actors/latency.h"
#include "actors/time_slice.h"

namespace carillon::actors {
namespace {

using Self = caf::stateful_actor<HubActorState>*;

constexpr std::chrono::seconds kSaysWhyFor{2};
constexpr std::chrono::milliseconds kCrowdedPause{20};

// Whoever asks in the next moments is told why.
void give_up(Self self, const Error& error) {
  spdlog::error("hub {} cannot go on and will be started anew: {}", self->state.options->fold.hub.text(),
                to_string(error));
  self->state.fold.reset();
  self->state.problem = error;
  self->delayed_send(self, kSaysWhyFor, Dismiss{});
}

void rest_if_idle(Self self) {
  auto& state = self->state;
  if (!state.fold || !state.fold->idle()) return;
  self->send(state.partition,
             Rest{state.fold->hub(), state.options->incarnation, state.fold->folded(), state.fold->final_snapshot()});
}

// A step of events that are cheap has many of them, one of events that are not has few.
Result<runtime::Fold::Outcome> step_of(HubActorState& state) {
  const auto begin = Clock::now();
  const auto before = state.fold->folded();
  auto outcome = state.fold->step(state.events_per_step);
  if (const auto events = state.fold->folded() - before; events > 0) {
    const auto per_event = std::chrono::nanoseconds(Clock::now() - begin) / events + std::chrono::nanoseconds(1);
    state.events_per_step = std::clamp<std::size_t>(static_cast<std::size_t>(state.options->step / per_event), 1,
                                                    state.options->events_per_step_max);
  }
  return outcome;
}

void work(Self self) {
  auto& state = self->state;
  if (!state.fold) return;
  if (state.options->aside && !std::exchange(state.aside, true))
    let_others_go_first();  // The thread is this actor's own.
  state.busy_since_rest_due = true;
  auto step = step_of(state);
  if (!step) return give_up(self, step.error());
  const bool failed = step->failure.has_value();
  const bool news = !step->emissions.empty() || step->snapshot || failed || state.reported != state.fold->folded();
  const bool more = step->more && !failed;
  if (news) {
    state.reported = state.fold->folded();
    self->send(state.partition, runtime::HubReport{state.fold->hub(), state.options->incarnation, state.fold->folded(),
                                                   state.fold->cursor(), std::move(step->emissions),
                                                   std::move(step->snapshot), std::move(step->failure)});
  }
  if (failed) {
    state.fold.reset();  // Half changed perhaps; the partition dismisses this actor.
  } else if (more && !state.continuing) {
    state.continuing = true;
    self->send(self, ContinueDue{});
  } else if (step->crowded && !state.continuing) {
    state.continuing = true;
    self->delayed_send(self, kCrowdedPause, ContinueDue{});
  } else if (state.rest_soon) {
    rest_if_idle(self);
  }
}

void rest_due(Self self) {
  auto& state = self->state;
  if (!std::exchange(state.busy_since_rest_due, false)) rest_if_idle(self);
  self->delayed_send(self, state.options->fold.limits.passivate_after, RestDue{});
}

void inspect(Self self, const InspectHub& request) {
  const auto& fold = self->state.fold;
  if (!fold)
    return request.answer(self->state.problem.value_or(
        Error{ErrorCode::UNAVAILABLE, "the hub is being started anew; try again in a moment"}));
  request.answer(InspectHub::Answer{fold->cursor(), fold->state_json(), fold->behaviour_version()});
}

}  // namespace

caf::behavior hub(Self self, HubOptions options, std::shared_ptr<const runtime::Storage> storage,
                  caf::actor partition) {
  auto& state = self->state;
  state.options.emplace(std::move(options));
  state.storage = std::move(storage);
  state.partition = std::move(partition);
  auto opened = runtime::Fold::open(state.options->fold, state.options->behaviour, *state.storage);
  if (opened) {
    state.fold.emplace(std::move(*opened));
    self->delayed_send(self, state.options->fold.limits.passivate_after, RestDue{});
  } else {
    give_up(self, opened.error());
  }
  return {
      [=](FeedHub& feed) {
        if (!self->state.fold) return;
        if (feed.catch_up > 0) self->state.fold->catch_up(feed.catch_up);
        for (auto& slice : feed.events) self->state.fold->hand(std::move(slice));
        work(self);
      },
      [=](const EmissionsAcknowledged& acknowledged) {
        if (!self->state.fold) return;
        self->state.fold->acknowledged(acknowledged.by, acknowledged.upto);
        work(self);
      },
      [=](ContinueDue) {
        self->state.continuing = false;
        work(self);
      },
      [=](const RestartHubs& restart) {
        const auto& fold = self->state.fold;
        if (fold && fold->outstanding(restart.target))
          self->send(self->state.partition, HubStale{fold->hub(), self->state.options->incarnation});
      },
      [=](RestDue) { rest_due(self); },
      [=](RestSoon) {
        if (self->state.problem) return self->quit();
        self->state.rest_soon = true;
        rest_if_idle(self);
      },
      [=](const InspectHub& request) { inspect(self, request); },
      [=](Dismiss) { self->quit(); },
  };
}

}  // namespace carillon::actors
