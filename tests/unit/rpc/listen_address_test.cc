#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "rpc/server.h"

namespace fetchd::rpc {
namespace {

using ::testing::HasSubstr;

constexpr Protection kNone{};
constexpr Protection kWaived{.waived = true};

TEST(ListenAddressTest, LoopbackNeedsNoProtection) {
  for (const std::string listen :
       {"127.0.0.1:7070", "127.1.2.3:0", "[::1]:7070", "localhost:7070"}) {
    EXPECT_TRUE(CheckListenAddress(listen, kNone).ok()) << listen;
  }
}

TEST(ListenAddressTest, OthersNeedIt) {
  for (const std::string listen :
       {"0.0.0.0:7070", "[::]:7070", "10.0.0.5:7070", "fetchd.example:7070", "[::ffff:127.0.0.1]:1",
        "localhost.example:1"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(CheckListenAddress(listen, kNone))) << listen;
    EXPECT_TRUE(CheckListenAddress(listen, kWaived).ok()) << listen;
  }
}

TEST(ListenAddressTest, TlsAndAuthenticationTogetherAreEnough) {
  const auto problem = [](Protection protection) {
    return MessageOf(CheckListenAddress("0.0.0.0:7070", protection));
  };

  EXPECT_EQ(problem({.tls = true, .authentication = true}), "");
  EXPECT_THAT(problem({.tls = true}), HasSubstr("there is no authentication (callers.file)"));
  EXPECT_THAT(problem({.authentication = true}), HasSubstr("there is no TLS"));
  EXPECT_THAT(problem({}), HasSubstr("no TLS (grpc.tls.certificate_file) and no authentication"));
}

TEST(ListenAddressTest, RefusesWhatIsNoAddress) {
  for (const std::string listen :
       {"", ":7070", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "::1:7070", "127.0.0.1:http"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckListenAddress(listen, kWaived))) << listen;
  }
}

}  // namespace
}  // namespace fetchd::rpc
