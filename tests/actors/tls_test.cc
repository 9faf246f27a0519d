// TLS on both ports: only the right certificate will do, nobody waits for a handshake, and a new certificate is shown at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/compat/http.h>

#include "tests/support/eventually.h"
#include "tests/support/key_file.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"
#include "tests/support/tls_identity.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using client::Connection;
using client::Credentials;
using ::testing::HasSubstr;

class Tls : public ::testing::Test {
 protected:
  Tls() {
    install(identity_);
    const auto started = process.start();
    EXPECT_TRUE(started.ok()) << started.error().message;
  }
  ~Tls() noexcept {}  // KJ's destructors may throw, those of fixtures may not.
  void TearDown() override { ASSERT_TRUE(process.stop().ok()); }

  std::string file(const char* name) const { return files.path() / name; }
  void install(const TlsIdentity& identity) const {
    replace_file(file("key"), identity.private_key);
    replace_file(file("certificate"), identity.certificate);
  }
  // Whoever trusts this certificate.
  Credentials trusting(const TlsIdentity& identity, const char* as) const {
    replace_file(file(as), identity.certificate);
    return {.tls = true, .tls_ca_file = file(as), .tls_name = "localhost"};
  }
  Result<void> connect(const Credentials& credentials) {
    auto connected = session.wait(Connection::connect(session.network(), session.timer(), process.address(),
                                                      Connection::kConnectWithin, credentials));
    if (!connected) return connected.error();
    return session.wait((*connected)->stats()).ok() ? Result<void>() : Error{};
  }

  TemporaryDirectory files;
  const TlsIdentity identity_ = TlsIdentity::make();
  bench::ServerProcess process{
      {.arguments = {"--tls-certificate", file("certificate"), "--tls-key", file("key"), "--handshake-within", "500"},
       .program = carillon_program(),
       .stop_within = 10s}};
  client::Session session;
};

TEST_F(Tls, P9IsSpokenWithThoseWhoTrustTheCertificate) {
  const auto connected = connect(trusting(identity_, "ca"));
  EXPECT_TRUE(connected.ok()) << connected.error().message;
}

TEST_F(Tls, P9ACertificateOfSomebodyElseIsRefusedByTheClient) {
  const auto stranger = connect(trusting(TlsIdentity::make(), "ca"));
  ASSERT_FALSE(stranger.ok());
  EXPECT_THAT(stranger.error().message, HasSubstr("certificate"));
  auto other_name = trusting(identity_, "ca");
  other_name.tls_name = "elsewhere.example";
  EXPECT_FALSE(connect(other_name).ok());
  // Nor does the system trust it.
  EXPECT_FALSE(connect({.tls = true, .tls_name = "localhost"}).ok());
}

TEST_F(Tls, P9NothingIsSaidInTheClear) {
  EXPECT_FALSE(connect({}).ok());
  EXPECT_EQ(http_get(process.http_address(), "/healthz").status, 0);
}

TEST_F(Tls, P9HttpIsSpokenOverIt) {
  auto stream = session.network()
                    .parseAddress("127.0.0.1", process.http_address().port)
                    .wait(session.io().waitScope)
                    ->connect()
                    .wait(session.io().waitScope);
  auto secured = session.wait(client::wrap_in_tls(trusting(identity_, "ca"), process.http_address(), kj::mv(stream)));
  const kj::HttpHeaderTable table;
  auto client = kj::newHttpClient(table, *secured);
  const auto answer =
      client->request(kj::HttpMethod::GET, "/healthz", kj::HttpHeaders(table)).response.wait(session.io().waitScope);
  EXPECT_EQ(answer.statusCode, 200u);
}

TEST_F(Tls, P7WhoNeverFinishesTheHandshakeIsSentAway) {
  RawSocket silent(process.address()), also_silent(process.http_address());
  EXPECT_TRUE(silent.closed_within(10s));
  EXPECT_TRUE(also_silent.closed_within(10s));
  EXPECT_TRUE(connect(trusting(identity_, "ca")).ok());
}

TEST_F(Tls, P9TheFiguresSayWhenTheCertificateEnds) {
  auto connected = session.wait(Connection::connect(session.network(), session.timer(), process.address(),
                                                    Connection::kConnectWithin, trusting(identity_, "ca")));
  ASSERT_TRUE(connected.ok()) << connected.error().message;
  auto asked = session.wait((*connected)->stats());
  ASSERT_TRUE(asked.ok()) << asked.error().message;
  double end = 0;
  for (const auto counter : asked->getStats().getCounters())
    if (counter.getName() == "tls_certificate_end_timestamp_seconds") end = counter.getValue();
  // It was made for a day.
  const auto tomorrow = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + 24h);
  EXPECT_NEAR(end, static_cast<double>(tomorrow), 300);
}

TEST_F(Tls, P9ANewCertificateIsShownToNewConnectionsAndABrokenOneIsNot) {
  const auto old_trust = trusting(identity_, "old"), broken_check = old_trust;
  auto standing = session.wait(Connection::connect(session.network(), session.timer(), process.address(),
                                                   Connection::kConnectWithin, old_trust));
  ASSERT_TRUE(standing.ok());
  // A certificate that does not belong to the key is not used.
  const auto next = TlsIdentity::make();
  replace_file(file("certificate"), next.certificate);
  // (The log tells, on loopback and beyond.)
  ASSERT_TRUE(eventually(
      10s, [&] { return process.last_words().find("the certificate of before is shown on") != std::string::npos; }));
  EXPECT_TRUE(connect(broken_check).ok());
  // With its key it is; who is connected stays so.
  install(next);
  const auto new_trust = trusting(next, "new");
  EXPECT_TRUE(eventually(10s, [&] { return connect(new_trust).ok(); }));
  EXPECT_FALSE(connect(old_trust).ok());
  const auto asked = session.wait((*standing)->stats());
  EXPECT_TRUE(asked.ok()) << asked.error().message;
}

}  // namespace
}  // namespace carillon::testing
