// Holds what one producer has to publish until it is settled, and decides what to send next and what an answer means.
//
// Pure: no clock, no sockets. Owned by one Publisher, which tells it of answers, pauses and lost connections.
// Sends in the order of the sequences; goes back to the first refused one after a refusal that passes (go-back-N), to the
// first unacknowledged one after a lost connection. Sent and unacknowledged sequences span less than kSpan, so that the
// partition's window (P2) always tells a resent event from a new one. Sequences may have gaps.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clients/cpp/publication.h"
#include "messages/result.h"

namespace carillon::client {

using CallId = std::uint64_t;  // From 1; 0 stands for "none".

class Outbox {
 public:
  static constexpr Sequence kSpan = 1'024;  // Highest sent less lowest unacknowledged sequence stays below it.

  struct Limits {
    std::size_t queued_events_max = 8'192;  // Offered and not yet settled.
    std::size_t queued_bytes_max = 16 * 1024 * 1024;
    std::size_t batch_events_max = 1'024;
    std::size_t batch_bytes_max = 1024 * 1024;
    std::size_t calls_in_flight_max = 8;
  };

  explicit Outbox(Limits limits);

  // Takes a copy of `publication`; false when there is no room. Its sequence must be above all before it.
  [[nodiscard]] bool offer(const Publication& publication);

  // One publish call to make now.
  struct Call {
    CallId id = 0;                       // 0: nothing may be sent now.
    std::span<const Publication> batch;  // Valid until the next call of a member that is not const.
  };
  Call next_call();

  // One refusal in an answer, as in client.capnp.
  struct Refusal {
    std::uint32_t index = 0;
    Error error;
    std::chrono::milliseconds retry_after{0};
  };
  struct Refused {
    Sequence sequence = 0;
    Error error;
  };
  // What an answer means. Valid until the next answer.
  struct Outcome {
    std::vector<Sequence> accepted;
    std::vector<Refused> refused;  // For good: skipped.
    // Set when nothing more may be sent until resume(), to be called after that long.
    std::optional<std::chrono::milliseconds> pause;
  };
  // The call was answered; items without a refusal are accepted.
  const Outcome& answered(CallId call, std::vector<Refusal> refusals);
  // The call failed as a whole: whether anything was accepted is not known.
  const Outcome& failed(CallId call);
  // The pause is over: begins again at the first unacknowledged event.
  void resume();
  // Calls in flight will not be answered; everything unacknowledged is to be sent again, in order.
  void disconnected();

  bool empty() const { return front_ == end_; }
  // The first sequence that is not settled; 0 if there is none.
  Sequence oldest() const { return empty() ? 0 : slot(front_).sequence; }
  std::size_t queued() const { return end_ - front_; }  // Includes settled ones behind an unsettled one.
  std::size_t calls_in_flight() const { return calls_.size(); }
  // Whether next_call() would give one.
  bool may_send() const;

 private:
  // One event. Slots are reused with their memory, if that is little.
  static constexpr std::size_t kTextBytesKept = 1'024;
  struct Slot {
    Sequence sequence = 0;
    std::string text;  // Entity, type, payload and, if it has one, traceparent.
    std::uint32_t entity_bytes = 0, type_bytes = 0, traceparent_bytes = 0;
    bool settled = false;
    CallId call = 0;  // That carries it now.

    Publication publication() const;
  };
  struct CallInFlight {
    CallId id = 0;
    std::uint64_t first = 0, end = 0;  // Positions; what in between was settled before is not part of it.
    std::size_t events = 0;
  };
  static constexpr std::chrono::milliseconds kPauseShortest{1};
  static constexpr std::chrono::milliseconds kPauseAfterFailure{100};

  Slot& slot(std::uint64_t position) { return slots_[position & (slots_.size() - 1)]; }
  const Slot& slot(std::uint64_t position) const { return slots_[position & (slots_.size() - 1)]; }
  CallInFlight take(CallId call);
  void settle(Slot& settled);
  // No call is made until those in flight are answered and the pause is over, so that every answer is of the latest sending.
  void hold(std::chrono::milliseconds pause);
  const Outcome& conclude();
  void grow();

  Limits limits_;
  std::vector<Slot> slots_;       // A ring, by position; its size is a power of two.
  std::uint64_t front_ = 0;       // The first unsettled event.
  std::uint64_t next_ = 0;        // The next to send.
  std::uint64_t end_ = 0;         // Behind the last.
  std::size_t queued_bytes_ = 0;  // Of unsettled events.
  Sequence highest_ = 0;          // Offered so far.
  std::deque<CallInFlight> calls_;
  CallId last_call_ = 0;
  bool holding_ = false;
  std::chrono::milliseconds pause_{0};
  std::vector<Publication> batch_;
  Outcome outcome_;
};

}  // namespace carillon::client
