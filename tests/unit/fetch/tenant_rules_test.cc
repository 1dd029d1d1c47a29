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

TEST(TenantRulesTest, AStoreHoldsSubmissionsToWhatIsSaidOfTheTenant) {
  const TenantRules rules = {{"*", {.max_jobs = 10}}, {"a", {.max_stored_bytes = 5}}};

  EXPECT_EQ(BoundsOf(rules, "a").live_jobs, 10u);
  EXPECT_EQ(BoundsOf(rules, "a").stored_bytes, 5u);
  EXPECT_EQ(BoundsOf(rules, "b").stored_bytes, jobs::TenantBounds().stored_bytes);
}

TEST(TenantRulesTest, OnlyNamesAreTenants) {
  EXPECT_FALSE(NamesTenants({}));
  EXPECT_FALSE(NamesTenants({{"*", {.weight = 2}}}));
  EXPECT_TRUE(NamesTenants({{"*", {}}, {"big", {}}}));
}

TEST(TenantRulesTest, ATenantWritesWhereItMay) {
  const TenantRules rules = {
      {"*", {.destinations = {{"file:{tenant}/", "s3+{tenant}://b-{tenant}/"}}}},
      {"ops", {.destinations = {{"file:", "s3://logs/"}}}},
      {"none", {.destinations = {std::vector<std::string>()}}},
      {"heavy", {.weight = 4}}};

  EXPECT_TRUE(MayWriteTo(rules, "a", "file:a/x"));
  EXPECT_FALSE(MayWriteTo(rules, "a", "file:ab/x"));
  EXPECT_FALSE(MayWriteTo(rules, "a", "file:b/a/x"));
  EXPECT_TRUE(MayWriteTo(rules, "a", "s3+a://b-a/x"));
  EXPECT_FALSE(MayWriteTo(rules, "a", "s3://b-a/x"));
  EXPECT_TRUE(MayWriteTo(rules, "heavy", "file:heavy/x"));
  EXPECT_FALSE(MayWriteTo(rules, "heavy", "file:x"));
  EXPECT_TRUE(MayWriteTo(rules, "ops", "file:x"));
  EXPECT_FALSE(MayWriteTo(rules, "ops", "file"));
  EXPECT_FALSE(MayWriteTo(rules, "none", "file:x"));
  EXPECT_TRUE(MayWriteTo(rules, "none", "discard:"));
  EXPECT_TRUE(MayWriteTo({}, "a", "s3://b/x"));
}

TEST(TenantRulesTest, ATenantAloneMayHaveAllAndBesideOthersSevenOfEight) {
  EXPECT_EQ(MostTransfers({}, 64, false), 64u);
  EXPECT_EQ(MostTransfers({}, 64, true), 56u);
  EXPECT_EQ(MostTransfers({}, 4, true), 4u);
  EXPECT_EQ(MostTransfers({.max_transfers = 3}, 64, false), 3u);
  EXPECT_EQ(MostTransfers({.max_transfers = 60}, 64, true), 56u);
  EXPECT_EQ(MostTransfers({.max_transfers = 0}, 64, false), 0u);
}

TEST(TenantRulesTest, ARateIsThatOfTheTenantOrOfTheStar) {
  const TenantRules rules = {{"*", {.bytes_per_sec = 1000}}, {"fast", {.bytes_per_sec = 5000}}};

  EXPECT_EQ(LimitsOf(rules, "fast").bytes_per_sec, 5000U);
  EXPECT_EQ(LimitsOf(rules, "other").bytes_per_sec, 1000U);
  EXPECT_EQ(LimitsOf({}, "other").bytes_per_sec, std::nullopt);
}

}  // namespace
}  // namespace fetchd::fetch
