// Frames between nodes: what is said arrives as it was said, and garbage costs no more than its bytes.
#include "actors/parcel.h"

#include <gmock/gmock.h>

namespace carillon::actors {
namespace {

TEST(Frame, ArrivesAsItWasSent) {
  const std::vector<Parcel> parcels = {{{3}, FollowParcel{{7, 1}, EntityId::parse("player/ada").value()}},
                                       {{4}, NotPrimaryParcel{9}}};
  const auto frame = decode_frame(encode_frame("meeting", 5, 60, parcels));
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->meeting, "meeting");
  EXPECT_EQ(frame->number, 5u);
  EXPECT_EQ(frame->taken_bytes, 60u);
  ASSERT_EQ(frame->parcels.size(), 2u);
  EXPECT_EQ(std::get<FollowParcel>(frame->parcels[0].content).entity.text(), "player/ada");
  EXPECT_EQ(std::get<NotPrimaryParcel>(frame->parcels[1].content).epoch, 9u);
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

}  // namespace
}  // namespace carillon::actors
