#include "actors/link.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "actors/peer_session_host.h"
#include "actors/relay.h"

namespace carillon::actors {
namespace {

using Self = caf::stateful_actor<LinkState>*;

constexpr std::chrono::milliseconds kTick{20};
constexpr std::chrono::milliseconds kDialWithin{1'000};  // Names may resolve slowly, and the peer be far.
constexpr std::chrono::milliseconds kMeetWithin{600};
constexpr std::chrono::milliseconds kProbeHeldFor{1'000};           // By when everybody has come back after a restart.
constexpr std::chrono::milliseconds kMeetThroughOthersWithin{200};  // The third node may not reach the peer either.

caf::actor address(Self self) { return caf::actor_cast<caf::actor>(self); }

bool is_dialer(const LinkState& state) { return state.options->self.node < state.options->peer; }

void complain(LinkState& state, const std::string& what) {
  constexpr std::size_t kComplaintsMax = 1'000;  // What others say is part of some, and they may say anything.
  if (state.complaints.size() < kComplaintsMax && state.complaints.insert(what).second)
    spdlog::warn("link to {}: {}", state.options->peer, what);
  state.stats.trouble = what;
}

template <class News>
void tell_everybody(Self self, const News& news) {
  for (const auto& route : *self->state.options->routes) self->send(route, news);
  for (const auto& replica : *self->state.options->replicas) self->send(replica, news);
}

void enqueue(Self self, Parcel parcel);

// --- The peer's sessions.

runtime::SessionId session_here(const LinkState& state, runtime::SessionId there) {
  return PeerSessionHost::session_here(state.number, there);
}

void close_sessions(Self self, std::uint16_t partition) {
  auto& state = self->state;
  const auto sessions = std::exchange(state.peer_sessions[partition], {});
  if (!state.serving[partition].actor) return;
  for (const auto session : sessions.opened)
    self->send(state.serving[partition].actor, SessionClosed{session_here(state, session)});
}

// The partition knows the session from here on.
void open_session(Self self, PartitionId partition, runtime::SessionId session) {
  auto& state = self->state;
  auto& [host, opened] = state.peer_sessions[partition.value];
  if (!opened.insert(session).second) return;
  if (!host) host = std::make_shared<PeerSessionHost>(address(self), partition, state.number);
  self->send(state.serving[partition.value].actor, SessionOpened{session_here(state, session), host});
}

// --- Up and down.

void lose(Self self, const char* why, std::chrono::milliseconds unheard = {}) {
  auto& state = self->state;
  if (!state.remote) return;
  spdlog::warn("link to {} is down: {}", state.options->peer, why);
  state.stats.trouble.clear();
  self->demonitor(state.remote->address());
  for (std::size_t p = 0; p < state.peer_sessions.size(); ++p) close_sessions(self, static_cast<std::uint16_t>(p));
  state.remote = nullptr;
  state.queue.clear();
  state.queue_bytes = 0;
  state.news.clear();
  for (const auto& [node, relay] : std::exchange(state.relays, {})) self->send(relay, Dismiss{});
  state.options->changed(false);
  tell_everybody(self, LinkLost{state.options->peer, Clock::now() - unheard});
}

// Perhaps it is only the way that is gone.
void lose_silent(Self self, const char* why) {
  auto& state = self->state;
  state.through_others = true;
  state.dialled_at = {};
  lose(self, why, state.options->settings.silence_max);
}

void meet(Self self) {
  auto& state = self->state;
  lose(self, "the other side begins anew");
  state.remote = std::exchange(state.caller, nullptr);
  state.via = state.caller_via;
  state.meeting = state.handshake->meeting();
  state.handshake.reset();
  state.number = ++*state.options->meetings;
  state.frames_sent = state.frames_received = 0;
  state.bytes_sent = state.bytes_taken = state.bytes_taken_by_peer = state.told_taken = 0;
  state.last_sent = state.last_received = state.last_taken = Clock::now();
  state.complaints.clear();
  state.stats.trouble.clear();
  state.ways.assign(state.serving.size(), {});
  ++state.stats.meetings;
  self->monitor(state.remote->address());
  spdlog::info("link to {} is up{}{}", state.options->peer, state.via.empty() ? "" : ", through ", state.via);
  state.options->changed(true);
  tell_everybody(self, LinkUp{state.options->peer, state.number});
  for (const auto& serving : state.serving)
    if (serving.actor) enqueue(self, {serving.partition, PrimaryHereParcel{serving.epoch}});
}

void knock_at(Self self, std::string bytes) {
  self->send(caf::actor_cast<caf::actor>(self->state.caller), knock_atom::value, std::move(bytes));
}

void heard(Self self, const std::string& knock) {
  auto& state = self->state;
  auto step = state.handshake->heard(knock);
  if (!step) {
    complain(state, step.error().message);
    if (step.error().code == ErrorCode::FORBIDDEN) knock_at(self, cluster::refusal_knock(step.error().message));
    state.handshake.reset();
    state.caller = nullptr;
    return;
  }
  if (!step->reply.empty()) knock_at(self, std::move(step->reply));
  if (step->met) meet(self);
}

void begin_to_dial(Self self) {
  auto& state = self->state;
  const auto& options = *state.options;
  state.dialled_at = Clock::now();
  state.handshake.reset();
  state.caller = nullptr;
  state.dialling = true;
  try {
    options.dial(self->system(), DialOptions{address(self), ++state.attempt, options.address});
  } catch (const std::system_error& no_thread) {
    state.dialling = false;
    complain(state, "no thread to dial with: " + std::string(no_thread.what()));
  }
}

// --- Through a third node.

void begin_through_others(Self self) {
  auto& state = self->state;
  state.dialled_at = Clock::now();
  state.handshake.emplace(cluster::Handshake::dialer(state.options->self, state.options->peer));
  state.caller = nullptr;
  state.dialling = false;
  OpenRelay order{state.options->peer, state.handshake->hello(), ++state.attempt, address(self), {}};
  for (const auto& [node, link] : state.others) order.others.push_back(link);
  // Each time another one is asked first.
  for (auto turns = state.attempt % order.others.size(); turns > 0; --turns) {
    order.others.push_back(order.others.front());
    order.others.pop_front();
  }
  const auto first = order.others.front();
  order.others.pop_front();
  self->send(first, std::move(order));
}

void begin_again(Self self) {
  auto& state = self->state;
  if (std::exchange(state.through_others, !state.through_others) && !state.others.empty())
    begin_through_others(self);
  else
    begin_to_dial(self);
}

void relay_opened(Self self, const RelayOpened& opened) {
  auto& state = self->state;
  if (opened.attempt == state.attempt && state.handshake) state.caller_via = opened.via;
}

void open_relay(Self self, OpenRelay& order) {
  auto& state = self->state;
  if (state.remote && state.via.empty()) {
    self->send(order.from, RelayOpened{order.attempt, state.options->peer});
    caf::send_as(order.from, caf::actor_cast<caf::actor>(state.remote), relay_atom::value, order.target, order.hello);
  } else if (!order.others.empty()) {
    const auto next = order.others.front();
    order.others.pop_front();
    self->send(next, std::move(order));
  }
}

bool is_from_peer(Self self) {
  const auto& state = self->state;
  const auto& sender = self->current_sender();
  return state.remote && state.via.empty() && sender && sender->node() == state.remote->node();
}

// This node is the third one.
void relay_asked(Self self, const NodeName& target, const std::string& hello) {
  auto& state = self->state;
  if (!is_from_peer(self)) return complain(state, "somebody who has not been let in asks for a relay");
  const auto other = state.others.find(target);
  if (other != state.others.end())
    self->send(other->second, MakeRelay{state.options->peer, self->current_sender(), hello});
}

void make_relay(Self self, const MakeRelay& order) {
  auto& state = self->state;
  if (!state.remote || !state.via.empty()) return;
  auto& relay = state.relays[order.of];
  if (relay) self->send(relay, Dismiss{});
  relay = self->spawn(actors::relay, RelayOptions{order.caller, state.remote, state.options->settings.silence_max});
  caf::send_as(relay, caf::actor_cast<caf::actor>(state.remote), relayed_atom::value, order.hello);
}

// This node is the target.
void relayed_knock(Self self, const std::string& hello) {
  auto& state = self->state;
  if (!is_from_peer(self)) return complain(state, "somebody who has not been let in relays something");
  const auto caller = cluster::caller_of(hello);
  if (!caller) return complain(state, caller.error().message);
  const auto other = state.others.find(*caller);
  if (other != state.others.end())
    self->send(other->second, KnockArrived{self->current_sender(), hello, state.options->peer});
}

// --- Meeting.

void dialled(Self self, const Dialled& outcome) {
  auto& state = self->state;
  if (outcome.attempt != state.attempt) return;
  state.dialling = false;
  if (state.remote && state.via.empty()) return;
  if (!outcome.reception && state.remote) return;  // Still not to be reached directly.
  if (!outcome.reception) return complain(state, "nobody answers at " + state.options->address);
  state.handshake.emplace(cluster::Handshake::dialer(state.options->self, state.options->peer));
  state.caller = outcome.reception;
  state.caller_via.clear();
  state.probe = outcome.probe;
  if (state.reception) self->demonitor(state.reception);
  state.reception = outcome.reception->address();
  self->monitor(state.reception);
  knock_at(self, state.handshake->hello());
}

void knocked(Self self, const std::string& bytes) {
  auto& state = self->state;
  if (!state.handshake || !self->current_sender()) return;
  // The reception is dialled, the link behind it answers; its proof tells whether it is the right one.
  if (is_dialer(state)) state.caller = self->current_sender();
  if (self->current_sender() != state.caller) return;
  heard(self, bytes);
}

void knock_arrived(Self self, const KnockArrived& knock) {
  auto& state = self->state;
  if (is_dialer(state)) return complain(state, "it dials although it is this node's turn; are two nodes called alike?");
  state.handshake.emplace(cluster::Handshake::acceptor(state.options->self, state.options->peer));
  state.caller = knock.caller;
  state.caller_via = knock.via;
  heard(self, knock.hello);
}

// --- Sending.

void send_frame(Self self, std::vector<Parcel> parcels) {
  auto& state = self->state;
  auto frame = encode_frame(state.meeting, ++state.frames_sent, state.bytes_taken, parcels);
  state.told_taken = state.bytes_taken;
  if (state.bytes_sent == state.bytes_taken_by_peer) state.last_taken = Clock::now();
  state.bytes_sent += frame.size();
  state.stats.bytes_sent += frame.size();
  state.last_sent = Clock::now();
  self->send(caf::actor_cast<caf::actor>(state.remote), frame_atom::value, std::move(frame));
}

using NewsKey = LinkState::NewsKey;

// A parcel that leaves the queue: from now on there is other news of its follow.
void forget_news(LinkState& state, const Parcel& parcel) {
  const auto* following = std::get_if<FollowingParcel>(&parcel.content);
  if (following == nullptr) return;
  const auto found = state.news.find({parcel.partition.value, following->session, following->answer.follow});
  if (found != state.news.end() && found->second == following) state.news.erase(found);
}

void flush(Self self) {
  auto& state = self->state;
  const auto& settings = state.options->settings;
  while (state.remote && !state.queue.empty() && state.bytes_sent - state.bytes_taken_by_peer < settings.credit_bytes) {
    std::vector<Parcel> parcels;
    for (std::size_t bytes = 0; bytes < settings.frame_bytes && !state.queue.empty();) {
      const auto size = bytes_of(state.queue.front());
      bytes += size;
      state.queue_bytes -= size;
      forget_news(state, state.queue.front());
      parcels.push_back(std::move(state.queue.front()));
      state.queue.pop_front();
    }
    send_frame(self, std::move(parcels));
  }
}

void flush_soon(Self self) {
  if (!std::exchange(self->state.flush_due, true)) self->send(self, FlushDue{});
}

void enqueue(Self self, Parcel parcel) {
  auto& state = self->state;
  if (!state.remote) return;  // Lost meanwhile; what was to be said belongs to that meeting.
  const auto bytes = bytes_of(parcel);
  state.queue_bytes += bytes;
  state.queue.push_back(std::move(parcel));
  // One alone is not too much: else no link would ever bring it over.
  if (state.queue_bytes > state.options->settings.queue_bytes_max && state.queue.size() > 1)
    return lose(self, "the other side is too slow for what waits for it");
  flush_soon(self);
}

void send_parcel(Self self, SendParcel& message) {
  auto& state = self->state;
  if (!state.remote) return;  // Everybody is told that it is gone.
  if (message.meeting != 0 && message.meeting != state.number) return;
  auto* deliveries = std::get_if<DeliveriesParcel>(&message.parcel.content);
  if (deliveries == nullptr || state.queue_bytes < state.options->settings.deliveries_bytes_max)
    return enqueue(self, std::move(message.parcel));
  // No room: the session reads from disk what it hears of.
  for (const auto& delivery : deliveries->deliveries) {
    const runtime::Extent reaches{1, delivery.events.last()};
    const NewsKey key{message.parcel.partition.value, deliveries->session, delivery.follow};
    if (const auto waiting = state.news.find(key); waiting != state.news.end()) {
      waiting->second->answer.extent = reaches;
      continue;
    }
    enqueue(self, {message.parcel.partition, FollowingParcel{deliveries->session, {delivery.follow, reaches}}});
    if (!state.remote) return;  // That was too much.
    state.news.emplace(key, &std::get<FollowingParcel>(state.queue.back().content));
  }
}

// --- Receiving.

// What only the primary may take.
class ToPrimary {
 public:
  ToPrimary(Self self, PartitionId partition) : self_(self), partition_(partition) {}

  void operator()(PublishParcel& parcel) {
    auto& request = parcel.request;
    auto& way = self_->state.ways[partition_.value];
    way.seen = std::max(way.seen, parcel.way);
    if (parcel.way <= way.refused) return;  // The peer has been told.
    if (!standing().may_publish.load(std::memory_order_relaxed) || way.is_told) {
      way.refused = parcel.way;
      return reply(PublishRefusedParcel{parcel.way});
    }
    open_session(self_, partition_, request.session);
    request.session = session_here(self_->state, request.session);
    self_->send(serving().actor, Publish{std::move(request), serving().life});
  }
  void operator()(const FollowParcel& parcel) {
    if (!standing().may_read()) return reply(NotSureParcel{parcel});
    open_session(self_, partition_, parcel.follower.session);
    self_->send(
        serving().actor,
        FollowEntity{{session_here(self_->state, parcel.follower.session), parcel.follower.follow}, parcel.entity});
  }
  void operator()(const QuestionParcel& parcel) {
    if (!standing().may_read()) return reply(NotSureParcel{parcel.number});
    std::visit([&](const auto& what) { ask(parcel.number, what); }, parcel.what);
  }
  void operator()(EmissionsParcel& parcel) {
    self_->send(serving().actor, EmissionsArrived{parcel.from, std::move(parcel.emissions)});
  }

  void not_primary() { reply(NotPrimaryParcel{serving().epoch}); }

 private:
  const Serving& serving() const { return self_->state.serving[partition_.value]; }
  const Standing& standing() const { return *(*self_->state.options->standings)[partition_.value]; }
  template <class Content>
  void reply(Content content) {
    enqueue(self_, {partition_, std::move(content)});
  }

  template <class T>
  std::function<void(Result<T>)> answer(std::uint64_t number) {
    // Who asked numbers questions anew in another life.
    return [me = address(self_), partition = partition_, number, meeting = self_->state.number](Result<T> outcome) {
      AnswerParcel parcel{number, {}};
      if (outcome)
        parcel.what = std::move(*outcome);
      else
        parcel.what = outcome.error();
      limit(parcel);
      caf::anon_send(me, SendParcel{{partition, std::move(parcel)}, meeting});
    };
  }
  void ask(std::uint64_t number, const QuestionParcel::ReadPage& what) {
    self_->send(serving().actor, ReadPage{what.entity, what.from, what.limits, answer<EventRun>(number)});
  }
  void ask(std::uint64_t number, const QuestionParcel::Inspect& what) {
    self_->send(serving().actor, InspectEntity{what.entity, answer<runtime::Partition::Inspection>(number)});
  }
  void ask(std::uint64_t number, const QuestionParcel::InspectHub& what) {
    self_->send(serving().actor, InspectHub{what.hub, answer<InspectHub::Answer>(number)});
  }
  void ask(std::uint64_t number, const QuestionParcel::ListDeadLetters& what) {
    self_->send(serving().actor,
                ListDeadLetters{what.entity, what.most, answer<std::vector<runtime::DeadLetterEntry>>(number)});
  }
  void ask(std::uint64_t number, const QuestionParcel::Operate& what) {
    self_->send(serving().actor, StartOperation{what.entity, what.offset, what.redrive, answer<Offset>(number)});
  }

  Self self_;
  PartitionId partition_;
};

// All that it names exist.
bool speaks_of_partitions(const LinkState& state, const Parcel& parcel) {
  const auto exists = [&](PartitionId partition) { return partition.value < state.serving.size(); };
  if (const auto* emissions = std::get_if<EmissionsParcel>(&parcel.content); emissions && !exists(emissions->from))
    return false;
  if (const auto* accepted = std::get_if<EmissionsAcceptedParcel>(&parcel.content); accepted && !exists(accepted->by))
    return false;
  return exists(parcel.partition);
}

void take_in(Self self, Parcel& parcel) {
  auto& state = self->state;
  const auto p = parcel.partition.value;
  if (!speaks_of_partitions(state, parcel)) return complain(state, "it speaks of a partition that does not exist");
  ToPrimary to_primary(self, parcel.partition);
  const auto primary_takes = [&](auto& content) {
    if (state.serving[p].actor) return to_primary(content);
    if constexpr (std::is_same_v<std::decay_t<decltype(content)>, PublishParcel>)
      state.ways[p].refused = std::max(state.ways[p].refused, content.way);
    to_primary.not_primary();
  };
  const auto route_takes = [&](auto&) {
    self->send((*state.options->routes)[p], ParcelArrived{state.options->peer, std::move(parcel)});
  };
  std::visit(
      [&](auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, ReplicationParcel>) {
          self->send((*state.options->replicas)[p], ReplicationArrived{state.options->peer, std::move(content.bytes)});
        } else if constexpr (std::is_same_v<Content, PublishParcel> || std::is_same_v<Content, FollowParcel> ||
                             std::is_same_v<Content, QuestionParcel> || std::is_same_v<Content, EmissionsParcel>) {
          primary_takes(content);
        } else if constexpr (std::is_same_v<Content, EmissionsAcceptedParcel>) {
          if (state.serving[p].actor)
            self->send(state.serving[p].actor, EmissionsAccepted{content.by, std::move(content.acks)});
        } else if constexpr (std::is_same_v<Content, UnfollowParcel>) {
          if (!state.serving[p].actor || !state.peer_sessions[p].opened.contains(content.follower.session)) return;
          self->send(state.serving[p].actor,
                     UnfollowEntity{{session_here(state, content.follower.session), content.follower.follow},
                                    std::move(content.entity)});
        } else if constexpr (std::is_same_v<Content, SessionClosedParcel>) {
          if (state.peer_sessions[p].opened.erase(content.session) > 0 && state.serving[p].actor)
            self->send(state.serving[p].actor, SessionClosed{session_here(state, content.session)});
        } else {
          route_takes(content);
        }
      },
      parcel.content);
}

void frame_arrived(Self self, const std::string& bytes) {
  auto& state = self->state;
  if (!state.remote || self->current_sender() != state.remote)
    return complain(state, "a frame comes from somebody who has not been let in");
  auto frame = decode_frame(bytes);
  if (!frame) {
    complain(state, frame.error().message);
    return lose(self, "what it says does not decode");
  }
  if (frame->meeting != state.meeting) return;  // Said before they met anew.
  if (frame->number != ++state.frames_received) return lose(self, "frames are missing");
  if (frame->taken_bytes > state.bytes_sent) return lose(self, "it acknowledges what it was not sent");
  state.last_received = Clock::now();
  state.bytes_taken += bytes.size();
  state.stats.bytes_received += bytes.size();
  if (frame->taken_bytes > state.bytes_taken_by_peer) {
    state.bytes_taken_by_peer = frame->taken_bytes;
    state.last_taken = state.last_received;
  }
  for (auto& parcel : frame->parcels) {
    if (!state.remote) return;  // Lost over the one before: what follows belongs to no meeting.
    take_in(self, parcel);
  }
  flush(self);
  if (state.remote && state.bytes_taken - state.told_taken > state.options->settings.credit_bytes / 8)
    send_frame(self, {});
}

void serving_changed(Self self, const Serving& news) {
  auto& state = self->state;
  auto& known = state.serving[news.partition.value];
  const bool void_now = known.actor && (known.actor != news.actor || known.life != news.life);
  if (known.actor != news.actor) close_sessions(self, news.partition.value);
  const bool begins = news.actor && known.actor != news.actor;
  known = news;
  if (!state.remote) return;
  if (void_now) {
    auto& way = state.ways[news.partition.value];
    way.refused = way.seen;
    if (news.actor)
      enqueue(self, {news.partition, ReloadedParcel{}});
    else
      enqueue(self, {news.partition, NotPrimaryParcel{news.epoch}});
  }
  if (begins) enqueue(self, {news.partition, PrimaryHereParcel{news.epoch}});
}

// Whoever uses a primary here that has lost touch with the others would wait for it, and hear nothing: as this node's own route
// gives it up, theirs is to.
void look_at_standings(Self self, Clock::time_point now) {
  auto& state = self->state;
  for (std::size_t p = 0; p < state.serving.size(); ++p) {
    auto& way = state.ways[p];
    if (!state.serving[p].actor || (*state.options->standings)[p]->may_read()) {
      way.unsure_since.reset();
      way.is_told = false;
      continue;
    }
    if (!way.unsure_since) way.unsure_since = now;
    if (way.is_told || now - *way.unsure_since < state.options->settings.unsure_max) continue;
    way.is_told = true;
    way.refused = way.seen;
    enqueue(self, {state.serving[p].partition, ReloadedParcel{}});
    if (!state.remote) return;
  }
}

void tick(Self self) {
  auto& state = self->state;
  const auto& settings = state.options->settings;
  const auto now = Clock::now();
  if (state.remote) look_at_standings(self, now);
  if (state.remote) {
    if (now - state.last_received > settings.silence_max) {
      lose_silent(self, "it is silent");
    } else if (state.bytes_sent > state.bytes_taken_by_peer && now - state.last_taken > settings.silence_max) {
      lose_silent(self, "it does not hear this node");
    } else if (now - state.last_sent >= settings.life_sign_every) {
      send_frame(self, {});
    }
  }
  if (state.probe && now - state.dialled_at > kProbeHeldFor) state.probe.reset();
  if (is_dialer(state)) {
    const auto patience = state.dialling                             ? kDialWithin
                          : !state.handshake                         ? settings.redial_every
                          : state.caller && state.caller_via.empty() ? kMeetWithin
                                                                     : kMeetThroughOthersWithin;
    if (!state.remote && now - state.dialled_at > patience) begin_again(self);
    if (state.remote && !state.via.empty() && now - state.dialled_at > settings.try_directly_every) begin_to_dial(self);
  }
  self->delayed_send(self, kTick, TickDue{});
}

}  // namespace

caf::behavior link(Self self, LinkOptions options) {
  auto& state = self->state;
  const auto partitions = options.routes->size();
  state.stats.peer = options.peer;
  state.options.emplace(std::move(options));
  state.serving.resize(partitions);
  state.peer_sessions.resize(partitions);
  state.ways.resize(partitions);
  self->set_down_handler([=](const caf::down_msg& down) {
    auto& ended = self->state;
    if (ended.remote && down.source == ended.remote->address()) lose(self, "the connection is gone");
    // The peer was about to stop when it was dialled.
    if (down.source == ended.reception && ended.handshake && ended.caller_via.empty()) ended.handshake.reset();
  });
  // Messages of other nodes may hold anything.
  self->set_default_handler(
      [](caf::scheduled_actor*, caf::message_view&) -> caf::result<caf::message> { return caf::message(); });
  self->send(self, TickDue{});
  return {
      [=](frame_atom, const std::string& bytes) { frame_arrived(self, bytes); },
      [=](SendParcel& message) { send_parcel(self, message); },
      [=](FlushDue) {
        self->state.flush_due = false;
        flush(self);
      },
      [=](TickDue) { tick(self); },
      [=](const Serving& news) { serving_changed(self, news); },
      [=](knock_atom, const std::string& bytes) { knocked(self, bytes); },
      [=](const KnockArrived& knock) { knock_arrived(self, knock); },
      [=](relay_atom, const NodeName& target, const std::string& hello) { relay_asked(self, target, hello); },
      [=](relayed_atom, const std::string& hello) { relayed_knock(self, hello); },
      [=](OpenRelay& order) { open_relay(self, order); },
      [=](const RelayOpened& opened) { relay_opened(self, opened); },
      [=](const MakeRelay& order) { make_relay(self, order); },
      [=](const PeerKnown& other) {
        if (other.node != self->state.options->peer) self->state.others[other.node] = other.link;
      },
      [=](const Dialled& outcome) { dialled(self, outcome); },
      [=](const PeerMoved& moved) { self->state.options->address = moved.address; },
      [=](const AskLink& ask) {
        auto& stats = self->state.stats;
        stats.up = self->state.remote != nullptr;
        stats.via = stats.up ? self->state.via : NodeName();
        stats.queued_bytes = self->state.queue_bytes;
        ask.answer(stats);
      },
      [=](Stop) {
        lose(self, "this node stops");
        self->quit();
      },
  };
}

caf::behavior reception(caf::stateful_actor<ReceptionState>* self) {
  self->set_default_handler(
      [](caf::scheduled_actor*, caf::message_view&) -> caf::result<caf::message> { return caf::message(); });
  return {
      [=](knock_atom, const std::string& hello) {
        auto& known = self->state;
        const auto note = [&](const std::string& what) {
          constexpr std::size_t kComplaintsMax = 1'000;
          if (known.complaints.size() < kComplaintsMax && known.complaints.insert(what).second)
            spdlog::warn("peer port: {}", what);
        };
        const auto caller = cluster::caller_of(hello);
        if (!self->current_sender()) return;
        if (!caller) return note(caller.error().message);
        const auto called = known.links.find(*caller);
        if (called == known.links.end()) {
          note("somebody calls himself " + *caller + ", and is no member of the cluster");
          const auto reply_to = caf::actor_cast<caf::actor>(self->current_sender());
          self->send(reply_to, knock_atom::value, cluster::refusal_knock("this node does not know you (yet)"));
          return;
        }
        self->send(called->second, KnockArrived{self->current_sender(), hello, {}});
      },
      [=](const PeerKnown& peer) { self->state.links[peer.node] = peer.link; },
      [=](Stop) { self->quit(); },
  };
}

}  // namespace carillon::actors
