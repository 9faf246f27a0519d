#include "runtime/record.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>
#include <kj/exception.h>
#include <messages/record.capnp.h>

#include <cstring>

#include "messages/text.h"
#include "runtime/mailbox_record.h"

namespace carillon::runtime {
namespace {

Error damaged(const char* what) {
  return {ErrorCode::UNAVAILABLE, std::string("a stored ") + what + " does not decode; run `carillon verify`"};
}

capnp::Text::Reader text(std::string_view view) {
  // Readers of our own strings: std::string is terminated, and so is every view made here.
  return {view.data(), view.size()};
}
std::string_view view(capnp::Text::Reader reader) { return {reader.begin(), reader.size()}; }

// Builders start in this much memory on the stack, so that a record of one event needs no allocation.
constexpr std::size_t kScratchWords = 256;

// Lays the message out as capnp's stream format does, into a buffer of this thread.
std::string_view flatten(capnp::MessageBuilder& message) {
  thread_local std::string buffer;
  const auto segments = message.getSegmentsForOutput();
  if (segments.size() == 1) {
    const auto bytes = segments[0].asBytes();
    const std::uint32_t header[2] = {0, static_cast<std::uint32_t>(segments[0].size())};
    buffer.assign(reinterpret_cast<const char*>(header), sizeof header);
    buffer.append(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  } else {
    const auto words = capnp::messageToFlatArray(segments);
    const auto bytes = words.asBytes();
    buffer.assign(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  }
  return buffer;
}

// Reads `bytes` (copied, for alignment) with `read`; what capnp throws becomes a failure.
template <class Record, class T, class Read>
Result<T> decode(std::string_view bytes, const char* what, Read&& read) {
  try {
    if (bytes.size() % sizeof(capnp::word) != 0) return damaged(what);
    capnp::word on_stack[kScratchWords];
    const auto words = bytes.size() / sizeof(capnp::word);
    kj::Array<capnp::word> on_heap;
    capnp::word* memory = on_stack;
    if (words > kScratchWords) {
      on_heap = kj::heapArray<capnp::word>(words);
      memory = on_heap.begin();
    }
    std::memcpy(static_cast<void*>(memory), bytes.data(), bytes.size());
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 4 * words + 64;  // A damaged list of empty structs takes no bytes, but memory here.
    capnp::FlatArrayMessageReader message(kj::arrayPtr(memory, words), options);
    return read(message.getRoot<Record>());
  } catch (const kj::Exception&) {
    return damaged(what);
  } catch (const BrokenInvariant&) {
    return damaged(what);
  }
}

void write(record::Window::Builder out, const Window& window, UnixMs moved_at_ms) {
  out.setHighest(window.highest());
  const auto bits = window.seen_below();
  if (!bits.empty()) out.setSeenBelow({reinterpret_cast<const capnp::byte*>(bits.data()), bits.size()});
  out.setMovedAtMs(moved_at_ms);
}

StoredWindow read(record::Window::Reader stored) {
  const auto bits = stored.getSeenBelow();
  return {Window(stored.getHighest(), {reinterpret_cast<const char*>(bits.begin()), bits.size()}),
          stored.getMovedAtMs()};
}

// The view is valid until the next call from this thread.
capnp::Data::Reader data_of(const Event& event) {
  const Event* const only = &event;
  const auto bytes = encode_mailbox_record({&only, 1});
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
Result<Event> event_of(capnp::Data::Reader record) {
  const auto bytes = record.asChars();
  auto events = decode_mailbox_record({bytes.begin(), bytes.size()});
  if (!events) return events.error();
  return std::move(events->front());
}

}  // namespace

std::string_view encode(const StoredWindow& stored) {
  capnp::word scratch[64] = {};
  capnp::MallocMessageBuilder message(kj::arrayPtr(scratch, 64));
  write(message.initRoot<record::Window>(), stored.window, stored.moved_at_ms);
  return flatten(message);
}

Result<StoredWindow> decode_window(std::string_view bytes) {
  return decode<record::Window, StoredWindow>(
      bytes, "window", [](record::Window::Reader stored) { return Result<StoredWindow>(read(stored)); });
}

std::string_view encode(std::span<const MovedWindow> windows) {
  capnp::word scratch[kScratchWords] = {};
  capnp::MallocMessageBuilder message(kj::arrayPtr(scratch, kScratchWords));
  auto out = message.initRoot<record::MovedWindows>().initWindows(static_cast<unsigned>(windows.size()));
  for (unsigned i = 0; i < windows.size(); ++i) {
    out[i].setProducer({windows[i].producer.data(), windows[i].producer.size()});
    write(out[i].initWindow(), *windows[i].window, windows[i].moved_at_ms);
  }
  return flatten(message);
}

Result<std::vector<std::pair<ProducerId, StoredWindow>>> decode_moved_windows(std::string_view bytes) {
  using Windows = std::vector<std::pair<ProducerId, StoredWindow>>;
  return decode<record::MovedWindows, Windows>(bytes, "list of windows", [](record::MovedWindows::Reader stored) {
    Windows windows;
    for (const auto moved : stored.getWindows())
      windows.emplace_back(ProducerId::trusted(view(moved.getProducer())), read(moved.getWindow()));
    return Result<Windows>(std::move(windows));
  });
}

std::string encode(const Snapshot& snapshot) {
  capnp::MallocMessageBuilder message;
  auto stored = message.initRoot<record::Snapshot>();
  stored.setOffset(snapshot.offset);
  stored.setBehaviourVersion(snapshot.behaviour_version);
  stored.setState(text(snapshot.state));
  auto counters = stored.initEmissions(static_cast<unsigned>(snapshot.emissions.size()));
  for (unsigned i = 0; i < snapshot.emissions.size(); ++i) {
    counters[i].setPartition(snapshot.emissions[i].partition.value);
    counters[i].setSequence(snapshot.emissions[i].sequence);
  }
  return std::string(flatten(message));
}

Result<Snapshot> decode_snapshot(std::string_view bytes) {
  return decode<record::Snapshot, Snapshot>(bytes, "snapshot", [](record::Snapshot::Reader stored) {
    Snapshot snapshot{stored.getOffset(), stored.getBehaviourVersion(), std::string(view(stored.getState())), {}};
    for (const auto counter : stored.getEmissions())
      snapshot.emissions.push_back({{counter.getPartition()}, counter.getSequence()});
    return Result<Snapshot>(std::move(snapshot));
  });
}

std::string encode_cursor(Offset offset) {
  capnp::MallocMessageBuilder message;
  message.initRoot<record::Cursor>().setOffset(offset);
  return std::string(flatten(message));
}

Result<Offset> decode_cursor(std::string_view bytes) {
  return decode<record::Cursor, Offset>(
      bytes, "cursor", [](record::Cursor::Reader stored) { return Result<Offset>(stored.getOffset()); });
}

std::string encode(const DeadLetter& letter) {
  capnp::MallocMessageBuilder message;
  auto stored = message.initRoot<record::DeadLetter>();
  stored.setReason(text(letter.reason));
  stored.setAttempts(letter.attempts);
  stored.setSettled(letter.settled);
  if (letter.event) stored.setEvent(data_of(*letter.event));
  return std::string(flatten(message));
}

Result<DeadLetter> decode_dead_letter(std::string_view bytes) {
  using Reader = record::DeadLetter::Reader;
  return decode<record::DeadLetter, DeadLetter>(bytes, "dead letter", [](Reader stored) -> Result<DeadLetter> {
    DeadLetter letter{std::string(view(stored.getReason())), stored.getAttempts(), stored.getSettled()};
    if (stored.getEvent().size() == 0) return letter;
    auto event = event_of(stored.getEvent());
    if (!event) return event.error();
    letter.event = std::move(*event);
    return letter;
  });
}

std::string encode(const Reminder& reminder) {
  capnp::MallocMessageBuilder message;
  auto stored = message.initRoot<record::Reminder>();
  stored.setEntity(text(reminder.entity.text()));
  stored.setEvent(data_of(reminder.event));
  return std::string(flatten(message));
}

Result<Reminder> decode_reminder(std::string_view bytes) {
  return decode<record::Reminder, Reminder>(bytes, "reminder", [](record::Reminder::Reader stored) -> Result<Reminder> {
    auto entity = EntityId::parse(view(stored.getEntity()));
    if (!entity) return entity.error();
    auto event = event_of(stored.getEvent());
    if (!event) return event.error();
    return Reminder{std::move(*entity), std::move(*event)};
  });
}

std::string encode(const StoreFormat& format) {
  capnp::MallocMessageBuilder message;
  auto stored = message.initRoot<record::StoreFormat>();
  stored.setVersion(format.version);
  stored.setPartitions(format.partitions);
  stored.setStoreId(text(format.store_id));
  return std::string(flatten(message));
}

Result<StoreFormat> decode_store_format(std::string_view bytes) {
  return decode<record::StoreFormat, StoreFormat>(bytes, "store format", [](record::StoreFormat::Reader stored) {
    return Result<StoreFormat>({stored.getVersion(), stored.getPartitions(), std::string(view(stored.getStoreId()))});
  });
}

}  // namespace carillon::runtime
