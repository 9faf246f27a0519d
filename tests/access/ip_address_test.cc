#include "access/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

namespace carillon::access {
namespace {

IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }

template <class Socket>
std::optional<IpAddress> of(const Socket& socket) {
  sockaddr_storage storage{};
  std::memcpy(&storage, &socket, sizeof socket);
  return IpAddress::of(storage);
}

TEST(IpAddress, OfASocketIsTheSameHoweverItWasAccepted) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr);
  EXPECT_EQ(of(v4)->counted_as(), address("192.0.2.7").counted_as());
  EXPECT_EQ(of(v6)->counted_as(), address("192.0.2.7").counted_as());
  EXPECT_FALSE(of(sockaddr_un{.sun_family = AF_UNIX, .sun_path = {}}));
}

TEST(IpAddress, P7IsCountedAloneOrWithItsNetworkOfIPv6) {
  EXPECT_NE(address("192.0.2.7").counted_as(), address("192.0.2.8").counted_as());
  EXPECT_EQ(address("2001:db8:0:1::1").counted_as(), address("2001:db8:0:1:ffff::2").counted_as());
  EXPECT_NE(address("2001:db8:0:1::1").counted_as(), address("2001:db8:0:2::1").counted_as());
}

TEST(IpRanges, ContainAddressesAndNetworks) {
  const auto ranges = IpRanges::parse("127.0.0.0/8, ::1,192.0.2.7,2001:db8::/33 , 10.1.2.0/23").value();
  for (const char* inside : {"127.0.0.1", "127.255.255.255", "::1", "192.0.2.7", "2001:db8::1",
                             "2001:db8:7fff::", "10.1.2.255", "10.1.3.1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(ranges.contain(address(inside))) << inside;
  for (const char* outside : {"128.0.0.1", "::2", "192.0.2.6", "2001:db8:8000::", "10.1.4.0", "10.1.1.255", "::"})
    EXPECT_FALSE(ranges.contain(address(outside))) << outside;
  EXPECT_TRUE(IpRanges::parse("0.0.0.0/0")->contain(address("8.8.8.8")));
  EXPECT_FALSE(IpRanges::parse("0.0.0.0/0")->contain(address("2001:db8::1")));
  EXPECT_TRUE(IpRanges::parse("::/0")->contain(address("8.8.8.8")));
  EXPECT_FALSE(IpRanges::parse("")->contain(address("127.0.0.1")));
}

TEST(IpRanges, AreRefusedWhenTheyAreNone) {
  for (const char* wrong : {"localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1", "10.0.0",
                            "1.2.3.4 5.6.7.8", "10.0.0.0/8/8", ",1.2.3.4"})
    EXPECT_FALSE(IpRanges::parse(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace carillon::access
