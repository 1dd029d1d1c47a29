#include "app/own_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace fetchd::app {
namespace {

using ::testing::Contains;

TEST(OwnAddressesTest, AreThoseOfTheInterfacesEachOnce) {
  const auto addresses = OwnAddresses();

  ASSERT_TRUE(addresses.ok()) << addresses.status();
  EXPECT_THAT(*addresses, Contains(boost::asio::ip::make_address("127.0.0.1")));
  EXPECT_EQ(std::set(addresses->begin(), addresses->end()).size(), addresses->size());
}

}  // namespace
}  // namespace fetchd::app
