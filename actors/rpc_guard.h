// What comes over a native connection, message by message, as far as it could use up the node (P7): nothing more is read while too much
// of what the client was told waits to be written, and who leaves too many calls open is hung up on.
//
// Cap'n Proto keeps a place for each call until its client says that it needs the answer no more (rpc.capnp, `Finish`). Belongs
// to its gateway thread.
#pragma once

#include <capnp/serialize-async.h>
#include <kj/async-io.h>

#include <cstddef>
#include <functional>

namespace carillon::actors {

class RpcGuard final : public capnp::MessageStream {
 public:
  // `has_room` says whether more may be read. What takes room must be written here, for that is when it is asked again.
  RpcGuard(kj::AsyncIoStream& stream, std::size_t open_calls_max, std::function<bool()> has_room)
      : stream_(stream), open_calls_max_(open_calls_max), has_room_(std::move(has_room)) {}

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> files,
                                                                    capnp::ReaderOptions options,
                                                                    kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(kj::ArrayPtr<const int> files,
                                 kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override;
  kj::Promise<void> writeMessages(kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override;
  kj::Maybe<int> getSendBufferSize() override { return stream_.getSendBufferSize(); }
  kj::Promise<void> end() override { return stream_.end(); }

 private:
  void came(capnp::MessageReader& message);
  void written();

  capnp::AsyncIoMessageStream stream_;
  const std::size_t open_calls_max_;
  std::size_t open_calls_ = 0;
  const std::function<bool()> has_room_;
  kj::Own<kj::PromiseFulfiller<void>> room_;  // Set while a read waits.
  kj::Promise<void> look_again_ = kj::READY_NOW;
};

}  // namespace carillon::actors
