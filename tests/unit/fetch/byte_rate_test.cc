#include "fetch/byte_rate.h"

#include <gtest/gtest.h>

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kStart = SteadyTime(1000s);

TEST(ByteRateTest, ReadersTogetherTakeNoMoreThanTheRate) {
  ByteRate rate;
  rate.Take(1, 1000, kStart);

  EXPECT_EQ(rate.Take(500, 1000, kStart + 1s), kStart + 1s + 250ms);
  EXPECT_EQ(rate.Take(500, 1000, kStart + 1s), kStart + 1s + 750ms);
  EXPECT_EQ(rate.Take(1000, 1000, kStart + 1s), kStart + 1s + 1750ms);
}

TEST(ByteRateTest, AQuarterOfASecondIsSavedUpAndNoMore) {
  ByteRate rate;
  rate.Take(1, 1000, kStart);

  EXPECT_EQ(rate.Take(250, 1000, kStart + 1h), kStart + 1h);
  EXPECT_EQ(rate.Take(250, 1000, kStart + 1h), kStart + 1h + 250ms);
}

TEST(ByteRateTest, WithoutALimitNobodyWaitsAndNothingIsOwedLater) {
  ByteRate rate;
  EXPECT_EQ(rate.Take(1'000'000, std::nullopt, kStart), kStart);

  EXPECT_EQ(rate.Take(1000, 1000, kStart), kStart + 1s);
}

TEST(BandwidthScheduleTest, HoldsFromEachTimeOnAroundTheDay) {
  const BandwidthSchedule schedule = *BandwidthSchedule::Parse("18:30=off 08:00=2MiB");
  const WallTime midnight = WallTime(std::chrono::days(20000));

  EXPECT_EQ(schedule.At(midnight), std::nullopt);
  EXPECT_EQ(schedule.At(midnight + 8h - 1s), std::nullopt);
  EXPECT_EQ(schedule.At(midnight + 8h), 2U << 20);
  EXPECT_EQ(schedule.At(midnight + 18h + 29min + 59s), 2U << 20);
  EXPECT_EQ(schedule.At(midnight + 18h + 30min), std::nullopt);
  EXPECT_EQ(schedule.ToString(), "08:00=2MiB 18:30=off");
}

TEST(BandwidthScheduleTest, OneRateHoldsAlways) {
  EXPECT_EQ(BandwidthSchedule::Parse("10MiB")->At(WallTime()), 10U << 20);
  EXPECT_EQ(BandwidthSchedule::Parse("10MiB")->ToString(), "10MiB");
  EXPECT_EQ(BandwidthSchedule::Parse("off")->At(WallTime()), std::nullopt);
  EXPECT_EQ(BandwidthSchedule().ToString(), "off");
}

TEST(BandwidthScheduleTest, WhatCannotBeReadIsRefused) {
  for (const char* const text : {"", "0", "fast", "08:00", "08:00=", "8:00=1M", "24:00=1M",
                                 "08:60=1M", "08:00=1M 1M", "08:00=1M 08:00=2M", "=1M"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(BandwidthSchedule::Parse(text).status())) << text;
  }
}

class RateLimitTest : public FetchTest {
 protected:
  /// How long a body of 256 KiB takes, by the clock.
  Duration Run(jobs::Job job) {
    Script({Whole(Pattern(256 << 10))});
    const SteadyTime before = clock_.Now();
    const jobs::Job ended = RunToEnd(std::move(job));
    EXPECT_EQ(ended.state, jobs::State::kSucceeded) << ended.error;
    rate_wait_ = Attempts(ended.id).back().rate_wait;
    return clock_.Now() - before;
  }
  Duration rate_wait_{};
};

TEST_F(RateLimitTest, AJobReadsNoFasterThanItWants) {
  jobs::Job job = NewJob();
  job.spec.max_bytes_per_sec = 64 << 10;

  const Duration took = Run(std::move(job));

  EXPECT_GE(took, 3s);
  EXPECT_LE(took, 4s);
  EXPECT_EQ(rate_wait_, took);
}

TEST_F(RateLimitTest, AnOriginsLimitAndTheServersHoldToo) {
  EXPECT_EQ(Run(NewJob()), 0s);
  EXPECT_EQ(rate_wait_, 0s);

  config_.bandwidth = *BandwidthSchedule::Parse("1KiB");
  EXPECT_EQ(Run(NewJob()), 0s) << "nothing follows the only buffer";
  EXPECT_GT(Run(NewJob()), 1s) << "the next body waits for it";

  jobs::Job small = NewJob();
  small.spec.max_bytes_per_sec = 128 << 10;  // Small buffers.
  config_.bandwidth = *BandwidthSchedule::Parse("32KiB");
  EXPECT_GE(Run(std::move(small)), 7s);

  config_.bandwidth = BandwidthSchedule();
  pacer_.SetLimits({"https", "example.org", 443}, {.bytes_per_sec = 32 << 10});
  small = NewJob();
  small.spec.max_bytes_per_sec = 128 << 10;
  EXPECT_GE(Run(std::move(small)), 7s);
}

TEST_F(RateLimitTest, AWaitBeyondTheDeadlineFailsThere) {
  Script({Whole(Pattern(256 << 10))});
  jobs::Job job = NewJob();
  job.spec.max_bytes_per_sec = 4096;
  job.deadline_at = clock_.WallNow() + 5s;

  const jobs::Job ended = RunToEnd(std::move(job));

  EXPECT_EQ(ended.state, jobs::State::kFailed);
  EXPECT_TRUE(absl::IsDeadlineExceeded(ended.error)) << ended.error;
}

TEST(TenantByteRatesTest, ATenantHasOneWhileSomebodyHoldsItAndNoOtherHas) {
  TenantByteRates rates;
  const SteadyTime now = SteadyTime() + 1h;
  const auto one = rates.For("builds", now);
  EXPECT_EQ(rates.For("builds", now), one);
  EXPECT_NE(rates.For("reports", now), one);

  for (int i = 0; i < 1000; ++i) EXPECT_NE(rates.For(std::to_string(i), now), one);
  EXPECT_EQ(rates.For("builds", now), one);
}

TEST(TenantByteRatesTest, WhatIsOwedStaysWhenNobodyHoldsIt) {
  TenantByteRates rates;
  const SteadyTime now = SteadyTime() + 1h;
  rates.For("builds", now)->Take(10'000, 1000, now);
  for (int i = 0; i < 1000; ++i) rates.For(std::to_string(i), now);

  EXPECT_GT(rates.For("builds", now)->Take(0, 1000, now), now + 9s);
}

}  // namespace
}  // namespace fetchd::fetch
