#include "actors/rpc_guard.h"

#include <capnp/rpc.capnp.h>

#include <algorithm>

namespace carillon::actors {

kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> RpcGuard::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd> files,
                                                                            capnp::ReaderOptions options,
                                                                            kj::ArrayPtr<capnp::word> scratch) {
  if (!has_room_()) {
    auto room = kj::newPromiseAndFulfiller<void>();
    room_ = kj::mv(room.fulfiller);
    return room.promise.then([this, files, options, scratch] { return tryReadMessage(files, options, scratch); });
  }
  return stream_.tryReadMessage(files, options, scratch).then([this](kj::Maybe<capnp::MessageReaderAndFds> message) {
    KJ_IF_MAYBE (some, message) {
      came(*some->reader);
    }
    return message;
  });
}

void RpcGuard::came(capnp::MessageReader& message) {
  const auto what = message.getRoot<capnp::rpc::Message>().which();
  if (what == capnp::rpc::Message::CALL || what == capnp::rpc::Message::BOOTSTRAP) ++open_calls_;
  if (what == capnp::rpc::Message::FINISH) open_calls_ -= std::min<std::size_t>(open_calls_, 1);
  KJ_REQUIRE(open_calls_ <= open_calls_max_, "too many calls are open; say Finish when an answer is needed no more");
}

kj::Promise<void> RpcGuard::writeMessage(kj::ArrayPtr<const int> files,
                                         kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  return stream_.writeMessage(files, segments).then([this] { written(); });
}

kj::Promise<void> RpcGuard::writeMessages(kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) {
  return stream_.writeMessages(messages).then([this] { written(); });
}

// Whoever wrote counts it as written in a moment; so it is looked at after that, even if nobody waits yet.
void RpcGuard::written() {
  if (room_.get() == nullptr && has_room_()) return;
  look_again_ = kj::evalLast([this] {
                  if (room_.get() != nullptr) kj::mv(room_)->fulfill();
                }).eagerlyEvaluate(nullptr);
}

}  // namespace carillon::actors
