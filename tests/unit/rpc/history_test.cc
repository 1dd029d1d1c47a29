#include "rpc/history.h"

#include <gtest/gtest.h>

#include <chrono>

namespace fetchd::rpc {
namespace {

using namespace std::chrono_literals;

Figures At(int second) {
  return {.at = SteadyTime(std::chrono::seconds(second)),
          .wall = WallTime(std::chrono::seconds(second))};
}

TEST(HistoryTest, ASampleIsWhatHappenedBetweenTwoLooks) {
  History history;
  Figures first = At(0), second = At(10);
  first.received_bytes = 500;
  first.dials.requests = 10;
  first.dials.reused = 10;
  second.received_bytes = 1500;
  second.dials.requests = 14;
  second.dials.reused = 11;
  second.dials.retries = 1;
  second.dials.in_flight = 3;
  second.dials.pool_wait.counts[0] = 4;
  second.dials.pool_wait.sum = 8ms;
  second.transfers = 2;
  second.loop_lag = 5ms;

  history.Add(first);
  EXPECT_TRUE(history.samples().empty());
  history.Add(second);

  ASSERT_EQ(history.samples().size(), 1U);
  const HistorySample sample = history.samples().front();
  EXPECT_EQ(sample.at, second.wall);
  EXPECT_DOUBLE_EQ(sample.bytes_per_sec, 100);
  EXPECT_DOUBLE_EQ(*sample.reuse_ratio, 0.25);
  EXPECT_DOUBLE_EQ(*sample.retry_ratio, 0.25);
  EXPECT_EQ(*sample.pool_wait_mean, Duration(2ms));
  EXPECT_EQ(sample.in_flight, 3U);
  EXPECT_EQ(sample.transfers, 2U);
  EXPECT_EQ(sample.loop_lag, Duration(5ms));
}

TEST(HistoryTest, WhereNothingWasAskedForThereIsNoRatio) {
  History history;
  history.Add(At(0));
  history.Add(At(10));

  const HistorySample sample = history.samples().front();
  EXPECT_FALSE(sample.reuse_ratio || sample.retry_ratio || sample.pool_wait_mean);
  EXPECT_EQ(sample.bytes_per_sec, 0);
}

TEST(HistoryTest, ItIsWrittenAsProtobufWritesJson) {
  const HistorySample full{.at = WallTime(std::chrono::seconds(1767323045)),
                           .bytes_per_sec = 1.5,
                           .reuse_ratio = 0.25,
                           .retry_ratio = 0.5,
                           .pool_wait_mean = 1500us,
                           .in_flight = 3,
                           .transfers = 2,
                           .loop_lag = 2s};

  EXPECT_EQ(HistoryJson({full}),
            R"({"interval":"10s","capacity":360,"samples":[{"time":"2026-01-02T03:04:05Z",)"
            R"("bytesPerSec":1.5E0,"connectionReuseRatio":2.5E-1,"retryRatio":5E-1,)"
            R"("poolWaitMean":"0.001500s","inFlight":3,"transfers":2,"loopLag":"2s"}]})");
  EXPECT_EQ(HistoryJson({}), R"({"interval":"10s","capacity":360,"samples":[]})");
}

TEST(HistoryTest, TheOldestGoFirst) {
  History history;
  for (int i = 0; i <= static_cast<int>(History::kCapacity) + 5; ++i) history.Add(At(10 * i));

  const auto samples = history.samples();
  EXPECT_EQ(samples.size(), History::kCapacity);
  EXPECT_EQ(samples.front().at, At(60).wall);
}

}  // namespace
}  // namespace fetchd::rpc
