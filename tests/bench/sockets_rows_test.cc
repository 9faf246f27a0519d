#include "bench/sockets_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/sockets_bench.h"

namespace carillon::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(SocketsRows, ARowNamesTheServerThatItIsOf) {
  const BroadcastRow row{.server = "carillon",
                         .audience = 10'000,
                         .rounds = 21,
                         .first_ms = 20.5,
                         .p50_ms = 97.5,
                         .last_ms = 161,
                         .worst_last_ms = 186};
  EXPECT_EQ(json_of(row),
            R"({"bench":"sockets","part":"broadcast","server":"carillon","audience":10000,"rounds":21,"first_ms":20.5,)"
            R"("p50_ms":97.5,"last_ms":161.0,"worst_last_ms":186.0})");
}

TEST(SocketsRows, OnlyCarillonHasNativeSessions) {
  const LatencyRow carillon{
      .server = "carillon", .rate = 1'000, .turns = 3, .websocket = {0.5, 1.75}, .native = {{0.25, 1.5}}};
  const LatencyRow other{.server = "bench/node_ws/run", .rate = 1'000, .turns = 3, .websocket = {0.25, 1}};
  EXPECT_EQ(json_of(carillon),
            R"({"bench":"sockets","part":"latency","server":"carillon","rate":1000.0,"turns":3,"websocket_p50_ms":0.5,)"
            R"("websocket_p99_ms":1.75,"native_p50_ms":0.25,"native_p99_ms":1.5})");
  EXPECT_THAT(json_of(other), HasSubstr(R"("server":"bench/node_ws/run")"));
  EXPECT_THAT(json_of(other), Not(HasSubstr("native")));
  EXPECT_EQ(table_of(std::vector{carillon, other}),
            "publish to notification (medians)              p50 ms       p99 ms\n"
            "WebSocket, carillon                              0.50         1.75\n"
            "native RPC, carillon                             0.25         1.50\n"
            "WebSocket, bench/node_ws/run                     0.25         1.00\n\n");
}

TEST(SocketsRows, ALongNameMovesItsColumns) {
  const std::string name(60, 'n');
  const IdleRow row{.server = name, .connections = 7, .kib_per_websocket = 19.94, .kib_per_native_session = {}};
  EXPECT_EQ(json_of(row), R"({"bench":"sockets","part":"idle","server":")" + name +
                              R"(","connections":7,"kib_per_websocket":19.94})");
  EXPECT_THAT(table_of(std::vector{row}), HasSubstr("7 WebSockets, " + name + "         19.9\n\n"));
}

TEST(SocketsRows, TheMedianIsTheUpperOneOfTwoInTheMiddle) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 3, 2}), 3);
}

TEST(SocketsBench, AsManyConnectionsAsTheFilesPermitBesideTheStores) {
  // Of 20,000 files a node keeps 1,000 for its store, and some.
  EXPECT_EQ(connections_within(20'000), 18'900u);
  EXPECT_EQ(connections_within(20'001), 18'901u);
  // Where there are too few for a node, there are none.
  EXPECT_EQ(connections_within(1'024), 0u);
  EXPECT_EQ(connections_within(0), 0u);
}

}  // namespace
}  // namespace carillon::bench
