#include "telemetry/duration_histogram.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace fetchd::telemetry {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(DurationHistogramTest, BoundsAreInclusive) {
  DurationHistogram histogram;
  histogram.Observe(milliseconds(1));
  histogram.Observe(milliseconds(1) + nanoseconds(1));
  histogram.Observe(seconds(60));
  histogram.Observe(hours(1));

  const auto snapshot = histogram.Read();
  EXPECT_EQ(snapshot.counts.front(), 1U);
  EXPECT_EQ(snapshot.counts[1], 1U);
  EXPECT_EQ(snapshot.counts[DurationHistogram::kBounds.size() - 1], 1U);
  EXPECT_EQ(snapshot.counts.back(), 1U);
  EXPECT_EQ(snapshot.count(), 4U);
}

TEST(DurationHistogramTest, ZeroAndNegativeCountAsNone) {
  DurationHistogram histogram;
  histogram.Observe(Duration::zero());
  histogram.Observe(-seconds(1));

  EXPECT_EQ(histogram.Read().counts.front(), 2U);
  EXPECT_EQ(histogram.Read().sum, Duration::zero());
}

TEST(DurationHistogramTest, MeanIsOfWhatWasObserved) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.Read().mean(), Duration::zero());
  histogram.Observe(seconds(1));
  histogram.Observe(seconds(3));

  EXPECT_EQ(histogram.Read().mean(), seconds(2));
}

TEST(DurationHistogramTest, QuantileIsTheBoundThatSoManyKeep) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.Read().Quantile(0.5), Duration::zero());
  for (int i = 0; i < 99; ++i) histogram.Observe(milliseconds(2));
  histogram.Observe(hours(1));

  EXPECT_EQ(histogram.Read().Quantile(0.99), std::chrono::microseconds(2500));
  EXPECT_EQ(histogram.Read().Quantile(0.999), std::nullopt);
}

TEST(DurationHistogramTest, SnapshotsAddUpAndDiffer) {
  DurationHistogram histogram;
  histogram.Observe(seconds(1));
  const auto earlier = histogram.Read();
  histogram.Observe(seconds(2));
  auto since = histogram.Read();
  since -= earlier;
  EXPECT_EQ(since.count(), 1U);
  EXPECT_EQ(since.sum, seconds(2));

  since += earlier;
  EXPECT_EQ(since.count(), 2U);
  EXPECT_EQ(since.sum, seconds(3));
}

TEST(DurationHistogramTest, ThreadsLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kEach = 10'000;
  DurationHistogram histogram;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&histogram] {
        for (int j = 0; j < kEach; ++j) histogram.Observe(milliseconds(j % 100));
      });
    }
  }
  EXPECT_EQ(histogram.Read().count(), std::uint64_t{kThreads} * kEach);
}

}  // namespace
}  // namespace fetchd::telemetry
