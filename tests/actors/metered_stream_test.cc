// A connection from which no more is read than may be sent (P7): whoever gives up waiting for that loses nothing of what came (P9), or the
// next request would be read from its middle.
#include "actors/metered_stream.h"

#include <kj/async-io.h>

#include <gtest/gtest.h>

#include <array>

#include "actors/inbox.h"
#include "tests/support/stepped_actors.h"

namespace carillon::actors {
namespace {

TEST(MeteredStream, P9WhoGivesUpAReadLosesNothing) {
  // Given a subject of 1,000 bytes a second, of which 4,000 are saved up, and a connection on which 200 more come.
  auto io = kj::setupAsyncIo();
  testing::SteppedActors actors;
  NodeEdge node{{}, {.bytes_per_second = 1'000}, nullptr};
  Edge edge(actors.system(), std::make_shared<std::vector<caf::actor>>(), Catalogue(), {}, {}, node,
            std::make_shared<Inbox>(), io.provider->getTimer());
  Visit visit(edge);
  ASSERT_TRUE(visit.enter(access::Rights(access::Claims{.subject = "ana"})).ok());
  auto pipe = kj::newTwoWayPipe();
  MeteredStream stream(kj::mv(pipe.ends[0]), visit, edge.timer);
  std::array<char, 8'192> buffer;
  std::string sent, received;
  const auto send = [&](const std::string& bytes) {
    sent += bytes;
    return pipe.ends[1]->write(bytes.data(), bytes.size()).eagerlyEvaluate(nullptr);
  };
  const auto read_or_give_up = [&] {
    auto coming = stream.tryRead(buffer.data(), 1, buffer.size());
    if (!coming.poll(io.waitScope)) return false;
    received.append(buffer.data(), coming.wait(io.waitScope));
    return true;
  };
  const std::string body(4'200, ' '), next = "the next request";
  const auto first = send(body);
  (void)read_or_give_up();
  // When the next one is to be read before that is paid for, and given up,
  const auto second = send(next);
  EXPECT_FALSE(read_or_give_up());
  // then all of it comes once it is.
  while (received.size() < sent.size())
    received.append(
        buffer.data(),
        edge.timer.timeoutAfter(5 * kj::SECONDS, stream.tryRead(buffer.data(), 1, buffer.size())).wait(io.waitScope));
  EXPECT_EQ(received, sent);
}

}  // namespace
}  // namespace carillon::actors
