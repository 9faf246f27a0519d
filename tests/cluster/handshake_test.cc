#include "cluster/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::cluster {
namespace {

using testing::HasSubstr;

const Identity kAnt{"c1", "ant", "a secret"};
const Identity kBee{"c1", "bee", "a secret"};

// Both talk until one refuses or both have met; gives the refusal.
std::optional<Error> meet(Handshake& dialer, Handshake& acceptor) {
  std::string said = dialer.hello();
  bool dialer_met = false, acceptor_met = false;
  for (bool to_acceptor = true; !(dialer_met && acceptor_met); to_acceptor = !to_acceptor) {
    auto step = (to_acceptor ? acceptor : dialer).heard(said);
    if (!step) return step.error();
    (to_acceptor ? acceptor_met : dialer_met) |= step->met;
    said = step->reply;
  }
  return std::nullopt;
}

TEST(Handshake, NodesOfOneClusterMeet) {
  auto dialer = Handshake::dialer(kAnt, "bee");
  auto acceptor = Handshake::acceptor(kBee, "ant");
  const auto refused = meet(dialer, acceptor);
  EXPECT_FALSE(refused) << refused->message;
  EXPECT_EQ(dialer.meeting(), acceptor.meeting());
  EXPECT_EQ(dialer.meeting().size(), 16u);
}

TEST(Handshake, P9AnotherClusterIsRefused) {
  auto dialer = Handshake::dialer({"c2", "ant", "a secret"}, "bee");
  auto acceptor = Handshake::acceptor(kBee, "ant");
  const auto refused = meet(dialer, acceptor);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, ErrorCode::FORBIDDEN);
  EXPECT_THAT(refused->message, HasSubstr("another cluster"));
}

TEST(Handshake, P9ADialerWithAnotherSecretLearnsItFromTheAcceptorsProof) {
  auto dialer = Handshake::dialer({"c1", "ant", "guessed"}, "bee");
  auto acceptor = Handshake::acceptor(kBee, "ant");
  const auto refused = meet(dialer, acceptor);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, ErrorCode::FORBIDDEN);
}

TEST(Handshake, P9ADialerWithoutTheSecretIsNotLetIn) {
  // Given a dialer that does not care whether the acceptor knows anything.
  auto impostor = Handshake::dialer({"c1", "ant", ""}, "bee");
  auto acceptor = Handshake::acceptor(kBee, "ant");
  auto challenge = acceptor.heard(impostor.hello());
  ASSERT_TRUE(challenge.ok());
  // When it answers the challenge with no proof at all.
  const auto other = Handshake::acceptor({"c1", "bee", ""}, "ant").heard(impostor.hello());
  ASSERT_TRUE(other.ok());
  const auto empty_proof = impostor.heard(other->reply);
  ASSERT_TRUE(empty_proof.ok());
  const auto outcome = acceptor.heard(empty_proof->reply);
  // Then it is refused.
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::FORBIDDEN);
}

TEST(Handshake, P9AProofOfAnEarlierMeetingIsOfNoUse) {
  auto dialer = Handshake::dialer(kAnt, "bee");
  auto first = Handshake::acceptor(kBee, "ant");
  const auto challenge = first.heard(dialer.hello());
  ASSERT_TRUE(challenge.ok());
  const auto proof = dialer.heard(challenge->reply);
  ASSERT_TRUE(proof.ok());
  ASSERT_TRUE(first.heard(proof->reply).ok());
  // When somebody repeats what was said.
  auto second = Handshake::acceptor(kBee, "ant");
  ASSERT_TRUE(second.heard(dialer.hello()).ok());
  EXPECT_FALSE(second.heard(proof->reply).ok());
}

TEST(Handshake, AnAnswerToAnEarlierHelloIsPassedOver) {
  // Given a dialer that has begun anew, as after a cable was cut.
  auto before = Handshake::dialer(kAnt, "bee"), dialer = Handshake::dialer(kAnt, "bee");
  auto acceptor_before = Handshake::acceptor(kBee, "ant"), acceptor = Handshake::acceptor(kBee, "ant");
  // When what was on the cable arrives after all,
  const auto late = acceptor_before.heard(before.hello());
  ASSERT_TRUE(late.ok());
  const auto step = dialer.heard(late->reply);
  ASSERT_TRUE(step.ok()) << step.error().message;
  EXPECT_TRUE(step->reply.empty());
  // then they meet all the same.
  const auto refused = meet(dialer, acceptor);
  EXPECT_FALSE(refused) << refused->message;
}

TEST(Handshake, GarbageIsMalformed) {
  auto acceptor = Handshake::acceptor(kBee, "ant");
  for (const auto& bytes : {std::string(), std::string(8, '\xff'), std::string(24, '\0'), std::string(5'000, 'x')}) {
    const auto outcome = acceptor.heard(bytes);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code, ErrorCode::MALFORMED);
    EXPECT_FALSE(caller_of(bytes).ok());
  }
}

TEST(Handshake, WhoIsRefusedHearsWhy) {
  auto dialer = Handshake::dialer(kAnt, "bee");
  const auto outcome = dialer.heard(refusal_knock("not today"));
  ASSERT_FALSE(outcome.ok());
  EXPECT_THAT(outcome.error().message, HasSubstr("not today"));
}

}  // namespace
}  // namespace carillon::cluster
