// Limits that several processes keep together, from the database to the places for connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>

#include "fetch/shared_limits.h"
#include "postgres_backend.h"

namespace fetchd::fetch {
namespace {

constexpr std::size_t kMostPlaces = 8;
constexpr std::size_t kUsers = 12;  ///< Of each process.
const Origin kBusyOrigin{"https", "busy.test", 443};

/// Places in use in all processes.
struct Load {
  std::atomic<std::size_t> now{0}, most{0};
  std::atomic<bool> exceeded{false};

  void Begin() {
    const std::size_t sum = ++now;
    if (sum > kMostPlaces) exceeded = true;
    for (std::size_t before = most; before < sum && !most.compare_exchange_weak(before, sum);) {
    }
  }
  void End() { --now; }
};

Task<absl::Status> UsePlaces(http::HostBudget& budget, Clock& clock, Load& load, int times,
                             std::atomic<int>& served) {
  for (int i = 0; i < times; ++i) {
    http::ConnectionPermit permit = budget.TryAcquire(kBusyOrigin);
    if (!permit) {
      CO_ASSIGN_OR_RETURN(http::Place place, co_await budget.Wait({kBusyOrigin, nullptr}));
      permit = std::move(place.permit);
    }
    load.Begin();
    co_await clock.SleepFor(std::chrono::milliseconds(2));  // What a transfer takes.
    load.End();
    ++served;
  }
  co_return absl::OkStatus();
}

/// What one fetchd has of all this.
class Process {
 public:
  explicit Process(const std::string& url) : store_(std::make_unique<store::PostgresBackend>(url)) {
    EXPECT_EQ(store_.Open(), absl::OkStatus());
    limits_ = std::make_unique<SharedLimits>(runtime_, clock_, *store_.store().allotments(),
                                             UrlOptions());
    budget_ = std::make_unique<http::HostBudget>(
        http::BudgetLimits{.max_per_host = kMostPlaces, .allotments = &limits_->for_client()}, 1);
    pacer_ = std::make_unique<OriginPacer>(clock_, PacerConfig{.shares = &limits_->origins()});
    limits_->Serve(*pacer_, [] { return std::vector<TenantUse>(); });
    limits_->Start(*budget_);
  }
  ~Process() {
    limits_->Stop();
    runtime::RunBlocking(runtime_.shard(0).executor(), tasks_.Join());
    budget_.reset();
  }

  void Use(Load& load, int times) {
    for (std::size_t i = 0; i < kUsers; ++i) {
      tasks_.Spawn("user", UsePlaces(*budget_, clock_, load, times, served));
    }
  }
  void Join() { runtime::RunBlocking(runtime_.shard(0).executor(), tasks_.Join()); }
  OriginPacer& pacer() { return *pacer_; }

  std::atomic<int> served{0};

 private:
  RealClock clock_;
  jobs::StoreHarness store_;
  runtime::Runtime runtime_{{.shards = 1, .blocking_threads = 1}};
  runtime::TaskGroup tasks_{runtime_.shard(0).executor()};
  std::unique_ptr<SharedLimits> limits_;
  std::unique_ptr<http::HostBudget> budget_;
  std::unique_ptr<OriginPacer> pacer_;
};

class PostgresLimitsTest : public ::testing::Test {
 protected:
  const std::string url_ = testing::Postgres::Shared().MakeDatabase();
  std::array<std::unique_ptr<Process>, 3> processes_{std::make_unique<Process>(url_),
                                                     std::make_unique<Process>(url_),
                                                     std::make_unique<Process>(url_)};
};

TEST_F(PostgresLimitsTest, PlacesOfAHostAreNeverMoreThanItsLimitAndAllAreUsed) {
  Load load;

  // One alone has all at first; then all want it; then they end, one after the other.
  processes_[0]->Use(load, 120);
  processes_[1]->Use(load, 60);
  processes_[2]->Use(load, 20);
  for (const auto& process : processes_) process->Join();

  EXPECT_FALSE(load.exceeded);
  EXPECT_EQ(load.most, kMostPlaces);
  EXPECT_EQ(processes_[0]->served, 120 * static_cast<int>(kUsers));
  EXPECT_EQ(processes_[1]->served, 60 * static_cast<int>(kUsers));
  EXPECT_EQ(processes_[2]->served, 20 * static_cast<int>(kUsers));
}

TEST_F(PostgresLimitsTest, WhatAnOriginAsksOfOneAllDo) {
  using std::chrono::minutes;
  processes_[0]
      ->pacer()
      .Begin(kBusyOrigin, false)
      .End({.kind = OriginOutcome::Kind::kPushback, .cool_down = minutes(5)});

  for (const auto& process : processes_) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (process->pacer().StateOf(kBusyOrigin).hold != Hold::kCoolDown) {
      ASSERT_LT(std::chrono::steady_clock::now(), until);
    }
    EXPECT_GT(*process->pacer().StateOf(kBusyOrigin).held_for, minutes(4));
  }
}

}  // namespace
}  // namespace fetchd::fetch
