#include "cli/top_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"
#include "cli/cells.h"
#include "cli/top_rows.h"

namespace fetchd::cli {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = TopAction::Kind;
using Style = TopLine::Style;

constexpr std::size_t kWidth = 80, kHeight = 24;

v1::Job NamedJob(const std::string& name, double rate = 0,
                 v1::Job::State state = v1::Job::RUNNING) {
  v1::Job job;
  job.set_name("jobs/" + name);
  job.set_state(state);
  job.mutable_spec()->add_urls("https://example.org/" + name);
  job.mutable_progress()->set_rate_bytes_per_sec(rate);
  return job;
}

class TopModelTest : public ::testing::Test {
 protected:
  TopSample NewSample() const {
    TopSample sample;
    sample.at = std::chrono::steady_clock::time_point(seconds(1000));
    sample.wall = std::chrono::system_clock::time_point(seconds(7260));
    sample.status.set_version("1.2.3");
    sample.status.mutable_start_time()->set_seconds(60);
    return sample;
  }
  void Show(std::vector<v1::Job> jobs) {
    TopSample sample = NewSample();
    (*sample.status.mutable_jobs_by_state())["RUNNING"] = jobs.size();
    sample.jobs = std::move(jobs);
    model_.OnSample(std::move(sample));
  }
  std::vector<TopLine> Draw(std::size_t width = kWidth, std::size_t height = kHeight) {
    return model_.Draw(width, height, std::chrono::steady_clock::time_point(seconds(1005)));
  }
  std::string Screen() {
    std::string text;
    for (const TopLine& line : Draw()) text += line.text + '\n';
    return text;
  }
  std::string Selected() {
    for (const TopLine& line : Draw()) {
      if (line.style == Style::kSelected) return line.text;
    }
    return "";
  }
  void Type(std::string_view text) {
    for (const char c : text) model_.OnCharacter(c);
  }

  TopModel model_{"127.0.0.1:7070"};
};

TEST(RatesBetweenTest, AreASecond) {
  TopSample earlier, later;
  later.at = earlier.at + seconds(2);
  earlier.status.set_received_bytes(100);
  later.status.set_received_bytes(2100);
  later.status.mutable_dials()->set_requests(10);
  later.status.set_store_commits(4);
  (*earlier.status.mutable_jobs_by_state())["SUCCEEDED"] = 1;
  (*later.status.mutable_jobs_by_state())["SUCCEEDED"] = 4;

  const auto rates = RatesBetween(earlier, later);

  ASSERT_TRUE(rates);
  EXPECT_EQ(rates->received_bytes, 1000);
  EXPECT_EQ(rates->requests, 5);
  EXPECT_EQ(rates->commits, 2);
  EXPECT_EQ(rates->succeeded, 1.5);
  EXPECT_EQ(rates->failed, 0);
}

TEST(RatesBetweenTest, SayNothingOfARestartNorOfNoTime) {
  TopSample earlier, later;
  EXPECT_FALSE(RatesBetween(earlier, later));
  later.at = earlier.at + seconds(1);
  later.status.mutable_start_time()->set_seconds(5);
  EXPECT_FALSE(RatesBetween(earlier, later));
}

TEST(RatesBetweenTest, JobsThatAreDeletedAreNoNegativeRate) {
  TopSample earlier, later;
  later.at = earlier.at + seconds(1);
  (*earlier.status.mutable_jobs_by_state())["SUCCEEDED"] = 9;

  EXPECT_EQ(RatesBetween(earlier, later)->succeeded, 0);
}

TEST(SortJobsTest, RunningOnesGoFirstInEachOrder) {
  for (std::size_t order = 0; order < kJobOrders.size(); ++order) {
    std::vector<v1::Job> jobs = {NamedJob("a", 0, v1::Job::QUEUED), NamedJob("b", 1)};
    SortJobs(jobs, order);
    EXPECT_EQ(jobs[0].name(), "jobs/b") << kJobOrders[order];
  }
}

TEST(SortJobsTest, ByRateProgressAgeAndUrl) {
  v1::Job fast = NamedJob("z", 100), far = NamedJob("y", 1), old = NamedJob("x", 2);
  far.mutable_progress()->set_total_bytes(10);
  far.mutable_progress()->set_received_bytes(9);
  fast.mutable_create_time()->set_seconds(30);
  far.mutable_create_time()->set_seconds(20);
  old.mutable_create_time()->set_seconds(10);
  const auto order = [&](std::size_t by) {
    std::vector<v1::Job> jobs = {far, old, fast};
    SortJobs(jobs, by);
    return Concat(jobs[0].name().back(), jobs[1].name().back(), jobs[2].name().back());
  };

  EXPECT_EQ(order(0), "zxy");
  EXPECT_EQ(order(1), "yxz");
  EXPECT_EQ(order(2), "xyz");
  EXPECT_EQ(order(3), "xyz");
}

TEST_F(TopModelTest, EveryLineIsAsWideAsTheScreen) {
  v1::Job hostile = NamedJob("a");
  hostile.mutable_spec()->set_urls(0, "https://\u65e5\u672c.test/" + std::string(200, 'x'));
  Show({hostile, NamedJob("b")});

  for (const auto& [width, height] : {std::pair<std::size_t, std::size_t>{80, 24},
                                      {TopModel::kLeastWidth, TopModel::kLeastHeight},
                                      {200, 60}}) {
    const std::vector<TopLine> lines = Draw(width, height);
    EXPECT_THAT(lines, SizeIs(height));
    for (const TopLine& line : lines) {
      EXPECT_EQ(CutToCells(line.text, 1000).columns, width) << line.text;
    }
  }
}

TEST_F(TopModelTest, ATerminalThatIsTooSmallIsTold) {
  Show({});
  EXPECT_THAT(Draw(39, 24), ElementsAre(::testing::Field(&TopLine::text, HasSubstr("too small"))));
  EXPECT_THAT(Draw(80, 9), SizeIs(1));
  EXPECT_THAT(Draw(3, 1), SizeIs(1));
}

TEST_F(TopModelTest, WhatAServerSaysControlsNoTerminal) {
  v1::Job job = NamedJob("a");
  job.mutable_spec()->set_urls(0, "https://x/\x1b]0;owned\x07\xc2\x9b\u202e");
  Show({job});

  EXPECT_THAT(Screen(),
              AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\x07")), Not(HasSubstr("\xc2\x9b")),
                    Not(HasSubstr("\u202e")), HasSubstr("https://x/?]0;owned???")));
}

TEST_F(TopModelTest, NoPasswordOfAUrlIsShown) {
  v1::Job job = NamedJob("a");
  job.mutable_spec()->set_urls(0, "https://me:CANARY@x/?X-Amz-Signature=CANARY");
  Show({job});

  EXPECT_THAT(Screen(), Not(HasSubstr("CANARY")));
}

TEST_F(TopModelTest, ShowsDialsRatesAndJobs) {
  TopSample first = NewSample();
  model_.OnSample(first);
  EXPECT_THAT(Screen(), HasSubstr("rates  -"));
  TopSample second = NewSample();
  second.at = first.at + seconds(1);
  second.status.set_received_bytes(1 << 20);
  v1::Status::Dials& dials = *second.status.mutable_dials();
  dials.set_connection_reuse_ratio(0.981);
  dials.set_peak_in_flight(64);
  dials.set_limit(256);
  dials.set_retry_ratio(0.002);
  dials.mutable_pool_wait_p99()->set_nanos(5'000'000);
  dials.mutable_loop_lag()->set_nanos(1'000'000);
  (*second.status.mutable_jobs_by_state())["QUEUED"] = 7;
  second.status.mutable_transfers()->set_limit(256);
  second.status.mutable_transfers()->set_in_use(1);
  second.status.set_draining(true);
  v1::Job job = NamedJob("a", 1024);
  job.mutable_progress()->set_received_bytes(1 << 20);
  job.mutable_progress()->set_total_bytes(2 << 20);
  job.mutable_progress()->mutable_eta()->set_seconds(65);
  second.jobs = {job};
  model_.OnSample(second);

  EXPECT_THAT(Screen(),
              AllOf(HasSubstr("fetchd 1.2.3  up 2h  DRAINING"),
                    HasSubstr("reuse 98.1%  pool wait 5ms  peak 64/256  retries 0.2%  lag 1ms"),
                    HasSubstr("in 1.0 MiB/s"), HasSubstr("running 1/256  queue 7"),
                    HasSubstr("6 more wait"),
                    HasSubstr("RUNNING       50%    2.0 MiB    1.0 KiB/s    1m5s "
                              "https://example.org/a")));
}

TEST_F(TopModelTest, TheBarStaysOnItsJobWhileOthersComeAndGo) {
  Show({NamedJob("a", 3), NamedJob("b", 2), NamedJob("c", 1)});
  EXPECT_THAT(Selected(), HasSubstr("org/a"));
  Type("j");
  EXPECT_THAT(Selected(), HasSubstr("org/b"));

  Show({NamedJob("z", 9), NamedJob("a", 3), NamedJob("b", 2)});
  EXPECT_THAT(Selected(), HasSubstr("org/b"));
  Show({NamedJob("z", 9), NamedJob("a", 3)});
  EXPECT_THAT(Selected(), HasSubstr("org/a"));
  Show({});
  EXPECT_EQ(Selected(), "");
  EXPECT_EQ(model_.OnCharacter('c'), TopAction());
}

TEST_F(TopModelTest, LongListsScroll) {
  std::vector<v1::Job> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(NamedJob(Concat(1000 + i), 100 - i));
  Show(jobs);
  Draw();

  model_.OnKey(TopKey::kEnd);
  EXPECT_THAT(Selected(), HasSubstr("org/1099"));
  EXPECT_THAT(Screen(), Not(HasSubstr("org/1000")));
  model_.OnKey(TopKey::kDown);
  EXPECT_THAT(Selected(), HasSubstr("org/1099"));
  model_.OnKey(TopKey::kPageUp);
  EXPECT_THAT(Selected(), HasSubstr("org/1082"));
  model_.OnKey(TopKey::kHome);
  EXPECT_THAT(Selected(), HasSubstr("org/1000"));
}

TEST_F(TopModelTest, ACancelAsksFirst) {
  Show({NamedJob("a")});
  Draw();

  EXPECT_EQ(model_.OnCharacter('c'), TopAction());
  EXPECT_THAT(Draw().back().text, HasSubstr("cancel jobs/a? [y/N]"));
  EXPECT_EQ(model_.OnCharacter('n'), TopAction());
  EXPECT_EQ(model_.OnCharacter('y'), TopAction());
  model_.OnCharacter('c');
  model_.OnKey(TopKey::kEnter);
  EXPECT_EQ(model_.OnCharacter('y'), TopAction());
  model_.OnCharacter('c');
  EXPECT_EQ(model_.OnCharacter('y'), (TopAction{Kind::kCancel, "jobs/a"}));
}

TEST_F(TopModelTest, PPausesAndLetsGoOn) {
  Show({NamedJob("a")});
  Draw();
  EXPECT_EQ(model_.OnCharacter('p'), (TopAction{Kind::kPause, "jobs/a"}));
  Show({NamedJob("a", 0, v1::Job::PAUSED)});
  EXPECT_EQ(model_.OnCharacter('p'), (TopAction{Kind::kResume, "jobs/a"}));
}

TEST_F(TopModelTest, AFilterKeepsRowsWithItsText) {
  Show({NamedJob("apple"), NamedJob("pear")});

  Type("/APp");
  EXPECT_THAT(Screen(), AllOf(HasSubstr("org/apple"), Not(HasSubstr("org/pear"))));
  model_.OnKey(TopKey::kErase);
  model_.OnKey(TopKey::kEnter);
  EXPECT_THAT(Screen(), HasSubstr("filter: AP"));
  EXPECT_EQ(model_.OnCharacter('q').kind, Kind::kQuit);
  model_.OnKey(TopKey::kEscape);
  EXPECT_THAT(Screen(), HasSubstr("org/pear"));
}

TEST_F(TopModelTest, SortsAndShowsByWhat) {
  Show({NamedJob("b", 2), NamedJob("a", 1)});
  EXPECT_THAT(Screen(), HasSubstr("by rate"));
  Type("sss");
  EXPECT_THAT(Screen(), HasSubstr("by url"));
  model_.OnKey(TopKey::kHome);
  EXPECT_THAT(Selected(), HasSubstr("org/a"));
}

TEST_F(TopModelTest, OriginsAreTheOtherTab) {
  TopSample sample = NewSample();
  v1::OriginState state;
  state.set_origin("https://held.test");
  state.set_transfers(2);
  state.set_hold(v1::OriginState::HOLD_COOL_DOWN);
  state.mutable_held_for()->set_seconds(30);
  sample.origins = {state};
  v1::Status::Origin& figures = *sample.status.add_origins();
  figures.set_origin("https://busy.test");
  figures.set_in_flight(5);
  model_.OnSample(sample);

  model_.OnKey(TopKey::kTab);

  EXPECT_THAT(Screen(), AllOf(HasSubstr("[Origins]"), HasSubstr("cool_down 30.0s"),
                              HasSubstr("https://held.test"), HasSubstr("https://busy.test")));
  EXPECT_THAT(Selected(), HasSubstr("held.test"));
  EXPECT_EQ(model_.OnCharacter('c'), TopAction());
}

TEST_F(TopModelTest, HelpIsLeftWithAnyKey) {
  Show({NamedJob("a")});
  Type("?");
  EXPECT_THAT(Screen(), HasSubstr("any key goes back"));
  EXPECT_EQ(model_.OnCharacter('q'), TopAction());
  EXPECT_THAT(Screen(), Not(HasSubstr("any key goes back")));
}

TEST_F(TopModelTest, AServerThatIsAwayIsABannerUntilItAnswers) {
  Show({NamedJob("a")});
  const std::chrono::steady_clock::time_point at(seconds(1000));
  model_.OnFailure("connection refused\n", at);
  model_.OnFailure("connection refused\n", at + seconds(3));

  EXPECT_THAT(Draw().back().text,
              HasSubstr("no answer for 5.0s, trying again: connection refused?"));
  EXPECT_THAT(Screen(), HasSubstr("org/a"));
  Show({NamedJob("a")});
  EXPECT_THAT(Draw().back().text, HasSubstr("q quit"));
}

TEST_F(TopModelTest, BeforeTheFirstAnswerThereIsAnEmptyScreen) {
  model_.OnFailure("nobody there", std::chrono::steady_clock::time_point(seconds(1004)));
  EXPECT_THAT(Draw(), SizeIs(kHeight));
  EXPECT_THAT(Screen(), HasSubstr("nobody there"));
}

TEST_F(TopModelTest, WhatCameOfAnActionIsShownUntilTheNextKey) {
  Show({NamedJob("a")});
  model_.OnResult("cancelled jobs/a");
  EXPECT_THAT(Draw().back().text, HasSubstr("cancelled jobs/a"));
  Type("j");
  EXPECT_THAT(Draw().back().text, Not(HasSubstr("cancelled")));
}

}  // namespace
}  // namespace fetchd::cli
