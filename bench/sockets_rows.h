// What `carillon bench sockets` found of each server that it measured, as a table for people and as lines of JSON.
//
// Pure. All milliseconds are medians, of rounds or of turns, but for the worst.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace carillon::bench {

struct IdleRow {
  std::string server;  // "carillon", or the program that it is held against.
  std::uint32_t connections = 0;
  double kib_per_websocket = 0;
  std::optional<double> kib_per_native_session;  // Of Carillon only.
};

struct BroadcastRow {
  std::string server;
  std::uint32_t audience = 0, rounds = 0;
  double first_ms = 0, p50_ms = 0, last_ms = 0, worst_last_ms = 0;  // Until it came to the first of the audience, ….
};

struct LatencyRow {
  struct Quantiles {
    double p50_ms = 0, p99_ms = 0;
  };
  std::string server;
  double rate = 0;  // Events per second.
  std::uint32_t turns = 0;
  Quantiles websocket;
  std::optional<Quantiles> native;  // Of Carillon only.
};

// One JSON object, without the end of the line.
std::string json_of(const IdleRow& row);
std::string json_of(const BroadcastRow& row);
std::string json_of(const LatencyRow& row);

// A headline and a line for each, then an empty one.
std::string table_of(const std::vector<IdleRow>& rows);
std::string table_of(const std::vector<BroadcastRow>& rows);
std::string table_of(const std::vector<LatencyRow>& rows);

// The middle of them; the upper one of the two in the middle. Of at least one.
double median(std::vector<double> values);

}  // namespace carillon::bench
