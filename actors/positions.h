// How far each device of a player has read a mailbox, kept durably: a hub of kind `reader` per mailbox, fed by the nodes.
//
// A position never goes back. A mailbox keeps the devices that acknowledged last, kDevicesMax of them. The functions belong to the
// gateway's thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "actors/edge.h"
#include "runtime/behaviour.h"

namespace carillon::actors {

inline constexpr std::string_view kReaderKind = "reader";
inline constexpr std::size_t kDevicesMax = 32;
inline constexpr std::size_t kDeviceBytesMax = 64;  // Of its name.

// --- The hub reader/KIND/KEY, of the mailbox KIND/KEY. ---------------------------------------------------------------

struct DevicePosition {
  Offset offset = 0;   // The last one that was acknowledged.
  Offset told_at = 0;  // The hub's own offset of the last acknowledgement, which orders devices.
};
template <class Fields>
void inspect(Fields& fields, DevicePosition& position) {
  fields("offset", position.offset);
  fields("told_at", position.told_at);
}

struct ReaderState {
  std::map<std::string, DevicePosition> devices;
};
template <class Fields>
void inspect(Fields& fields, ReaderState& state) {
  fields("devices", state.devices);
}

struct Acknowledged {
  static constexpr std::string_view kType = "acknowledged";
  std::string device;
  Offset offset = 0;
};
template <class Fields>
void inspect(Fields& fields, Acknowledged& acknowledged) {
  fields("device", acknowledged.device);
  fields("offset", acknowledged.offset);
}

Result<Effects> on(ReaderState& state, const Acknowledged& acknowledged, const Context& context);

Behaviour reader_behaviour();

// --- What clients ask. -----------------------------------------------------------------------------------------------

struct Positions {
  Offset first = 1;  // The mailbox's first offset that is kept.
  Offset last = 0;   // The mailbox's last offset.
  std::map<std::string, Offset> devices;
};

// Whoever may read a mailbox may see and store positions in it (P9). UNKNOWN_KIND, or MALFORMED for a name too long to have
// positions.
kj::Promise<Result<Positions>> positions_of(Edge& edge, const access::Rights& rights, std::string_view entity);
// MALFORMED for what no device can be called.
Result<void> check_device(std::string_view name);

// Answers with the position that holds then. BEYOND_END for an offset behind the mailbox's last one; MALFORMED for a device that is
// not 1 to 64 bytes of UTF-8 without control characters.
kj::Promise<Result<Offset>> acknowledge(Edge& edge, const access::Rights& rights, std::string_view entity,
                                        std::string_view device, Offset offset);

}  // namespace carillon::actors
