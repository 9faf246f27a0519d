#include "actors/http_page.h"

#include <optional>

#include "actors/answer_json.h"
#include "actors/feed.h"
#include "actors/questions.h"
#include "runtime/admission.h"

namespace carillon::actors {
namespace {

constexpr std::uint32_t kEventsByDefault = 100;
constexpr std::uint64_t kWaitMsMax = 30'000;

struct Asked {
  EntityId entity;
  Offset from = 1;
  std::uint32_t limit = kEventsByDefault;
  std::uint64_t wait_ms = 0;
};

Result<Asked> parse(const HttpCall& call) {
  auto entity = runtime::check_entity(call.target.entity(), call.edge.catalogue);
  if (!entity) return entity.error();
  Asked asked{std::move(*entity)};
  const auto number = [&](std::string_view name, std::uint64_t otherwise) -> std::optional<std::uint64_t> {
    const auto text = call.target.parameter(name);
    return text.empty() ? otherwise : whole_number(text);
  };
  const auto from = number("from", 1);
  if (!from || *from == 0) return Error{ErrorCode::MALFORMED, "from is an offset, counted from 1", 0};
  const auto limit = number("limit", kEventsByDefault);
  if (!limit || *limit == 0 || *limit > call.edge.limits.page_events_max)
    return Error{ErrorCode::MALFORMED,
                 "limit is a number of events from 1 to " + std::to_string(call.edge.limits.page_events_max), 0};
  const auto wait_ms = number("wait_ms", 0);
  if (!wait_ms || *wait_ms > kWaitMsMax)
    return Error{ErrorCode::MALFORMED, "wait_ms is a time of 0 to " + std::to_string(kWaitMsMax), 0};
  asked.from = *from;
  asked.limit = static_cast<std::uint32_t>(*limit);
  asked.wait_ms = *wait_ms;
  return asked;
}

// Of one entity: what stands at an offset never changes, so the extent of a page names it.
std::string entity_tag(const Page& page) {
  return "\"" + std::to_string(page.run.first) + "-" + std::to_string(page.run.events.size()) + "-" +
         std::to_string(page.last) + "\"";
}

std::string page_json(const Page& page) {
  JsonWriter json(4096);
  json.begin_object().field("first", page.run.first).field("last", page.last);
  json.field("next", page.run.first + page.run.events.size()).key("events").begin_array();
  for (const auto& event : page.run.events) {
    json.begin_object();
    write_event(json, event);
    json.end_object();
  }
  return json.end_array().end_object().take();
}

// Until something stands at `from`, or the time is over. Says nothing about which: the page is read again in any case.
kj::Promise<void> wait_for_event(Edge& edge, const Asked& asked) {
  struct Waiting {
    explicit Waiting(Edge& edge)
        : feed(edge, {[this](const auto&) {
                        came.fulfiller->fulfill();
                        return kj::Promise<void>(kj::READY_NOW);
                      },
                      [this](std::uint32_t, const Error&) { came.fulfiller->fulfill(); }}) {}
    kj::PromiseFulfillerPair<void> came = kj::newPromiseAndFulfiller<void>();
    Feed feed;
  };
  auto waiting = kj::heap<Waiting>(edge);
  auto& at = *waiting;
  return at.feed.start({{asked.entity, asked.from}})
      .then([&at](auto refusals) {
        if (!refusals.empty()) at.came.fulfiller->fulfill();
        return kj::mv(at.came.promise);
      })
      .exclusiveJoin(edge.timer.afterDelay(asked.wait_ms * kj::MILLISECONDS))
      .attach(kj::mv(waiting));
}

kj::Promise<void> send(HttpCall& call, const Result<Page>& page) {
  if (!page) return call.refuse(page.error());
  const auto tag = entity_tag(*page);
  // Of a list, one that matches is enough (RFC 9110, section 13.1.2); our tags hold no commas.
  if (call.field(call.names.if_none_match).find(tag) != std::string_view::npos)
    return call.send({304, "Not Modified"}, "application/json", {}, {{call.names.etag, tag}});
  return call.send(kHttpOk, "application/json", page_json(*page) + "\n", {{call.names.etag, tag}});
}

}  // namespace

kj::Promise<void> send_page(HttpCall& call) {
  auto parsed = parse(call);
  if (!parsed) return call.refuse(parsed.error());
  const auto read = [&call](const Asked& asked) {
    return read_page(call.edge, call.rights, asked.entity.text(), asked.from, asked.limit);
  };
  return read(*parsed).then([&call, read, asked = std::move(*parsed)](Result<Page> page) -> kj::Promise<void> {
    if (!page || !page->run.events.empty() || asked.wait_ms == 0) return send(call, page);
    return wait_for_event(call.edge, asked)
        .then([&call, read, asked]() -> kj::Promise<Result<Page>> {
          if (auto holds = call.edge.check_still_holds(call.rights); !holds) return Result<Page>(holds.error());
          return read(asked);
        })
        .then([&call](const Result<Page>& again) { return send(call, again); });
  });
}

}  // namespace carillon::actors
