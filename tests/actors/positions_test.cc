// What the hub of a mailbox's positions keeps.
#include "actors/positions.h"

#include <gmock/gmock.h>

namespace carillon::actors {
namespace {

TEST(Reader, APositionNeverGoesBack) {
  ReaderState state;
  ASSERT_TRUE(on(state, Acknowledged{"phone", 7}, any_context(0, 1)).ok());
  ASSERT_TRUE(on(state, Acknowledged{"phone", 3}, any_context(0, 2)).ok());
  EXPECT_EQ(state.devices["phone"].offset, 7u);
}

TEST(Reader, P7KeepsTheDevicesThatAcknowledgedLast) {
  ReaderState state;
  Offset told = 0;
  for (std::size_t i = 0; i < kDevicesMax; ++i)
    ASSERT_TRUE(on(state, Acknowledged{"device " + std::to_string(i), 1}, any_context(0, ++told)).ok());
  ASSERT_TRUE(on(state, Acknowledged{"device 0", 1}, any_context(0, ++told)).ok());
  ASSERT_TRUE(on(state, Acknowledged{"one more", 1}, any_context(0, ++told)).ok());
  EXPECT_EQ(state.devices.size(), kDevicesMax);
  EXPECT_TRUE(state.devices.contains("device 0"));
  EXPECT_FALSE(state.devices.contains("device 1"));
}

}  // namespace
}  // namespace carillon::actors
