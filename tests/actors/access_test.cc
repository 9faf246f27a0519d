// Who may do what, by every way in (P9): a node with keys, and people with good, bad and other people's tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clients/cpp/follower.h"
#include "clients/cpp/publisher.h"
#include "tests/support/eventually.h"
#include "tests/support/key_file.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"
#include "tests/support/web_socket.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using client::Credentials;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

// To Bo's stream.
constexpr const char* kBatch =
    R"({"producer":"ana","events":[{"sequence":1,"entity":"player/bo","type":"note","payload":{}}]})";
constexpr const char* kLastChunk = "0\r\n\r\n";  // Of an answer of unknown length (RFC 9112, section 7.1).

HttpAnswer ask(const client::Address& address, const std::string& method, const std::string& target,
               const std::string& token, const std::string& body = "") {
  return http(address, method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                           (token.empty() ? "" : "Authorization: Bearer " + token + "\r\n") +
                           (method == "GET" ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" +
                           body);
}

class Access : public ::testing::Test {
 protected:
  explicit Access(std::vector<std::string> more = {}) : node({.arguments = arguments(std::move(more))}) {}
  void TearDown() override { node.stop(); }

  std::vector<std::string> arguments(std::vector<std::string> more) const {
    more.insert(more.end(), {"--keys", keys.path()});
    return more;
  }
  std::string token_of(const std::string& claims) const { return keys.forge.sign(claims); }
  std::string ana(std::chrono::milliseconds lasts = 1h) const { return token_of(KeyFile::of_player("ana", lasts)); }

  // A connection of its own.
  kj::Own<client::Connection> connect(const Credentials& credentials) {
    auto connected = node.session().wait(client::Connection::connect(
        node.session().network(), node.session().timer(), node.rpc(), client::Connection::kConnectWithin, credentials));
    EXPECT_TRUE(connected.ok()) << connected.error().message;
    return connected.ok() ? kj::mv(*connected) : kj::Own<client::Connection>();
  }
  Error refusal_of(const Credentials& credentials) {
    const auto connected = node.session().wait(client::Connection::connect(
        node.session().network(), node.session().timer(), node.rpc(), client::Connection::kConnectWithin, credentials));
    EXPECT_FALSE(connected.ok());
    return connected.ok() ? Error{} : connected.error();
  }
  bool ends_within(client::Connection& connection, std::chrono::milliseconds time) {
    return node.session().wait_at_most(time, connection.lost());
  }
  HttpAnswer get(const std::string& target, const std::string& token) { return ask(node.http(), "GET", target, token); }

  // What every call over RPC is refused with, one after the other.
  std::vector<ErrorCode> rpc_refusals(client::Connection& connection, const std::string& entity) {
    auto& session = node.session();
    std::vector<ErrorCode> codes;
    const auto note = [&](const auto& answer) {
      EXPECT_FALSE(answer.ok());
      codes.push_back(answer.ok() ? ErrorCode::NOT_FOUND : answer.error().code);
    };
    note(session.wait(connection.read(entity, 1, 10)));
    note(session.wait(connection.inspect(entity)));
    note(session.wait(connection.stats()));
    note(session.wait(connection.dead_letters(entity)));
    note(session.wait(connection.dead_letters("")));
    note(session.wait(connection.redrive(entity, 1)));
    note(session.wait(connection.discard(entity, 1)));
    note(session.wait(connection.cluster()));
    note(session.wait(connection.drain("ant", wire::Drain::EVERYTHING)));
    const client::Publication event{entity, "note", "{}", 1};
    const auto published = session.wait(connection.publish("ana", {&event, 1}));
    EXPECT_TRUE(published.ok() && published->getAccepted() == 0);
    for (const auto refusal : published->getRefusals()) codes.push_back(refusal.getCode());
    const client::Follow follow{entity, 1};
    const auto followed = session.wait(connection.subscribe(
        {&follow, 1}, {.deliver = [](auto) { ADD_FAILURE() << "something came"; }, .ended = [](auto) {}}));
    EXPECT_TRUE(followed.ok() && !followed->hasSubscription());
    for (const auto refusal : followed->getRefusals()) codes.push_back(refusal.getCode());
    EXPECT_EQ(codes.size(), 11u);
    return codes;
  }

  KeyFile keys;
  RunningNode node;
};

TEST_F(Access, P9WithoutATokenEveryRouteRefuses) {
  EXPECT_THAT(rpc_refusals(*connect({}), "player/ana"), Each(ErrorCode::UNAUTHENTICATED));
  for (const char* target : {"/events/player/ana", "/events/player/ana?from=1&wait_ms=10000", "/streams/player/ana",
                             "/entities/player/ana", "/deadletters", "/deadletters/player/ana", "/stats", "/cluster"}) {
    const auto answer = get(target, "");
    EXPECT_EQ(answer.status, 401) << target;
    EXPECT_THAT(answer.header, HasSubstr("WWW-Authenticate: Bearer")) << target;
    EXPECT_THAT(answer.body, HasSubstr("\"error\":\"unauthenticated\"")) << target;
  }
  EXPECT_EQ(ask(node.http(), "POST", "/events/player/ana?type=note", "", "{}").status, 401);
  EXPECT_EQ(ask(node.http(), "POST", "/events", "", kBatch).status, 401);
  EXPECT_EQ(ask(node.http(), "PUT", "/positions/player/ana?device=d&offset=0", "").status, 401);
  EXPECT_EQ(ask(node.http(), "POST", "/deadletters/player/ana?offset=1", "").status, 401);
  EXPECT_EQ(ask(node.http(), "DELETE", "/deadletters/player/ana?offset=1", "").status, 401);
  // A token in the URL is none: URLs end in logs.
  EXPECT_EQ(get("/events/player/ana?access_token=" + ana(), "").status, 401);
  // What watches needs none, on loopback.
  for (const char* target : {"/healthz", "/readyz", "/metrics"}) EXPECT_EQ(get(target, "").status, 200) << target;
}

TEST_F(Access, P9ATokenOpensWhatItNames) {
  auto connection = connect({.token = ana()});
  const client::Publication event{"player/ana", "note", R"({"a":1})", 1};
  const auto published = node.session().wait(connection->publish("ana/phone", {&event, 1}));
  ASSERT_TRUE(published.ok());
  EXPECT_EQ(published->getAccepted(), 1u);
  EXPECT_EQ(node.session().wait(connection->read("player/ana", 1, 10))->getEvents().size(), 1u);
  EXPECT_EQ(ask(node.http(), "POST", "/events/player/ana?type=note", ana(), "{}").status, 200);
  EXPECT_THAT(get("/events/player/ana", ana()).body, HasSubstr("client ana/http/"));
  EXPECT_EQ(get("/stats", token_of(KeyFile::of_operator())).status, 200);
  EXPECT_TRUE(node.session().wait(connect({.token = token_of(KeyFile::of_operator())})->stats()).ok());
}

TEST_F(Access, P9AnotherPlayersStreamIsClosedByEveryRoute) {
  const auto token = ana();
  EXPECT_THAT(rpc_refusals(*connect({.token = token}), "player/bo"), Each(ErrorCode::FORBIDDEN));
  for (const char* target :
       {"/events/player/bo", "/events/player/bo?wait_ms=10000", "/streams/player/bo", "/streams/player/b%6f",
        "/entities/player/bo", "/deadletters/player/bo", "/deadletters", "/stats", "/cluster", "/entities/player/ana"})
    EXPECT_EQ(get(target, token).status, 403) << target;
  EXPECT_EQ(ask(node.http(), "POST", "/events/player/bo?type=note", token, "{}").status, 403);
  EXPECT_EQ(get("/positions/player/bo", token).status, 403);
  EXPECT_EQ(ask(node.http(), "PUT", "/positions/player/bo?device=d&offset=0", token).status, 403);
  const auto batch = ask(node.http(), "POST", "/events", token, kBatch);
  EXPECT_THAT(batch.body, AllOf(HasSubstr("\"accepted\":0"), HasSubstr("\"error\":\"forbidden\"")));
  EXPECT_EQ(ask(node.http(), "POST", "/deadletters/player/bo?offset=1", token).status, 403);
  EXPECT_EQ(ask(node.http(), "DELETE", "/deadletters/player/bo?offset=1", token).status, 403);
  // Nor does a path that only looks like one's own help: it is the entity called so.
  EXPECT_THAT(get("/events/player/ana/../bo", token).status, ::testing::AnyOf(400, 403, 404));
  EXPECT_THAT(get("/events/player/ana%2F..%2Fbo", token).status, ::testing::AnyOf(400, 403, 404));
}

TEST_F(Access, P9NobodyPublishesUnderAnotherOnesName) {
  auto connection = connect({.token = ana()});
  const client::Publication event{"player/ana", "note", "{}", 1};
  for (const char* producer : {"bo", "anabel", "ops", ""}) {
    const auto published = node.session().wait(connection->publish(producer, {&event, 1}));
    ASSERT_TRUE(published.ok());
    EXPECT_EQ(published->getAccepted(), 0u) << producer;
    EXPECT_EQ(published->getRefusals().size(), 1u) << producer;
  }
  EXPECT_EQ(ask(node.http(), "POST", "/events/player/ana?type=note&producer=bo&sequence=1", ana(), "{}").status, 403);
  EXPECT_EQ(ask(node.http(), "POST", "/events/player/ana?type=note&producer=ana&sequence=1", ana(), "{}").status, 200);
}

TEST_F(Access, P9OfABatchOnlyWhatIsAllowedIsAccepted) {
  auto connection = connect({.token = ana()});
  const std::vector<client::Publication> batch = {
      {"player/ana", "note", "{}", 1}, {"player/bo", "note", "{}", 2}, {"player/ana", "note", "{}", 3}};
  const auto published = node.session().wait(connection->publish("ana", batch));
  ASSERT_TRUE(published.ok());
  EXPECT_EQ(published->getAccepted(), 2u);
  ASSERT_EQ(published->getRefusals().size(), 1u);
  EXPECT_EQ(published->getRefusals()[0].getIndex(), 1u);
  EXPECT_EQ(published->getRefusals()[0].getCode(), ErrorCode::FORBIDDEN);
}

TEST_F(Access, P9BadTokensAreRefusedByRpcAndHttp) {
  const auto stranger = TokenForge::ed25519();
  const auto claims = KeyFile::of_player("ana");
  const auto good = token_of(claims);
  const struct {
    const char* what;
    std::string token;
  } kBad[] = {
      {"expired", ana(-1s)},
      {"wrong key", stranger.sign(claims)},
      {"alg none", keys.forge.sign(R"({"alg":"none"})", claims)},
      {"alg none, no signature",
       "eyJhbGciOiJub25lIn0" + good.substr(good.find('.'), good.rfind('.') - good.find('.') + 1)},
      {"key confusion", TokenForge::secret(keys.forge.public_file()).sign(claims)},
      {"not yet", token_of(KeyFile::claims("ana", R"("nbf":4102444800)"))},
      {"changed", good.substr(0, good.size() - 2) + (good.ends_with("AA") ? "BA" : "AA")},
      {"unpacks to a bomb", keys.forge.sign(R"({"alg":"EdDSA","zip":"DEF"})", claims)},
      {"long", std::string(100'000, 'x')},
      {"no token", "nonsense"},
  };
  for (const auto& [what, token] : kBad) {
    SCOPED_TRACE(what);
    EXPECT_EQ(refusal_of({.token = token}).code, ErrorCode::UNAUTHENTICATED);
    const auto answer = get("/events/player/ana", token);
    // KJ itself refuses header fields that are too long.
    EXPECT_THAT(answer.status, ::testing::AnyOf(401, token.size() > 50'000 ? 431 : 401));
    if (answer.status == 401) {
      EXPECT_THAT(answer.header, HasSubstr("invalid_token"));
    }
  }
  // Those who watch need none, so a bad one does no harm there.
  EXPECT_EQ(get("/healthz", "nonsense").status, 200);
}

TEST_F(Access, P9AConnectionStaysWithItsFirstToken) {
  auto connection = connect({.token = ana()});
  const auto again = node.session().wait(connection->authenticate(token_of(KeyFile::of_operator())));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::FORBIDDEN);
  EXPECT_FALSE(node.session().wait(connection->stats()).ok());
}

TEST_F(Access, P9AnExpiredTokenEndsItsConnectionAndItsStream) {
  const auto token = ana(2s);
  auto connection = connect({.token = token});
  auto other = connect({.token = ana()});
  RawSocket stream(node.http());
  ASSERT_TRUE(stream.send("GET /streams/player/ana HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token +
                          "\r\n\r\n"));
  EXPECT_THAT(stream.receive_until(": following"), HasSubstr("200 OK"));
  EXPECT_TRUE(node.session().wait(connection->read("player/ana", 1, 10)).ok());
  EXPECT_TRUE(ends_within(*connection, 10s));
  EXPECT_THAT(stream.receive_until(kLastChunk), HasSubstr(kLastChunk));
  EXPECT_EQ(get("/events/player/ana", token).status, 401);
  EXPECT_TRUE(other->alive()) << "whose token holds is not disturbed";
}

TEST_F(Access, P9AWithdrawnKeyEndsConnectionsAndStreams) {
  auto connection = connect({.token = ana()});
  RawSocket stream(node.http());
  ASSERT_TRUE(stream.send("GET /streams/player/ana HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + ana() +
                          "\r\n\r\n"));
  (void)stream.receive_until(": following");
  // Rotation: first both keys, so that nobody notices,
  const auto next = TokenForge::rsa();
  keys.write(keys.forge.public_file() + next.public_file());
  const auto renewed = next.sign(KeyFile::of_player("ana"));
  ASSERT_TRUE(eventually(10s, [&] { return get("/events/player/ana", renewed).status == 200; }));
  EXPECT_TRUE(node.session().wait(connection->read("player/ana", 1, 10)).ok());
  // then the new one only.
  keys.trust(next);
  EXPECT_TRUE(ends_within(*connection, 10s));
  EXPECT_THAT(stream.receive_until(kLastChunk), HasSubstr(kLastChunk));
  EXPECT_EQ(get("/events/player/ana", ana()).status, 401);
  EXPECT_EQ(refusal_of({.token = ana()}).code, ErrorCode::UNAUTHENTICATED);
  EXPECT_EQ(get("/events/player/ana", renewed).status, 200);
}

TEST_F(Access, P9ABrokenKeyFileChangesNothingAndIsReported) {
  auto connection = connect({.token = ana()});
  keys.write("{\"keys\":[{\"kty\":\"oct\",\"k\":\"very secret");
  ASSERT_TRUE(eventually(
      10s, [&] { return get("/healthz", "").body.find("the keys of before hold on") != std::string::npos; }));
  EXPECT_THAT(get("/healthz", "").body, Not(HasSubstr("very secret")));
  EXPECT_EQ(get("/readyz", "").status, 200);
  EXPECT_EQ(get("/events/player/ana", ana()).status, 200);
  EXPECT_TRUE(connection->alive());
  keys.trust(keys.forge);
  EXPECT_TRUE(eventually(10s, [&] { return get("/healthz", "").body.find("hold on") == std::string::npos; }));
}

TEST_F(Access, P1ClientsGoOnWithANewTokenWhereTheyWere) {
  // Given a publisher and a follower that read their token from a file,
  const auto file = keys.directory() / "token";
  replace_file(file, token_of(KeyFile::of_player("ana", 3s)));
  const Credentials credentials{.token_file = file};
  auto& session = node.session();
  client::Publisher publisher(session.network(), session.timer(),
                              {.addresses = node.rpc(), .producer = "ana", .credentials = credentials}, {});
  std::vector<Offset> seen;
  client::Follower::Callbacks callbacks;
  callbacks.event = [&](std::size_t, Offset offset, wire::StoredEvent::Reader) { seen.push_back(offset); };
  callbacks.ended = [](std::size_t, const Error& error) -> std::optional<Offset> {
    ADD_FAILURE() << error.message;
    return std::nullopt;
  };
  const client::Follower follower(session.network(), session.timer(),
                                  {.addresses = node.rpc(), .credentials = credentials}, {{"player/ana", 1}},
                                  std::move(callbacks));
  // when it expires while they are at work, and a new one comes after a while,
  constexpr Sequence kEvents = 500;
  bool renewed = false;
  for (Sequence next = 1; next <= kEvents; ++next) {
    while (!publisher.offer({"player/ana", "note", "{}", next})) session.wait(publisher.has_room());
    session.wait_at_most(10ms, kj::Promise<void>(kj::NEVER_DONE));
    if (!renewed && next > kEvents / 2 && !publisher.connected()) {
      replace_file(file, ana());
      renewed = true;
    }
  }
  ASSERT_TRUE(renewed);
  ASSERT_TRUE(session.wait_at_most(20s, publisher.is_done()));
  // then nothing is lost, doubled or out of order.
  EXPECT_EQ(publisher.figures().refused, 0u);
  ASSERT_TRUE(eventually(20s, [&] {
    session.wait_at_most(10ms, kj::Promise<void>(kj::NEVER_DONE));
    return seen.size() >= kEvents;
  }));
  for (Sequence i = 0; i < kEvents; ++i) ASSERT_EQ(seen[i], i + 1);
}

TEST_F(Access, P4AFollowerGivesUpWhatIsForbiddenAndFollowsTheRest) {
  auto& session = node.session();
  auto connection = connect({.token = ana()});
  const client::Publication event{"player/ana", "note", "{}", 1};
  ASSERT_TRUE(session.wait(connection->publish("ana", {&event, 1})).ok());
  std::vector<std::string> happened;
  client::Follower::Callbacks callbacks;
  callbacks.event = [&](std::size_t entity, Offset, wire::StoredEvent::Reader) {
    happened.push_back("event of " + std::to_string(entity));
  };
  callbacks.ended = [&](std::size_t entity, const Error& error) -> std::optional<Offset> {
    happened.push_back(std::to_string(entity) + " " + std::string(name_of(error.code)));
    return std::nullopt;
  };
  const client::Follower follower(session.network(), session.timer(),
                                  {.addresses = node.rpc(), .credentials = {.token = ana()}},
                                  {{"player/bo", 1}, {"player/ana", 1}}, std::move(callbacks));
  ASSERT_TRUE(eventually(10s, [&] {
    session.wait_at_most(10ms, kj::Promise<void>(kj::NEVER_DONE));
    return happened.size() >= 2;
  }));
  EXPECT_THAT(happened, ::testing::ElementsAre("0 forbidden", "event of 1"));
}

TEST_F(Access, P9WithoutAGoodTokenAWebSocketIsClosed) {
  for (const std::string& header :
       std::vector<std::string>{"", "Authorization: Bearer nonsense\r\n", "Authorization: Bearer " + ana(-1s) + "\r\n",
                                "Sec-WebSocket-Protocol: carillon.token." + ana(-1s) + "\r\n"}) {
    SCOPED_TRACE(header);
    WebSocket socket(node.http(), header);
    ASSERT_TRUE(socket.opened());
    (void)socket.say(R"({"follow":{"id":1,"entity":"player/ana","from":1}})");
    EXPECT_THAT(socket.hear(), HasSubstr(R"({"error":{"error":"unauthenticated")"));
    EXPECT_EQ(socket.hear(), "");
    EXPECT_EQ(socket.hear_close(), 4401);
  }
}

TEST_F(Access, P9AWebSocketDoesWhatItsTokenAllowsAndNothingElse) {
  for (const auto& header :
       {"Authorization: Bearer " + ana() + "\r\n", "Sec-WebSocket-Protocol: carillon.token." + ana() + "\r\n"}) {
    SCOPED_TRACE(header);
    WebSocket socket(node.http(), header);
    EXPECT_THAT(socket.hear(), AllOf(HasSubstr("\"welcome\""), HasSubstr(R"("subject":"ana","expires_at":"2)")));
    const auto answer_to = [&](const std::string& request, const char* name) {
      EXPECT_TRUE(socket.say(request));
      return socket.hear(name);
    };
    // Another player's stream, by every message,
    const char* forbidden = R"("error":"forbidden")";
    EXPECT_THAT(answer_to(R"({"follow":{"id":1,"entity":"player/bo","from":1}})", "ended"), HasSubstr(forbidden));
    EXPECT_THAT(answer_to(R"({"follow":{"id":1,"entity":"player/bo","from":"acknowledged","device":"d"}})", "ended"),
                HasSubstr(forbidden));
    EXPECT_THAT(answer_to(R"({"follow":{"id":1,"entity":"player/bo","from":1,"present":true}})", "ended"),
                HasSubstr(forbidden));
    EXPECT_THAT(answer_to(R"({"positions":{"id":1,"entity":"player/bo"}})", "refused"), HasSubstr(forbidden));
    EXPECT_THAT(answer_to(R"({"acknowledge":{"id":1,"entity":"player/bo","device":"d","offset":0}})", "refused"),
                HasSubstr(forbidden));
    EXPECT_THAT(answer_to(R"({"publish":{"id":1,)" + std::string(kBatch).substr(1) + "}", "published"),
                AllOf(HasSubstr("\"accepted\":0"), HasSubstr(forbidden)));
    EXPECT_THAT(answer_to(R"({"publish":{"id":1,"producer":"bo","events":[{"sequence":1,"entity":"player/ana",)"
                          R"("type":"note","payload":{}}]}})",
                          "published"),
                AllOf(HasSubstr("\"accepted\":0"), HasSubstr(forbidden)));
    // and what the node keeps for others,
    EXPECT_THAT(answer_to(R"({"follow":{"id":1,"entity":"reader/player/bo","from":1}})", "ended"), HasSubstr("error"));
    // but one's own.
    EXPECT_THAT(answer_to(R"({"follow":{"id":1,"entity":"player/ana","from":1,"present":true}})", "following"),
                HasSubstr("\"next\":1"));
    EXPECT_THAT(answer_to(R"({"positions":{"id":2,"entity":"player/ana"}})", "positions_are"), HasSubstr("devices"));
  }
}

TEST_F(Access, P9AWebSocketIsWarnedAndClosedWhenItsTokenExpires) {
  WebSocket socket(node.http(), "Authorization: Bearer " + ana(3s) + "\r\n");
  EXPECT_THAT(socket.hear(), HasSubstr("welcome"));
  EXPECT_THAT(socket.hear(), HasSubstr(R"({"expiring":{"expires_at":"2)"));
  EXPECT_EQ(socket.hear_close(), 4401);
}

TEST_F(Access, P9AWebSocketGoesOnWithANewToken) {
  WebSocket socket(node.http(), "Authorization: Bearer " + ana(5s) + "\r\n");
  EXPECT_TRUE(socket.say(R"({"follow":{"id":1,"entity":"player/ana","from":1}})"));
  EXPECT_THAT(socket.hear("following"), HasSubstr("\"id\":1"));
  const auto show = [&](const std::string& token) {
    EXPECT_TRUE(socket.say(R"({"authenticate":{"id":7,"token":")" + token + "\"}}"));
  };
  // Not with another one's, a bad one, or one that no longer allows what is followed,
  show(token_of(KeyFile::of_player("bo")));
  EXPECT_THAT(socket.hear("refused"), HasSubstr("forbidden"));
  show("nonsense");
  EXPECT_THAT(socket.hear("refused"), HasSubstr("unauthenticated"));
  show(token_of(KeyFile::claims("ana", R"("carillon":{"publish":["player/ana"]})")));
  EXPECT_THAT(socket.hear("refused"), HasSubstr("forbidden"));
  // but with one's own; then the end of the first one is no end.
  show(ana());
  EXPECT_THAT(socket.hear("authenticated"), HasSubstr(R"("id":7,"subject":"ana","expires_at":"2)"));
  EXPECT_EQ(socket.hear_close(6s), -1);
  EXPECT_TRUE(socket.say(R"({"ping":{}})"));
}

TEST_F(Access, P9ANewTokenMustAllowToMakePresentWhoWasMadeSo) {
  const auto token = [&](const std::string& publish) {
    return token_of(KeyFile::claims("ana", R"("carillon":{"read":["player/*"],"publish":[)" + publish + "]}"));
  };
  const auto show = [&](WebSocket& socket, const std::string& shown) {
    EXPECT_TRUE(socket.say(R"({"authenticate":{"id":7,"token":")" + shown + "\"}}"));
    return socket.hear();
  };
  // Given somebody who made another player present, and themselves,
  WebSocket socket(node.http(), "Authorization: Bearer " + token(R"("player/bo")") + "\r\n");
  for (const char* follow : {R"({"follow":{"id":1,"entity":"player/bo","from":1,"present":true}})",
                             R"({"follow":{"id":2,"entity":"player/ana","from":1,"present":true}})"}) {
    ASSERT_TRUE(socket.say(follow));
    ASSERT_FALSE(socket.hear("following").empty());
  }
  // when they show a token that allows no more than to read, then it is refused; another one that allows it is not.
  EXPECT_THAT(show(socket, token("")), AllOf(HasSubstr("refused"), HasSubstr("forbidden")));
  EXPECT_THAT(show(socket, token(R"("player/bo")")), HasSubstr("authenticated"));
  // Once they follow only themselves, reading is enough.
  ASSERT_TRUE(socket.say(R"({"unfollow":{"id":1}})"));
  ASSERT_FALSE(socket.hear("unfollowed").empty());
  EXPECT_THAT(show(socket, token("")), HasSubstr("authenticated"));
}

TEST_F(Access, P9AWithdrawnKeyClosesWebSockets) {
  WebSocket socket(node.http(), "Authorization: Bearer " + ana() + "\r\n");
  EXPECT_THAT(socket.hear(), HasSubstr("welcome"));
  keys.trust(TokenForge::ed25519());
  EXPECT_THAT(socket.hear("error"), HasSubstr("unauthenticated"));
  EXPECT_EQ(socket.hear_close(), 4401);
}

class Impatient : public Access {
 protected:
  Impatient() : Access({"--first-call-within", "500", "--token-issuer", "login", "--token-audience", "game"}) {}
};

TEST_F(Impatient, P9WhoShowsNoTokenIsSentAway) {
  auto connection = connect({});
  EXPECT_TRUE(ends_within(*connection, 10s));
}

TEST_F(Impatient, P9IssuerAndAudienceMustBeTheNodes) {
  const auto with = [&](const std::string& more) { return token_of(KeyFile::claims("ana", more)); };
  EXPECT_EQ(refusal_of({.token = with(R"("iss":"login","aud":"shop")")}).code, ErrorCode::UNAUTHENTICATED);
  EXPECT_EQ(refusal_of({.token = with(R"("iss":"other","aud":"game")")}).code, ErrorCode::UNAUTHENTICATED);
  EXPECT_EQ(get("/events/player/ana", with(R"("aud":"game")")).status, 401);
  EXPECT_EQ(get("/events/player/ana", with(R"("iss":"login","aud":["game"])")).status, 403)
      << "it allows nothing, but is valid";
}

TEST(AccessAtStart, P9BeyondLoopbackOnlyWithKeysAndTls) {
  const KeyFile keys;
  const TemporaryDirectory data;
  const auto serve = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"serve", "--data", data.path(), "--http", "127.0.0.1:0"});
    return run_carillon_at_most(10s, more);
  };
  const auto never = [&](const std::vector<std::string>& settings) {
    const auto ran = serve(settings);
    EXPECT_EQ(ran.exit_code, 2) << ran.output;
    return ran.output;
  };
  EXPECT_THAT(never({"--listen", "0.0.0.0:0"}), HasSubstr("--keys"));
  EXPECT_THAT(never({"--listen", "0.0.0.0:0", "--keys", keys.path()}), HasSubstr("--plaintext"));
  EXPECT_THAT(never({"--listen", "127.0.0.1:0", "--tls-key", keys.path()}), HasSubstr("belong together"));
  EXPECT_THAT(never({"--listen", "127.0.0.1:0", "--token-issuer", "x"}), HasSubstr("need --keys"));
  // A file may yet come: whoever starts nodes is to try again.
  const auto without_file = serve({"--listen", "127.0.0.1:0", "--keys", keys.path() + "x"});
  EXPECT_EQ(without_file.exit_code, 1);
  EXPECT_THAT(without_file.output, HasSubstr("cannot read"));
}

TEST(AccessAtStart, AddressesAndNamesThatCanNeverWorkAreWrongSettings) {
  const TemporaryDirectory data;
  for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{{"--listen", "127.0.0.1"},
                                                                                      {"--listen", "[::1]"},
                                                                                      {"--listen", "127.0.0.1:99999"},
                                                                                      {"--http", "127.0.0.1:http"},
                                                                                      {"--http", ":7480"},
                                                                                      {"--peer", "127.0.0.1:74x3"},
                                                                                      {"--advertise", "bee"},
                                                                                      {"--node", "Ant"}}) {
    std::vector<std::string> words{"serve", "--data", data.path(), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"};
    if (option == "--listen") words[4] = value;
    if (option == "--http") words[6] = value;
    if (option == "--peer" || option == "--advertise" || option == "--node") {
      words.insert(words.end(), {"--cluster", "--etcd", "http://127.0.0.1:1"});
      if (option != "--node") words.insert(words.end(), {"--node", "ant"});
      words.insert(words.end(), {option, value});
    }
    const auto ran = run_carillon_at_most(10s, words);
    EXPECT_EQ(ran.exit_code, 2) << option << ' ' << value << ": " << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("'" + value + "'"));
  }
}

// It would be refused for ever: nobody can give it another one.
TEST_F(Access, ACommandThatFollowsEndsWhenItsTokenExpiresAndSaysSo) {
  const client::Publication event{"player/ana", "note", "{}", 1};
  auto connection = connect({.token = ana()});
  ASSERT_TRUE(node.session().wait(connection->publish("ana", {&event, 1})).ok());
  ASSERT_EQ(setenv("CARILLON_TOKEN", ana(6s).c_str(), 1), 0);
  const auto ran = run_carillon_at_most(20s, {"tail", "player/ana", "--connect", node.rpc().text()});
  ASSERT_EQ(unsetenv("CARILLON_TOKEN"), 0);
  EXPECT_EQ(ran.exit_code, 3) << ran.output;
  EXPECT_THAT(ran.output, AllOf(HasSubstr("\"offset\":1"), HasSubstr("unauthenticated"), HasSubstr("expired")));
}

class BeyondLoopback : public Access {
 protected:
  BeyondLoopback() : Access({"--plaintext", "--http", "0.0.0.0:0"}) {}
};

TEST_F(BeyondLoopback, P9FiguresAreForOperators) {
  EXPECT_EQ(get("/metrics", "").status, 401);
  EXPECT_EQ(get("/metrics", ana()).status, 403);
  EXPECT_EQ(get("/metrics", token_of(KeyFile::of_operator())).status, 200);
  // Whoever shows one that has expired is told that, not that there was none.
  const auto expired = get("/metrics", ana(-1s));
  EXPECT_EQ(expired.status, 401);
  EXPECT_THAT(expired.body, HasSubstr("expired"));
  EXPECT_THAT(get("/healthz", ana(-1s)).body, HasSubstr("expired"));
  // Balancers have no token; how the node fares they may know, but not why.
  EXPECT_EQ(get("/readyz", "").status, 200);
  keys.write("broken");
  EXPECT_TRUE(eventually(10s, [&] { return get("/healthz", "").body.find("degraded") != std::string::npos; }));
  EXPECT_THAT(get("/healthz", "").body, HasSubstr("\"problems\":[]"));
  EXPECT_THAT(get("/healthz", token_of(KeyFile::of_operator())).body, HasSubstr("hold on"));
}

}  // namespace
}  // namespace carillon::testing
