// An event as a client hands it over for publishing. Only views: whoever makes one keeps the text alive during the call.
#pragma once

#include <string_view>

#include "messages/producer_id.h"

namespace carillon::client {

struct Publication {
  std::string_view entity, type, payload;  // As in event.capnp.
  Sequence sequence = 0;
  std::string_view traceparent =
      {};  // Where it stands in a trace (event.capnp). May be left out; ignored if it is none.
};

}  // namespace carillon::client
