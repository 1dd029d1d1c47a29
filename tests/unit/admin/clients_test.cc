#include "admin/clients.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace fetchd::admin {
namespace {

class ClientsTest : public ::testing::Test {
 protected:
  std::unique_ptr<ClientPlace> Admit(const std::string& address) {
    return clients_.Admit(Permit(), asio::ip::make_address(address));
  }

  Clients clients_{8};
};

TEST_F(ClientsTest, AnAddressHasHalfOfThem) {
  std::vector<std::unique_ptr<ClientPlace>> admitted;
  for (int i = 0; i < 4; ++i) admitted.push_back(Admit("192.0.2.1"));

  EXPECT_EQ(Admit("192.0.2.1"), nullptr);
  EXPECT_EQ(Admit("::ffff:192.0.2.1"), nullptr);
  EXPECT_NE(Admit("192.0.2.2"), nullptr);
  admitted.pop_back();
  EXPECT_NE(Admit("192.0.2.1"), nullptr);
}

TEST_F(ClientsTest, OfIpv6WhatOneHostMayChooseFromIsOneAddress) {
  std::vector<std::unique_ptr<ClientPlace>> admitted;
  for (const char* host : {"1", "2", "3", "4"}) {
    admitted.push_back(Admit(std::string("2001:db8:0:1::") + host));
  }

  EXPECT_EQ(Admit("2001:db8:0:1::5"), nullptr);
  EXPECT_NE(Admit("2001:db8:0:2::1"), nullptr);
}

TEST_F(ClientsTest, ThisMachinesOwnHaveNoSuchLimit) {
  std::vector<std::unique_ptr<ClientPlace>> admitted;
  for (const char* own : {"127.0.0.1", "::1", "::ffff:127.0.0.1"}) {
    for (int i = 0; i < 5; ++i) admitted.push_back(Admit(own));
    EXPECT_NE(admitted.back(), nullptr) << own;
  }
}

TEST_F(ClientsTest, TheApiHasThreeQuarters) {
  std::vector<std::unique_ptr<ClientPlace>> admitted;
  for (int i = 0; i < 7; ++i) admitted.push_back(Admit("127.0.0.1"));
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(admitted[i]->BeginApi());

  EXPECT_FALSE(admitted[6]->BeginApi());
  admitted[0]->EndApi();
  EXPECT_TRUE(admitted[6]->BeginApi());
}

}  // namespace
}  // namespace fetchd::admin
