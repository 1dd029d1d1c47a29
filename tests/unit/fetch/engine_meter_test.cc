// What is counted of attempts, jobs and bytes.
#include "fetch/engine_meter.h"

#include <algorithm>
#include <set>

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using std::chrono::milliseconds;

std::size_t IndexOf(std::string_view reason) {
  for (std::size_t i = 0; i < ReasonCount(); ++i) {
    if (ReasonName(i) == reason) return i;
  }
  ADD_FAILURE() << reason;
  return 0;
}

TEST(ReasonIndexTest, ReasonsAreAClosedSet) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < ReasonCount(); ++i) {
    EXPECT_TRUE(names.insert(ReasonName(i)).second) << ReasonName(i);
  }
  EXPECT_LE(ReasonCount(), EngineMeter::kMaxReasons);
}

TEST(ReasonIndexTest, AnErrorCountsByItsReasonElseByItsCode) {
  const auto name = [](const absl::Status& error) { return ReasonName(ReasonIndex(error)); };
  EXPECT_EQ(name(absl::OkStatus()), "");
  EXPECT_EQ(name(WithReason(absl::UnavailableError("x"), {"HTTP_STATUS", {}})), "HTTP_STATUS");
  EXPECT_EQ(name(WithReason(absl::UnavailableError("x"), {"AUTH_NOT_SUPPORTED", {}})),
            "AUTH_NOT_SUPPORTED");
  EXPECT_EQ(name(WithReason(absl::UnavailableError("x"), {"TRUNCATED_BODY", {}})),
            "TRUNCATED_BODY");
  EXPECT_EQ(name(WithReason(absl::UnavailableError("x"), {"MADE_UP_BY_AN_ORIGIN", {}})),
            "UNAVAILABLE");
  EXPECT_EQ(name(absl::CancelledError("x")), "CANCELLED");
  EXPECT_EQ(name(absl::UnauthenticatedError("x")), "UNAUTHENTICATED");
  EXPECT_EQ(name(absl::Status(static_cast<absl::StatusCode>(77), "x")), "UNKNOWN");
}

TEST(EngineMeterTest, PhasesThatAnAttemptDidNotHaveAreNoObservation) {
  EngineMeter meter;
  jobs::AttemptRecord record;
  record.outcome = jobs::AttemptOutcome::kSucceeded;
  jobs::HopRecord dialled;
  dialled.dns = dialled.connect = dialled.tls = dialled.first_byte = milliseconds(4);
  dialled.http_status = 200;
  jobs::HopRecord reused;
  reused.reused = true;
  reused.first_byte = milliseconds(2);
  reused.http_status = 200;
  jobs::HopRecord joined = dialled;
  joined.joined = true;
  record.hops = {dialled, reused, joined};

  meter.AttemptEnded(record, milliseconds(9), {});

  EXPECT_EQ(meter.attempts(jobs::AttemptOutcome::kSucceeded), 1u);
  EXPECT_EQ(meter.Took(AttemptPhase::kQueued).sum, milliseconds(9));
  EXPECT_EQ(meter.Took(AttemptPhase::kPoolWait).count(), 2u);
  EXPECT_EQ(meter.Took(AttemptPhase::kDns).count(), 1u);
  EXPECT_EQ(meter.Took(AttemptPhase::kConnect).count(), 1u);
  EXPECT_EQ(meter.Took(AttemptPhase::kProxy).count(), 0u);
  EXPECT_EQ(meter.Took(AttemptPhase::kTls).sum, milliseconds(4));
  EXPECT_EQ(meter.Took(AttemptPhase::kFirstByte).sum, milliseconds(6));
  EXPECT_EQ(meter.Took(AttemptPhase::kBody).count(), 0u);
}

class CountedRunTest : public FetchTest {
 protected:
  const EngineMeter& meter() const { return counters_.meter; }
};

TEST_F(CountedRunTest, AJobThatSucceedsAtLastIsCountedOnceAndItsAttemptsEach) {
  Script({Status(500), Whole("body")});

  RunToEnd(NewJob());

  EXPECT_EQ(meter().attempts(jobs::AttemptOutcome::kFailed), 1u);
  EXPECT_EQ(meter().attempts(jobs::AttemptOutcome::kSucceeded), 1u);
  EXPECT_EQ(meter().jobs(jobs::State::kSucceeded, 0), 1u);
  EXPECT_EQ(meter().received(BodyPlace::kFile), 4u);
  EXPECT_EQ(meter().delivered(BodyPlace::kFile), 4u);
  EXPECT_EQ(meter().received(), 4u);
  EXPECT_EQ(meter().Took(AttemptPhase::kQueued).count(), 2u);
}

TEST_F(CountedRunTest, AJobThatFailsIsCountedByItsReason) {
  Script({Status(404)});

  RunToEnd(NewJob());

  EXPECT_EQ(meter().jobs(jobs::State::kFailed, IndexOf("HTTP_STATUS")), 1u);
  EXPECT_EQ(meter().jobs(jobs::State::kSucceeded, 0), 0u);
  EXPECT_EQ(meter().delivered(BodyPlace::kFile), 0u);
}

TEST_F(CountedRunTest, WhatIsDiscardedIsCountedAsThat) {
  Script({Whole("body")});
  jobs::Job job = NewJob();
  job.destination = "discard:";

  RunToEnd(job);

  EXPECT_EQ(meter().received(BodyPlace::kDiscard), 4u);
  EXPECT_EQ(meter().delivered(BodyPlace::kDiscard), 4u);
  EXPECT_EQ(meter().received(BodyPlace::kFile), 0u);
}

}  // namespace
}  // namespace fetchd::fetch
