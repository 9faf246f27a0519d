// A certificate that signs itself, for `localhost`, and its key: made by OpenSSL, another one each time.
#pragma once

#include <string>

namespace carillon {

struct TlsIdentity {
  std::string certificate, private_key;  // PEM.

  static TlsIdentity make();
};

}  // namespace carillon
