#include "admin/listen_address.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace fetchd::admin {
namespace {

TEST(AdminListenAddressTest, ReadsAddressAndPort) {
  for (const auto& [listen, address] :
       {std::pair<std::string, std::string>{"127.0.0.1:7071", "127.0.0.1:7071"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"[::1]:65535", "[::1]:65535"},
        {"localhost:7071", "127.0.0.1:7071"}}) {
    const auto endpoint = ParseListenAddress(listen);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(FormatAddress(*endpoint), address);
  }
}

TEST(AdminListenAddressTest, RefusesWhatIsNoAddress) {
  for (const std::string listen :
       {"", ":7071", "7071", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:http",
        "::1:7071", "[127.0.0.1]:7071", "[]:7071", "admin.example:7071", "off:1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseListenAddress(listen).status())) << listen;
  }
}

TEST(AdminListenAddressTest, WhatOthersReachAsksThemOrIsSaidInWords) {
  const auto reach = [](const std::string& listen, bool asks, bool insecure) {
    return CheckReach(*ParseListenAddress(listen), asks, insecure);
  };

  EXPECT_TRUE(reach("127.0.0.9:7071", false, false).ok());
  EXPECT_TRUE(reach("[::1]:7071", false, false).ok());
  EXPECT_TRUE(reach("0.0.0.0:7071", true, false).ok());
  EXPECT_TRUE(reach("[::]:7071", false, true).ok());
  for (const std::string listen : {"0.0.0.0:7071", "[::]:7071", "10.0.0.1:7071"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(reach(listen, false, false))) << listen;
  }
}

}  // namespace
}  // namespace fetchd::admin
