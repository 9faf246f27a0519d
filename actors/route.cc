#include "actors/route.h"

#include <utility>

namespace carillon::actors {
namespace {

using Self = caf::stateful_actor<RouteState>*;

constexpr std::chrono::milliseconds kTick{100};

Error no_primary() {
  return {ErrorCode::UNAVAILABLE, "the partition has no primary that can be reached; try again soon"};
}
Error way_lost() {
  return {ErrorCode::UNAVAILABLE, "the partition's primary was lost; it is not known whether it was done, look again"};
}

const Standing& standing(const RouteState& state) {
  return *(*state.options->standings)[state.options->partition.value];
}

bool is_read(const RouteState::Asked& request) { return !std::holds_alternative<StartOperation>(request); }

// The link to the primary, if it is another node and can be reached.
caf::actor link_of(const RouteState& state) {
  if (!state.record) return nullptr;
  const auto& node = state.record->primary.node;
  const auto up = state.up.find(node);
  if (node == state.options->self || node == state.refused_by || up == state.up.end() || !up->second) return nullptr;
  return state.links.at(node);
}

// --- Refusing.

void refuse(Self self, const Publish& message, const Error& error) {
  const auto session = self->state.sessions.find(message.request.session);
  if (session == self->state.sessions.end()) return;
  const auto& request = message.request;
  runtime::Published refused{request.session, request.call, 0, 0, {}, request.items.front().index};
  for (const auto& item : request.items) refused.refusals.push_back({item.index, error});
  session->second.answer(std::move(refused));
}
void refuse(Self, const EmissionsArrived&, const Error&) {}
void refuse(Self self, const FollowEntity& request, const Error& error) {
  const auto session = self->state.sessions.find(request.follower.session);
  if (session != self->state.sessions.end())
    self->send(session->second.actor, Following{request.follower.follow, error});
}
template <class Question>
void refuse(Self, const Question& question, const Error& error) {
  question.answer(error);
}

// --- Passing on to this node's own partition.

template <class T>
void pass_on_here(Self self, T& message) {
  self->send(self->state.local.actor, std::move(message));
}
void pass_on_here(Self self, Publish& message) {
  if (!standing(self->state).may_publish.load(std::memory_order_relaxed))
    return refuse(self, message, too_few_in_sync());
  message.life = self->state.local.life;
  self->send(self->state.local.actor, std::move(message));
}

// --- Passing on to another node.

template <class T>
std::uint64_t question(Self self, std::function<void(Result<T>)> answer) {
  auto& state = self->state;
  const auto number = ++state.questions;
  state.answers.emplace(number, [answer = std::move(answer)](decltype(AnswerParcel::what) what) {
    if (auto* wanted = std::get_if<T>(&what)) return answer(std::move(*wanted));
    if (auto* error = std::get_if<Error>(&what)) return answer(std::move(*error));
    answer(Error{ErrorCode::UNAVAILABLE, "another node gave an answer to another question"});
  });
  return number;
}

auto parcel_of(Self, Publish& message) { return PublishParcel{std::move(message.request)}; }
auto parcel_of(Self, EmissionsArrived& message) { return EmissionsParcel{message.from, std::move(message.emissions)}; }
auto parcel_of(Self, FollowEntity& message) { return FollowParcel{message.follower, std::move(message.entity)}; }
auto parcel_of(Self self, ReadPage& message) {
  return QuestionParcel{question(self, std::move(message.answer)),
                        QuestionParcel::ReadPage{std::move(message.entity), message.from, message.limits}};
}
auto parcel_of(Self self, InspectEntity& message) {
  return QuestionParcel{question(self, std::move(message.answer)), QuestionParcel::Inspect{std::move(message.entity)}};
}
auto parcel_of(Self self, ListDeadLetters& message) {
  return QuestionParcel{question(self, std::move(message.answer)),
                        QuestionParcel::ListDeadLetters{std::move(message.entity), message.most}};
}
auto parcel_of(Self self, InspectHub& message) {
  return QuestionParcel{question(self, std::move(message.answer)), QuestionParcel::InspectHub{std::move(message.hub)}};
}
auto parcel_of(Self self, StartOperation& message) {
  return QuestionParcel{question(self, std::move(message.answer)),
                        QuestionParcel::Operate{std::move(message.entity), message.offset, message.redrive}};
}

template <class T>
void pass_on_to(Self self, const caf::actor& link, T& message) {
  self->send(link, SendParcel{{self->state.options->partition, parcel_of(self, message)}});
}

// --- The way.

// Passes on what waits, as far as there is a way.
template <class Queue, class May>
void pass_on_waiting(Self self, Queue& queue, May may_here) {
  auto& state = self->state;
  while (!queue.empty()) {
    auto& request = queue.front().request;
    if (state.local.actor) {
      if (!may_here(request)) return;
      std::visit([&](auto& message) { pass_on_here(self, message); }, request);
    } else if (const auto link = link_of(state)) {
      std::visit([&](auto& message) { pass_on_to(self, link, message); }, request);
    } else {
      return;
    }
    state.used = true;
    queue.pop_front();
  }
}

void pass_on_waiting(Self self) {
  auto& state = self->state;
  if (!state.sends.empty()) pass_on_waiting(self, state.sends, [](const auto&) { return true; });
  if (!state.asks.empty())
    pass_on_waiting(self, state.asks,
                    [&](const RouteState::Asked& request) { return !is_read(request) || standing(state).may_read(); });
}

void take(Self self, RouteState::Sent request) {
  auto& state = self->state;
  if (state.sends.size() >= state.options->settings.waiting_max && std::holds_alternative<Publish>(request))
    return refuse(self, std::get<Publish>(request), no_primary());
  state.sends.push_back({std::move(request), Clock::now()});
  pass_on_waiting(self);
}

void take(Self self, RouteState::Asked request) {
  auto& state = self->state;
  if (state.asks.size() >= state.options->settings.waiting_max)
    return std::visit([&](const auto& message) { refuse(self, message, no_primary()); }, request);
  state.asks.push_back({std::move(request), Clock::now()});
  pass_on_waiting(self);
}

// What was passed on and not answered is void; what waits has not been sent, but belongs to the same promise.
void way_is_lost(Self self) {
  auto& state = self->state;
  if (!std::exchange(state.used, false)) return;
  const auto id = state.options->partition;
  ++state.life;
  state.sends.clear();
  state.options->reloaded(id, state.life);
  for (auto& [number, answer] : std::exchange(state.answers, {})) answer(way_lost());
  for (const auto& [session, opened] : state.sessions) self->send(opened.actor, PartitionReloaded{id});
  if (state.routes)
    for (const auto& route : *state.routes) self->send(route, RestartHubs{id});
}

void record_changed(Self self, const RecordChanged& news) {
  auto& state = self->state;
  const auto primary_of = [](const auto& record) { return record ? record->primary.node : NodeName(); };
  if (state.record && news.record && news.record->epoch <= state.record->epoch) {
    state.record->replicas = news.record->replicas;
    return;
  }
  const auto before = primary_of(state.record);
  state.record = news.record;
  state.refused_by.clear();
  // Whatever was sent to the old one, here or elsewhere, may be lost.
  if (primary_of(state.record) != before && !(before == state.options->self && state.local.actor)) way_is_lost(self);
  pass_on_waiting(self);
}

void serving_changed(Self self, const Serving& news) {
  auto& state = self->state;
  const bool was_here = state.local.actor != nullptr;
  const bool changed = state.local.actor != news.actor || state.local.life != news.life;
  state.local = news;
  if (was_here && changed) way_is_lost(self);
  if (state.local.actor && changed)
    for (const auto& [session, opened] : state.sessions) self->send(state.local.actor, opened);
  pass_on_waiting(self);
}

void tick(Self self) {
  auto& state = self->state;
  state.refused_by.clear();
  pass_on_waiting(self);
  const auto late = Clock::now() - state.options->settings.patience;
  const auto give_up = [&](auto& queue, auto is_patient) {
    std::erase_if(queue, [&](auto& waiting) {
      if (waiting.since > late || is_patient(waiting.request)) return false;
      std::visit([&](const auto& message) { refuse(self, message, no_primary()); }, waiting.request);
      return true;
    });
  };
  give_up(state.sends, [](const auto& request) { return std::holds_alternative<EmissionsArrived>(request); });
  give_up(state.asks, [](const auto&) { return false; });
  self->delayed_send(self, kTick, TickDue{});
}

// --- From other nodes.

struct FromPeer {
  Self self;
  const NodeName& from;

  RouteState& state() const { return self->state; }
  bool is_from_primary() const { return state().record && state().record->primary.node == from; }

  void operator()(PublishedParcel& parcel) const {
    const auto session = state().sessions.find(parcel.published.session);
    if (session != state().sessions.end()) session->second.answer(std::move(parcel.published));
  }
  void operator()(const FollowingParcel& parcel) const {
    const auto session = state().sessions.find(parcel.session);
    if (session != state().sessions.end()) self->send(session->second.actor, parcel.answer);
  }
  void operator()(DeliveriesParcel& parcel) const {
    const auto session = state().sessions.find(parcel.session);
    if (session != state().sessions.end())
      self->send(session->second.actor, NotificationsCommitted{std::move(parcel.deliveries), Clock::now()});
  }
  void operator()(const ReloadedParcel&) const {
    if (is_from_primary() && !state().local.actor) way_is_lost(self);
  }
  void operator()(const NotPrimaryParcel&) const {
    if (!is_from_primary() || state().local.actor) return;
    state().refused_by = from;
    way_is_lost(self);
  }
  void operator()(AnswerParcel& parcel) const {
    const auto found = state().answers.find(parcel.number);
    if (found == state().answers.end()) return;
    const auto answer = std::move(found->second);
    state().answers.erase(found);
    answer(std::move(parcel.what));
  }
  template <class Other>
  void operator()(const Other&) const {}  // Not for a route.
};

PartitionStats stats(const RouteState& state) {
  PartitionStats stats;
  stats.partition = state.options->partition;
  stats.reloads = state.life;
  stats.available = link_of(state) != nullptr;
  if (!stats.available) stats.problem = no_primary().message;
  return stats;
}

void session_closed(Self self, const SessionClosed& closed) {
  auto& state = self->state;
  state.sessions.erase(closed.session);
  if (state.local.actor) return self->send(state.local.actor, closed);
  if (const auto link = link_of(state))
    self->send(link, SendParcel{{state.options->partition, SessionClosedParcel{closed.session}}});
}

}  // namespace

caf::behavior route(Self self, RouteOptions options) {
  self->state.options.emplace(std::move(options));
  self->send(self, TickDue{});
  return {
      [=](Publish& message) {
        // Of an earlier life: refused when that ended.
        if (message.life == self->state.life) take(self, RouteState::Sent(std::move(message)));
      },
      [=](EmissionsArrived& message) { take(self, RouteState::Sent(std::move(message))); },
      [=](EmissionsAccepted& message) {
        auto& state = self->state;
        if (state.local.actor) return self->send(state.local.actor, std::move(message));
        if (const auto link = link_of(state))
          self->send(link, SendParcel{{state.options->partition,
                                       EmissionsAcceptedParcel{message.by, std::move(message.acks)}}});
      },
      [=](FollowEntity& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](ReadPage& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](InspectEntity& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](ListDeadLetters& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](InspectHub& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](StartOperation& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](const SessionOpened& opened) {
        self->state.sessions[opened.session] = opened;
        if (self->state.local.actor) self->send(self->state.local.actor, opened);
      },
      [=](const SessionClosed& closed) { session_closed(self, closed); },
      [=](const RestartHubs& restart) {
        if (self->state.local.actor) self->send(self->state.local.actor, restart);
      },
      [=](const AskStats& ask) {
        if (self->state.local.actor) return self->send(self->state.local.actor, ask);
        ask.answer(stats(self->state));
      },
      [=](ParcelArrived& arrived) {
        std::visit([&](auto& content) { FromPeer{self, arrived.from}(content); }, arrived.parcel.content);
      },
      [=](const Serving& news) { serving_changed(self, news); },
      [=](const RecordChanged& news) { record_changed(self, news); },
      [=](const PeerKnown& peer) { self->state.links[peer.node] = peer.link; },
      [=](const LinkUp& news) {
        self->state.up[news.node] = true;
        pass_on_waiting(self);
      },
      [=](const LinkLost& news) {
        auto& state = self->state;
        state.up[news.node] = false;
        if (!state.local.actor && state.record && state.record->primary.node == news.node) way_is_lost(self);
      },
      [=](const Peers& peers) { self->state.routes = peers.partitions; },
      [=](TickDue) { tick(self); },
      [=](Stop) { self->quit(); },
  };
}

}  // namespace carillon::actors
