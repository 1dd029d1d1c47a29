#include "rpc/caller_connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "support/manual_clock.h"

namespace fetchd::rpc {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

class CallerConnectionsTest : public ::testing::Test {
 protected:
  ~CallerConnectionsTest() override {
    for (const auto& [fd, is_open] : sockets_) {
      if (is_open) close(fd);
    }
  }
  /// An open socket, as a connection has.
  int Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_GE(fd, 0);
    sockets_[fd] = true;
    return fd;
  }
  void Close(int fd) {
    sockets_[fd] = false;
    close(fd);
  }
  bool Admit(const std::string& address) { return connections_.Admit(Connect(), From(address)); }
  static tcp::endpoint From(const std::string& address, std::uint16_t port = 40'000) {
    return {asio::ip::make_address(address), port};
  }
  void Cancel(std::string_view peer, int times) {
    for (int i = 0; i < times; ++i) connections_.NoteCancel(peer);
  }

  testing::ManualClock clock_;
  CallerConnections connections_{4, clock_};

 private:
  std::map<int, bool> sockets_;
};

TEST_F(CallerConnectionsTest, ThereAreNoMoreThanThereMayBe) {
  for (const char* address : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}) {
    EXPECT_TRUE(Admit(address)) << address;
  }

  EXPECT_FALSE(Admit("10.0.0.5"));
  EXPECT_EQ(connections_.open(), 4U);
  EXPECT_EQ(connections_.refused(), 1U);
}

TEST_F(CallerConnectionsTest, OneAddressLeavesOthersHalfOfThem) {
  EXPECT_TRUE(Admit("10.0.0.1"));
  EXPECT_TRUE(Admit("10.0.0.1"));

  EXPECT_FALSE(Admit("10.0.0.1"));
  EXPECT_TRUE(Admit("10.0.0.2"));
}

TEST_F(CallerConnectionsTest, WhatIsClosedMakesRoom) {
  const int gone = Connect();
  EXPECT_TRUE(connections_.Admit(gone, From("10.0.0.1")));
  EXPECT_TRUE(Admit("10.0.0.1"));
  Close(gone);
  const int other = dup(0);  // Has the number now.
  clock_.Advance(1s);

  EXPECT_TRUE(Admit("10.0.0.1"));
  close(other);
}

TEST_F(CallerConnectionsTest, AConnectionWithTheNumberOfOneThatHasGoneTakesItsPlace) {
  const int gone = Connect();
  EXPECT_TRUE(connections_.Admit(gone, From("10.0.0.1")));
  Close(gone);
  const int next = Connect();
  ASSERT_EQ(next, gone);

  EXPECT_TRUE(connections_.Admit(next, From("10.0.0.1")));
  EXPECT_TRUE(Admit("10.0.0.1"));
  EXPECT_EQ(connections_.open(), 2U);
}

TEST_F(CallerConnectionsTest, UnderAFloodItIsNotLookedForTheClosedAtEachRefusal) {
  EXPECT_TRUE(Admit("10.0.0.1"));
  const int gone = Connect();
  EXPECT_TRUE(connections_.Admit(gone, From("10.0.0.1")));
  EXPECT_FALSE(Admit("10.0.0.1"));
  Close(gone);
  const int holds_the_number = dup(0);
  EXPECT_FALSE(Admit("10.0.0.1"));

  clock_.Advance(20ms);
  EXPECT_TRUE(Admit("10.0.0.1"));
  close(holds_the_number);
}

TEST_F(CallerConnectionsTest, WhatIsNoSocketIsRefused) {
  EXPECT_FALSE(connections_.Admit(-1, From("10.0.0.1")));
}

TEST_F(CallerConnectionsTest, WhoCancelsTooManyCallsAtOnceLosesTheConnectionAndNobodyElse) {
  int flood[2], other[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, flood), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
  ASSERT_TRUE(connections_.Admit(flood[0], From("::1", 7)));
  ASSERT_TRUE(connections_.Admit(other[0], From("::ffff:10.0.0.1", 8)));
  char byte = 0;
  Cancel("ipv6:%5B::1%5D:7", CallerConnections::kCancelsASecond);
  EXPECT_EQ(recv(flood[1], &byte, 1, MSG_DONTWAIT), -1);
  clock_.Advance(1s);
  Cancel("ipv4:10.0.0.1:8", CallerConnections::kCancelsASecond);
  Cancel("ipv6:%5B::1%5D:7", CallerConnections::kCancelsASecond);
  EXPECT_EQ(recv(flood[1], &byte, 1, MSG_DONTWAIT), -1);

  Cancel("ipv6:%5B::1%5D:7", 1);

  EXPECT_EQ(recv(flood[1], &byte, 1, MSG_DONTWAIT), 0);  // The end.
  EXPECT_EQ(recv(other[1], &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(connections_.severed(), 1U);
  Cancel("ipv6:%5B::1%5D:7", 5000);
  EXPECT_EQ(connections_.severed(), 1U);
  for (const int fd : {flood[0], flood[1], other[0], other[1]}) close(fd);
}

TEST_F(CallerConnectionsTest, WhatHasTheNumberOfAConnectionThatIsGoneIsLeftAlone) {
  const int gone = Connect();
  ASSERT_TRUE(connections_.Admit(gone, From("10.0.0.1", 7)));
  Close(gone);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  ASSERT_EQ(std::min(pair[0], pair[1]), gone);

  Cancel("ipv4:10.0.0.1:7", 5000);

  char byte = 0;
  EXPECT_EQ(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(connections_.severed(), 0U);
  for (const int fd : pair) close(fd);
}

}  // namespace
}  // namespace fetchd::rpc
