#include "cli/token_command.h"

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "access/base64url.h"
#include "access/gatekeeper.h"
#include "access/json_web_key.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "messages/rfc3339.h"
#include "runtime/json.h"

namespace carillon::cli {
namespace {

struct MakeOptions {
  std::string key, subject, key_id, issuer, audience;
  std::vector<std::string> read, publish, producers;
  bool operate = false;
  bool unlimited = false;
  std::string lasts = "1h";
};

struct InspectOptions {
  std::string file, keys, issuer, audience;
};

std::int64_t now_ms() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count();
}

// `90s`, `30m`, `12h`, `7d`; nothing otherwise.
std::optional<std::chrono::seconds> parse_span(const std::string& text) {
  constexpr std::size_t kDigitsMax = 6;
  if (text.size() < 2 || text.size() > kDigitsMax + 1) return std::nullopt;
  if (text.find_first_not_of("0123456789") != text.size() - 1) return std::nullopt;
  const std::chrono::seconds count(std::stol(text.substr(0, text.size() - 1)));
  if (count.count() == 0) return std::nullopt;
  switch (text.back()) {
    case 's':
      return count;
    case 'm':
      return count * 60;
    case 'h':
      return count * 3'600;
    case 'd':
      return count * 86'400;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> read_all(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// kOk and the keys, or what the program ends with after having said why.
ExitCode read_keys(const char* option, const std::string& path, access::KeySet& keys) {
  const auto content = read_all(path);
  if (!content) {
    complain(std::string(option) + ": cannot read " + path);
    return kUsage;
  }
  auto parsed = access::KeySet::parse(*content);
  if (!parsed) {
    complain(std::string(option) + ": " + path + ": " + parsed.error().message);
    return kUsage;
  }
  keys = std::move(*parsed);
  return kOk;
}

std::string claims_of(const MakeOptions& options, std::chrono::seconds lasts) {
  const auto now_s = now_ms() / 1000;
  JsonWriter json;
  json.begin_object().field("sub", options.subject).field("iat", now_s).field("exp", now_s + lasts.count());
  if (!options.issuer.empty()) json.field("iss", options.issuer);
  if (!options.audience.empty()) json.field("aud", options.audience);
  json.key("carillon").begin_object();
  const auto add = [&](const char* name, const std::vector<std::string>& patterns) {
    if (patterns.empty()) return;
    json.key(name).begin_array();
    for (const auto& pattern : patterns) json.value(pattern);
    json.end_array();
  };
  add("read", options.read);
  add("publish", options.publish);
  add("producers", options.producers);
  if (options.operate) json.field("operate", true);
  if (options.unlimited) json.field("unlimited", true);
  return json.end_object().end_object().take();
}

int make(const MakeOptions& options) {
  if (options.key.empty() || options.subject.empty()) {
    complain("a token needs --key FILE to sign it and --subject NAME for whom it is");
    return kUsage;
  }
  const auto lasts = parse_span(options.lasts);
  if (!lasts) {
    complain("--for is a time like 90s, 30m, 12h or 7d");
    return kUsage;
  }
  access::KeySet keys;
  if (const ExitCode code = read_keys("--key", options.key, keys); code != kOk) return code;
  const access::JsonWebKey* signer = nullptr;
  for (const auto& key : keys.keys)
    if (signer == nullptr && key.can_sign() && (options.key_id.empty() || key.id() == options.key_id)) signer = &key;
  if (signer == nullptr) {
    complain("--key: " + options.key + " holds no secret and no private key" +
             (options.key_id.empty() ? "" : " called " + options.key_id));
    return kUsage;
  }
  auto token = signer->sign(claims_of(options, *lasts));
  if (!token) {
    complain(token.error().message);
    return kFailed;
  }
  // What no node would take is not given out.
  const access::Gatekeeper gatekeeper(std::move(keys), {options.issuer, options.audience});
  if (const auto admitted = gatekeeper.admit(*token, now_ms()); !admitted) {
    complain(admitted.error().message);
    return kUsage;
  }
  (void)print_line(*token);
  return kOk;
}

int inspect(const InspectOptions& options) {
  auto token = read_all(options.file);
  if (!token) {
    complain("cannot read " + options.file);
    return kUsage;
  }
  token->erase(token->find_last_not_of(" \t\r\n") + 1);
  const auto first = token->find('.');
  const auto second = first == std::string::npos ? first : token->find('.', first + 1);
  const auto header = access::from_base64url(std::string_view(*token).substr(0, first));
  const auto claims = second == std::string::npos
                          ? std::nullopt
                          : access::from_base64url(std::string_view(*token).substr(first + 1, second - first - 1));
  JsonDocument header_json, claims_json;
  if (!header || !claims || !header_json.parse(*header) || !claims_json.parse(*claims)) {
    complain("this is no JSON Web Token: HEADER.CLAIMS.SIGNATURE, each in base64url");
    return kUsage;
  }
  JsonWriter json;
  json.begin_object().field("header", header_json.root()).field("claims", claims_json.root());
  if (const auto expires = claims_json.root().find("exp"))
    if (const auto seconds = expires->as_int64(); seconds && *seconds >= 0 && *seconds < 253'402'300'800)
      json.field("expires_at", rfc3339(*seconds * 1000)).field("expired", *seconds * 1000 <= now_ms());
  if (options.keys.empty()) {
    (void)print_line(json.end_object().text());
    say("Its signature was not looked at: name the node's keys with --keys FILE.");
    return kOk;
  }
  access::KeySet keys;
  if (const ExitCode code = read_keys("--keys", options.keys, keys); code != kOk) return code;
  const access::Gatekeeper gatekeeper(std::move(keys), {options.issuer, options.audience});
  const auto admitted = gatekeeper.admit(*token, now_ms());
  json.field("valid", admitted.ok());
  if (!admitted) json.field("because", admitted.error().message);
  (void)print_line(json.end_object().text());
  return admitted ? kOk : kRefused;
}

}  // namespace

void add_token_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("token", "make a token that a node takes; or look into one");
  auto options = std::make_shared<MakeOptions>();
  command.add_option("--key", options->key, "a secret, or a private key in PEM or as JWK, that signs it")
      ->type_name("FILE");
  command.add_option("--key-id", options->key_id, "of a JWKS the key of this kid; default: the first that can sign")
      ->type_name("KID");
  command.add_option("--subject", options->subject, "for whom it is")->type_name("NAME");
  const auto add_patterns = [&](const char* name, std::vector<std::string>& patterns, const char* help) {
    command.add_option(name, patterns, help)->type_name("PATTERN")->take_all();
  };
  add_patterns("--read", options->read,
               "entities that it lets read: player/ana, arena/*, player/{sub}; again for more");
  add_patterns("--publish", options->publish, "entities that it lets publish to");
  add_patterns("--producer", options->producers, "names to publish under; default: the subject, and subject/…");
  command.add_flag("--operate", options->operate, "lets inspect, see figures, settle dead letters, drain nodes");
  command.add_flag("--unlimited", options->unlimited,
                   "for a game server: serve's limits per subject and address do not hold for it");
  command.add_option("--for", options->lasts, "how long it is valid: 90s, 30m, 12h, 7d")
      ->type_name("TIME")
      ->capture_default_str();
  command.add_option("--issuer", options->issuer, "what it says as iss")->type_name("TEXT");
  command.add_option("--audience", options->audience, "what it says as aud")->type_name("TEXT");
  add_examples(command,
               "  carillon token --key secret --subject ana --read player/ana --publish 'hunt/*' --for 12h >ana.token\n"
               "  carillon token --key secret --subject ops --operate --read '*' >ops.token\n"
               "  carillon token inspect ana.token --keys secret\n");

  auto inspected = std::make_shared<InspectOptions>();
  CLI::App& inspecting = *command.add_subcommand("inspect", "what a token says, and whether a node would take it");
  inspecting.add_option("token", inspected->file, "a file with the token; - is stdin")->required()->type_name("FILE");
  inspecting.add_option("--keys", inspected->keys, "check it as a node with these keys does")->type_name("FILE");
  inspecting.add_option("--issuer", inspected->issuer, "and with this --token-issuer")->type_name("TEXT");
  inspecting.add_option("--audience", inspected->audience, "and with this --token-audience")->type_name("TEXT");
  add_examples(inspecting, "  carillon token inspect ana.token --keys secret\n");
  run_with(inspecting, action, inspected, &inspect);
  // A command's own callback comes after that of its subcommand.
  command.callback([&command, &action, options] {
    if (command.get_subcommands().empty()) action = [options] { return make(*options); };
  });
}

}  // namespace carillon::cli
