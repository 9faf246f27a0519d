#include "actors/parcel.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>
#include <messages/link.capnp.h>

#include <cstring>

namespace carillon::actors {
namespace {

namespace lw = link_wire;

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
std::string_view view(capnp::Data::Reader data) { return {reinterpret_cast<const char*>(data.begin()), data.size()}; }
capnp::Text::Reader text(std::string_view string) { return {string.data(), string.size()}; }
capnp::Data::Reader data_of(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

// Garbage ends the decoding of a frame, by way of KJ's own exception.
[[noreturn]] void garbage(const char* what) {
  kj::throwFatalException(KJ_EXCEPTION(FAILED, "a frame that no node writes", what));
}

EntityId entity(capnp::Text::Reader name) {
  auto parsed = EntityId::parse(view(name));
  if (!parsed) garbage("an entity");
  return std::move(*parsed);
}

ProducerId producer(capnp::Text::Reader stored) {
  const auto bytes = view(stored);
  if (!ProducerId::is_stored(bytes)) garbage("a producer");
  return ProducerId::trusted(bytes);
}

// --- Pieces.

void write(wire::Refusal::Builder out, const Error& error, std::uint32_t index = 0) {
  out.setIndex(index);
  out.setCode(error.code);
  out.setMessage(text(error.message));
  out.setFirstOffset(error.first_offset);
}
Error error(wire::Refusal::Reader in) {
  return {in.getCode(), std::string(view(in.getMessage())), in.getFirstOffset()};
}

void write(wire::StoredEvent::Builder out, const Event& event) {
  out.setType(text(event.type));
  out.setPayload(text(event.payload));
  out.setProducer(text(event.producer.stored()));
  out.setSequence(event.sequence);
  out.setAcceptedAtMs(event.accepted_at_ms);
  out.setRedriveOf(event.redrive_of);
  if (event.traceparent) out.setTraceparent(text(event.traceparent->text()));
}
Event event(wire::StoredEvent::Reader in) {
  return {std::string(view(in.getType())),
          std::string(view(in.getPayload())),
          producer(in.getProducer()),
          in.getSequence(),
          in.getAcceptedAtMs(),
          in.getRedriveOf(),
          TraceParent::parse(view(in.getTraceparent()))};
}

void write(wire::Publication::Builder out, const EntityId& to, const Event& event) {
  out.setEntity(text(to.text()));
  out.setType(text(event.type));
  out.setPayload(text(event.payload));
  out.setSequence(event.sequence);
  if (event.traceparent) out.setTraceparent(text(event.traceparent->text()));
}
Event event(wire::Publication::Reader in, const ProducerId& from) {
  return {std::string(view(in.getType())),
          std::string(view(in.getPayload())),
          from,
          in.getSequence(),
          0,
          0,
          TraceParent::parse(view(in.getTraceparent()))};
}

EventRun run_of(capnp::List<wire::StoredEvent>::Reader events, Offset first) {
  EventRun run{first, {}};
  run.events.reserve(events.size());
  for (const auto item : events) run.events.push_back(event(item));
  return run;
}

template <class List>
unsigned count_of(const List& list) {
  return static_cast<unsigned>(list.size());
}

// --- Parcels, each with its two sides.

void write(lw::Parcel::Builder out, const ReplicationParcel& parcel) { out.setReplication(data_of(parcel.bytes)); }

void write(lw::Parcel::Builder out, const PublishParcel& parcel) {
  const auto& request = parcel.request;
  auto publish = out.initPublish();
  publish.setSession(request.session);
  publish.setCall(request.call);
  publish.setWay(parcel.way);
  publish.setProducer(text(request.items.front().event.producer.stored()));
  auto items = publish.initItems(count_of(request.items));
  for (unsigned i = 0; i < request.items.size(); ++i) {
    items[i].setIndex(request.items[i].index);
    write(items[i].initEvent(), request.items[i].entity, request.items[i].event);
  }
}
PublishParcel read(lw::Publish::Reader in) {
  PublishParcel parcel{{in.getSession(), in.getCall(), {}}, in.getWay()};
  const auto from = producer(in.getProducer());
  const auto items = in.getItems();
  if (items.size() == 0) garbage("a publish call without events");
  parcel.request.items.reserve(items.size());
  for (const auto item : items) {
    auto published = event(item.getEvent(), from);
    if (published.sequence == 0) garbage("a sequence of 0");
    parcel.request.items.push_back({item.getIndex(), entity(item.getEvent().getEntity()), std::move(published)});
  }
  return parcel;
}

void write(lw::Parcel::Builder out, const PublishedParcel& parcel) {
  const auto& published = parcel.published;
  auto answer = out.initPublished();
  answer.setSession(published.session);
  answer.setCall(published.call);
  answer.setAccepted(published.accepted);
  answer.setDuplicates(published.duplicates);
  answer.setFirstIndex(published.first_index);
  auto refusals = answer.initRefusals(count_of(published.refusals));
  for (unsigned i = 0; i < published.refusals.size(); ++i)
    write(refusals[i], published.refusals[i].error, published.refusals[i].index);
}
PublishedParcel read(lw::Published::Reader in) {
  PublishedParcel parcel{{in.getSession(), in.getCall(), in.getAccepted(), in.getDuplicates(), {}, in.getFirstIndex()}};
  for (const auto refusal : in.getRefusals()) parcel.published.refusals.push_back({refusal.getIndex(), error(refusal)});
  return parcel;
}

template <class Content>
void write(lw::Follow::Builder out, const Content& parcel) {
  out.setSession(parcel.follower.session);
  out.setFollow(parcel.follower.follow);
  out.setEntity(text(parcel.entity.text()));
}
void write(lw::Parcel::Builder out, const FollowParcel& parcel) { write(out.initFollow(), parcel); }
void write(lw::Parcel::Builder out, const UnfollowParcel& parcel) { write(out.initUnfollow(), parcel); }
FollowParcel read(lw::Follow::Reader in) { return {{in.getSession(), in.getFollow()}, entity(in.getEntity())}; }

void write(lw::Parcel::Builder out, const FollowingParcel& parcel) {
  auto following = out.initFollowing();
  following.setSession(parcel.session);
  following.setFollow(parcel.answer.follow);
  if (!parcel.answer.extent) return write(following.initRefusal(), parcel.answer.extent.error());
  following.getExtent().setFirst(parcel.answer.extent->first);
  following.getExtent().setLast(parcel.answer.extent->last);
}
FollowingParcel read(lw::Following::Reader in) {
  const auto extent = in.getExtent();
  if (in.isRefusal()) return {in.getSession(), {in.getFollow(), error(in.getRefusal())}};
  return {in.getSession(), {in.getFollow(), runtime::Extent{extent.getFirst(), extent.getLast()}}};
}

void write(lw::Parcel::Builder out, const SessionClosedParcel& parcel) { out.setSessionClosed(parcel.session); }

void write(lw::Parcel::Builder out, const DeliveriesParcel& parcel) {
  auto to = out.initDeliveries();
  to.setSession(parcel.session);
  auto deliveries = to.initDeliveries(count_of(parcel.deliveries));
  for (unsigned i = 0; i < parcel.deliveries.size(); ++i) {
    const auto& slice = parcel.deliveries[i].events;
    deliveries[i].setFollow(parcel.deliveries[i].follow);
    deliveries[i].setFirstOffset(slice.first);
    auto events = deliveries[i].initEvents(count_of(slice.events));
    for (unsigned e = 0; e < slice.events.size(); ++e) write(events[e], *slice.events[e]);
  }
}
DeliveriesParcel read(lw::Deliveries::Reader in) {
  DeliveriesParcel parcel{in.getSession(), {}};
  for (const auto delivery : in.getDeliveries()) {
    if (delivery.getEvents().size() == 0 || delivery.getFirstOffset() == 0) garbage("an empty delivery");
    parcel.deliveries.push_back(
        {delivery.getFollow(), runtime::slice_of(run_of(delivery.getEvents(), delivery.getFirstOffset()))});
  }
  return parcel;
}

void write(lw::Parcel::Builder out, const ReloadedParcel&) { out.setReloaded(); }
void write(lw::Parcel::Builder out, const PublishRefusedParcel& parcel) { out.setPublishRefused(parcel.way); }
void write(lw::Parcel::Builder out, const NotPrimaryParcel& parcel) { out.setNotPrimary(parcel.epoch); }
void write(lw::Parcel::Builder out, const PrimaryHereParcel& parcel) { out.setPrimaryHere(parcel.epoch); }
void write(lw::Parcel::Builder out, const NotSureParcel& parcel) {
  if (const auto* question = std::get_if<std::uint64_t>(&parcel.what))
    out.setNotSureOfQuestion(*question);
  else
    write(out.initNotSureOfFollow(), std::get<FollowParcel>(parcel.what));
}

void write(lw::Question::Builder out, const QuestionParcel::ReadPage& question) {
  auto page = out.initReadPage();
  page.setEntity(text(question.entity.text()));
  page.setFrom(question.from);
  page.setEventsMax(static_cast<std::uint32_t>(question.limits.events_max));
  page.setBytesMax(static_cast<std::uint32_t>(question.limits.bytes_max));
}
void write(lw::Question::Builder out, const QuestionParcel::Inspect& question) {
  out.setInspect(text(question.entity.text()));
}
void write(lw::Question::Builder out, const QuestionParcel::InspectHub& question) {
  out.setInspectHub(text(question.hub.text()));
}
void write(lw::Question::Builder out, const QuestionParcel::ListDeadLetters& question) {
  auto list = out.initListDeadLetters();
  if (question.entity) list.setEntity(text(question.entity->text()));
  list.setMost(static_cast<std::uint32_t>(question.most));
}
void write(lw::Question::Builder out, const QuestionParcel::Operate& question) {
  auto operate = out.initOperate();
  operate.setEntity(text(question.entity.text()));
  operate.setOffset(question.offset);
  operate.setRedrive(question.redrive);
}
void write(lw::Parcel::Builder out, const QuestionParcel& parcel) {
  auto question = out.initQuestion();
  question.setNumber(parcel.number);
  std::visit([&](const auto& what) { write(question, what); }, parcel.what);
}
QuestionParcel read(lw::Question::Reader in) {
  const auto number = in.getNumber();
  switch (in.which()) {
    case lw::Question::READ_PAGE: {
      const auto page = in.getReadPage();
      if (page.getFrom() == 0 || page.getEventsMax() == 0) garbage("a page");
      return {number, QuestionParcel::ReadPage{
                          entity(page.getEntity()), page.getFrom(), {page.getEventsMax(), page.getBytesMax()}}};
    }
    case lw::Question::INSPECT:
      return {number, QuestionParcel::Inspect{entity(in.getInspect())}};
    case lw::Question::INSPECT_HUB:
      return {number, QuestionParcel::InspectHub{entity(in.getInspectHub())}};
    case lw::Question::LIST_DEAD_LETTERS: {
      const auto list = in.getListDeadLetters();
      QuestionParcel::ListDeadLetters what{{}, list.getMost()};
      if (list.getEntity().size() > 0) what.entity = entity(list.getEntity());
      return {number, std::move(what)};
    }
    case lw::Question::OPERATE: {
      const auto operate = in.getOperate();
      return {number, QuestionParcel::Operate{entity(operate.getEntity()), operate.getOffset(), operate.getRedrive()}};
    }
  }
  garbage("a question");
}

void write(lw::Answer::Builder out, const Error& what) { write(out.initRefusal(), what); }
void write(lw::Answer::Builder out, const EventRun& what) {
  auto run = out.initRun();
  run.setFirst(what.first);
  auto events = run.initEvents(count_of(what.events));
  for (unsigned i = 0; i < what.events.size(); ++i) write(events[i], what.events[i]);
}
void write(lw::Answer::Builder out, const runtime::Partition::Inspection& what) {
  auto inspection = out.initInspection();
  inspection.setFirst(what.extent.first);
  inspection.setLast(what.extent.last);
  inspection.setCursor(what.cursor);
  inspection.setDeadLetters(what.dead_letters);
}
void write(lw::Answer::Builder out, const InspectHub::Answer& what) {
  auto hub = out.initHub();
  hub.setCursor(what.cursor);
  hub.setState(text(what.state));
  hub.setBehaviourVersion(what.behaviour_version);
}
void write(lw::Answer::Builder out, const AnswerParcel::DeadLetters& what) {
  auto letters = out.initDeadLetters(count_of(what));
  for (unsigned i = 0; i < what.size(); ++i) {
    letters[i].setEntity(text(what[i].entity.text()));
    letters[i].setOffset(what[i].offset);
    letters[i].setReason(text(what[i].letter.reason));
    letters[i].setAttempts(what[i].letter.attempts);
    write(letters[i].initEvent(), what[i].event);
  }
}
void write(lw::Answer::Builder out, Offset what) { out.setOffset(what); }
void write(lw::Parcel::Builder out, const AnswerParcel& parcel) {
  auto answer = out.initAnswer();
  answer.setNumber(parcel.number);
  std::visit([&](const auto& what) { write(answer, what); }, parcel.what);
}
AnswerParcel read(lw::Answer::Reader in) {
  const auto number = in.getNumber();
  switch (in.which()) {
    case lw::Answer::REFUSAL:
      return {number, error(in.getRefusal())};
    case lw::Answer::RUN:
      return {number, run_of(in.getRun().getEvents(), in.getRun().getFirst())};
    case lw::Answer::INSPECTION: {
      const auto seen = in.getInspection();
      return {number, runtime::Partition::Inspection{
                          {seen.getFirst(), seen.getLast()}, seen.getCursor(), seen.getDeadLetters()}};
    }
    case lw::Answer::HUB: {
      const auto hub = in.getHub();
      return {number,
              InspectHub::Answer{hub.getCursor(), std::string(view(hub.getState())), hub.getBehaviourVersion()}};
    }
    case lw::Answer::DEAD_LETTERS: {
      AnswerParcel::DeadLetters letters;
      for (const auto letter : in.getDeadLetters())
        letters.push_back({entity(letter.getEntity()),
                           letter.getOffset(),
                           {std::string(view(letter.getReason())), letter.getAttempts(), false},
                           event(letter.getEvent())});
      return {number, std::move(letters)};
    }
    case lw::Answer::OFFSET:
      return {number, in.getOffset()};
  }
  garbage("an answer");
}

void write(lw::Parcel::Builder out, const EmissionsParcel& parcel) {
  auto emissions = out.initEmissions();
  emissions.setFrom(parcel.from.value);
  auto groups = emissions.initGroups(count_of(parcel.emissions));
  for (unsigned g = 0; g < parcel.emissions.size(); ++g) {
    const auto& group = parcel.emissions[g];
    groups[g].setHub(text(group.hub.text()));
    groups[g].setFirst(group.first);
    groups[g].setAcknowledged(group.acknowledged);
    auto list = groups[g].initEmissions(count_of(group.emissions));
    for (unsigned i = 0; i < group.emissions.size(); ++i)
      write(list[i], group.emissions[i].target, group.emissions[i].event);
    const auto is_reminder = [](const runtime::Emission& emission) { return emission.due.has_value(); };
    auto dues = groups[g].initDues(static_cast<unsigned>(std::ranges::count_if(group.emissions, is_reminder)));
    for (unsigned i = 0, d = 0; i < group.emissions.size(); ++i) {
      if (!is_reminder(group.emissions[i])) continue;
      dues[d].setPlace(i);
      dues[d++].setAtMs(*group.emissions[i].due);
    }
  }
}
EmissionsParcel read(lw::Emissions::Reader in) {
  EmissionsParcel parcel{{in.getFrom()}, {}};
  for (const auto group : in.getGroups()) {
    const auto hub = entity(group.getHub());
    const auto from = ProducerId::hub(hub);
    runtime::HubEmissions emissions{hub, group.getFirst(), {}, group.getAcknowledged()};
    if (group.getFirst() == 0 || group.getEmissions().size() == 0) garbage("no emissions");
    emissions.emissions.reserve(group.getEmissions().size());
    for (const auto emission : group.getEmissions()) {
      emissions.emissions.push_back({entity(emission.getEntity()), event(emission, from)});
      if (emissions.emissions.back().event.sequence != emissions.last()) garbage("emissions with a gap");
    }
    for (const auto due : group.getDues()) {
      if (due.getPlace() >= emissions.emissions.size()) garbage("a reminder that is not there");
      emissions.emissions[due.getPlace()].due = due.getAtMs();
    }
    parcel.emissions.push_back(std::move(emissions));
  }
  return parcel;
}

void write(lw::Parcel::Builder out, const EmissionsAcceptedParcel& parcel) {
  auto accepted = out.initEmissionsAccepted();
  accepted.setBy(parcel.by.value);
  auto acks = accepted.initAcks(count_of(parcel.acks));
  for (unsigned i = 0; i < parcel.acks.size(); ++i) {
    acks[i].setHub(text(parcel.acks[i].hub.text()));
    acks[i].setUpto(parcel.acks[i].upto);
    acks[i].setUntaken(parcel.acks[i].untaken);
  }
}
EmissionsAcceptedParcel read(lw::EmissionsAccepted::Reader in) {
  EmissionsAcceptedParcel parcel{{in.getBy()}, {}};
  for (const auto ack : in.getAcks()) parcel.acks.push_back({entity(ack.getHub()), ack.getUpto(), ack.getUntaken()});
  return parcel;
}

Parcel read(lw::Parcel::Reader in) {
  const PartitionId partition{in.getPartition()};
  switch (in.which()) {
    case lw::Parcel::REPLICATION:
      return {partition, ReplicationParcel{std::string(view(in.getReplication()))}};
    case lw::Parcel::PUBLISH:
      return {partition, read(in.getPublish())};
    case lw::Parcel::PUBLISHED:
      return {partition, read(in.getPublished())};
    case lw::Parcel::FOLLOW:
      return {partition, read(in.getFollow())};
    case lw::Parcel::UNFOLLOW: {
      auto follow = read(in.getUnfollow());
      return {partition, UnfollowParcel{follow.follower, std::move(follow.entity)}};
    }
    case lw::Parcel::FOLLOWING:
      return {partition, read(in.getFollowing())};
    case lw::Parcel::SESSION_CLOSED:
      return {partition, SessionClosedParcel{in.getSessionClosed()}};
    case lw::Parcel::DELIVERIES:
      return {partition, read(in.getDeliveries())};
    case lw::Parcel::RELOADED:
      return {partition, ReloadedParcel{}};
    case lw::Parcel::PUBLISH_REFUSED:
      return {partition, PublishRefusedParcel{in.getPublishRefused()}};
    case lw::Parcel::NOT_PRIMARY:
      return {partition, NotPrimaryParcel{in.getNotPrimary()}};
    case lw::Parcel::PRIMARY_HERE:
      return {partition, PrimaryHereParcel{in.getPrimaryHere()}};
    case lw::Parcel::NOT_SURE_OF_QUESTION:
      return {partition, NotSureParcel{in.getNotSureOfQuestion()}};
    case lw::Parcel::NOT_SURE_OF_FOLLOW:
      return {partition, NotSureParcel{read(in.getNotSureOfFollow())}};
    case lw::Parcel::QUESTION:
      return {partition, read(in.getQuestion())};
    case lw::Parcel::ANSWER:
      return {partition, read(in.getAnswer())};
    case lw::Parcel::EMISSIONS:
      return {partition, read(in.getEmissions())};
    case lw::Parcel::EMISSIONS_ACCEPTED:
      return {partition, read(in.getEmissionsAccepted())};
  }
  garbage("a parcel");
}

// --- Sizes.

constexpr std::size_t kParcelBytes = 64;
constexpr std::size_t kEventBytes = 96;

std::size_t bytes_of(const Event& event) {
  return kEventBytes + (event.traceparent ? TraceParent::kTextBytes : 0) + event.payload.size() + event.type.size() +
         event.producer.stored().size();
}

struct Sizes {
  std::size_t operator()(const ReplicationParcel& parcel) const { return parcel.bytes.size(); }
  std::size_t operator()(const PublishParcel& parcel) const {
    std::size_t bytes = 0;
    for (const auto& item : parcel.request.items) bytes += bytes_of(item.event) + item.entity.text().size();
    return bytes;
  }
  std::size_t operator()(const DeliveriesParcel& parcel) const {
    std::size_t bytes = 0;
    for (const auto& delivery : parcel.deliveries)
      for (const auto* event : delivery.events.events) bytes += bytes_of(*event);
    return bytes;
  }
  std::size_t operator()(const EmissionsParcel& parcel) const { return actors::bytes_of(parcel.emissions); }
  std::size_t operator()(const AnswerParcel& parcel) const {
    std::size_t bytes = kEventBytes;
    if (const auto* run = std::get_if<EventRun>(&parcel.what))
      for (const auto& event : run->events) bytes += bytes_of(event);
    if (const auto* hub = std::get_if<InspectHub::Answer>(&parcel.what)) bytes += hub->state.size();
    if (const auto* letters = std::get_if<AnswerParcel::DeadLetters>(&parcel.what))
      for (const auto& letter : *letters)
        bytes += kEventBytes + letter.entity.text().size() + letter.letter.reason.size() + bytes_of(letter.event);
    return bytes;
  }
  std::size_t operator()(const PublishedParcel& parcel) const {
    return kEventBytes + parcel.published.refusals.size() * kEventBytes;
  }
  template <class Small>
  std::size_t operator()(const Small&) const {
    return kEventBytes;
  }
};

}  // namespace

std::size_t bytes_of(const std::vector<runtime::HubEmissions>& emissions) {
  std::size_t bytes = kParcelBytes;
  for (const auto& group : emissions)
    for (const auto& emission : group.emissions) bytes += bytes_of(emission.event) + emission.target.text().size();
  return bytes;
}

std::size_t bytes_of(const Parcel& parcel) { return kParcelBytes + std::visit(Sizes(), parcel.content); }

void limit(AnswerParcel& parcel) {
  const auto bytes = Sizes()(parcel);
  if (bytes > kAnswerBytesMax)
    parcel.what =
        Error{ErrorCode::PAYLOAD_TOO_LARGE,
              "the answer has " + std::to_string(bytes >> 20) + " MiB, and another node is sent at most " +
                  std::to_string(kAnswerBytesMax >> 20) + ": ask for less, or ask the partition's primary itself"};
}

std::string encode_frame(std::string_view meeting, std::uint64_t number, std::uint64_t taken_bytes,
                         std::span<const Parcel> parcels) {
  std::size_t bytes = 256;
  for (const auto& parcel : parcels) bytes += bytes_of(parcel) * 5 / 4;
  capnp::MallocMessageBuilder message(static_cast<unsigned>(bytes / sizeof(capnp::word)));
  auto frame = message.initRoot<lw::Frame>();
  frame.setMeeting(data_of(meeting));
  frame.setNumber(number);
  frame.setTakenBytes(taken_bytes);
  auto list = frame.initParcels(count_of(parcels));
  for (unsigned i = 0; i < parcels.size(); ++i) {
    list[i].setPartition(parcels[i].partition.value);
    std::visit([&](const auto& content) { write(list[i], content); }, parcels[i].content);
  }
  const auto words = capnp::messageToFlatArray(message);
  const auto chars = words.asChars();
  return std::string(chars.begin(), chars.size());
}

Result<Frame> decode_frame(std::string_view bytes) {
  if (bytes.size() > kFrameBytesMax || bytes.size() % sizeof(capnp::word) != 0)
    return Error{ErrorCode::MALFORMED, "a frame of " + std::to_string(bytes.size()) + " bytes is none of ours"};
  // Strings of CAF need not lie on a word's boundary.
  kj::Array<capnp::word> words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), bytes.data(), bytes.size());
  Frame frame;
  const auto failed = kj::runCatchingExceptions([&] {
    capnp::ReaderOptions options;
    // In proportion to the frame: a list of empty structs takes no bytes, but memory here.
    options.traversalLimitInWords = 4 * words.size() + 64;
    capnp::FlatArrayMessageReader message(words, options);
    const auto root = message.getRoot<lw::Frame>();
    frame.meeting = view(root.getMeeting());
    frame.number = root.getNumber();
    frame.taken_bytes = root.getTakenBytes();
    frame.parcels.reserve(root.getParcels().size());
    for (const auto parcel : root.getParcels()) frame.parcels.push_back(read(parcel));
  });
  KJ_IF_MAYBE (exception, failed)
    return Error{ErrorCode::MALFORMED, std::string("a frame does not decode: ") + exception->getDescription().cStr()};
  return frame;
}

}  // namespace carillon::actors
