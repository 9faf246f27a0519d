// Publishes exactly once, for one producer: what is offered is accepted once and in order (P1 to P3), however often the
// connection breaks or the node refuses for load in between. With several addresses it goes on with the next one when a node
// is lost, silent or gets nothing done, and carries on there with what is not confirmed.
//
// Runs on the caller's KJ event loop and belongs to its thread; `network` and `timer` must outlive it. Connects by
// itself and keeps trying. Decisions are in outbox.h. Exactly once holds across a restart of this program too, if the
// producer's name and sequences are the same again.
#pragma once

#include <kj/async-io.h>

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "clients/cpp/address.h"
#include "clients/cpp/attempts.h"
#include "clients/cpp/connection.h"
#include "clients/cpp/outbox.h"

namespace carillon::client {

class Publisher final : private kj::TaskSet::ErrorHandler {
 public:
  struct Options {
    Addresses addresses;
    std::string producer;
    Outbox::Limits limits{};
    Backoff::Range reconnect{};
    Credentials credentials{};
  };
  // Any may be left out. They may offer; they may neither throw nor destroy the publisher.
  struct Callbacks {
    std::function<void(std::span<const Sequence>)> accepted;  // Durable; valid during the call.
    std::function<void(Sequence, const Error&)> refused;      // For good: skipped.
    std::function<void(const Error&)> disconnected;           // Or could not connect; it tries again by itself.
    std::function<void()> connected;
  };
  struct Figures {
    std::uint64_t accepted = 0, duplicates = 0;  // Of those accepted, so many had been accepted before.
    std::uint64_t refused = 0;
    std::uint64_t pauses = 0;  // Times that the node asked to wait, or a call failed.
    std::uint64_t connections = 0;
  };

  Publisher(kj::Network& network, kj::Timer& timer, Options options, Callbacks callbacks);
  ~Publisher();
  KJ_DISALLOW_COPY(Publisher);

  // What has more bytes is refused as PAYLOAD_TOO_LARGE before it is sent: a node cuts the connection of whoever sends more than its
  // `message_bytes_max`, and all that waits behind it with it.
  static constexpr std::size_t kEventBytesMax = 8 * 1024 * 1024;

  // Takes a copy of `publication`, to be sent when the event loop's turn ends. False when the queue is full: then wait
  // for has_room(). Sequences must rise.
  [[nodiscard]] bool offer(const Publication& publication);
  // Resolves when some of what was offered is settled, so that another offer is worth a try; one such promise at a time.
  kj::Promise<void> has_room();
  // Resolves when everything offered is settled; one such promise at a time.
  kj::Promise<void> is_done();

  bool done() const { return outbox_.empty(); }
  std::size_t queued() const { return outbox_.queued(); }  // Offered and not settled.
  bool connected() const { return connection_.get() != nullptr; }
  const Figures& figures() const { return figures_; }
  // Why the node did not take something, the last time that it said to try again later.
  const std::optional<Error>& put_off() const { return put_off_; }

 private:
  kj::Promise<void> live();
  kj::Promise<void> gone();
  kj::Promise<void> stuck();
  kj::Promise<void> live_again(const Error& error);
  void flush_soon();
  void flush();
  void answered(CallId call, Answer<wire::Gateway::PublishResults> answer);
  void note_unavailable(bool refused);
  void perform(const Outbox::Outcome& outcome);
  void taskFailed(kj::Exception&& exception) override;

  kj::Network& network_;
  kj::Timer& timer_;
  Options options_;
  Callbacks callbacks_;
  Outbox outbox_;
  Attempts attempts_;
  kj::TimePoint progress_;  // When something was last settled, or there was nothing to settle.
  // The oldest that is not settled was refused as unavailable, since then each time.
  struct Unavailable {
    Sequence oldest;
    kj::TimePoint since;
    bool too_long = false;
  };
  std::optional<Unavailable> unavailable_;
  Figures figures_;
  std::optional<Error> put_off_;
  kj::Own<Connection> connection_;  // Null while there is none.
  std::uint64_t life_ = 0;          // Counts connections; what belongs to an earlier one is ignored.
  bool flush_due_ = false;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> room_, done_;
  kj::TaskSet tasks_;  // Last: goes first.
};

}  // namespace carillon::client
