#include "cluster/etcd_client.h"

#include <kj/compat/http.h>
#include <kj/debug.h>
#include <kj/encoding.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

#include "runtime/json.h"

namespace carillon::cluster {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::size_t kChunkBytes = 64u << 10;

kj::Duration duration_of(std::chrono::milliseconds time) { return time.count() * kj::MILLISECONDS; }

Error unavailable(std::string message) { return {ErrorCode::UNAVAILABLE, std::move(message)}; }

std::string base64(std::string_view bytes) {
  const auto text = kj::encodeBase64(kj::arrayPtr(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()));
  return {text.cStr(), text.size()};
}

// The first key that does not begin with `prefix`.
std::string end_of(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  CHECK(!prefix.empty());
  ++prefix.back();
  return prefix;
}

// A field of an answer; what is zero, empty or false is left out there, and 64-bit numbers are strings.
std::optional<std::uint64_t> number_of(const JsonValue& object, std::string_view name) {
  const auto field = object.find(name);
  if (!field) return 0;
  if (const auto number = field->as_uint64()) return number;
  const auto text = field->as_string();
  std::uint64_t number = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

std::optional<std::string> bytes_of(const JsonValue& object, std::string_view name) {
  const auto field = object.find(name);
  if (!field) return std::string();
  const auto text = field->as_string();
  if (!text) return std::nullopt;
  const auto bytes = kj::decodeBase64(kj::arrayPtr(text->data(), text->size()));
  if (bytes.hadErrors) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
}

bool is_true(const JsonValue& object, std::string_view name) {
  const auto field = object.find(name);
  return field && field->as_bool().value_or(false);
}

std::optional<Revision> revision_of(const JsonValue& answer) {
  const auto header = answer.find("header");
  return header && header->is_object() ? number_of(*header, "revision") : std::nullopt;
}

std::optional<EtcdEntry> entry_of(const JsonValue& pair) {
  auto key = bytes_of(pair, "key");
  auto value = bytes_of(pair, "value");
  const auto modified = number_of(pair, "mod_revision");
  const auto lease = number_of(pair, "lease");
  if (!key || key->empty() || !value || !modified || !lease) return std::nullopt;
  return EtcdEntry{std::move(*key), std::move(*value), *modified, *lease};
}

std::optional<std::vector<EtcdEntry>> entries_of(const JsonValue& range) {
  std::vector<EtcdEntry> entries;
  const auto pairs = range.find("kvs");
  if (!pairs) return entries;
  for (std::size_t i = 0; i < pairs->size(); ++i) {
    auto entry = pairs->is_array() ? entry_of(pairs->element(i)) : std::nullopt;
    if (!entry) return std::nullopt;
    entries.push_back(std::move(*entry));
  }
  return entries;
}

// What etcd says is wrong: {"error": "…"} or, in a stream, {"error": {"message": "…"}}.
std::optional<std::string> complaint_in(const JsonValue& answer) {
  const auto error = answer.find("error");
  if (!error) return std::nullopt;
  if (const auto text = error->as_string()) return std::string(*text);
  const auto message = error->find("message");
  const auto text = message ? message->as_string() : std::nullopt;
  return text ? std::string(*text) : "an error without a message";
}

std::string put_request(std::string_view key, std::string_view value, LeaseId lease) {
  JsonWriter json;
  json.begin_object().key("request_put").begin_object().field("key", base64(key)).field("value", base64(value));
  if (lease != 0) json.field("lease", std::to_string(lease));
  return json.end_object().end_object().take();
}

std::string erase_request(std::string_view key) {
  JsonWriter json;
  json.begin_object().key("request_delete_range").begin_object().field("key", base64(key)).end_object().end_object();
  return json.take();
}

// Does `operation` if `expected` holds of `key`; tells otherwise what stands there.
std::string transaction(std::string_view key, std::optional<Revision> expected, std::string_view operation) {
  JsonWriter json;
  json.begin_object();
  if (expected) {
    json.key("compare").begin_array().begin_object();
    json.field("key", base64(key)).field("target", "MOD").field("result", "EQUAL");
    json.field("mod_revision", std::to_string(*expected)).end_object().end_array();
  }
  json.key("success").begin_array().raw(operation).end_array();
  json.key("failure").begin_array().begin_object().key("request_range").begin_object().field("key", base64(key));
  json.end_object().end_object().end_array().end_object();
  return json.take();
}

WriteOutcome unanswered(WriteOutcome::Kind kind, Error error) { return {.kind = kind, .error = std::move(error)}; }

// So that the kernel gives a connection up on which nothing is under way, when the other machine is gone.
void notice_silence(kj::AsyncIoStream& stream) {
  const auto set = [&](int level, int option, int value) { stream.setsockopt(level, option, &value, sizeof value); };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 2);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

std::string text_of(const kj::Exception& exception) {
  const auto text = exception.getDescription();
  return {text.cStr(), text.size()};
}

Error describe(const kj::Exception& failed, const std::string& endpoint, bool was_sent) {
  switch (failed.getType()) {
    case kj::Exception::Type::OVERLOADED:
      return unavailable("etcd at " + endpoint + " did not answer in time");
    case kj::Exception::Type::DISCONNECTED:
      if (was_sent) return unavailable("etcd at " + endpoint + " closed the connection");
      return unavailable("etcd at " + endpoint + " cannot be reached (" + text_of(failed) + ")");
    default:
      if (was_sent) return unavailable("what answers at " + endpoint + " is no etcd (" + text_of(failed) + ")");
      return unavailable("etcd at " + endpoint + " cannot be reached (" + text_of(failed) + ")");
  }
}

Error no_etcd(const std::string& endpoint, unsigned status) {
  return unavailable("what answers at " + endpoint + " is no etcd of version 3.4 or later (HTTP status " +
                     std::to_string(status) + ")");
}

// Is that answer one of etcd, and no complaint?
Result<void> judge(const JsonDocument& document, const std::string& endpoint, unsigned status) {
  if (const auto complaint = complaint_in(document.root()))
    return unavailable("etcd at " + endpoint + " refuses: " + *complaint);
  const auto result = document.root().find("result");
  if (status != 200 || !revision_of(result ? *result : document.root())) return no_etcd(endpoint, status);
  return {};
}

}  // namespace

// One request and its answer, on a connection of its own. What is used by others is declared, and so goes, after it.
struct EtcdClient::Exchange {
  std::string body;
  kj::Own<kj::NetworkAddress> address;
  kj::Own<kj::AsyncIoStream> stream;
  kj::Own<kj::HttpClient> http;
  kj::Own<kj::AsyncOutputStream> out;
  kj::Own<kj::AsyncInputStream> answer;
  unsigned status = 0;
  bool sent = false;  // Something may have arrived there.
};

// A request that tries the endpoints in turn until one answers.
class EtcdClient::Call {
 public:
  Call(EtcdClient& client, const char* path, std::string body, Repeat repeat)
      : client_(client), path_(path), body_(std::move(body)), repeat_(repeat), left_(client.endpoints_.size()) {}

  // Whether any of it may have arrived at an etcd.
  bool was_sent() const { return exchange_->sent; }

  kj::Promise<Result<std::string>> run() {
    const auto endpoint = client_.current_;
    // A read that hangs at one endpoint must leave time for the others.
    const auto within = repeat_ == Repeat::kAtWill
                            ? client_.timeouts_.request_within / static_cast<int>(client_.endpoints_.size())
                            : client_.timeouts_.request_within;
    exchange_ = kj::heap<Exchange>();
    exchange_->body = body_;
    auto asked = client_.open(*exchange_, endpoint, path_).then([this] {
      return exchange_->answer->readAllText(kAnswerBytesMax);
    });
    return client_.timer_.timeoutAfter(duration_of(within), kj::mv(asked))
        .then(
            [this, endpoint](kj::String text) {
              return take(endpoint, {text.cStr(), text.size()});
            },
            [this, endpoint](kj::Exception&& failed) {
              return go_on(endpoint, describe(failed, client_.endpoints_[endpoint], exchange_->sent));
            });
  }

 private:
  kj::Promise<Result<std::string>> take(std::size_t endpoint, std::string text) {
    JsonDocument document;
    if (!document.parse(text)) return go_on(endpoint, no_etcd(client_.endpoints_[endpoint], exchange_->status));
    if (const auto good = judge(document, client_.endpoints_[endpoint], exchange_->status); !good)
      return go_on(endpoint, good.error());
    return Result<std::string>(std::move(text));
  }

  kj::Promise<Result<std::string>> go_on(std::size_t endpoint, Error error) {
    client_.leave(endpoint);
    const bool may_repeat = repeat_ == Repeat::kAtWill || !exchange_->sent;
    if (--left_ == 0 || !may_repeat) return Result<std::string>(std::move(error));
    return run();
  }

  EtcdClient& client_;
  const char* path_;
  std::string body_;
  Repeat repeat_;
  std::size_t left_;  // Attempts.
  kj::Own<Exchange> exchange_;
};

class EtcdClient::Watch final : public EtcdWatch {
 public:
  Watch(EtcdClient& client, std::string prefix, Revision after)
      : client_(client), prefix_(std::move(prefix)), seen_(after), reset_due_(after == 0) {}

  kj::Promise<WatchBatch> next() override {
    if (std::exchange(waiting_, true)) close();  // The last promise was dropped, perhaps in the middle of a read.
    return step().then([this](WatchBatch batch) {
      waiting_ = false;
      return batch;
    });
  }

 private:
  kj::Promise<WatchBatch> step() {
    if (reset_due_) return read_all();
    if (!exchange_) return open();
    for (auto end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      const auto line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      if (line.empty()) continue;
      auto batch = take(line);
      if (!batch) return try_later();
      if (reset_due_) {
        close();
        return step();
      }
      if (!batch->changes.empty()) return std::move(*batch);
    }
    return read_more();
  }

  kj::Promise<WatchBatch> read_all() {
    close();
    return client_.range(prefix_).then([this](Result<EtcdRange> range) -> kj::Promise<WatchBatch> {
      if (!range) return try_later();
      reset_due_ = false;
      seen_ = range->revision;
      return WatchBatch{.reset = true, .entries = std::move(range->entries), .revision = seen_};
    });
  }

  kj::Promise<WatchBatch> open() {
    JsonWriter json;
    json.begin_object().key("create_request").begin_object().field("key", base64(prefix_));
    json.field("range_end", base64(end_of(prefix_))).field("start_revision", std::to_string(seen_ + 1));
    json.end_object().end_object();
    endpoint_ = client_.current_;
    exchange_ = kj::heap<Exchange>();
    exchange_->body = json.take();
    return client_.timer_
        .timeoutAfter(duration_of(client_.timeouts_.request_within), client_.open(*exchange_, endpoint_, "/v3/watch"))
        .then([this] { return exchange_->status == 200 ? step() : try_later(); },
              [this](kj::Exception&&) { return try_later(); });
  }

  kj::Promise<WatchBatch> read_more() {
    if (unread_.size() > kAnswerBytesMax) {
      reset_due_ = true;  // No use to ask for the same again.
      return try_later();
    }
    auto silent = watch_endpoint().then([]() -> std::size_t { return 0; });
    return exchange_->answer->tryRead(chunk_.begin(), 1, chunk_.size())
        .exclusiveJoin(kj::mv(silent))
        .then(
            [this](std::size_t bytes) {
              if (bytes == 0) return try_later();
              unread_.append(chunk_.begin(), bytes);
              return step();
            },
            [this](kj::Exception&&) { return try_later(); });
  }

  // Ends when the endpoint does not answer any more. What hangs with all its connections open is noticed only so.
  kj::Promise<void> watch_endpoint() {
    return client_.timer_.afterDelay(duration_of(client_.timeouts_.check_watch_every)).then([this] {
      auto probe = kj::heap<Exchange>();
      JsonWriter json;
      json.begin_object().field("key", base64(prefix_)).field("count_only", true).end_object();
      probe->body = json.take();
      auto& asked = *probe;
      return client_.timer_
          .timeoutAfter(duration_of(client_.timeouts_.request_within), client_.open(asked, endpoint_, "/v3/kv/range"))
          .then([&asked] { return asked.status == 200; }, [](kj::Exception&&) { return false; })
          .attach(kj::mv(probe))
          .then([this](bool well) { return well ? watch_endpoint() : kj::Promise<void>(kj::READY_NOW); });
    });
  }

  // Nothing when this stream is of no more use.
  std::optional<WatchBatch> take(std::string_view line) {
    JsonDocument document;
    if (!document.parse(line) || !judge(document, client_.endpoints_[endpoint_], 200)) return std::nullopt;
    const auto result = document.root().find("result");
    const auto now = result ? revision_of(*result) : std::nullopt;
    if (!now) return std::nullopt;
    if (is_true(*result, "canceled")) {
      const auto compacted = number_of(*result, "compact_revision");
      if (!compacted || *compacted == 0) return std::nullopt;
      reset_due_ = true;
      return WatchBatch{};
    }
    if (is_true(*result, "created")) {
      pause_ = std::chrono::milliseconds(0);
      // Either an etcd that began anew, or a member that lags behind; what a range says is right for both.
      reset_due_ = *now < seen_;
      return WatchBatch{};
    }
    WatchBatch batch;
    const auto events = result->find("events");
    for (std::size_t i = 0; events && events->is_array() && i < events->size(); ++i) {
      const auto event = events->element(i);
      const auto pair = event.find("kv");
      auto entry = pair ? entry_of(*pair) : std::nullopt;
      if (!entry) return std::nullopt;
      const auto type = event.find("type");
      const bool erased = type && type->as_string() == "DELETE";
      // The answer's own revision may be ahead of events that are still to come (etcd issue 15220), so it is not used.
      batch.revision = std::max(batch.revision, entry->modified);
      if (entry->modified > seen_) batch.changes.push_back({std::move(*entry), erased});
    }
    seen_ = std::max(seen_, batch.revision);
    return batch;
  }

  kj::Promise<WatchBatch> try_later() {
    if (exchange_) client_.leave(endpoint_);
    close();
    const auto& timeouts = client_.timeouts_;
    pause_ = std::clamp(pause_ * 2, timeouts.retry_first, timeouts.retry_longest);
    std::uniform_int_distribution<std::chrono::milliseconds::rep> some(pause_.count() / 2, pause_.count());
    return client_.timer_.afterDelay(some(dice_) * kj::MILLISECONDS).then([this] { return step(); });
  }

  void close() {
    exchange_ = nullptr;
    unread_.clear();
  }

  EtcdClient& client_;
  std::string prefix_;
  Revision seen_;
  bool reset_due_;
  bool waiting_ = false;  // A promise of next() is out.
  std::size_t endpoint_ = 0;
  kj::Own<Exchange> exchange_;
  kj::Array<char> chunk_ = kj::heapArray<char>(kChunkBytes);
  std::string unread_;  // Of the stream: less than one line, once step() has looked.
  std::chrono::milliseconds pause_{0};
  std::minstd_rand dice_{std::random_device{}()};
};

Result<std::vector<std::string>> EtcdClient::parse_endpoints(std::string_view endpoints) {
  const auto wrong = [&] {
    return Error{ErrorCode::MALFORMED,
                 "etcd endpoints are http://HOST:PORT[,http://HOST:PORT…], not \"" + std::string(endpoints) + "\""};
  };
  std::vector<std::string> parsed;
  for (std::size_t begin = 0; begin <= endpoints.size();) {
    const auto end = std::min(endpoints.find(',', begin), endpoints.size());
    auto one = endpoints.substr(begin, end - begin);
    begin = end + 1;
    if (!one.starts_with(kScheme)) return wrong();
    one.remove_prefix(kScheme.size());
    if (one.ends_with('/')) one.remove_suffix(1);
    const auto colon = one.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return wrong();
    std::uint16_t port = 0;
    const auto [last, error] = std::from_chars(one.data() + colon + 1, one.data() + one.size(), port);
    if (error != std::errc() || last != one.data() + one.size() || port == 0) return wrong();
    if (one.find_first_of("/ \t?#@") != std::string_view::npos) return wrong();
    parsed.emplace_back(one);
  }
  return parsed;
}

EtcdClient::EtcdClient(kj::Network& network, kj::Timer& timer, std::vector<std::string> endpoints, Timeouts timeouts)
    : network_(network),
      timer_(timer),
      timeouts_(timeouts),
      endpoints_(std::move(endpoints)),
      headers_(kj::HttpHeaderTable::Builder().build()) {
  CHECK(!endpoints_.empty());
}

EtcdClient::~EtcdClient() noexcept(false) = default;

// Ends when the answer has begun; `exchange` must live until the promise and what it opened are gone.
kj::Promise<void> EtcdClient::open(Exchange& exchange, std::size_t endpoint, const char* path) {
  auto connected =
      network_.parseAddress(endpoints_[endpoint].c_str()).then([&exchange](kj::Own<kj::NetworkAddress> to) {
        exchange.address = kj::mv(to);
        return exchange.address->connect();
      });
  return timer_.timeoutAfter(duration_of(timeouts_.connect_within), kj::mv(connected))
      .then([this, &exchange, endpoint, path](kj::Own<kj::AsyncIoStream> stream) {
        notice_silence(*stream);
        exchange.stream = kj::mv(stream);
        exchange.http = kj::newHttpClient(*headers_, *exchange.stream);
        kj::HttpHeaders headers(*headers_);
        headers.set(kj::HttpHeaderId::HOST, kj::StringPtr(endpoints_[endpoint].c_str()));
        headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/json");
        // A member that has no leader says so, rather than being silent.
        headers.add(kj::str("Grpc-Metadata-hasleader"), kj::str("true"));
        exchange.sent = true;
        auto request = exchange.http->request(kj::HttpMethod::POST, path, headers, exchange.body.size());
        exchange.out = kj::mv(request.body);
        return exchange.out->write(exchange.body.data(), exchange.body.size())
            .then([&exchange, response = kj::mv(request.response)]() mutable {
              exchange.out = nullptr;
              return kj::mv(response);
            });
      })
      .then([&exchange](kj::HttpClient::Response response) {
        exchange.status = response.statusCode;
        exchange.answer = kj::mv(response.body);
      });
}

void EtcdClient::leave(std::size_t endpoint) {
  if (endpoint == current_) current_ = (current_ + 1) % endpoints_.size();
}

kj::Promise<Result<std::string>> EtcdClient::ask(const char* path, std::string body, Repeat repeat) {
  auto call = kj::heap<Call>(*this, path, std::move(body), repeat);
  auto answer = call->run();
  return answer.attach(kj::mv(call));
}

kj::Promise<Result<EtcdRange>> EtcdClient::read(std::string request) {
  return ask("/v3/kv/range", std::move(request), Repeat::kAtWill)
      .then([](Result<std::string> answer) -> Result<EtcdRange> {
        if (!answer) return answer.error();
        JsonDocument document;
        CHECK(document.parse(*answer).ok());  // It was judged.
        auto entries = entries_of(document.root());
        if (!entries) return unavailable("etcd's answer cannot be understood");
        return EtcdRange{std::move(*entries), *revision_of(document.root())};
      });
}

kj::Promise<Result<EtcdRange>> EtcdClient::get(std::string_view key) {
  JsonWriter json;
  return read(json.begin_object().field("key", base64(key)).end_object().take());
}

kj::Promise<Result<EtcdRange>> EtcdClient::range(std::string_view prefix) {
  JsonWriter json;
  json.begin_object().field("key", base64(prefix)).field("range_end", base64(end_of(std::string(prefix)))).end_object();
  return read(json.take());
}

kj::Promise<WriteOutcome> EtcdClient::write(std::string transaction) {
  using Kind = WriteOutcome::Kind;
  auto call = kj::heap<Call>(*this, "/v3/kv/txn", std::move(transaction), Repeat::kUnlessSent);
  auto asked = call->run();
  return asked
      .then([call = call.get()](Result<std::string> answer) -> WriteOutcome {
        if (!answer) return unanswered(call->was_sent() ? Kind::kUnknown : Kind::kNotSent, answer.error());
        JsonDocument document;
        CHECK(document.parse(*answer).ok());  // It was judged.
        WriteOutcome outcome{.kind = Kind::kDone, .revision = *revision_of(document.root())};
        if (is_true(document.root(), "succeeded")) return outcome;
        outcome.kind = Kind::kLost;
        const auto responses = document.root().find("responses");
        const auto range = responses && responses->is_array() && responses->size() == 1
                               ? responses->element(0).find("response_range")
                               : std::nullopt;
        auto entries = range ? entries_of(*range) : std::nullopt;
        if (!entries) return unanswered(Kind::kUnknown, unavailable("etcd's answer cannot be understood"));
        if (!entries->empty()) outcome.current = std::move(entries->front());
        return outcome;
      })
      .attach(kj::mv(call));
}

kj::Promise<WriteOutcome> EtcdClient::put(std::string_view key, std::string_view value, LeaseId lease) {
  return write(transaction(key, std::nullopt, put_request(key, value, lease)));
}

kj::Promise<WriteOutcome> EtcdClient::create(std::string_view key, std::string_view value, LeaseId lease) {
  return swap(key, 0, value, lease);
}

kj::Promise<WriteOutcome> EtcdClient::swap(std::string_view key, Revision expected, std::string_view value,
                                           LeaseId lease) {
  return write(transaction(key, expected, put_request(key, value, lease)));
}

kj::Promise<WriteOutcome> EtcdClient::erase(std::string_view key) {
  return write(transaction(key, std::nullopt, erase_request(key)));
}

kj::Promise<WriteOutcome> EtcdClient::erase_if(std::string_view key, Revision expected) {
  return write(transaction(key, expected, erase_request(key)));
}

kj::Promise<Result<LeaseId>> EtcdClient::grant_lease(std::chrono::seconds time_to_live) {
  JsonWriter json;
  json.begin_object().field("TTL", std::to_string(time_to_live.count())).end_object();
  return ask("/v3/lease/grant", json.take(), Repeat::kAtWill).then([](Result<std::string> answer) -> Result<LeaseId> {
    if (!answer) return answer.error();
    JsonDocument document;
    CHECK(document.parse(*answer).ok());  // It was judged.
    const auto lease = number_of(document.root(), "ID");
    if (!lease || *lease == 0) return unavailable("etcd's answer cannot be understood");
    return *lease;
  });
}

kj::Promise<Result<bool>> EtcdClient::keep_alive(LeaseId lease) {
  JsonWriter json;
  json.begin_object().field("ID", std::to_string(lease)).end_object();
  return ask("/v3/lease/keepalive", json.take(), Repeat::kAtWill).then([](Result<std::string> answer) -> Result<bool> {
    if (!answer) return answer.error();
    JsonDocument document;
    CHECK(document.parse(*answer).ok());  // It was judged.
    const auto result = document.root().find("result");
    const auto seconds_left = result ? number_of(*result, "TTL") : std::nullopt;
    if (!seconds_left) return unavailable("etcd's answer cannot be understood");
    return *seconds_left > 0;
  });
}

kj::Promise<Result<void>> EtcdClient::revoke_lease(LeaseId lease) {
  JsonWriter json;
  json.begin_object().field("ID", std::to_string(lease)).end_object();
  return ask("/v3/lease/revoke", json.take(), Repeat::kAtWill).then([](Result<std::string> answer) -> Result<void> {
    if (answer || answer.error().message.ends_with("lease not found")) return {};
    return answer.error();
  });
}

kj::Promise<Result<void>> EtcdClient::compact(Revision revision) {
  JsonWriter json;
  json.begin_object().field("revision", std::to_string(revision)).field("physical", true).end_object();
  return ask("/v3/kv/compaction", json.take(), Repeat::kUnlessSent)
      .then([](Result<std::string> answer) -> Result<void> {
        if (!answer) return answer.error();
        return {};
      });
}

kj::Own<EtcdWatch> EtcdClient::watch(std::string prefix, Revision after) {
  CHECK(!prefix.empty());
  return kj::heap<Watch>(*this, std::move(prefix), after);
}

}  // namespace carillon::cluster
