#include "actors/route.h"

#include <algorithm>
#include <utility>

namespace carillon::actors {
namespace {

using Self = caf::stateful_actor<RouteState>*;

constexpr std::chrono::milliseconds kAskAgainAfter{20};
constexpr int kWaysLostMax = 5;  // A question over which the way is lost so often may be why.

// As CAF's clock has it, which is a test's own in a test.
Clock::time_point now(Self self) { return self->clock().now(); }

// The link to another node, in the meeting that is known.
struct Way {
  caf::actor link;
  std::uint64_t meeting = 0;
};

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

// The way to the primary, if it is another node, can be reached and is ready.
std::optional<Way> way_of(const RouteState& state) {
  if (!state.record) return std::nullopt;
  const auto& node = state.record->primary.node;
  if (node == state.options->self || !state.serving.contains(node)) return std::nullopt;
  const auto link = state.links.find(node);
  if (link == state.links.end()) return std::nullopt;  // The node is heard already, and its link not known yet.
  return Way{link->second, state.meetings.at(node)};
}

// --- Refusing.

// Publish calls are only refused all together: what follows one that was refused must not be taken (P3).
void refuse_publishes(Self self) {
  auto& state = self->state;
  ++state.life;
  std::erase_if(state.sends, [](const auto& waiting) { return std::holds_alternative<Publish>(waiting.request); });
  state.options->reloaded(state.options->partition, state.life);
}

void refuse(Self self, const FollowEntity& request, const Error& error) {
  const auto session = self->state.sessions.find(request.follower.session);
  if (session != self->state.sessions.end())
    session->second->following(session->first, {request.follower.follow, error});
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
  message.life = self->state.local.life;
  self->send(self->state.local.actor, std::move(message));
}

// --- Passing on to another node.

template <class T>
void answer_with(const std::function<void(Result<T>)>& answer, AnswerParcel& parcel) {
  if (auto* wanted = std::get_if<T>(&parcel.what)) return answer(std::move(*wanted));
  if (auto* error = std::get_if<Error>(&parcel.what)) return answer(std::move(*error));
  answer(Error{ErrorCode::UNAVAILABLE, "another node gave an answer to another question"});
}

void answer(const RouteState::Asked& request, AnswerParcel& parcel) {
  std::visit(
      [&](const auto& question) {
        if constexpr (requires { question.answer; }) answer_with(question.answer, parcel);
      },
      request);
}

// Kept until it is answered, for it may have to be asked again.
std::uint64_t note_question(Self self, const RouteState::Asked& request, int ways_lost) {
  auto& state = self->state;
  state.questions_asked.emplace(++state.questions, RouteState::Question{request, ways_lost});
  return state.questions;
}

auto parcel_of(Self self, Publish& message, int) {
  return PublishParcel{std::move(message.request), self->state.life + 1};
}
auto parcel_of(Self, EmissionsArrived& message, int) {
  return EmissionsParcel{message.from, std::move(message.emissions)};
}
auto parcel_of(Self self, FollowEntity& message, int) {
  self->state.follows_asked.insert(message.follower);
  return FollowParcel{message.follower, std::move(message.entity)};
}
auto parcel_of(Self self, ReadPage& message, int ways_lost) {
  return QuestionParcel{note_question(self, message, ways_lost),
                        QuestionParcel::ReadPage{std::move(message.entity), message.from, message.limits}};
}
auto parcel_of(Self self, InspectEntity& message, int ways_lost) {
  return QuestionParcel{note_question(self, message, ways_lost), QuestionParcel::Inspect{std::move(message.entity)}};
}
auto parcel_of(Self self, ListDeadLetters& message, int ways_lost) {
  return QuestionParcel{note_question(self, message, ways_lost),
                        QuestionParcel::ListDeadLetters{std::move(message.entity), message.most}};
}
auto parcel_of(Self self, InspectHub& message, int ways_lost) {
  return QuestionParcel{note_question(self, message, ways_lost), QuestionParcel::InspectHub{std::move(message.hub)}};
}
auto parcel_of(Self self, StartOperation& message, int ways_lost) {
  return QuestionParcel{note_question(self, message, ways_lost),
                        QuestionParcel::Operate{std::move(message.entity), message.offset, message.redrive}};
}

// A session that has closed while its request waited. Who passed it on would have it opened there, and nobody would close it.
bool is_gone(const RouteState& state, const Publish& message) {
  return !state.sessions.contains(message.request.session);
}
bool is_gone(const RouteState& state, const FollowEntity& message) {
  return !state.sessions.contains(message.follower.session);
}
template <class T>
bool is_gone(const RouteState&, const T&) {
  return false;
}

template <class T>
void pass_on_to(Self self, const Way& way, T& message, int ways_lost) {
  if (is_gone(self->state, message)) return;
  self->send(way.link, SendParcel{{self->state.options->partition, parcel_of(self, message, ways_lost)}, way.meeting});
}

// --- The way.

// Those with emissions under way to here repeat them.
void restart_hubs(Self self) {
  const auto& state = self->state;
  if (state.routes)
    for (const auto& route : *state.routes) self->send(route, RestartHubs{state.options->partition});
}

// Passes on what waits, as far as there is a way.
template <class Queue, class May>
void pass_on_waiting(Self self, Queue& queue, May may_here) {
  auto& state = self->state;
  while (!queue.empty()) {
    auto& [request, since, ways_lost, emission_bytes] = queue.front();
    if (state.local.actor) {
      if (!may_here(request)) return;
      std::visit([&](auto& message) { pass_on_here(self, message); }, request);
    } else if (const auto way = way_of(state)) {
      std::visit([&, lost = ways_lost](auto& message) { pass_on_to(self, *way, message, lost); }, request);
    } else {
      return;
    }
    state.used = true;
    state.emission_bytes -= emission_bytes;
    queue.pop_front();
  }
}

void pass_on_waiting(Self self) {
  auto& state = self->state;
  bool refused = false;
  pass_on_waiting(self, state.sends, [&](const RouteState::Sent& request) {
    refused = std::holds_alternative<Publish>(request) && !standing(state).may_publish.load(std::memory_order_relaxed);
    return !refused;
  });
  if (refused) refuse_publishes(self);
  if (state.sends.empty() && std::exchange(state.emissions_dropped, false)) restart_hubs(self);
  if (!state.local.actor && now(self) - state.not_sure_at < kAskAgainAfter) return;
  pass_on_waiting(self, state.asks,
                  [&](const RouteState::Asked& request) { return !is_read(request) || standing(state).may_read(); });
}

// --- Patience.

// Is there a primary that may be asked?
bool is_in_reach(const RouteState& state) {
  return state.local.actor ? standing(state).may_read() : way_of(state).has_value();
}

// Since when there is none, as is known now for the first time.
Clock::time_point out_of_reach_since(Self self) {
  const auto& state = self->state;
  if (!state.record || state.local.actor) return now(self);
  const auto unheard = state.unheard.find(state.record->primary.node);
  return unheard == state.unheard.end() ? now(self) : std::min(now(self), unheard->second);
}

bool is_too_long(Self self, Clock::time_point since) {
  return now(self) - since >= self->state.options->settings.patience;
}

void refuse_waiting(Self self) {
  auto& state = self->state;
  if (std::ranges::any_of(state.sends,
                          [](const auto& waiting) { return std::holds_alternative<Publish>(waiting.request); }))
    refuse_publishes(self);
  for (const auto& waiting : std::exchange(state.asks, {}))
    std::visit([&](const auto& message) { refuse(self, message, no_primary()); }, waiting.request);
}

void way_is_lost(Self self);

// To be called when anything has changed, and now and then.
void look_at_reach(Self self) {
  auto& state = self->state;
  if (is_in_reach(state))
    state.away_since.reset();
  else if (!state.away_since)
    state.away_since = out_of_reach_since(self);
  const bool give_up = state.away_since && is_too_long(self, *state.away_since);
  const bool gives_up = give_up && !state.given_up;
  state.given_up = give_up;
  // Who follows here would hear nothing; perhaps another node is better placed.
  if (gives_up && state.local.actor) way_is_lost(self);
  if (give_up) refuse_waiting(self);
}

// Whoever was asked has answered, or is another one now.
void forget_doubts(RouteState& state) {
  state.not_sure_since.reset();
  state.not_sure_at = {};
}

// A follow that is asked for and not answered costs next to nothing, and its session is limited.
bool is_full(const RouteState& state, const RouteState::Asked& request) {
  const auto most = state.options->settings.waiting_max;
  return state.asks.size() >= most ||
         (!std::holds_alternative<FollowEntity>(request) && state.questions_asked.size() >= most);
}

// The primary is not sure: not before a moment has passed.
void ask_again(Self self, RouteState::Asked request, int ways_lost) {
  auto& state = self->state;
  if (!state.not_sure_since || is_too_long(self, state.not_sure_at)) state.not_sure_since = now(self);
  state.not_sure_at = now(self);
  if (is_too_long(self, *state.not_sure_since) || is_full(state, request))
    return std::visit([&](const auto& message) { refuse(self, message, no_primary()); }, request);
  state.asks.push_back({std::move(request), now(self), ways_lost});
  self->delayed_send(self, kAskAgainAfter, AskAgainDue{});
}

void take(Self self, RouteState::Sent request) {
  auto& state = self->state;
  const auto& settings = state.options->settings;
  if (const auto* arrived = std::get_if<EmissionsArrived>(&request)) {
    // A hub that is started anew meanwhile repeats all it has under way, and may be so again and again.
    if (state.emission_bytes >= settings.emission_bytes_max) {
      state.emissions_dropped = true;
      return;
    }
    const auto bytes = bytes_of(arrived->emissions);
    state.emission_bytes += bytes;
    state.sends.push_back({.request = std::move(request), .since = now(self), .emission_bytes = bytes});
  } else {
    const bool full = state.sends.size() >= settings.waiting_max;
    state.sends.push_back({std::move(request), now(self)});
    if (full || state.given_up) return refuse_publishes(self);
  }
  pass_on_waiting(self);
}

void take(Self self, RouteState::Asked request) {
  auto& state = self->state;
  if (state.given_up || is_full(state, request))
    return std::visit([&](const auto& message) { refuse(self, message, no_primary()); }, request);
  state.asks.push_back({std::move(request), now(self)});
  pass_on_waiting(self);
}

// What was passed on and not answered is void; what waits has not been sent, but belongs to the same promise.
void way_is_lost(Self self) {
  auto& state = self->state;
  if (!std::exchange(state.used, false)) return;
  const auto id = state.options->partition;
  refuse_publishes(self);
  state.sends.clear();
  state.emission_bytes = 0;
  state.follows_asked.clear();
  // Their sessions ask for them again.
  std::erase_if(state.asks, [](const auto& waiting) { return std::holds_alternative<FollowEntity>(waiting.request); });
  for (auto& [number, question] : std::exchange(state.questions_asked, {})) {
    AnswerParcel lost{number, way_lost()};
    if (is_read(question.request) && question.ways_lost < kWaysLostMax)
      state.asks.push_back({std::move(question.request), now(self), question.ways_lost + 1});
    else
      answer(question.request, lost);
  }
  for (const auto& [session, host] : state.sessions) host->reloaded(session, id);
  restart_hubs(self);
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
  if (primary_of(state.record) != before) {
    state.away_since.reset();
    forget_doubts(state);
    // Whatever was sent to the old one may be lost. A primary here is the way for as long as it serves, whatever is said.
    if (!state.local.actor) way_is_lost(self);
  }
  look_at_reach(self);
  pass_on_waiting(self);
}

void serving_changed(Self self, const Serving& news) {
  auto& state = self->state;
  const bool changed = state.local.actor != news.actor || state.local.life != news.life;
  state.local = news;
  if (changed) state.away_since.reset();
  if (changed) way_is_lost(self);  // Also one to another node, of whose end the news comes later.
  if (state.local.actor && changed)
    for (const auto& [session, host] : state.sessions) self->send(state.local.actor, SessionOpened{session, host});
  look_at_reach(self);
  pass_on_waiting(self);
}

void tick(Self self) {
  auto& state = self->state;
  look_at_reach(self);
  pass_on_waiting(self);
  const auto late = now(self) - state.options->settings.patience;
  if (std::ranges::any_of(state.sends, [&](const auto& waiting) {
        return waiting.since <= late && std::holds_alternative<Publish>(waiting.request);
      }))
    refuse_publishes(self);
  std::erase_if(state.asks, [&](auto& waiting) {
    if (waiting.since > late) return false;
    std::visit([&](const auto& message) { refuse(self, message, no_primary()); }, waiting.request);
    return true;
  });
}

// --- From other nodes.

struct FromPeer {
  Self self;
  const NodeName& from;

  RouteState& state() const { return self->state; }
  bool is_from_primary() const { return state().record && state().record->primary.node == from; }

  void operator()(PublishedParcel& parcel) const {
    forget_doubts(state());
    const auto session = state().sessions.find(parcel.published.session);
    if (session != state().sessions.end()) session->second->published(std::move(parcel.published));
  }
  void operator()(const FollowingParcel& parcel) const {
    forget_doubts(state());
    // One of before answers late what the primary of now has been asked, and may still be unsure of.
    if (is_from_primary() && !state().local.actor) state().follows_asked.erase({parcel.session, parcel.answer.follow});
    const auto session = state().sessions.find(parcel.session);
    if (session != state().sessions.end()) session->second->following(session->first, parcel.answer);
  }
  void operator()(DeliveriesParcel& parcel) const {
    const auto session = state().sessions.find(parcel.session);
    if (session != state().sessions.end())
      session->second->committed({{session->first, std::move(parcel.deliveries)}}, Clock::now());
  }
  void operator()(const ReloadedParcel&) const {
    if (is_from_primary() && !state().local.actor) way_is_lost(self);
  }
  void operator()(const PublishRefusedParcel& parcel) const {
    if (parcel.way == state().life + 1) refuse_publishes(self);
  }
  void operator()(const NotPrimaryParcel&) const {
    state().serving.erase(from);
    if (!is_from_primary() || state().local.actor) return;
    way_is_lost(self);
    look_at_reach(self);
  }
  void operator()(const PrimaryHereParcel& parcel) const {
    state().serving.insert(from);
    // It is heard sooner than etcd's watch tells, and also when there is no etcd any more.
    if (state().record && parcel.epoch > state().record->epoch) {
      auto record = *state().record;
      record.epoch = parcel.epoch;
      record.primary = {from, {}};
      return record_changed(self, {std::move(record), 0});
    }
    if (!is_from_primary() || state().local.actor) return;
    forget_doubts(state());
    look_at_reach(self);
    pass_on_waiting(self);
  }
  void operator()(NotSureParcel& parcel) const {
    if (!is_from_primary()) return;  // Its way is lost, and everybody has been told.
    if (auto* follow = std::get_if<FollowParcel>(&parcel.what)) {
      if (state().follows_asked.erase(follow->follower) > 0)  // Else nobody wants it any more.
        ask_again(self, FollowEntity{follow->follower, std::move(follow->entity)}, 0);
    } else if (auto question = taken(std::get<std::uint64_t>(parcel.what))) {
      ask_again(self, std::move(question->request), question->ways_lost);
    }
  }
  void operator()(AnswerParcel& parcel) const {
    forget_doubts(state());
    if (const auto question = taken(parcel.number)) answer(question->request, parcel);
  }
  template <class Other>
  void operator()(const Other&) const {}  // Not for a route.

  std::optional<RouteState::Question> taken(std::uint64_t question) const {
    auto node = state().questions_asked.extract(question);
    if (node.empty()) return std::nullopt;
    return std::move(node.mapped());
  }
};

void unfollow(Self self, const UnfollowEntity& request) {
  auto& state = self->state;
  // What waits, or is to be asked again, must not be followed later.
  state.follows_asked.erase(request.follower);
  std::erase_if(state.asks, [&](const auto& waiting) {
    const auto* follow = std::get_if<FollowEntity>(&waiting.request);
    return follow != nullptr && follow->follower == request.follower;
  });
  if (state.local.actor) return self->send(state.local.actor, request);
  if (const auto way = way_of(state))
    self->send(way->link,
               SendParcel{{state.options->partition, UnfollowParcel{request.follower, request.entity}}, way->meeting});
}

PartitionStats stats(const RouteState& state) {
  PartitionStats stats;
  stats.partition = state.options->partition;
  stats.add(state.counted_before);
  stats.available = is_in_reach(state);
  if (!stats.available) stats.problem = no_primary().message;
  return stats;
}

void session_closed(Self self, const SessionClosed& closed) {
  auto& state = self->state;
  state.sessions.erase(closed.session);
  auto& asked = state.follows_asked;
  asked.erase(asked.lower_bound({closed.session, 0}), asked.lower_bound({closed.session + 1, 0}));
  if (state.local.actor) return self->send(state.local.actor, closed);
  if (const auto way = way_of(state))
    self->send(way->link, SendParcel{{state.options->partition, SessionClosedParcel{closed.session}}, way->meeting});
}

}  // namespace

caf::behavior route(Self self, RouteOptions options) {
  self->state.options.emplace(std::move(options));
  return {
      [=](Publish& message) {
        // Of an earlier life: refused when that ended.
        if (message.life == self->state.life) take(self, RouteState::Sent(std::move(message)));
      },
      [=](EmissionsArrived& message) { take(self, RouteState::Sent(std::move(message))); },
      [=](EmissionsAccepted& message) {
        auto& state = self->state;
        if (state.local.actor) return self->send(state.local.actor, std::move(message));
        if (const auto way = way_of(state))
          self->send(way->link, SendParcel{{state.options->partition,
                                            EmissionsAcceptedParcel{message.by, std::move(message.acks)}}});
      },
      [=](FollowEntity& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](const UnfollowEntity& request) { unfollow(self, request); },
      [=](ReadPage& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](InspectEntity& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](ListDeadLetters& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](InspectHub& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](StartOperation& message) { take(self, RouteState::Asked(std::move(message))); },
      [=](const SessionOpened& opened) {
        self->state.sessions[opened.session] = opened.host;
        if (self->state.local.actor) self->send(self->state.local.actor, opened);
      },
      [=](const SessionClosed& closed) { session_closed(self, closed); },
      [=](const RestartHubs& restart) {
        if (self->state.local.actor) self->send(self->state.local.actor, restart);
      },
      [=](const AskStats& ask) {
        const auto& state = self->state;
        if (!state.local.actor || state.given_up) return ask.answer(stats(state));
        self->send(state.local.actor,
                   AskStats{[before = state.counted_before, answer = ask.answer](PartitionStats now) {
                     now.add(before);
                     answer(std::move(now));
                   }});
      },
      [=](const PartitionEnded& ended) { self->state.counted_before.add(ended.figures); },
      [=](ParcelArrived& arrived) {
        std::visit([&](auto& content) { FromPeer{self, arrived.from}(content); }, arrived.parcel.content);
      },
      [=](const Serving& news) { serving_changed(self, news); },
      [=](const RecordChanged& news) { record_changed(self, news); },
      [=](const PeerKnown& peer) {
        self->state.links[peer.node] = peer.link;
        self->state.unheard.emplace(peer.node, now(self));
      },
      [=](const LinkUp& news) {
        self->state.meetings[news.node] = news.meeting;
        self->state.unheard.erase(news.node);
      },
      [=](const LinkLost& news) {
        auto& state = self->state;
        state.meetings[news.node] = 0;
        state.unheard[news.node] = news.last_heard;
        state.serving.erase(news.node);
        if (!state.local.actor && state.record && state.record->primary.node == news.node) way_is_lost(self);
        look_at_reach(self);
      },
      [=](AskAgainDue) { pass_on_waiting(self); },
      [=](const Peers& peers) { self->state.routes = peers.partitions; },
      [=](TickDue) { tick(self); },
      [=](Stop) { self->quit(); },
  };
}

}  // namespace carillon::actors
