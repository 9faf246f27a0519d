#include "runtime/mailbox_record.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace carillon::runtime {
namespace {

constexpr std::size_t kNumberBytesMax = 10;
constexpr std::size_t kNumbers = 6;  // Of an event, its lengths included.
constexpr std::size_t kEventBytesMax = (kNumbers + 1) * kNumberBytesMax + TraceParent::kBytes;  // Without its texts.
constexpr std::size_t kBufferKept = 1024 * 1024;  // A larger one is given back at the next record.

Error damaged() { return {ErrorCode::UNAVAILABLE, "a stored mailbox record does not decode; run `carillon verify`"}; }

// Writes from left to right, into memory that is large enough.
struct Pen {
  char* at;

  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
    *at++ = static_cast<char>(value);
  }
  void bytes(std::string_view text) {
    std::memcpy(at, text.data(), text.size());
    at += text.size();
  }
};

// Reads from left to right; nothing once something is not as it must be.
struct Eye {
  std::string_view rest;

  std::optional<std::uint64_t> number() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kNumberBytesMax && i < rest.size(); ++i) {
      const auto byte = static_cast<unsigned char>(rest[i]);
      if (i == kNumberBytesMax - 1 && byte > 1) return std::nullopt;  // More than 64 bits.
      value |= std::uint64_t{byte & 0x7fu} << (7 * i);
      if (byte < 0x80) {
        rest.remove_prefix(i + 1);
        return value;
      }
    }
    return std::nullopt;
  }
  std::optional<std::string_view> bytes(std::uint64_t size) {
    if (size > rest.size()) return std::nullopt;
    const auto taken = rest.substr(0, size);
    rest.remove_prefix(size);
    return taken;
  }
  // What is left out when it is as in the event before.
  std::optional<std::string_view> bytes_unless_as(std::optional<std::string_view> before) {
    const auto size = number();
    if (!size) return std::nullopt;
    return *size == 0 ? before : bytes(*size - 1);
  }
};

std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) { return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1)); }

// Differences wrap round, so that any two times have one.
std::int64_t difference(UnixMs later, UnixMs earlier) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(later) - static_cast<std::uint64_t>(earlier));
}
UnixMs sum(UnixMs earlier, std::int64_t by) {
  return static_cast<UnixMs>(static_cast<std::uint64_t>(earlier) + static_cast<std::uint64_t>(by));
}

// Reads what stands behind the events. False when it is not as it must be.
bool read_traces(Eye& eye, std::vector<Event>& events) {
  for (std::size_t next = 0; !eye.rest.empty(); ++next) {
    const auto skipped = eye.number();
    const auto bytes = eye.bytes(TraceParent::kBytes);
    if (!skipped || !bytes || next >= events.size() || *skipped >= events.size() - next) return false;
    next += *skipped;
    events[next].traceparent = TraceParent::from_bytes(*bytes);
    if (!events[next].traceparent) return false;
  }
  return true;
}

// Reads one event behind `before`, which is nullptr for the first.
std::optional<Event> read_event(Eye& eye, const Event* before) {
  const auto as_before = [&](const std::string& text) { return std::optional<std::string_view>(text); };
  const auto producer = eye.bytes_unless_as(before ? as_before(before->producer.stored()) : std::nullopt);
  const auto sequence = eye.number();
  const auto accepted_after = eye.number();
  const auto redrive_of = eye.number();
  const auto type = eye.bytes_unless_as(before ? as_before(before->type) : std::nullopt);
  const auto payload_bytes = eye.number();
  if (!producer || !sequence || !accepted_after || !redrive_of || !type || !payload_bytes) return std::nullopt;
  const auto payload = eye.bytes(*payload_bytes);
  if (!payload || !ProducerId::is_stored(*producer)) return std::nullopt;
  return Event{.type = std::string(*type),
               .payload = std::string(*payload),
               .producer = ProducerId::trusted(*producer),
               .sequence = *sequence,
               .accepted_at_ms = sum(before ? before->accepted_at_ms : 0, unzigzag(*accepted_after)),
               .redrive_of = *redrive_of};
}

}  // namespace

std::string_view encode_mailbox_record(std::span<const Event* const> events) {
  std::size_t bytes_max = kNumberBytesMax;
  for (const auto* event : events)
    bytes_max += kEventBytesMax + event->producer.stored().size() + event->type.size() + event->payload.size();
  thread_local std::unique_ptr<char[]> buffer;
  thread_local std::size_t buffer_bytes = 0;
  if (buffer == nullptr || bytes_max > buffer_bytes || buffer_bytes > kBufferKept) {
    buffer_bytes = bytes_max;
    buffer.reset(new char[buffer_bytes]);
  }

  Pen pen{buffer.get()};
  pen.number(events.size());
  const Event* before = nullptr;
  for (const auto* event : events) {
    if (before != nullptr && before->producer == event->producer) {
      pen.number(0);
    } else {
      pen.number(event->producer.stored().size() + 1);
      pen.bytes(event->producer.stored());
    }
    pen.number(event->sequence);
    pen.number(zigzag(difference(event->accepted_at_ms, before != nullptr ? before->accepted_at_ms : 0)));
    pen.number(event->redrive_of);
    if (before != nullptr && before->type == event->type) {
      pen.number(0);
    } else {
      pen.number(event->type.size() + 1);
      pen.bytes(event->type);
    }
    pen.number(event->payload.size());
    pen.bytes(event->payload);
    before = event;
  }
  std::uint64_t skipped = 0;
  for (const auto* event : events) {
    if (!event->traceparent) {
      ++skipped;
      continue;
    }
    pen.number(std::exchange(skipped, 0));
    pen.bytes(event->traceparent->bytes());
  }
  return {buffer.get(), static_cast<std::size_t>(pen.at - buffer.get())};
}

Result<std::vector<Event>> decode_mailbox_record(std::string_view bytes) {
  Eye eye{bytes};
  const auto count = eye.number();
  if (!count || *count == 0 || *count > eye.rest.size() / kNumbers) return damaged();
  std::vector<Event> events;
  events.reserve(*count);
  while (events.size() < *count) {
    auto event = read_event(eye, events.empty() ? nullptr : &events.back());
    if (!event) return damaged();
    events.push_back(std::move(*event));
  }
  if (!read_traces(eye, events)) return damaged();
  return events;
}

Result<std::size_t> count_of_mailbox_record(std::string_view bytes) {
  Eye eye{bytes};
  const auto count = eye.number();
  if (!count || *count == 0 || *count > eye.rest.size() / kNumbers) return damaged();
  return static_cast<std::size_t>(*count);
}

}  // namespace carillon::runtime
