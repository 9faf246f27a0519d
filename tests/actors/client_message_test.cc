#include "actors/client_message.h"

#include <gmock/gmock.h>

namespace carillon::actors {
namespace {

template <class T>
T parsed(std::string_view text) {
  auto message = parse_client_message(text);
  EXPECT_TRUE(message.ok()) << text << ": " << (message.ok() ? "" : message.error().message);
  if (!message || !std::holds_alternative<T>(*message)) {
    ADD_FAILURE() << text << " is something else";
    return {};
  }
  return std::get<T>(std::move(*message));
}

TEST(ClientMessage, PublishKeepsPayloadsLetterByLetter) {
  const auto publish = parsed<PublishMessage>(
      R"({ "publish" : {"id":7,"producer":"ana/tab","events":[
        {"sequence":1,"entity":"hunt/island","type":"dug","payload":{ "x" : 1.0, "big": 123456789012345678901234567890 }},
        {"payload":{},"type":"dug","entity":"player/\u00e4","sequence":9007199254740991,"more":[]}]}})");
  EXPECT_EQ(publish.id, 7u);
  EXPECT_EQ(publish.batch.producer, "ana/tab");
  ASSERT_EQ(publish.batch.events.size(), 2u);
  EXPECT_EQ(publish.batch.events[0].payload, R"({ "x" : 1.0, "big": 123456789012345678901234567890 })");
  EXPECT_EQ(publish.batch.events[0].entity, "hunt/island");
  EXPECT_EQ(publish.batch.events[0].sequence, 1u);
  EXPECT_EQ(publish.batch.events[1].entity, "player/\xc3\xa4");
  EXPECT_EQ(publish.batch.events[1].sequence, kJsonIntegerMax);
}

TEST(ClientMessage, WhatAnEventLacksIsForItsOwnRefusal) {
  const auto publish = parsed<PublishMessage>(
      R"({"publish":{"id":0,"producer":"p","events":[{},{"sequence":-1,"entity":5,"type":null,"payload":[1]},{"sequence":1.5}]}})");
  ASSERT_EQ(publish.batch.events.size(), 3u);
  EXPECT_EQ(publish.batch.events[0].payload, "");
  EXPECT_EQ(publish.batch.events[1].payload, "[1]");
  for (const auto& event : publish.batch.events) {
    EXPECT_EQ(event.sequence, 0u);
    EXPECT_EQ(event.entity, "");
    EXPECT_EQ(event.type, "");
  }
}

TEST(ClientMessage, ATraceThatIsNoneIsAsIfItWereNotThere) {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto publish = parsed<PublishMessage>(R"({"publish":{"id":0,"producer":"p","events":[{"traceparent":")" + good +
                                              R"("},{"traceparent":"00-0-0-01"},{"traceparent":7},{}]}})");
  ASSERT_EQ(publish.batch.events.size(), 4u);
  EXPECT_EQ(publish.batch.events[0].view().traceparent, TraceParent::parse(good));
  for (int i = 1; i < 4; ++i) EXPECT_EQ(publish.batch.events[i].view().traceparent, std::nullopt) << i;
}

TEST(ClientMessage, APayloadWhoseNameIsEscapedIsWrittenAnew) {
  const auto publish = parsed<PublishMessage>(
      R"({"publish":{"id":0,"producer":"p","events":[{"payl\u006fad":{ "a" : 1 },"payload":{"b":2}}]}})");
  EXPECT_EQ(publish.batch.events.at(0).payload, R"({"a":1})");
}

TEST(ClientMessage, FollowsBeginWhereTheyAreToldTo) {
  using From = FollowMessage::From;
  const auto at = parsed<FollowMessage>(R"({"follow":{"id":4294967295,"entity":"player/ana","from":42}})");
  EXPECT_EQ(at.id, 4294967295u);
  EXPECT_EQ(at.from, From::kOffset);
  EXPECT_EQ(at.offset, 42u);
  EXPECT_EQ(parsed<FollowMessage>(R"({"follow":{"id":1,"entity":"player/ana","from":"end"}})").from, From::kEnd);
  const auto read =
      parsed<FollowMessage>(R"({"follow":{"id":1,"entity":"player/ana","from":"acknowledged","device":"phone"}})");
  EXPECT_EQ(read.from, From::kAcknowledged);
  EXPECT_EQ(read.device, "phone");
}

TEST(ClientMessage, TheOthers) {
  EXPECT_EQ(parsed<UnfollowMessage>(R"({"unfollow":{"id":3}})").id, 3u);
  const auto read =
      parsed<AcknowledgeMessage>(R"({"acknowledge":{"id":3,"entity":"player/ana","device":"phone","offset":41}})");
  EXPECT_EQ(read.device, "phone");
  EXPECT_EQ(read.offset, 41u);
  EXPECT_EQ(parsed<PositionsMessage>(R"({"positions":{"id":4,"entity":"player/ana"}})").entity, "player/ana");
  EXPECT_EQ(parsed<AuthenticateMessage>(R"({"authenticate":{"id":5,"token":"a.b.c"}})").token, "a.b.c");
  (void)parsed<PingMessage>(R"({"ping":{}})");
  (void)parsed<PongMessage>(R"({"pong":{"later":1}})");
}

TEST(ClientMessage, IsMalformed) {
  for (const auto* text : {"",
                           "[]",
                           "{}",
                           "null",
                           "{\"ping\":{}",
                           R"({"ping":{},"pong":{}})",
                           R"({"ping":1})",
                           R"({"dance":{"id":1}})",
                           R"({"unfollow":{}})",
                           R"({"unfollow":{"id":-1}})",
                           R"({"unfollow":{"id":4294967296}})",
                           R"({"unfollow":{"id":"1"}})",
                           R"({"unfollow":{"id":1.0}})",
                           R"({"publish":{"id":1}})",
                           R"({"publish":{"id":1,"producer":"p"}})",
                           R"({"publish":{"id":1,"producer":"p","events":{}}})",
                           R"({"publish":{"id":1,"producer":"p","events":[1]}})",
                           R"({"publish":{"id":1,"producer":7,"events":[]}})",
                           R"({"follow":{"id":1}})",
                           R"({"follow":{"id":1,"entity":"player/a"}})",
                           R"({"follow":{"id":1,"entity":"player/a","from":"start"}})",
                           R"({"follow":{"id":1,"entity":"player/a","from":-1}})",
                           R"({"follow":{"id":1,"entity":"player/a","from":9007199254740992}})",
                           R"({"follow":{"id":1,"entity":"player/a","from":"acknowledged"}})",
                           R"({"positions":{"id":1}})",
                           R"({"acknowledge":{"id":1,"entity":"player/a","device":"d"}})",
                           R"({"authenticate":{"id":1}})",
                           "{\"unfollow\":{\"id\":1,\"x\":\"\xff\"}}"}) {
    const auto message = parse_client_message(text);
    ASSERT_FALSE(message.ok()) << text;
    EXPECT_EQ(message.error().code, ErrorCode::MALFORMED);
  }
  std::string deep = R"({"ping":)";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  EXPECT_FALSE(parse_client_message(deep).ok());
}

TEST(ClientMessage, ABatchAlone) {
  const auto batch =
      parse_publish_batch(R"({"producer":"p","events":[{"sequence":1,"entity":"a/b","type":"t","payload":{ }}]})");
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->events.at(0).payload, "{ }");
  EXPECT_FALSE(parse_publish_batch(R"({"events":[]})").ok());
}

}  // namespace
}  // namespace carillon::actors
