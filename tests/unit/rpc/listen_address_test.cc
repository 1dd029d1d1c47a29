#include <gtest/gtest.h>

#include <string>

#include "rpc/server.h"

namespace fetchd::rpc {
namespace {

TEST(ListenAddressTest, LoopbackNeedsNoFlag) {
  for (const std::string listen :
       {"127.0.0.1:7070", "127.1.2.3:0", "[::1]:7070", "localhost:7070"}) {
    EXPECT_TRUE(CheckListenAddress(listen, false).ok()) << listen;
  }
}

TEST(ListenAddressTest, OthersNeedIt) {
  for (const std::string listen :
       {"0.0.0.0:7070", "[::]:7070", "10.0.0.5:7070", "fetchd.example:7070", "[::ffff:127.0.0.1]:1",
        "localhost.example:1"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(CheckListenAddress(listen, false))) << listen;
    EXPECT_TRUE(CheckListenAddress(listen, true).ok()) << listen;
  }
}

TEST(ListenAddressTest, RefusesWhatIsNoAddress) {
  for (const std::string listen :
       {"", ":7070", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "::1:7070", "127.0.0.1:http"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckListenAddress(listen, true))) << listen;
  }
}

}  // namespace
}  // namespace fetchd::rpc
