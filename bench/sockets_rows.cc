#include "bench/sockets_rows.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <initializer_list>
#include <string_view>

#include "messages/result.h"
#include "runtime/json.h"

namespace carillon::bench {
namespace {

JsonWriter& begin(JsonWriter& json, std::string_view part, const std::string& server) {
  return json.begin_object().field("bench", "sockets").field("part", part).field("server", server);
}

std::string name_column(std::string name) {
  name.resize(std::max<std::size_t>(name.size(), 40), ' ');
  return name;
}

std::string column(const std::string& text) {
  return std::string(13 - std::min<std::size_t>(text.size(), 12), ' ') + text;
}

std::string headline(const char* first, std::initializer_list<const char*> others) {
  std::string line = name_column(first);
  for (const char* word : others) line += column(word);
  return line + "\n";
}

std::string line_of(const std::string& name, int digits, std::initializer_list<double> numbers) {
  std::string line = name_column(name);
  std::array<char, 64> text;
  for (const double number : numbers) {
    std::snprintf(text.data(), text.size(), "%.*f", digits, number);
    line += column(text.data());
  }
  return line + "\n";
}

}  // namespace

std::string json_of(const IdleRow& row) {
  JsonWriter json;
  begin(json, "idle", row.server).field("connections", row.connections);
  json.field("kib_per_websocket", row.kib_per_websocket);
  if (row.kib_per_native_session) json.field("kib_per_native_session", *row.kib_per_native_session);
  return json.end_object().take();
}

std::string json_of(const BroadcastRow& row) {
  JsonWriter json;
  begin(json, "broadcast", row.server).field("audience", row.audience).field("rounds", row.rounds);
  json.field("first_ms", row.first_ms).field("p50_ms", row.p50_ms).field("last_ms", row.last_ms);
  return json.field("worst_last_ms", row.worst_last_ms).end_object().take();
}

std::string json_of(const LatencyRow& row) {
  JsonWriter json;
  begin(json, "latency", row.server).field("rate", row.rate).field("turns", row.turns);
  json.field("websocket_p50_ms", row.websocket.p50_ms).field("websocket_p99_ms", row.websocket.p99_ms);
  if (row.native) json.field("native_p50_ms", row.native->p50_ms).field("native_p99_ms", row.native->p99_ms);
  return json.end_object().take();
}

std::string table_of(const std::vector<IdleRow>& rows) {
  std::string table = headline("idle, each following a stream", {"KiB each"});
  for (const IdleRow& row : rows) {
    const std::string count = std::to_string(row.connections);
    table += line_of(count + " WebSockets, " + row.server, 1, {row.kib_per_websocket});
    if (row.kib_per_native_session)
      table += line_of(count + " native sessions, " + row.server, 1, {*row.kib_per_native_session});
  }
  return table + "\n";
}

std::string table_of(const std::vector<BroadcastRow>& rows) {
  std::string table = headline("broadcast to one hub (medians)", {"first ms", "p50 ms", "last ms", "worst last"});
  for (const BroadcastRow& row : rows)
    table += line_of(std::to_string(row.audience) + " WebSockets, " + row.server, 1,
                     {row.first_ms, row.p50_ms, row.last_ms, row.worst_last_ms});
  return table + "\n";
}

std::string table_of(const std::vector<LatencyRow>& rows) {
  std::string table = headline("publish to notification (medians)", {"p50 ms", "p99 ms"});
  for (const LatencyRow& row : rows) {
    table += line_of("WebSocket, " + row.server, 2, {row.websocket.p50_ms, row.websocket.p99_ms});
    if (row.native) table += line_of("native RPC, " + row.server, 2, {row.native->p50_ms, row.native->p99_ms});
  }
  return table + "\n";
}

double median(std::vector<double> values) {
  CHECK(!values.empty());
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace carillon::bench
