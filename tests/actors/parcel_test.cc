// Frames between nodes: what is said arrives as it was said, and garbage costs no more than its bytes.
#include "actors/parcel.h"

#include <gmock/gmock.h>

namespace carillon::actors {
namespace {

TEST(Frame, ArrivesAsItWasSent) {
  const std::vector<Parcel> parcels = {{{3}, FollowParcel{{7, 1}, EntityId::parse("player/ada").value()}},
                                       {{4}, NotPrimaryParcel{9}},
                                       {{5}, PrimaryHereParcel{10}}};
  const auto frame = decode_frame(encode_frame("meeting", 5, 60, parcels));
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->meeting, "meeting");
  EXPECT_EQ(frame->number, 5u);
  EXPECT_EQ(frame->taken_bytes, 60u);
  ASSERT_EQ(frame->parcels.size(), 3u);
  EXPECT_EQ(std::get<FollowParcel>(frame->parcels[0].content).entity.text(), "player/ada");
  EXPECT_EQ(std::get<NotPrimaryParcel>(frame->parcels[1].content).epoch, 9u);
  EXPECT_EQ(std::get<PrimaryHereParcel>(frame->parcels[2].content).epoch, 10u);
}

TEST(Frame, CarriesTheTracesOfEvents) {
  // Given events, published, emitted and delivered, with a trace and without.
  const auto trace = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  const auto ada = EntityId::parse("player/ada").value();
  const auto hub = EntityId::parse("match/1").value();
  const Event with{
      .type = "note", .payload = "{}", .producer = ProducerId::hub(hub), .sequence = 1, .traceparent = trace};
  Event without = with;
  without.sequence = 2;
  without.traceparent.reset();
  const std::vector<Parcel> parcels = {{{3}, PublishParcel{{7, 1, {{0, ada, with}, {1, ada, without}}}, 1}},
                                       {{3}, EmissionsParcel{{4}, {{hub, 1, {{ada, with}, {ada, without}}}}}},
                                       {{3}, DeliveriesParcel{7, {{1, runtime::slice_of({1, {with, without}})}}}}};
  // When they have travelled, then they have kept it.
  const auto frame = decode_frame(encode_frame("meeting", 5, 60, parcels));
  ASSERT_TRUE(frame.ok());
  const auto& items = std::get<PublishParcel>(frame->parcels.at(0).content).request.items;
  EXPECT_EQ(items.at(0).event.traceparent, trace);
  EXPECT_EQ(items.at(1).event.traceparent, std::nullopt);
  const auto& emissions = std::get<EmissionsParcel>(frame->parcels.at(1).content).emissions.at(0).emissions;
  EXPECT_EQ(emissions.at(0).event.traceparent, trace);
  EXPECT_EQ(emissions.at(1).event.traceparent, std::nullopt);
  const auto& delivered = std::get<DeliveriesParcel>(frame->parcels.at(2).content).deliveries.at(0).events.events;
  EXPECT_EQ(delivered[0]->traceparent, trace);
  EXPECT_EQ(delivered[1]->traceparent, std::nullopt);
}

TEST(Frame, P2CarriesWhenRemindersAreDue) {
  // Given emissions of a hub, one of which is a reminder.
  const auto ada = EntityId::parse("player/ada").value(), hub = EntityId::parse("match/1").value();
  Event first{.type = "note", .payload = "{}", .producer = ProducerId::hub(hub), .sequence = 1};
  Event second = first;
  second.sequence = 2;
  const std::vector<Parcel> parcels = {
      {{3}, EmissionsParcel{{4}, {{hub, 1, {{ada, first, std::nullopt}, {ada, second, 1'700'000'000'000}}}}}}};
  // When they have travelled, then that is still the one that is due later.
  const auto frame = decode_frame(encode_frame("meeting", 5, 60, parcels));
  ASSERT_TRUE(frame.ok());
  const auto& emissions = std::get<EmissionsParcel>(frame->parcels.at(0).content).emissions.at(0).emissions;
  EXPECT_EQ(emissions.at(0).due, std::nullopt);
  EXPECT_EQ(emissions.at(1).due, 1'700'000'000'000);
}

TEST(Frame, P5CarriesWhatATargetHadAcknowledged) {
  const auto ada = EntityId::parse("player/ada").value(), hub = EntityId::parse("match/1").value();
  const Event event{.type = "note", .payload = "{}", .producer = ProducerId::hub(hub), .sequence = 7};
  const std::vector<Parcel> parcels = {{{3}, EmissionsParcel{{4}, {{hub, 7, {{ada, event, std::nullopt}}, 5}}}}};
  const auto frame = decode_frame(encode_frame("meeting", 5, 60, parcels));
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(std::get<EmissionsParcel>(frame->parcels.at(0).content).emissions.at(0).acknowledged, 5u);
}

TEST(Frame, P5CarriesWhatATargetHasNotTaken) {
  const auto hub = EntityId::parse("match/1").value();
  const std::vector<Parcel> parcels = {{{3}, EmissionsAcceptedParcel{{4}, {{hub, 9, true}, {hub, 10, false}}}}};
  const auto frame = decode_frame(encode_frame("meeting", 5, 60, parcels));
  ASSERT_TRUE(frame.ok());
  const auto& acks = std::get<EmissionsAcceptedParcel>(frame->parcels.at(0).content).acks;
  ASSERT_EQ(acks.size(), 2u);
  EXPECT_EQ(acks[0].upto, 9u);
  EXPECT_TRUE(acks[0].untaken);
  EXPECT_FALSE(acks[1].untaken);
}

// Found by fuzzing: a list of structs without contents has no bytes, however long it says it is.
TEST(Frame, P7OneThatPromisesMoreThanItHoldsIsMalformed) {
  constexpr char kBytes[] =
      "\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x04"
      "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00"
      "\x01\x00\x00\x00\x00\x00\x00\x00";
  const auto frame = decode_frame({kBytes, sizeof kBytes - 1});
  ASSERT_FALSE(frame.ok());
  EXPECT_EQ(frame.error().code, ErrorCode::MALFORMED);
}

TEST(Frame, P7AnEntryThatIsLargerThanAFrameTravelsAlone) {
  const std::vector<Parcel> parcels = {{{3}, ReplicationParcel{std::string(65u << 20, 'x')}}};
  const auto frame = decode_frame(encode_frame("meeting", 5, 60, parcels));
  ASSERT_TRUE(frame.ok()) << frame.error().message;
  EXPECT_EQ(std::get<ReplicationParcel>(frame->parcels.at(0).content).bytes.size(), 65u << 20);
}

TEST(Frame, P7AnAnswerThatIsTooLargeBecomesAnErrorThatSaysSo) {
  // Given dead letters of 64 KiB each.
  const auto hub = EntityId::parse("match/1").value();
  const Event event{.type = "note", .payload = std::string(64u << 10, 'x'), .producer = ProducerId::hub(hub)};
  const auto answer = [&](std::size_t letters) {
    AnswerParcel parcel{1, AnswerParcel::DeadLetters(letters, {hub, 1, {"it throws", 3, false}, event})};
    limit(parcel);
    return parcel;
  };
  // As many as there is room for are an answer; more are not.
  EXPECT_EQ(std::get<AnswerParcel::DeadLetters>(answer(200).what).size(), 200u);
  EXPECT_GT(bytes_of({{0}, answer(200)}), 200u << 16);
  const auto refused = answer(300);
  ASSERT_TRUE(std::holds_alternative<Error>(refused.what));
  EXPECT_EQ(std::get<Error>(refused.what).code, ErrorCode::PAYLOAD_TOO_LARGE);
}

}  // namespace
}  // namespace carillon::actors
