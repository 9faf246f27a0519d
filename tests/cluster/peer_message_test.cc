#include "cluster/peer_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace carillon::cluster {
namespace {

std::vector<PeerMessage> one_of_each() {
  const auto entry = [](Epoch epoch, const char* bytes) {
    return Entry{epoch, std::make_shared<const std::string>(bytes)};
  };
  std::vector<PeerMessage> messages;
  const auto add = [&](auto body) { messages.push_back({{7}, {"ant", "0123456789abcdef"}, 12, std::move(body)}); };
  add(Append{41, 11, {entry(11, "some"), entry(12, "writes")}, 40, 123'456'789});
  add(Append{});
  add(AppendAnswer{43, 44, 123'456'789, true, true});
  add(AskEpochEnd{9, 50, true});
  add(AskEpochEnd{9, 50, false, true});
  add(EpochEnd{9, 50, 8, 38, 41});
  add(CopyBegin{3, 38, 8});
  add(CopyCredit{3, 2, 4});
  add(CopyChunk{3, 1, "records", true, 39});
  add(Refusal{});
  add(DiskFailure{});
  add(Nomination{{13, {"bee", "s2"}, {{"ant", "s1"}, {"bee", "s2"}}, {"ant", "bee", "cat"}}, 99});
  return messages;
}

TEST(PeerMessage, EveryKindReadsAsItWasWritten) {
  for (const auto& message : one_of_each()) {
    const auto read = decode_peer_message(encode(message));
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, message) << message.body.index();
  }
}

TEST(PeerMessage, ManyAndLargeEntriesReadAsTheyWereWritten) {
  PeerMessage message{{7}, {"ant", "s1"}, 12, Append{}};
  auto& entries = std::get<Append>(message.body).entries;
  for (std::size_t i = 0; i < 1'000; ++i)
    entries.push_back({i, std::make_shared<const std::string>(std::string(i * 7 % 5'000, 'x'))});
  const auto read = decode_peer_message(encode(message));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, message);
}

TEST(PeerMessage, WhatIsCutShortIsMalformed) {
  for (const auto& message : one_of_each()) {
    const auto bytes = encode(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto read = decode_peer_message(std::string_view(bytes).substr(0, size));
      if (!read) {
        EXPECT_EQ(read.error().code, ErrorCode::MALFORMED);
      }
    }
    EXPECT_FALSE(decode_peer_message(std::string_view(bytes).substr(0, 8)).ok());
  }
}

TEST(PeerMessage, WhoHasNoNameIsMalformed) {
  auto message = one_of_each().front();
  for (const auto* node : {"", "Ant", "an ant", "an-ant-with-a-name-that-is-longer-than-names-are"}) {
    message.from.node = node;
    EXPECT_FALSE(decode_peer_message(encode(message)).ok()) << node;
  }
}

// Goal: bytes that no peer sends do no harm, and are either refused or read as some message.
// Method: change bytes of real messages, and throw dice for whole ones.
TEST(PeerMessage, P7GarbageNeitherCrashesNorTakesMemory) {
  std::mt19937_64 dice(7);
  for (int round = 0; round < 20'000; ++round) {
    const auto messages = one_of_each();
    auto bytes = encode(messages[dice() % messages.size()]);
    if (dice() % 8 == 0)
      for (auto& byte : bytes) byte = static_cast<char>(dice());
    for (auto changes = dice() % 6 + 1; changes > 0; --changes)
      bytes[dice() % bytes.size()] = static_cast<char>(dice());
    const auto read = decode_peer_message(bytes);
    if (!read) {
      ASSERT_EQ(read.error().code, ErrorCode::MALFORMED);
      continue;
    }
    if (const auto* append = std::get_if<Append>(&read->body)) {
      std::size_t size = 0;
      for (const auto& entry : append->entries) size += entry.size();
      ASSERT_LE(size, bytes.size());
      ASSERT_LE(append->entries.size(), bytes.size());
    }
  }
}

}  // namespace
}  // namespace carillon::cluster
