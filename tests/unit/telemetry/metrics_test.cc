#include "telemetry/metrics.h"

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>

#include "runtime/task_group.h"
#include "support/manual_clock.h"
#include "telemetry/process_metrics.h"

namespace fetchd::telemetry {
namespace {

using std::chrono::milliseconds;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr MetricFamily kEaten{"fetchd_apples_eaten_total", MetricType::kCounter, "Apples."};
constexpr MetricFamily kThere{
    "fetchd_apples", MetricType::kGauge, "Apples that are there.", {"kind", "place"}};
constexpr MetricFamily kChewed{
    "fetchd_chewing_seconds", MetricType::kHistogram, "Time to chew.", {"kind"}};
constexpr std::array kApples = {kEaten, kThere, kChewed};

TEST(MetricPageTest, WritesTheExpositionFormat) {
  MetricPage page;
  page.Add(kThere, 2.5, {"red", "the \"basket\"\n"});
  page.Add(kThere, std::uint64_t{3}, {"green", "a tree"});
  page.Add(kEaten, std::uint64_t{7});

  EXPECT_EQ(page.Text(),
            "# HELP fetchd_apples Apples that are there.\n"
            "# TYPE fetchd_apples gauge\n"
            "fetchd_apples{kind=\"red\",place=\"the \\\"basket\\\"\\n\"} 2.5\n"
            "fetchd_apples{kind=\"green\",place=\"a tree\"} 3\n"
            "# HELP fetchd_apples_eaten_total Apples.\n"
            "# TYPE fetchd_apples_eaten_total counter\n"
            "fetchd_apples_eaten_total 7\n");
}

TEST(MetricPageTest, AFamilyMayBeWithoutASeries) {
  MetricPage page;
  page.Declare(kThere);

  EXPECT_EQ(page.Text(),
            "# HELP fetchd_apples Apples that are there.\n"
            "# TYPE fetchd_apples gauge\n");
}

TEST(MetricPageTest, CountsHaveBucketsOfTheirOwn) {
  CountHistogram histogram;
  for (const std::uint64_t count : {1, 2, 3, 1000, 5000}) histogram.Observe(count);
  MetricPage page;
  page.Add(kChewed, histogram.Read(), {"red"});

  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("_count{kind=\"red\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("_sum{kind=\"red\"} 6006\n"));
  EXPECT_THAT(text, HasSubstr("le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("le=\"2\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("le=\"5\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("le=\"1000\"} 4\n"));
  EXPECT_THAT(text, EndsWith("le=\"+Inf\"} 5\n"));
}

TEST(MetricPageTest, HistogramsAreCumulativeAndInSeconds) {
  DurationHistogram histogram;
  histogram.Observe(milliseconds(1));
  histogram.Observe(milliseconds(3));
  histogram.Observe(std::chrono::minutes(2));
  MetricPage page;
  page.Add(kChewed, histogram.Read(), {"red"});

  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("fetchd_chewing_seconds_count{kind=\"red\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("fetchd_chewing_seconds_sum{kind=\"red\"} 120.004\n"));
  EXPECT_THAT(text, HasSubstr("fetchd_chewing_seconds_bucket{kind=\"red\",le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("fetchd_chewing_seconds_bucket{kind=\"red\",le=\"0.005\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("fetchd_chewing_seconds_bucket{kind=\"red\",le=\"60\"} 2\n"));
  EXPECT_THAT(text, EndsWith("fetchd_chewing_seconds_bucket{kind=\"red\",le=\"+Inf\"} 3\n"));
}

TEST(ProcessMetricsTest, SaysWhatTheKernelSays) {
  testing::ManualClock clock;
  MetricPage page;
  const MetricSource source = ProcessMetrics(clock, "1.2.3");
  asio::io_context context;
  runtime::TaskGroup tasks(context.get_executor());
  tasks.Spawn("collect", source.collect(page));
  context.run();

  const std::string text = page.Text();
  EXPECT_THAT(text, ContainsRegex("\nprocess_cpu_seconds_total 0?[.0-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_resident_memory_bytes [1-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_open_fds [1-9]"));
  EXPECT_THAT(text, ContainsRegex("\nprocess_max_fds [1-9]"));
  EXPECT_THAT(text, HasSubstr("fetchd_build_info{version=\"1.2.3\"} 1\n"));
}

class MetricsTest : public ::testing::Test {
 protected:
  using Scraped = absl::StatusOr<std::string>;

  static Task<absl::Status> Keep(Task<Scraped> scrape, std::optional<Scraped>& out) {
    Scraped scraped = co_await std::move(scrape);
    out = std::move(scraped);
    co_return absl::OkStatus();
  }
  void Poll() {
    context_.restart();
    context_.poll();
  }
  std::optional<Scraped> Scrape() {
    std::optional<Scraped> scraped;
    tasks_.Spawn("scrape", Keep(metrics_.Scrape(), scraped));
    Poll();
    return scraped;
  }
  static Task<absl::Status> Wait(asio::steady_timer& gate, absl::Status then) {
    co_await gate.async_wait(kTuple);
    co_return then;
  }
  /// A source that answers when the gate opens.
  void AddGated(absl::Status then = absl::OkStatus()) {
    metrics_.Add({kApples, [this, then](MetricPage& page) {
                    page.Add(kEaten, std::uint64_t{1});
                    return Wait(gate_, then);
                  }});
  }

  asio::io_context context_;
  testing::ManualClock clock_;
  runtime::TaskGroup tasks_{context_.get_executor()};
  asio::steady_timer gate_{context_, asio::steady_timer::time_point::max()};
  Metrics metrics_{clock_};
};

TEST_F(MetricsTest, ScrapeAsksEverySource) {
  metrics_.Add(MakeSource(kApples, [](MetricPage& page) { page.Add(kEaten, std::uint64_t{1}); }));
  metrics_.Add(MakeSource(kApples, [](MetricPage& page) { page.Add(kThere, 1.0, {"a", "b"}); }));

  const std::string text = Scrape()->value();
  EXPECT_THAT(text, HasSubstr("\nfetchd_apples_eaten_total 1\n"));
  EXPECT_THAT(text, HasSubstr("\nfetchd_apples{kind=\"a\",place=\"b\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nfetchd_scrape_failures_total 0\n"));
}

TEST_F(MetricsTest, SourceThatFailsIsCountedAndTheOthersAnswer) {
  gate_.cancel();
  gate_.expires_at(asio::steady_timer::time_point::min());
  AddGated(absl::UnavailableError("disk"));
  metrics_.Add(MakeSource(kApples, [](MetricPage& page) { page.Add(kThere, 1.0, {"a", "b"}); }));

  Scrape();
  const std::string text = Scrape()->value();
  EXPECT_THAT(text, HasSubstr("\nfetchd_apples{kind=\"a\",place=\"b\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nfetchd_scrape_failures_total 2\n"));
}

TEST_F(MetricsTest, CloseWaitsForAScrapeInProgressAndRefusesLaterOnes) {
  AddGated();
  std::optional<Scraped> during;
  tasks_.Spawn("scrape", Keep(metrics_.Scrape(), during));
  Poll();
  const auto closing = tasks_.Spawn("close", metrics_.Close());
  Poll();
  EXPECT_EQ(tasks_.size(), 2U);

  gate_.cancel();
  Poll();
  EXPECT_EQ(tasks_.size(), 0U);
  EXPECT_TRUE(during->ok());
  EXPECT_TRUE(absl::IsUnavailable(Scrape()->status()));
}

}  // namespace
}  // namespace fetchd::telemetry
