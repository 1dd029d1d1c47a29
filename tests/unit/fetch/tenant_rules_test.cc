#include "fetch/tenant_rules.h"

#include <gtest/gtest.h>

namespace fetchd::fetch {
namespace {

TEST(TenantRulesTest, WhatIsSaidOfATenantGoesBeforeWhatIsSaidOfAll) {
  const TenantRules rules = {{"*", {.weight = 0.5, .max_jobs = 10}}, {"big", {.weight = 4}}};

  EXPECT_EQ(LimitsOf(rules, "big").weight, 4);
  EXPECT_EQ(LimitsOf(rules, "big").max_jobs, 10u);
  EXPECT_EQ(LimitsOf(rules, "other").weight, 0.5);
  EXPECT_EQ(LimitsOf({}, "other").weight, 1);
  EXPECT_EQ(LimitsOf({}, "other").max_transfers, std::nullopt);
}

TEST(TenantRulesTest, OnlyNamesAreTenants) {
  EXPECT_FALSE(NamesTenants({}));
  EXPECT_FALSE(NamesTenants({{"*", {.weight = 2}}}));
  EXPECT_TRUE(NamesTenants({{"*", {}}, {"big", {}}}));
}

TEST(TenantRulesTest, ATenantAloneMayHaveAllAndBesideOthersSevenOfEight) {
  EXPECT_EQ(MostTransfers({}, 64, false), 64u);
  EXPECT_EQ(MostTransfers({}, 64, true), 56u);
  EXPECT_EQ(MostTransfers({}, 4, true), 4u);
  EXPECT_EQ(MostTransfers({.max_transfers = 3}, 64, false), 3u);
  EXPECT_EQ(MostTransfers({.max_transfers = 60}, 64, true), 56u);
  EXPECT_EQ(MostTransfers({.max_transfers = 0}, 64, false), 0u);
}

}  // namespace
}  // namespace fetchd::fetch
