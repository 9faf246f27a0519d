#include "cluster/peer_message.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>
#include <kj/exception.h>
#include <messages/peer.capnp.h>

#include <cstring>
#include <utility>

#include "messages/text.h"

namespace carillon::cluster {
namespace {

constexpr std::size_t kNodeBytesMax = 32;
constexpr std::size_t kStoreBytesMax = 64;

capnp::Data::Reader bytes_of(std::string_view bytes) {
  return {reinterpret_cast<const capnp::byte*>(bytes.data()), bytes.size()};
}
std::string_view view(capnp::Data::Reader reader) {
  return {reinterpret_cast<const char*>(reader.begin()), reader.size()};
}
std::string_view view(capnp::Text::Reader reader) { return {reader.begin(), reader.size()}; }
capnp::Text::Reader text(const std::string& string) { return {string.c_str(), string.size()}; }

Error malformed(const char* what) { return {ErrorCode::MALFORMED, what}; }

// --- Writing: one for each kind of body.

void write(peer::Message::Builder out, const Append& append) {
  auto to = out.initAppend();
  to.setPreviousIndex(append.previous_index);
  to.setPreviousEpoch(append.previous_epoch);
  auto entries = to.initEntries(static_cast<unsigned>(append.entries.size()));
  for (unsigned i = 0; i < append.entries.size(); ++i) {
    entries[i].setEpoch(append.entries[i].epoch);
    entries[i].setWrites(bytes_of(*append.entries[i].bytes));
  }
  to.setCommit(append.commit);
  to.setSentAt(append.sent_at);
  to.setStuck(append.stuck);
}

void write(peer::Message::Builder out, const AppendAnswer& answer) {
  auto to = out.initAnswer();
  to.setDurable(answer.durable);
  to.setReceived(answer.received);
  to.setLeaseFrom(answer.lease_from);
  to.setAgain(answer.again);
  to.setInstalling(answer.installing);
}

void write(peer::Message::Builder out, const AskEpochEnd& ask) {
  auto to = out.initAsk();
  to.setLastEpoch(ask.last_epoch);
  to.setLastIndex(ask.last_index);
  to.setWorthless(ask.worthless);
  to.setKeepsMissingEntries(ask.keeps_missing_entries);
}

void write(peer::Message::Builder out, const EpochEnd& end) {
  auto to = out.initEnd();
  to.setAskedEpoch(end.asked_epoch);
  to.setAskedIndex(end.asked_index);
  to.setEpoch(end.epoch);
  to.setEndIndex(end.end_index);
  to.setLastIndex(end.last_index);
}

void write(peer::Message::Builder out, const CopyBegin& begin) {
  auto to = out.initCopyBegin();
  to.setCopy(begin.copy);
  to.setBaseIndex(begin.base_index);
  to.setBaseEpoch(begin.base_epoch);
}

void write(peer::Message::Builder out, const CopyCredit& credit) {
  auto to = out.initCopyCredit();
  to.setCopy(credit.copy);
  to.setWritten(credit.written);
  to.setChunks(credit.chunks);
}

void write(peer::Message::Builder out, const CopyChunk& chunk) {
  auto to = out.initCopyChunk();
  to.setCopy(chunk.copy);
  to.setNumber(chunk.number);
  to.setRecords(bytes_of(chunk.records));
  to.setLast(chunk.last);
  to.setThrough(chunk.through);
}

void write(peer::Message::Builder out, const Refusal&) { out.setRefusal(); }
void write(peer::Message::Builder out, const DiskFailure&) { out.setFailure(); }
void write(peer::Message::Builder out, const Nomination& nomination) {
  auto to = out.initNomination();
  to.setRecord(text(encode(nomination.record)));
  to.setRevision(nomination.revision);
}

// --- Reading.

Append read(peer::Append::Reader from) {
  Append append{from.getPreviousIndex(), from.getPreviousEpoch(), {},
                from.getCommit(),        from.getSentAt(),        from.getStuck()};
  const auto entries = from.getEntries();
  append.entries.reserve(entries.size());
  for (const auto entry : entries)
    append.entries.push_back({entry.getEpoch(), std::make_shared<const std::string>(view(entry.getWrites()))});
  return append;
}

AppendAnswer read(peer::AppendAnswer::Reader from) {
  return {from.getDurable(), from.getReceived(), from.getLeaseFrom(), from.getAgain(), from.getInstalling()};
}

AskEpochEnd read(peer::AskEpochEnd::Reader from) {
  return {from.getLastEpoch(), from.getLastIndex(), from.getWorthless(), from.getKeepsMissingEntries()};
}

EpochEnd read(peer::EpochEnd::Reader from) {
  return {from.getAskedEpoch(), from.getAskedIndex(), from.getEpoch(), from.getEndIndex(), from.getLastIndex()};
}

CopyBegin read(peer::CopyBegin::Reader from) { return {from.getCopy(), from.getBaseIndex(), from.getBaseEpoch()}; }

CopyCredit read(peer::CopyCredit::Reader from) { return {from.getCopy(), from.getWritten(), from.getChunks()}; }

CopyChunk read(peer::CopyChunk::Reader from) {
  return {from.getCopy(), from.getNumber(), std::string(view(from.getRecords())), from.getLast(), from.getThrough()};
}

Result<Nomination> read(peer::Nomination::Reader from) {
  auto record = decode_partition_record(view(from.getRecord()));
  if (!record) return record.error();
  return Nomination{std::move(*record), static_cast<Revision>(from.getRevision())};
}

Result<PeerMessage> read(peer::Message::Reader from) {
  const auto sender = from.getFrom();
  PeerMessage message{{from.getPartition()},
                      {std::string(view(sender.getNode())), std::string(view(sender.getStore()))},
                      from.getEpoch(),
                      {}};
  if (!is_name(message.from.node, kNodeBytesMax)) return malformed("a peer's message comes from no node");
  if (!is_printable_utf8(message.from.store, kStoreBytesMax)) return malformed("a peer's message names no store");
  switch (from.which()) {
    case peer::Message::APPEND:
      message.body = read(from.getAppend());
      return message;
    case peer::Message::ANSWER:
      message.body = read(from.getAnswer());
      return message;
    case peer::Message::ASK:
      message.body = read(from.getAsk());
      return message;
    case peer::Message::END:
      message.body = read(from.getEnd());
      return message;
    case peer::Message::COPY_BEGIN:
      message.body = read(from.getCopyBegin());
      return message;
    case peer::Message::COPY_CREDIT:
      message.body = read(from.getCopyCredit());
      return message;
    case peer::Message::COPY_CHUNK:
      message.body = read(from.getCopyChunk());
      return message;
    case peer::Message::REFUSAL:
      message.body = Refusal{};
      return message;
    case peer::Message::FAILURE:
      message.body = DiskFailure{};
      return message;
    case peer::Message::NOMINATION: {
      auto nomination = read(from.getNomination());
      if (!nomination) return nomination.error();
      message.body = std::move(*nomination);
      return message;
    }
  }
  return malformed("a peer's message is of an unknown kind");
}

}  // namespace

std::string encode(const PeerMessage& message) {
  constexpr std::size_t kScratchWords = 64;  // More than a message without entries takes.
  capnp::word scratch[kScratchWords] = {};
  capnp::MallocMessageBuilder builder(kj::arrayPtr(scratch, kScratchWords));
  auto out = builder.initRoot<peer::Message>();
  out.setPartition(message.partition.value);
  out.initFrom().setNode(text(message.from.node));
  out.getFrom().setStore(text(message.from.store));
  out.setEpoch(message.epoch);
  std::visit([&](const auto& body) { write(out, body); }, message.body);
  const auto words = capnp::messageToFlatArray(builder);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

Result<PeerMessage> decode_peer_message(std::string_view bytes) {
  try {
    if (bytes.size() % sizeof(capnp::word) != 0) return malformed("a peer's message does not decode");
    auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    if (!bytes.empty()) std::memcpy(static_cast<void*>(words.begin()), bytes.data(), bytes.size());
    capnp::ReaderOptions options;
    options.traversalLimitInWords = words.size() + 64;  // Nothing is read twice.
    capnp::FlatArrayMessageReader reader(words, options);
    return read(reader.getRoot<peer::Message>());
  } catch (const kj::Exception&) {
    return malformed("a peer's message does not decode");
  }
}

}  // namespace carillon::cluster
