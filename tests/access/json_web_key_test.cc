#include "access/json_web_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/token_forge.h"

namespace carillon::access {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kSecret = "0123456789abcdef0123456789abcdef";

KeySet parse(const std::string& file) {
  auto set = KeySet::parse(file);
  EXPECT_TRUE(set.ok()) << (set.ok() ? "" : set.error().message);
  return set ? std::move(*set) : KeySet{};
}
JsonWebKey only_key(const std::string& file) {
  const auto set = parse(file);
  EXPECT_EQ(set.keys.size(), 1u);
  return set.keys.at(0);
}
std::string why_not(const std::string& file) {
  const auto set = KeySet::parse(file);
  EXPECT_FALSE(set.ok());
  return set.ok() ? "" : set.error().message;
}

// The examples of RFC 7515 (A.1, A.3) and RFC 8037 (A.4).
TEST(JsonWebKey, P9VerifiesTheSignaturesOfTheStandards) {
  const std::string payload =
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  const auto hmac = only_key(
      R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})");
  EXPECT_EQ(hmac.algorithm(), "HS256");
  EXPECT_TRUE(hmac.has_signed("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + payload +
                              ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
  const auto ec = only_key(R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                           R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})");
  EXPECT_EQ(ec.algorithm(), "ES256");
  EXPECT_TRUE(ec.has_signed("eyJhbGciOiJFUzI1NiJ9." + payload +
                            ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-"
                            "Kg6NU1Q"));
  const auto edwards = only_key(R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  EXPECT_EQ(edwards.algorithm(), "EdDSA");
  EXPECT_TRUE(
      edwards.has_signed("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
                         "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"));
}

TEST(JsonWebKey, P9AgreesWithOpenSslAboutEveryKindOfKey) {
  for (const auto& forge : {TokenForge::rsa(), TokenForge::ec(), TokenForge::ed25519(), TokenForge::secret(kSecret)}) {
    SCOPED_TRACE(forge.algorithm());
    const auto reading = only_key(forge.public_file());
    const auto writing = only_key(forge.private_file());
    EXPECT_EQ(reading.algorithm(), forge.algorithm());
    EXPECT_EQ(reading.fingerprint(), writing.fingerprint());
    const auto token = forge.sign(R"({"sub":"ana"})");
    EXPECT_TRUE(reading.has_signed(token));
    EXPECT_TRUE(writing.has_signed(token));
    // And the other way round.
    const auto own = writing.sign(R"({"sub":"ana"})");
    ASSERT_TRUE(own.ok());
    EXPECT_TRUE(reading.has_signed(*own));
    // Any other letter, and it is none.
    for (const auto at : {std::size_t{5}, token.find('.') + 3, token.size() - 20}) {
      auto other = token;
      other[at] = other[at] == 'A' ? 'B' : 'A';
      EXPECT_FALSE(reading.has_signed(other)) << at;
    }
  }
}

TEST(JsonWebKey, P9ASignatureBySecretIsTheWholeOne) {
  const auto forge = TokenForge::secret(kSecret);
  const auto key = only_key(forge.public_file());
  const auto token = forge.sign(R"({"sub":"ana"})");
  ASSERT_TRUE(key.has_signed(token));
  for (auto part = token.substr(0, token.size() - 1); part.back() != '.'; part.pop_back())
    EXPECT_FALSE(key.has_signed(part)) << part;
  EXPECT_FALSE(key.has_signed(token.substr(0, token.rfind('.') + 1)));
  EXPECT_FALSE(key.has_signed(token.substr(0, token.rfind('.'))));
  for (const auto* more : {"A", "AAAA", "=", ".", ".AAAA"}) EXPECT_FALSE(key.has_signed(token + more)) << more;
  // Nor is that of another text or another secret.
  EXPECT_FALSE(key.has_signed(TokenForge::secret(kSecret + "x").sign(R"({"sub":"ana"})")));
  const auto other = forge.sign(R"({"sub":"bo"})");
  EXPECT_FALSE(key.has_signed(token.substr(0, token.rfind('.')) + other.substr(other.rfind('.'))));
}

TEST(JsonWebKey, P9AKeySignsWithItsOwnAlgorithmOnly) {
  const auto rsa = TokenForge::rsa();
  const auto key = only_key(rsa.public_file());
  // The classic confusion: the public key, which everybody has, used as a secret.
  const auto confused = TokenForge::secret(rsa.public_file());
  EXPECT_FALSE(key.has_signed(confused.sign(R"({"alg":"HS256"})", "{}")));
  EXPECT_FALSE(key.has_signed(rsa.sign(R"({"alg":"RS512"})", "{}")));
  EXPECT_FALSE(key.has_signed(rsa.sign(R"({"alg":"PS256"})", "{}")));
  EXPECT_FALSE(key.has_signed(rsa.sign(R"({"alg":"none"})", "{}")));
  EXPECT_FALSE(key.has_signed("eyJhbGciOiJub25lIn0.e30."));
  EXPECT_TRUE(key.has_signed(rsa.sign(R"({"alg":"RS256"})", "{}")));
}

TEST(KeySet, ReadsAJwksWithKidsAndPassesOverWhatSignsNothing) {
  const auto set = parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},)"
      R"({"kty":"OKP","crv":"Ed25519","kid":"two","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},)"
      R"({"kty":"EC","crv":"P-256","alg":"ES512","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
      R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},)"
      R"({"kty":"oct","k":"c2hvcnQ"},{"kty":"cheese"},7]})");
  ASSERT_EQ(set.keys.size(), 1u);
  EXPECT_EQ(set.keys[0].id(), "one");
  EXPECT_EQ(set.passed_over.size(), 5u);
}

TEST(KeySet, ReadsSeveralPemBlocksAndSeveralSecrets) {
  const auto rsa = TokenForge::rsa(), edwards = TokenForge::ed25519();
  EXPECT_EQ(parse(rsa.public_file() + edwards.public_file()).keys.size(), 2u);
  EXPECT_EQ(parse(kSecret + "\n\n" + kSecret + "x\r\n").keys.size(), 2u);
}

TEST(KeySet, P9RefusesFilesThatHoldNoGoodKey) {
  EXPECT_THAT(why_not(""), HasSubstr("empty"));
  EXPECT_THAT(why_not("hush"), HasSubstr("line 1 is no secret of 32"));
  EXPECT_THAT(why_not(std::string(40, '\x01')), HasSubstr("line 1"));  // As a key in DER would be.
  EXPECT_THAT(why_not("{\"keys\":"), HasSubstr("no JSON"));
  EXPECT_THAT(why_not(R"({"keys":[]})"), HasSubstr("no key in it"));
  EXPECT_THAT(why_not(R"({"keys":{}})"), HasSubstr("no list"));
  EXPECT_THAT(why_not(R"({"kty":"RSA","x5u":"http://127.0.0.1:9/key"})"), HasSubstr("of no use"));
  EXPECT_THAT(why_not(TokenForge::rsa(1024).public_file()), HasSubstr("2048"));
  EXPECT_THAT(why_not(TokenForge::ec("P-384").public_file()), HasSubstr("P-256"));
  const auto pem = TokenForge::rsa().public_file();
  EXPECT_THAT(why_not(pem.substr(0, pem.size() / 2)), HasSubstr("no end"));
  EXPECT_THAT(why_not("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), HasSubstr("cannot be read"));
  // A message about a secret never shows it.
  EXPECT_THAT(why_not("a-short-secret"), Not(HasSubstr("a-short-secret")));
}

}  // namespace
}  // namespace carillon::access
