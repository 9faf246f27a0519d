#include "access/gatekeeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/token_forge.h"

namespace carillon::access {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kNow = 1'764'000'000'000;
const std::string kSecret = "0123456789abcdef0123456789abcdef";

Gatekeeper gatekeeper(const std::string& file, Gatekeeper::Expectations expectations = {}) {
  auto keys = KeySet::parse(file);
  EXPECT_TRUE(keys.ok());
  return {std::move(*keys), std::move(expectations)};
}

// Claims of Ana, an hour from now, with more after a comma.
std::string ana(const std::string& more = R"("carillon":{"read":["player/{sub}"],"publish":["hunt/*"]})") {
  return R"({"sub":"ana","exp":1764003600)" + (more.empty() ? "" : "," + more) + "}";
}

class Admission : public testing::Test {
 protected:
  Result<Rights> admit(const std::string& claims) const { return at_door.admit(forge.sign(claims), kNow); }
  std::string why_not(const std::string& token, std::int64_t now = kNow) const {
    const auto rights = at_door.admit(token, now);
    EXPECT_FALSE(rights.ok()) << token;
    if (rights.ok()) return "admitted";
    EXPECT_EQ(rights.error().code, ErrorCode::UNAUTHENTICATED);
    return rights.error().message;
  }

  const TokenForge forge = TokenForge::secret(kSecret);
  const Gatekeeper at_door = gatekeeper(kSecret);
};

TEST_F(Admission, P9GivesTheRightsThatTheTokenNames) {
  const auto rights = admit(ana());
  ASSERT_TRUE(rights.ok()) << rights.error().message;
  EXPECT_EQ(rights->subject(), "ana");
  EXPECT_EQ(rights->expires_at_ms(), 1'764'003'600'000);
  EXPECT_TRUE(rights->may_read("player/ana"));
  EXPECT_FALSE(rights->may_read("player/bo"));
  EXPECT_TRUE(rights->may_publish("hunt/island"));
  EXPECT_TRUE(rights->may_use_producer("ana") && rights->may_use_producer("ana/tab"));
  EXPECT_FALSE(rights->may_use_producer("bo"));
  EXPECT_FALSE(rights->may_operate());
}

TEST_F(Admission, P9IsUnlimitedOnlyWhereTheTokenSaysSo) {
  EXPECT_TRUE(admit(ana(R"("carillon":{"unlimited":true})"))->unlimited());
  EXPECT_FALSE(admit(ana(R"("carillon":{"unlimited":false})"))->unlimited());
  EXPECT_FALSE(admit(ana())->unlimited());
  EXPECT_FALSE(Rights::everything().unlimited()) << "without keys addresses may be limited";
}

TEST_F(Admission, P9AValidTokenWithoutOurClaimAllowsNothing) {
  const auto rights = admit(ana(""));
  ASSERT_TRUE(rights.ok());
  EXPECT_FALSE(rights->may_read("player/ana") || rights->may_publish("player/ana") || rights->may_operate());
}

TEST_F(Admission, P9NamedProducersTakeThePlaceOfTheSubjectsOwn) {
  const auto rights = admit(ana(R"("carillon":{"producers":["server-*"],"operate":true})"));
  ASSERT_TRUE(rights.ok());
  EXPECT_TRUE(rights->may_use_producer("server-7"));
  EXPECT_FALSE(rights->may_use_producer("ana"));
  EXPECT_TRUE(rights->may_operate());
}

TEST_F(Admission, P9NoTokenIsRefused) {
  EXPECT_THAT(why_not(""), HasSubstr("none was shown"));
  for (const char* token : {"x", "a.b", "a.b.c.d", "..", "....", "a..c"}) (void)why_not(token);
  EXPECT_THAT(why_not(std::string(Gatekeeper::kTokenBytesMax + 1, 'a')), HasSubstr("at most"));
}

TEST_F(Admission, P9AnExpiredTokenIsRefusedToTheMillisecond) {
  const auto token = forge.sign(R"({"sub":"ana","exp":1764000000.5})");
  EXPECT_TRUE(at_door.admit(token, kNow + 499).ok());
  EXPECT_THAT(why_not(token, kNow + 500), HasSubstr("expired at 2025-11-24T16:00:00.500Z"));
  EXPECT_THAT(why_not(forge.sign(R"({"sub":"ana"})")), HasSubstr("no exp"));
  for (const char* exp : {"\"1764003600\"", "1e300", "-1", "true", "null", "\"inf\""})
    (void)why_not(forge.sign(R"({"sub":"ana","exp":)" + std::string(exp) + "}"));
}

TEST_F(Admission, P9ATokenIsRefusedBeforeItsTime) {
  const auto token = forge.sign(ana(R"("nbf":1764000060)"));
  EXPECT_THAT(why_not(token), HasSubstr("not valid before"));
  EXPECT_TRUE(at_door.admit(token, kNow + 60'000 - Gatekeeper::kClockSkewMs).ok());
  EXPECT_THAT(why_not(forge.sign(ana(R"("nbf":"soon")"))), HasSubstr("nbf"));
}

TEST_F(Admission, P9AWrongKeyIsRefused) {
  EXPECT_THAT(why_not(TokenForge::secret(kSecret + "!").sign(ana())), HasSubstr("not signed by a key"));
  // Nor does a kid of another key help.
  EXPECT_THAT(why_not(TokenForge::ed25519().sign(ana())), HasSubstr("not signed by a key"));
}

TEST_F(Admission, P9AlgNoneIsRefused) {
  for (const char* name : {"none", "None", "NONE", "nOnE", ""}) {
    const auto header = R"({"alg":")" + std::string(name) + R"("})";
    const auto token = forge.sign(header, ana());
    EXPECT_THAT(why_not(token), HasSubstr("not signed by a key"));
    EXPECT_THAT(why_not(token.substr(0, token.rfind('.') + 1)), HasSubstr("not signed by a key"));
  }
  (void)why_not(forge.sign("{}", ana()));
}

TEST_F(Admission, P9APublicKeyIsNoSecret) {
  const auto rsa = TokenForge::rsa();
  const auto door = gatekeeper(rsa.public_file());
  ASSERT_TRUE(door.admit(rsa.sign(ana()), kNow).ok());
  // Whoever has the public key signs with it as if it were a secret: as it stands in the file, and without its last line end.
  auto pem = rsa.public_file();
  EXPECT_FALSE(door.admit(TokenForge::secret(pem).sign(ana()), kNow).ok());
  pem.pop_back();
  EXPECT_FALSE(door.admit(TokenForge::secret(pem).sign(ana()), kNow).ok());
}

TEST_F(Admission, P9AKeyThatTheTokenBringsAlongIsNoKey) {
  // RFC 8037's key, of which the standard prints the private half too.
  const std::string x = R"("kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";
  const auto stranger = KeySet::parse("{" + x + R"(,"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})");
  ASSERT_TRUE(stranger.ok());
  const auto door = gatekeeper(TokenForge::ed25519().public_file());
  EXPECT_FALSE(door.admit(*stranger->keys[0].sign(ana()), kNow).ok());
  (void)why_not(
      TokenForge::secret(std::string(32, 'k'))
          .sign(R"({"alg":"HS256","jwk":{"kty":"oct","k":"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s"}})", ana()));
  (void)why_not(forge.sign(R"({"alg":"EdDSA","jwk":{)" + x + "}}", ana()));
  (void)why_not(TokenForge::secret(kSecret + "!").sign(R"({"alg":"HS256","jku":"http://127.0.0.1:9/keys"})", ana()));
}

TEST_F(Admission, P9HeadersThatChangeTheMeaningAreRefused) {
  // `zip` above all: the library unpacks before it looks at the signature.
  for (const char* header :
       {R"({"alg":"HS256","crit":["exp"]})", R"({"alg":"HS256","zip":"DEF"})", R"({"alg":"HS256","b64":false})",
        R"({"alg":"HS256","typ":"secevent+jwt"})", R"({"alg":"HS256","typ":7})", R"({"alg":"HS256","kid":7})",
        R"({"alg":"none","alg":"HS256"})", R"({"alg":"HS256","\u007aip":"DEF"})", R"(["alg","HS256"])", "nonsense"})
    (void)why_not(forge.sign(header, ana()));
  EXPECT_TRUE(at_door.admit(forge.sign(R"({"typ":"at+JWT","alg":"HS256","x5t":"abc"})", ana()), kNow).ok());
}

TEST_F(Admission, P9AKidChoosesAmongKeysThatHaveOne) {
  const std::string secret = R"("k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY")";  // kSecret.
  const auto door = gatekeeper(R"({"keys":[{"kty":"oct","kid":"old",)" + secret + "}]}");
  EXPECT_TRUE(door.admit(forge.sign(R"({"alg":"HS256","kid":"old"})", ana()), kNow).ok());
  EXPECT_TRUE(door.admit(forge.sign(R"({"alg":"HS256"})", ana()), kNow).ok());
  EXPECT_FALSE(door.admit(forge.sign(R"({"alg":"HS256","kid":"new"})", ana()), kNow).ok());
  // Secrets and PEM name none, so whatever the token says, they are tried.
  EXPECT_TRUE(at_door.admit(forge.sign(R"({"alg":"HS256","kid":"new"})", ana()), kNow).ok());
}

TEST_F(Admission, P9IssuerAndAudienceMustBeTheExpectedOnes) {
  const auto door = gatekeeper(kSecret, {.issuer = "https://login.example", .audience = "game"});
  const auto admitted = [&](const std::string& more) { return door.admit(forge.sign(ana(more)), kNow).ok(); };
  EXPECT_TRUE(admitted(R"("iss":"https://login.example","aud":"game")"));
  EXPECT_TRUE(admitted(R"("iss":"https://login.example","aud":["shop","game"])"));
  EXPECT_FALSE(admitted(R"("iss":"https://login.example","aud":"shop")"));
  EXPECT_FALSE(admitted(R"("iss":"https://login.example","aud":["gam","games"])"));
  EXPECT_FALSE(admitted(R"("iss":"https://login.example")"));
  EXPECT_FALSE(admitted(R"("iss":"https://login.example/","aud":"game")"));
  EXPECT_FALSE(admitted(R"("iss":["https://login.example"],"aud":"game")"));
  EXPECT_FALSE(admitted(R"("aud":"game")"));
}

TEST_F(Admission, P9WrongClaimsAreRefusedWhole) {
  for (const char* claims : {R"("carillon":[])", R"("carillon":{"read":"player/ana"})", R"("carillon":{"read":[7]})",
                             R"("carillon":{"publish":["a/*/b"]})", R"("carillon":{"operate":"yes"})",
                             R"("carillon":{"unlimited":1})", R"("carillon":{"producers":[""]})"})
    (void)why_not(forge.sign(ana(claims)));
  std::string many = R"("carillon":{"read":["a/b")";
  for (std::size_t i = 0; i < Gatekeeper::kPatternsMax; ++i) many += R"(,"a/b")";
  EXPECT_THAT(why_not(forge.sign(ana(many + "]}"))), HasSubstr("64"));
  for (const char* sub : {R"("")", "7", R"("a\u0000b")", R"("a\nb")"})
    EXPECT_THAT(why_not(forge.sign(R"({"exp":1764003600,"sub":)" + std::string(sub) + "}")), HasSubstr("sub"));
  EXPECT_THAT(why_not(forge.sign(R"({"exp":1764003600})")), HasSubstr("sub"));
  EXPECT_THAT(why_not(forge.sign("[]")), HasSubstr("no JSON object"));
}

TEST_F(Admission, P9KeysThatAreGoneAreTrustedNoLonger) {
  const auto rights = admit(ana());
  ASSERT_TRUE(rights.ok());
  const std::string next(40, 'x');
  auto both = KeySet::parse(kSecret + "\n" + next), only_next = KeySet::parse(next);
  ASSERT_TRUE(both.ok() && only_next.ok());
  EXPECT_TRUE(at_door.with_keys(std::move(*both)).still_trusts(*rights));
  const auto after = at_door.with_keys(std::move(*only_next));
  EXPECT_FALSE(after.still_trusts(*rights));
  EXPECT_FALSE(after.admit(forge.sign(ana()), kNow).ok());
  EXPECT_FALSE(after.still_trusts(Rights()));
}

TEST(OpenGatekeeper, AdmitsEverybodyToEverything) {
  const Gatekeeper open;
  EXPECT_TRUE(open.open());
  const auto rights = open.admit("", kNow);
  ASSERT_TRUE(rights.ok());
  EXPECT_TRUE(rights->may_operate());
  EXPECT_TRUE(open.still_trusts(*rights));
}

}  // namespace
}  // namespace carillon::access
