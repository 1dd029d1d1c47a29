#include "net/failed_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "support/manual_clock.h"

namespace fetchd::net {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using Endpoint = FailedAddresses::Endpoint;

Endpoint At(int last_byte, std::uint16_t port = 443) {
  return {asio::ip::make_address_v4(0xC0000200u + static_cast<unsigned>(last_byte)), port};
}

class FailedAddressesTest : public ::testing::Test {
 protected:
  std::vector<Endpoint> Ordered(std::vector<Endpoint> endpoints) {
    failed_.PutLast(endpoints);
    return endpoints;
  }

  testing::ManualClock clock_;
  FailedAddresses failed_{clock_, 3};
};

TEST_F(FailedAddressesTest, FailedOnesComeLastInTheirOrder) {
  failed_.Failed(At(3));
  failed_.Failed(At(1));

  EXPECT_THAT(Ordered({At(1), At(2), At(3), At(4)}), ElementsAre(At(2), At(4), At(1), At(3)));
  EXPECT_THAT(Ordered({At(1), At(3)}), ElementsAre(At(1), At(3)));
}

TEST_F(FailedAddressesTest, AnotherPortIsAnotherAddress) {
  failed_.Failed(At(1, 80));

  EXPECT_THAT(Ordered({At(1), At(2)}), ElementsAre(At(1), At(2)));
}

TEST_F(FailedAddressesTest, SuccessIsForgiveness) {
  failed_.Failed(At(1));
  failed_.Reached(At(1));

  EXPECT_THAT(Ordered({At(1), At(2)}), ElementsAre(At(1), At(2)));
  EXPECT_EQ(failed_.size(), 0u);
}

TEST_F(FailedAddressesTest, FailureIsForgottenAfterAMinute) {
  failed_.Failed(At(1));
  clock_.Advance(30s);
  failed_.Failed(At(1));
  clock_.Advance(60s - 1ns);
  EXPECT_THAT(Ordered({At(1), At(2)}), ElementsAre(At(2), At(1)));

  clock_.Advance(1ns);
  EXPECT_THAT(Ordered({At(1), At(2)}), ElementsAre(At(1), At(2)));
  EXPECT_EQ(failed_.size(), 0u);
}

TEST_F(FailedAddressesTest, OldestFailureMakesRoom) {
  for (int i = 1; i <= 3; ++i) failed_.Failed(At(i));
  failed_.Failed(At(1));
  failed_.Failed(At(4));

  EXPECT_EQ(failed_.size(), 3u);
  EXPECT_THAT(Ordered({At(1), At(2), At(3), At(4)}), ElementsAre(At(2), At(1), At(3), At(4)));
}

}  // namespace
}  // namespace fetchd::net
