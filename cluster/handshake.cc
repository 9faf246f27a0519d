#include "cluster/handshake.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>
#include <messages/link.capnp.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <functional>

namespace carillon::cluster {
namespace {

namespace lw = link_wire;

constexpr std::size_t kNonceBytes = 16;
constexpr std::size_t kKnockBytesMax = 4'096;

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
std::string_view view(capnp::Data::Reader data) { return {reinterpret_cast<const char*>(data.begin()), data.size()}; }
capnp::Data::Reader data_of(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
capnp::Text::Reader text_of(std::string_view text) { return {text.data(), text.size()}; }

std::string random_nonce() {
  std::string nonce(kNonceBytes, '\0');
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), static_cast<int>(nonce.size())) == 1);
  return nonce;
}

bool equal_in_constant_time(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

std::string write(const std::function<void(lw::Knock::Builder)>& fill) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<lw::Knock>());
  const auto words = capnp::messageToFlatArray(message);
  const auto chars = words.asChars();
  return std::string(chars.begin(), chars.size());
}

Error malformed(std::string what) { return {ErrorCode::MALFORMED, std::move(what)}; }
Error forbidden(std::string what) { return {ErrorCode::FORBIDDEN, std::move(what)}; }

// Calls `use` with what the bytes say.
template <class T>
Result<T> read(std::string_view bytes, const std::function<Result<T>(lw::Knock::Reader)>& use) {
  if (bytes.size() > kKnockBytesMax || bytes.size() % sizeof(capnp::word) != 0) return malformed("this is no knock");
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), bytes.data(), bytes.size());
  Result<T> result = malformed("this is no knock");
  const auto failed = kj::runCatchingExceptions([&] {
    capnp::FlatArrayMessageReader message(words);
    result = use(message.getRoot<lw::Knock>());
  });
  KJ_IF_MAYBE (exception, failed)
    return malformed(std::string("a knock does not decode: ") + exception->getDescription().cStr());
  return result;
}

}  // namespace

Handshake::Handshake(Identity self, NodeName peer, State state)
    : self_(std::move(self)), peer_(std::move(peer)), is_dialer_(state == State::kDialled), state_(state) {}

Handshake Handshake::dialer(Identity self, NodeName peer) {
  Handshake handshake(std::move(self), std::move(peer), State::kDialled);
  handshake.dialer_nonce_ = random_nonce();
  handshake.hello_ = write([&](lw::Knock::Builder knock) {
    auto hello = knock.initHello();
    hello.setVersion(kLinkVersion);
    hello.setClusterId(text_of(handshake.self_.cluster_id));
    hello.setNode(text_of(handshake.self_.node));
    hello.setNonce(data_of(handshake.dialer_nonce_));
  });
  return handshake;
}

Handshake Handshake::acceptor(Identity self, NodeName peer) {
  return Handshake(std::move(self), std::move(peer), State::kWaits);
}

std::string Handshake::proof_of(std::string_view role) const {
  if (self_.secret.empty()) return {};
  // Every part with its length, so that no two different meetings give the same bytes.
  std::string said;
  for (const auto& part :
       {std::string(role), self_.cluster_id, dialer_name(), acceptor_name(), dialer_nonce_, acceptor_nonce_}) {
    said += std::to_string(part.size()) + ':';
    said += part;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), self_.secret.data(), static_cast<int>(self_.secret.size()),
             reinterpret_cast<const unsigned char*>(said.data()), said.size(), digest.data(), &size) != nullptr);
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

Result<Handshake::Step> Handshake::heard(std::string_view bytes) {
  return read<Step>(bytes, [&](lw::Knock::Reader knock) -> Result<Step> {
    if (knock.isRefused())
      return Error{ErrorCode::UNAVAILABLE, peer_ + " refuses: " + std::string(view(knock.getRefused()))};
    if (state_ != State::kWaits && view(knock.getMeeting()) != dialer_nonce_)
      return Step{};  // Late, of an earlier one.
    switch (state_) {
      case State::kWaits: {
        if (!knock.isHello()) return malformed("a meeting begins with hello");
        const auto hello = knock.getHello();
        if (hello.getVersion() != kLinkVersion)
          return forbidden(peer_ + " speaks version " + std::to_string(hello.getVersion()) +
                           " of the link, this node " + std::to_string(kLinkVersion) +
                           ": run the same release on both");
        if (view(hello.getClusterId()) != self_.cluster_id)
          return forbidden(peer_ + " belongs to another cluster (" + std::string(view(hello.getClusterId())) +
                           "): see its --etcd");
        if (view(hello.getNode()) != peer_) return forbidden("the caller is not " + peer_);
        if (hello.getNonce().size() != kNonceBytes) return malformed("a nonce has 16 bytes");
        dialer_nonce_ = view(hello.getNonce());
        acceptor_nonce_ = random_nonce();
        state_ = State::kChallenged;
        return Step{write([&](lw::Knock::Builder out) {
                      out.setMeeting(data_of(dialer_nonce_));
                      auto challenge = out.initChallenge();
                      challenge.setNonce(data_of(acceptor_nonce_));
                      challenge.setProof(data_of(proof_of("acceptor")));
                    }),
                    false};
      }
      case State::kDialled: {
        if (knock.isWelcome() && !acceptor_nonce_.empty()) {
          state_ = State::kMet;
          return Step{{}, true};
        }
        if (!knock.isChallenge() || !acceptor_nonce_.empty()) return malformed("hello is answered by a challenge");
        const auto challenge = knock.getChallenge();
        if (challenge.getNonce().size() != kNonceBytes) return malformed("a nonce has 16 bytes");
        acceptor_nonce_ = view(challenge.getNonce());
        if (!equal_in_constant_time(view(challenge.getProof()), proof_of("acceptor")))
          return forbidden(peer_ + " does not know the cluster's secret: see --secret-file on both");
        return Step{write([&](lw::Knock::Builder out) {
                      out.setMeeting(data_of(dialer_nonce_));
                      out.setProof(data_of(proof_of("dialer")));
                    }),
                    false};
      }
      case State::kChallenged: {
        if (!knock.isProof()) return malformed("a challenge is answered by a proof");
        if (!equal_in_constant_time(view(knock.getProof()), proof_of("dialer")))
          return forbidden(peer_ + " does not know the cluster's secret: see --secret-file on both");
        state_ = State::kMet;
        return Step{write([&](lw::Knock::Builder out) {
                      out.setMeeting(data_of(dialer_nonce_));
                      out.setWelcome();
                    }),
                    true};
      }
      case State::kMet:
        break;
    }
    return malformed("they have met already");
  });
}

Result<NodeName> caller_of(std::string_view knock) {
  return read<NodeName>(knock, [](lw::Knock::Reader reader) -> Result<NodeName> {
    if (!reader.isHello()) return malformed("a meeting begins with hello");
    return NodeName(view(reader.getHello().getNode()));
  });
}

std::string refusal_knock(std::string_view reason) {
  return write([&](lw::Knock::Builder knock) { knock.setRefused(text_of(reason)); });
}

}  // namespace carillon::cluster
