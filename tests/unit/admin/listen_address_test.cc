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

}  // namespace
}  // namespace fetchd::admin
