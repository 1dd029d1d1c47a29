#include "rpc/caller_connections.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "support/manual_clock.h"

namespace fetchd::rpc {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

constexpr int kMost = 1000;  // Cancelled calls a second, by default.

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
  CallerConnections connections_{{.connections = 4}, clock_};

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

TEST_F(CallerConnectionsTest, OrAsManyAsAreSaid) {
  CallerConnections connections({.connections = 4, .of_address = 3}, clock_);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(connections.Admit(Connect(), From("10.0.0.1")));

  EXPECT_FALSE(connections.Admit(Connect(), From("10.0.0.1")));
}

TEST_F(CallerConnectionsTest, OfIpv6WhatOneHostMayChooseFromIsOneAddress) {
  EXPECT_TRUE(Admit("2001:db8::1"));
  EXPECT_TRUE(Admit("2001:db8::ffff:1"));

  EXPECT_FALSE(Admit("2001:db8::2"));
  EXPECT_TRUE(Admit("2001:db8:0:1::1"));
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
  Cancel("ipv6:%5B::1%5D:7", kMost);
  EXPECT_EQ(recv(flood[1], &byte, 1, MSG_DONTWAIT), -1);
  clock_.Advance(1s);
  Cancel("ipv4:10.0.0.1:8", kMost);
  Cancel("ipv6:%5B::1%5D:7", kMost);
  EXPECT_EQ(recv(flood[1], &byte, 1, MSG_DONTWAIT), -1);

  Cancel("ipv6:%5B::1%5D:7", 1);

  EXPECT_EQ(recv(flood[1], &byte, 1, MSG_DONTWAIT), 0);  // The end.
  EXPECT_EQ(recv(other[1], &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(connections_.severed(), 1U);
  Cancel("ipv6:%5B::1%5D:7", 5000);
  EXPECT_EQ(connections_.severed(), 1U);
  for (const int fd : {flood[0], flood[1], other[0], other[1]}) close(fd);
}

TEST_F(CallerConnectionsTest, WhenAllCancelTooManyThoseWhoTakePartLoseTheirs) {
  CallerConnections connections({.connections = 40}, clock_);
  int pairs[8][2];
  for (std::uint16_t i = 0; i < 8; ++i) {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
    ASSERT_TRUE(connections.Admit(pairs[i][0], From("10.0.0.1", i)));
  }
  const auto cancel = [&](int i, int times) {
    bool lost = false;
    for (int n = 0; n < times; ++n)
      lost |= connections.NoteCancel("ipv4:10.0.0.1:" + std::to_string(i));
    return lost;
  };

  for (int i = 0; i < 6; ++i) EXPECT_FALSE(cancel(i, 5 * kMost / 6)) << i;
  EXPECT_FALSE(cancel(6, kMost / 20)) << "hardly takes part";
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(cancel(i, 10)) << i;
  EXPECT_FALSE(cancel(6, 1));

  EXPECT_EQ(connections.severed(), 6U);
  for (const auto& pair : pairs) {
    for (const int fd : pair) close(fd);
  }
}

TEST_F(CallerConnectionsTest, ManyWhoCancelALittleEachLoseTheirsToo) {
  CallerConnections connections({.connections = 1000}, clock_);
  constexpr std::uint16_t kFlood = 300, kHonest = 301;  // Ports, too.
  for (std::uint16_t i = 0; i < kHonest; ++i) {
    ASSERT_TRUE(connections.Admit(Connect(), From("10.0.0.1", i)));
  }
  const auto cancel = [&](int i) {
    return connections.NoteCancel("ipv4:10.0.0.1:" + std::to_string(i));
  };
  // 40 a second each: none is near what one may, and all together are far beyond.
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < kFlood; ++i) cancel(i);
    if (round % 4 == 0) EXPECT_FALSE(cancel(kHonest - 1)) << "takes its share, and no more";
    clock_.Advance(25ms);
  }

  EXPECT_GT(connections.severed(), kFlood / 3) << "until all others do what all may";
}

TEST_F(CallerConnectionsTest, WhereThereIsNoLimitNobodyLosesAnything) {
  CallerConnections connections({.connections = 4, .cancels_per_sec = 0}, clock_);
  ASSERT_TRUE(connections.Admit(Connect(), From("10.0.0.1", 7)));

  for (int i = 0; i < 10 * kMost; ++i) EXPECT_FALSE(connections.NoteCancel("ipv4:10.0.0.1:7"));
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
  EXPECT_EQ(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1) << "it goes on";
  for (const int fd : pair) close(fd);
}

/// Four places, each with the other end of its connection.
class RoomTest : public CallerConnectionsTest {
 protected:
  ~RoomTest() override {
    for (const auto& pair : pairs_) {
      for (const int fd : pair) close(fd);
    }
  }
  bool Take(const std::string& address) {
    std::array<int, 2>& pair = pairs_.emplace_back();
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    return connections_.Admit(pair[0], From(address, static_cast<std::uint16_t>(pairs_.size())));
  }
  /// Counted from 1, as they came.
  bool HasEnded(std::size_t number) {
    char byte = 0;
    return recv(pairs_[number - 1][1], &byte, 1, MSG_DONTWAIT) == 0;
  }
  void Know(const std::string& address, std::size_t number) {
    connections_.NoteKnown("ipv4:" + address + ":" + std::to_string(number));
  }
  void TakeAll() {
    for (const char* address : {"10.0.0.2", "10.0.0.1", "10.0.0.1", "10.0.0.3"}) {
      ASSERT_TRUE(Take(address));
      clock_.Advance(100ms);
    }
  }

 private:
  std::deque<std::array<int, 2>> pairs_;
};

TEST_F(RoomTest, TheOldestOfWhoHasMostMakesRoomForANewcomer) {
  TakeAll();
  clock_.Advance(1s);

  EXPECT_TRUE(Take("10.0.0.4"));

  EXPECT_TRUE(HasEnded(2));
  for (const int other : {1, 3, 4, 5}) EXPECT_FALSE(HasEnded(other)) << other;
  EXPECT_EQ(connections_.displaced(), 1U);
  EXPECT_EQ(connections_.refused(), 0U);
}

TEST_F(RoomTest, AmongThoseWhoHaveAsManyTheOldestMakesRoom) {
  TakeAll();
  Know("10.0.0.1", 3);
  clock_.Advance(1s);

  EXPECT_TRUE(Take("10.0.0.4"));

  EXPECT_TRUE(HasEnded(1));
}

TEST_F(RoomTest, WhereSomebodyKnownHasCalledNoneMakesRoom) {
  TakeAll();
  Know("10.0.0.2", 1);
  Know("10.0.0.1", 2);
  Know("10.0.0.1", 3);
  Know("10.0.0.3", 4);
  Know("10.0.0.9", 9);  // Is no connection.
  clock_.Advance(1h);

  EXPECT_FALSE(Take("10.0.0.4"));
  EXPECT_EQ(connections_.displaced(), 0U);
}

TEST_F(RoomTest, EachHasASecondForItsFirstCall) {
  TakeAll();
  clock_.Advance(899ms - 200ms);  // It came 300 ms ago.

  EXPECT_FALSE(Take("10.0.0.4"));
  clock_.Advance(1ms);
  EXPECT_TRUE(Take("10.0.0.4"));
}

TEST_F(RoomTest, WhoHasAsManyDrivesNobodyOut) {
  for (const char* address : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}) {
    ASSERT_TRUE(Take(address));
  }
  clock_.Advance(1h);

  EXPECT_FALSE(Take("10.0.0.1"));
  EXPECT_EQ(connections_.displaced(), 0U);
}

TEST_F(RoomTest, OfAnAddressThatHasAllThatItMayTheOldestMakesRoom) {
  ASSERT_TRUE(Take("10.0.0.1"));
  ASSERT_TRUE(Take("10.0.0.1"));
  ASSERT_TRUE(Take("10.0.0.2"));
  clock_.Advance(1s);

  EXPECT_TRUE(Take("10.0.0.1"));

  EXPECT_TRUE(HasEnded(1));
  EXPECT_FALSE(HasEnded(3));
}

TEST_F(CallerConnectionsTest, ThereAreFewThatAreEndedAndNotClosed) {
  CallerConnections connections({.connections = 40, .of_address = 40}, clock_);
  std::vector<int> taken;
  for (int i = 0; i < 40; ++i) {
    taken.push_back(Connect());
    ASSERT_TRUE(connections.Admit(taken.back(), From("10.0.0.1")));
  }
  clock_.Advance(1s);
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(connections.Admit(Connect(), From("10.0.0.2"))) << i;

  EXPECT_FALSE(connections.Admit(Connect(), From("10.0.0.2")));
  for (int i = 0; i < 16; ++i) Close(taken[i]);
  clock_.Advance(20ms);
  EXPECT_TRUE(connections.Admit(Connect(), From("10.0.0.2")));
  EXPECT_EQ(connections.open(), 41U) << "one that is ended is open still";
}

}  // namespace
}  // namespace fetchd::rpc
