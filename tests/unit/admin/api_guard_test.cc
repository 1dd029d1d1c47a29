#include "admin/api_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace fetchd::admin {
namespace {

constexpr bool kShown = true, kNotShown = false;

/// 200: may pass.
int Outcome(const ApiGuard& guard, std::vector<HttpField> fields, bool has_certificate = false) {
  const auto refused =
      CheckPassage({.method = "POST", .target = "/v1/jobs", .fields = std::move(fields)}, guard,
                   has_certificate);
  return refused ? refused->status : 200;
}

const ApiGuard kOpenGuard{.access = ApiAccess::kOpen, .listen_host = "127.0.0.9"};
const ApiGuard kAskingGuard{.access = ApiAccess::kAsks, .listen_host = "10.0.0.1"};

TEST(ApiGuardTest, WhatOthersReachAndAsksNobodyIsClosed) {
  EXPECT_EQ(Outcome({.access = ApiAccess::kClosed, .listen_host = "10.0.0.1"},
                    {{"Host", "10.0.0.1:7071"}}),
            403);
}

TEST(ApiGuardTest, AnOpenOneIsCalledByNamesOfThisMachine) {
  for (const std::string host : {"localhost", "LocalHost:7071", "127.0.0.1", "127.0.0.1:9999",
                                 "[::1]", "[::1]:7071", "127.0.0.9:7071"}) {
    EXPECT_EQ(Outcome(kOpenGuard, {{"host", host}}), 200) << host;
  }
  for (const std::string host :
       {"attacker.example", "attacker.example:7071", "127.0.0.1.example", "localhost.example",
        "10.0.0.1:7071", "", ":7071", "[::2]:7071", "localhost:1:2", "127.0.0.2"}) {
    EXPECT_EQ(Outcome(kOpenGuard, {{"Host", host}}), 403) << host;
  }
}

TEST(ApiGuardTest, OneThatAsksWhoCallsIsCalledByAnyName) {
  EXPECT_EQ(Outcome(kAskingGuard, {{"Host", "fetchd.example"}}), 200);
}

TEST(ApiGuardTest, ThereIsOneHost) {
  EXPECT_EQ(Outcome(kAskingGuard, {}), 400);
  EXPECT_EQ(Outcome(kOpenGuard, {{"Host", "localhost"}, {"host", "attacker.example"}}), 400);
}

TEST(ApiGuardTest, PagesOfOtherSitesAreRefused) {
  for (const ApiGuard& guard : {kOpenGuard, kAskingGuard}) {
    const auto with = [&guard](std::vector<HttpField> fields) {
      fields.push_back({"Host", "localhost:7071"});
      return Outcome(guard, std::move(fields));
    };
    EXPECT_EQ(with({{"Origin", "http://localhost:7071"}}), 200);
    EXPECT_EQ(with({{"Origin", "https://LOCALHOST:7071"}}), 200);
    EXPECT_EQ(with({{"Sec-Fetch-Site", "same-origin"}}), 200);
    EXPECT_EQ(with({{"Sec-Fetch-Site", "none"}}), 200);
    EXPECT_EQ(with({{"Origin", "http://localhost:3000"}}), 403);
    EXPECT_EQ(with({{"Origin", "http://localhost"}}), 403);
    EXPECT_EQ(with({{"Origin", "https://attacker.example"}}), 403);
    EXPECT_EQ(with({{"Origin", "null"}}), 403);
    EXPECT_EQ(with({{"Origin", ""}}), 403);
    EXPECT_EQ(with({{"Origin", "http://localhost:7071"}, {"Origin", "null"}}), 403);
    EXPECT_EQ(with({{"Sec-Fetch-Site", "cross-site"}}), 403);
    EXPECT_EQ(with({{"sec-fetch-site", "same-site"}}), 403);
  }
}

TEST(ApiGuardTest, LinksOfOtherSitesMayLeadToAPageAndOtherNamesMayNot) {
  const auto page = [](const char* host) {
    return CheckPlace({.method = "GET",
                       .target = "/",
                       .fields = {{"Host", host}, {"Sec-Fetch-Site", "cross-site"}}},
                      kOpenGuard, kNotShown);
  };

  EXPECT_FALSE(page("localhost:7071").has_value());
  EXPECT_EQ(page("attacker.example")->status, 403);
}

TEST(ApiGuardTest, WhereMetricsNeedACertificateAnOpenApiDoesToo) {
  const ApiGuard guard{
      .access = ApiAccess::kOpen, .listen_host = "127.0.0.1", .needs_certificate = true};

  EXPECT_EQ(Outcome(guard, {{"Host", "localhost"}}, kNotShown), 403);
  EXPECT_EQ(Outcome(guard, {{"Host", "localhost"}}, kShown), 200);
}

TEST(ApiGuardTest, WhereTokensAreAskedForACertificateIsNotNeeded) {
  ApiGuard guard = kAskingGuard;
  guard.needs_certificate = true;

  EXPECT_EQ(Outcome(guard, {{"Host", "fetchd.example"}}, kNotShown), 200);
}

}  // namespace
}  // namespace fetchd::admin
