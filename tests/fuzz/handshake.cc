// What a stranger says on the peer port: without the secret nobody is let in, whatever is said in whatever order.
#include "cluster/handshake.h"

#include <fuzzer/FuzzedDataProvider.h>

#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  FuzzedDataProvider data(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  const bool dials = data.ConsumeBool();
  const auto knocks = data.ConsumeIntegralInRange(1, 4);
  const cluster::Identity self{"cluster", "ant", "a secret that nobody guesses"};
  auto handshake = dials ? cluster::Handshake::dialer(self, "bee") : cluster::Handshake::acceptor(self, "bee");
  for (int i = 0; i < knocks; ++i) {
    const auto knock = data.ConsumeRandomLengthString(4'096);
    (void)cluster::caller_of(knock);
    const auto step = handshake.heard(knock);
    if (!step) return;
    CHECK(!step->met);
  }
}

}  // namespace carillon
