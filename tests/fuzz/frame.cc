// Frames between nodes. What is read can be written, and is then read as the same.
#include "actors/parcel.h"
#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  const auto frame = actors::decode_frame(input);
  if (!frame) return;
  const auto written = actors::encode_frame(frame->meeting, frame->number, frame->taken_bytes, frame->parcels);
  const auto again = actors::decode_frame(written);
  CHECK(again.ok());
  CHECK(again->meeting == frame->meeting && again->number == frame->number);
  CHECK(again->taken_bytes == frame->taken_bytes && again->parcels.size() == frame->parcels.size());
  CHECK(actors::encode_frame(again->meeting, again->number, again->taken_bytes, again->parcels) == written);
}

}  // namespace carillon
