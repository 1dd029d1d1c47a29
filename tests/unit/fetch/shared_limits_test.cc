// What the engine and the HTTP client make of what is allotted.
#include "fetch/shared_limits.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <vector>

#include "support/manual_clock.h"
#include "support/memory_allotments.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using testing::MemoryAllotments;

const Origin kSharedOrigin{"https", "a.test", 443};
constexpr std::size_t kPlaces = 4;

class SharedLimitsTest : public ::testing::Test {
 protected:
  SharedLimitsTest() {
    hosts_.Serve(&budget_);
    origins_.Serve(pacer_);
    tenants_.Serve([this] { return tenant_uses_; });
    for (AllotmentUser* user :
         {static_cast<AllotmentUser*>(&promised_), static_cast<AllotmentUser*>(&hosts_),
          static_cast<AllotmentUser*>(&origins_), static_cast<AllotmentUser*>(&tenants_)}) {
      allotments_.Serve(*user);
    }
    tasks_.Spawn("allotments", allotments_.Run());
    Poll();
  }
  ~SharedLimitsTest() override {
    allotments_.Stop();
    Poll();
    EXPECT_EQ(tasks_.size(), 0u);
  }
  void Poll() {
    clock_.Advance(Allotments::kGap);
    io_.restart();
    io_.poll();
  }
  /// As if others had so many of it, and wanted no more.
  void Occupy(const std::string& key, std::int64_t slots) { table_.Put(key, "z", {slots, slots}); }

  testing::ManualClock clock_;
  asio::io_context io_;
  MemoryAllotments table_{clock_};
  Allotments allotments_{io_.get_executor(), clock_, table_.AddReplica(1h)};
  CoolDownExchange exchange_{io_.get_executor(), clock_, table_.AddReplica(1h), {}};
  PromisedSlots promised_{allotments_};
  SharedHosts hosts_{allotments_};
  SharedOrigins origins_{allotments_, promised_, exchange_};
  SharedTenants tenants_{allotments_, promised_};
  OriginLimits limits_;
  OriginPacer pacer_{clock_,
                     {.limits_of = [this](const Origin&) { return limits_; }, .shares = &origins_}};
  http::HostBudget budget_{{.max_connections = 100, .max_per_host = kPlaces, .allotments = &hosts_},
                           1};
  std::vector<TenantUse> tenant_uses_;
  runtime::TaskGroup tasks_{io_.get_executor()};
};

TEST_F(SharedLimitsTest, JobsOfAHostBeginWhenThereIsAPlaceForThem) {
  EXPECT_EQ(hosts_.JobsFor(kSharedOrigin, 100), 0u);
  Poll();

  EXPECT_EQ(hosts_.JobsFor(kSharedOrigin, 100), 16u);
  EXPECT_EQ(hosts_.JobsFor(kSharedOrigin, 5), 5u);
}

TEST_F(SharedLimitsTest, JobsOfAHostThatOthersHaveWaitAndAreAskedFor) {
  Occupy("host a.test:443", kPlaces);

  EXPECT_EQ(hosts_.JobsFor(kSharedOrigin, 100), 0u);
  Poll();

  EXPECT_EQ(hosts_.JobsFor(kSharedOrigin, 100), 0u);
  EXPECT_TRUE(table_.Has("host a.test:443", "a"));
}

TEST_F(SharedLimitsTest, NoMoreJobsStandInLineForAHostThanSoonHaveAPlace) {
  hosts_.JobsFor(kSharedOrigin, 100);
  Poll();
  runtime::TaskGroup waiters(io_.get_executor());
  auto wait = [](http::HostBudget& budget) -> Task<absl::Status> {
    CO_ASSIGN_OR_RETURN(const http::Place place, co_await budget.Wait({kSharedOrigin, nullptr}));
    co_return absl::OkStatus();
  };
  std::vector<http::ConnectionPermit> open;
  for (std::size_t i = 0; i < kPlaces; ++i) open.push_back(budget_.TryAcquire(kSharedOrigin));
  for (int i = 0; i < 10; ++i) waiters.Spawn("waits", wait(budget_));
  Poll();

  EXPECT_EQ(hosts_.JobsFor(kSharedOrigin, 100), 6u);

  open.clear();
  Poll();
  EXPECT_EQ(waiters.size(), 0u);
  EXPECT_EQ(hosts_.JobsFor(kSharedOrigin, 100), 16u);
}

TEST_F(SharedLimitsTest, AConnectionIsOpenedWhenItIsAllottedAndCounts) {
  EXPECT_FALSE(budget_.TryAcquire(kSharedOrigin));
  Poll();

  const http::ConnectionPermit open = budget_.TryAcquire(kSharedOrigin);
  EXPECT_TRUE(open);
  clock_.Advance(1min);
  Poll();
  EXPECT_GE(table_.SumOf("host a.test:443"), 1);
}

TEST_F(SharedLimitsTest, ALimitOnTransfersOfAnOriginIsShared) {
  limits_.max_transfers = 10;
  Occupy("transfers " + kSharedOrigin.ToString(), 7);
  EXPECT_EQ(pacer_.RoomFor(kSharedOrigin, 100).transfers, 0u);
  Poll();

  EXPECT_EQ(pacer_.RoomFor(kSharedOrigin, 100).transfers, 3u);
}

TEST_F(SharedLimitsTest, RatesOfAnOriginAreDividedAmongThoseWhoAskIt) {
  limits_.bytes_per_sec = 1'000'000;
  Occupy("rate " + kSharedOrigin.ToString(), 250);
  const OriginPacer::Turn turn = pacer_.Begin(kSharedOrigin, false);
  EXPECT_LT(origins_.RateOf(kSharedOrigin), 0.1) << "as long as nothing is known";
  Poll();

  EXPECT_DOUBLE_EQ(origins_.RateOf(kSharedOrigin), 0.75);
}

TEST_F(SharedLimitsTest, WhoOnlyKnowsAnOriginTakesNothingOfItsRate) {
  limits_.requests_per_sec = 10;
  pacer_.Begin(kSharedOrigin, false);
  pacer_.List();
  origins_.RateOf(kSharedOrigin);
  for (int i = 0; i < 60; ++i) {
    clock_.Advance(1s);
    pacer_.List();
    Poll();
  }

  EXPECT_LT(origins_.RateOf(kSharedOrigin), 0.1) << "it was given back";
}

TEST_F(SharedLimitsTest, ATenantsTransfersAndRateAreShared) {
  Occupy("tenant builds", 4);
  EXPECT_EQ(tenants_.TransfersOf("builds", 10, 0), 0u);
  EXPECT_LT(tenants_.RateOf("builds"), 0.1);
  Poll();

  EXPECT_EQ(tenants_.TransfersOf("builds", 10, 0), 6u);
  EXPECT_DOUBLE_EQ(tenants_.RateOf("builds"), 1);
  tenant_uses_ = {{"builds", 2, 10, true}};
  clock_.Advance(2min);
  Poll();
  EXPECT_GE(table_.SumOf("tenant builds"), 4 + 2) << "what is at work";
}

TEST_F(SharedLimitsTest, WhatWasSaidToAClaimIsNotGivenBackWhileThatIsUnderWay) {
  tenants_.TransfersOf("builds", 8, 0);
  Poll();
  promised_.NoteClaiming(true);
  ASSERT_EQ(tenants_.TransfersOf("builds", 8, 0), 8u);

  for (int i = 0; i < 60; ++i) {
    clock_.Advance(Allotments::kRound);
    Poll();
  }
  EXPECT_EQ(table_.SumOf("tenant builds"), 8) << "jobs that use them may be on their way";

  promised_.NoteClaiming(false);
  for (int i = 0; i < 60; ++i) {
    clock_.Advance(Allotments::kRound);
    Poll();
  }
  EXPECT_EQ(table_.SumOf("tenant builds"), 0);
}

}  // namespace
}  // namespace fetchd::fetch
