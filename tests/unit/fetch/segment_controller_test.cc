#include "fetch/segment_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/manual_clock.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr double kMiB = 1 << 20;

class SegmentControllerTest : public ::testing::Test {
 protected:
  /// Bytes come at this rate for so long.
  void Receive(double bytes_per_sec, Duration time) {
    constexpr auto kStep = 100ms;
    for (Duration passed{}; passed < time; passed += kStep) {
      clock_.Advance(kStep);
      controller_.Received(static_cast<std::uint64_t>(bytes_per_sec / 10), clock_.Now());
    }
  }
  void ReceiveAWindow(double bytes_per_sec) { Receive(bytes_per_sec, config_.window); }
  /// The one more that is wanted is at work, and as fast as it will be.
  void Work(int connections, double bytes_per_sec) {
    controller_.Working(connections, clock_.Now());
    Receive(bytes_per_sec, config_.ramp);
  }
  void BeginWith(double bytes_per_sec) {
    Receive(bytes_per_sec, config_.ramp);
    ReceiveAWindow(bytes_per_sec);
  }

  testing::ManualClock clock_;
  SegmentConfig config_;
  jobs::SegmentsRecord record_;
  SegmentController controller_{config_, record_, clock_.Now()};
};

TEST_F(SegmentControllerTest, BeginsWithOneAndTriesASecondAfterAFullWindow) {
  Receive(10 * kMiB, config_.ramp + config_.window - 100ms);
  EXPECT_EQ(controller_.wanted(), 1);

  Receive(10 * kMiB, 100ms);

  EXPECT_EQ(controller_.wanted(), 2);
  EXPECT_EQ(record_, jobs::SegmentsRecord());
}

TEST_F(SegmentControllerTest, OneThatBringsMoreIsKeptAndTheNextIsTried) {
  BeginWith(10 * kMiB);
  Work(2, 15 * kMiB);
  EXPECT_EQ(controller_.wanted(), 2);

  ReceiveAWindow(20 * kMiB);

  EXPECT_EQ(controller_.wanted(), 3);
  EXPECT_EQ(record_.most_connections, 2);
  EXPECT_EQ(record_.added, 1);
  EXPECT_EQ(record_.dropped, 0);
  EXPECT_THAT(record_.notes,
              ElementsAre("added a connection: 2 bring 20.0 MiB/s, 1 brought 10.0 MiB/s"));
}

TEST_F(SegmentControllerTest, WhatComesWhileItRampsUpIsNotMeasured) {
  BeginWith(10 * kMiB);
  Work(2, 0);

  ReceiveAWindow(20 * kMiB);

  EXPECT_EQ(record_.dropped, 0);
}

TEST_F(SegmentControllerTest, OneThatBringsTooLittleIsDropped) {
  BeginWith(10 * kMiB);
  Work(2, 11 * kMiB);

  ReceiveAWindow(11.4 * kMiB);

  EXPECT_EQ(controller_.wanted(), 1);
  EXPECT_EQ(record_.dropped, 1);
  EXPECT_THAT(record_.notes,
              ElementsAre("dropped a connection: 2 bring 11.4 MiB/s, 1 brought 10.0 MiB/s"));
}

TEST_F(SegmentControllerTest, TheGainMustBeFifteenPerCent) {
  BeginWith(10 * kMiB);
  Work(2, 11.6 * kMiB);

  ReceiveAWindow(11.6 * kMiB);

  EXPECT_EQ(record_.dropped, 0);
}

TEST_F(SegmentControllerTest, AfterADropThePauseDoublesUpToTheLongest) {
  config_.longest_pause = 100s;
  BeginWith(10 * kMiB);
  for (const Duration pause : {30s, 60s, 100s, 100s}) {
    ASSERT_EQ(controller_.wanted(), 2);
    Work(2, 10 * kMiB);
    ReceiveAWindow(10 * kMiB);
    ASSERT_EQ(controller_.wanted(), 1);
    controller_.Working(1, clock_.Now());

    Receive(10 * kMiB, pause - 4s);
    EXPECT_EQ(controller_.wanted(), 1) << pause.count();
    Receive(10 * kMiB, 8s);
    EXPECT_EQ(controller_.wanted(), 2) << pause.count();
  }
}

TEST_F(SegmentControllerTest, NeverMoreThanTheLimit) {
  config_.max_connections = 2;
  BeginWith(10 * kMiB);
  Work(2, 20 * kMiB);

  Receive(20 * kMiB, 10min);

  EXPECT_EQ(controller_.wanted(), 2);
}

TEST_F(SegmentControllerTest, OneThatWasWorthItIsDroppedWhenFewerBroughtMore) {
  config_.max_connections = 2;
  BeginWith(10 * kMiB);
  Work(2, 20 * kMiB);
  ReceiveAWindow(20 * kMiB);

  ReceiveAWindow(9 * kMiB);
  EXPECT_EQ(controller_.wanted(), 2) << "once may be chance";
  ReceiveAWindow(9 * kMiB);

  EXPECT_EQ(controller_.wanted(), 1);
  EXPECT_EQ(record_.dropped, 1);
}

TEST_F(SegmentControllerTest, OneThatCannotBeHadIsAskedForAgainLater) {
  BeginWith(10 * kMiB);
  controller_.Refused(clock_.Now());
  EXPECT_EQ(controller_.wanted(), 1);

  Receive(10 * kMiB, 4s);
  EXPECT_EQ(controller_.wanted(), 1);
  Receive(10 * kMiB, 4s);

  EXPECT_EQ(controller_.wanted(), 2);
  EXPECT_THAT(record_.notes, IsEmpty());
}

TEST_F(SegmentControllerTest, OneThatIsGivenBackIsNotTakenAgainAtOnce) {
  BeginWith(10 * kMiB);
  Work(2, 20 * kMiB);
  ReceiveAWindow(20 * kMiB);
  controller_.GaveBack(clock_.Now());
  controller_.Working(1, clock_.Now());

  Receive(10 * kMiB, 4s);

  EXPECT_EQ(controller_.wanted(), 1);
  EXPECT_EQ(record_.dropped, 0);
  EXPECT_EQ(record_.notes.back(), "gave a connection of 2 back: others wait");
}

TEST_F(SegmentControllerTest, AfterAStopOneIsEnoughForGood) {
  BeginWith(10 * kMiB);
  Work(2, 20 * kMiB);
  controller_.Stop("it answered 200");
  EXPECT_EQ(controller_.wanted(), 1);
  controller_.Working(1, clock_.Now());

  Receive(10 * kMiB, 1h);

  EXPECT_EQ(controller_.wanted(), 1);
  EXPECT_EQ(record_.notes.back(), "read on over one connection: it answered 200");
}

TEST_F(SegmentControllerTest, OneThatIsAnsweredAfterAStopIsNotWanted) {
  BeginWith(10 * kMiB);
  controller_.Stop("it answered 200");

  controller_.Working(2, clock_.Now());

  EXPECT_EQ(controller_.wanted(), 1);
}

TEST_F(SegmentControllerTest, WhileOneIsToGoNothingIsJudged) {
  BeginWith(10 * kMiB);
  Work(2, 10 * kMiB);
  ReceiveAWindow(10 * kMiB);
  ASSERT_EQ(controller_.wanted(), 1);

  Receive(5 * kMiB, 1min);

  EXPECT_EQ(record_.dropped, 1);
  EXPECT_EQ(controller_.wanted(), 1);
}

TEST_F(SegmentControllerTest, PiecesTakeAConnectionFourSecondsWithinTheirSizes) {
  EXPECT_EQ(controller_.piece_bytes(), config_.min_piece_bytes);
  BeginWith(5 * kMiB);
  EXPECT_EQ(controller_.piece_bytes(), std::uint64_t{20} << 20);
  Work(2, 20 * kMiB);
  EXPECT_EQ(controller_.piece_bytes(), std::uint64_t{20} << 20) << "not measured yet";
  ReceiveAWindow(20 * kMiB);
  EXPECT_EQ(controller_.piece_bytes(), std::uint64_t{40} << 20);
  ReceiveAWindow(1000 * kMiB);
  EXPECT_EQ(controller_.piece_bytes(), config_.max_piece_bytes);
  ReceiveAWindow(0.1 * kMiB);
  EXPECT_EQ(controller_.piece_bytes(), config_.min_piece_bytes);
}

TEST_F(SegmentControllerTest, OfManyNotesTheFirstAndTheLatestAreKept) {
  BeginWith(10 * kMiB);
  for (int i = 0; i < 40; ++i) {
    Work(2, 10 * kMiB);
    controller_.GaveBack(clock_.Now());
    controller_.Working(1, clock_.Now());
    if (i == 0) controller_.Stop("first");
  }

  ASSERT_THAT(record_.notes, SizeIs(jobs::kMaxSegmentNotes));
  EXPECT_THAT(record_.notes[1], HasSubstr("first"));
}

}  // namespace
}  // namespace fetchd::fetch
