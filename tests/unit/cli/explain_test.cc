#include "cli/explain.h"

#include <gmock/gmock.h>

#include "fake_service.h"

namespace fetchd::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ExplainJobTest : public CliTest {};

void SetMillis(google::protobuf::Duration* duration, int millis) {
  duration->set_nanos(millis * 1'000'000);
}

v1::ExplainJobResponse FailedOnce() {
  v1::ExplainJobResponse explained;
  explained.mutable_job()->set_name("jobs/1");
  explained.mutable_job()->set_state(v1::Job::WAITING);
  v1::Attempt& attempt = *explained.mutable_job()->add_attempts();
  attempt.set_number(1);
  attempt.set_outcome(v1::Attempt::OUTCOME_FAILED);
  SetMillis(attempt.mutable_duration(), 400);
  attempt.mutable_transfer_permit_wait();
  v1::Attempt::Hop& hop = *attempt.add_hops();
  hop.set_url("https://example.org/a");
  hop.set_http_status(503);
  hop.mutable_pool_wait();
  SetMillis(hop.mutable_dns(), 100);
  SetMillis(hop.mutable_connect(), 100);
  hop.mutable_tls();
  SetMillis(hop.mutable_first_byte(), 200);
  v1::Attempt::Address& address = *hop.add_addresses();
  address.set_address("[2001:db8::1]:443");
  address.set_outcome("connected");
  attempt.set_failed_phase("first byte");
  attempt.mutable_error()->set_message("503");
  attempt.set_decision("retry in 1.0 s: 503 is retryable");
  return explained;
}

TEST_F(ExplainJobTest, DrawsEachWaitAtItsPlaceInTime) {
  EXPECT_EQ(ExplainText(FailedOnce(), 73),
            "jobs/1 is WAITING\n"
            "Attempt 1: FAILED after 400ms, begun 1970-01-01T00:00:00Z\n"
            "    pool wait       0ms      |                                         | "
            "https://example.org/a -> 503\n"
            "    DNS             100ms    |==========                               |\n"
            "    connect         100ms    |          ==========                     | "
            "[2001:db8::1]:443 connected\n"
            "    first byte      200ms    |                    =====================|\n"
            "    failed in first byte: 503\n"
            "    -> retry in 1.0 s: 503 is retryable\n");
}

TEST_F(ExplainJobTest, ShowsTheBodyBehindTheHead) {
  v1::ExplainJobResponse explained = FailedOnce();
  v1::Attempt& attempt = *explained.mutable_job()->mutable_attempts(0);
  SetMillis(attempt.mutable_duration(), 800);
  attempt.set_received_bytes(2048);
  SetMillis(attempt.mutable_buffer_wait(), 50);

  EXPECT_THAT(ExplainText(explained, 80), HasSubstr("    body            400ms    |"));
  EXPECT_THAT(ExplainText(explained, 80), HasSubstr("| 2.0 KiB, of it waiting for buffers 50ms"));
}

TEST_F(ExplainJobTest, SaysHowABodyWasReadInPieces) {
  v1::ExplainJobResponse explained = FailedOnce();
  v1::Attempt::Segments& segments =
      *explained.mutable_job()->mutable_attempts(0)->mutable_segments();
  segments.set_most_connections(3);
  segments.set_pieces(17);
  segments.set_added(2);
  segments.set_dropped(1);
  segments.add_notes("dropped a connection: 3 bring 2.0 MiB/s, 2 brought 2.0 MiB/s");

  EXPECT_THAT(ExplainText(explained, 80),
              HasSubstr("    read over 3 connections at once: 17 pieces, 2 connections added, 1 "
                        "dropped\n"
                        "      dropped a connection: 3 bring 2.0 MiB/s, 2 brought 2.0 MiB/s\n"));
}

TEST_F(ExplainJobTest, SaysWhyNoFurtherConnectionWasUsed) {
  v1::ExplainJobResponse explained = FailedOnce();
  explained.mutable_job()->mutable_attempts(0)->mutable_segments()->add_notes(
      "read on over one connection: it answered 200");

  EXPECT_THAT(ExplainText(explained, 80),
              HasSubstr("      read on over one connection: it answered 200\n"));
  EXPECT_THAT(ExplainText(explained, 80), Not(HasSubstr("connections at once")));
}

TEST_F(ExplainJobTest, AReusedConnectionHasNoDial) {
  v1::ExplainJobResponse explained = FailedOnce();
  explained.mutable_job()->mutable_attempts(0)->mutable_hops(0)->set_reused(true);

  EXPECT_THAT(ExplainText(explained, 80), HasSubstr("-> 503, connection reused"));
  EXPECT_THAT(ExplainText(explained, 80), Not(HasSubstr("DNS")));
}

TEST_F(ExplainJobTest, SaysWhyAJobWaitsUntilWhenAndWhatHelps) {
  service_.explain = [](const v1::ExplainJobRequest& request, v1::ExplainJobResponse& response) {
    response.mutable_job()->set_name(request.name());
    response.mutable_job()->set_state(v1::Job::QUEUED);
    v1::ExplainJobResponse::Wait& wait = *response.mutable_wait();
    wait.set_explanation("https://example.org is on hold: it is paused\x1b[2J");
    wait.set_remedy("Change its limits.");
    wait.mutable_until()->set_seconds(60);
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"explain", "7"}), ExitCode::kDone);

  EXPECT_EQ(out_.str(),
            "jobs/7 is QUEUED: https://example.org is on hold: it is paused?[2J\n"
            "Until:  1970-01-01T00:01:00Z\n"
            "Remedy: Change its limits.\n");
}

TEST_F(ExplainJobTest, AJobThatIsNotThereIsExitCode4) {
  service_.explain = [](const v1::ExplainJobRequest&, v1::ExplainJobResponse&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no job 7");
  };

  EXPECT_EQ(RunCommand({"explain", "7"}), ExitCode::kNotFound);
}

class OriginsTest : public CliTest {
 protected:
  OriginsTest() {
    v1::OriginState state;
    state.set_origin("https://a.example");
    state.set_transfers(3);
    state.mutable_limits()->set_max_transfers(4);
    state.mutable_limits()->set_requests_per_sec(0.5);
    state.set_adaptive_limit(2);
    state.set_hold(v1::OriginState::HOLD_COOL_DOWN);
    state.mutable_held_for()->set_seconds(30);
    state.set_pushbacks(7);
    state.set_body_bytes_per_sec(3 << 20);
    admin_.origins.push_back(state);
    state.Clear();
    state.set_origin("https://b.example");
    state.set_hold(v1::OriginState::HOLD_NONE);
    admin_.origins.push_back(state);
  }
};

TEST_F(OriginsTest, ListsWhatHoldsThem) {
  EXPECT_EQ(RunCommand({"origins"}), ExitCode::kDone);

  EXPECT_THAT(out_.str(), HasSubstr("https://a.example"));
  EXPECT_THAT(out_.str(), HasSubstr("4 (bears 2)"));
  EXPECT_THAT(out_.str(), HasSubstr("0.5/s"));
  EXPECT_THAT(out_.str(), HasSubstr("COOL_DOWN 30"));
  EXPECT_THAT(out_.str(), HasSubstr("3.0 MiB/s"));
  EXPECT_THAT(out_.str(), HasSubstr("https://b.example"));
}

TEST_F(OriginsTest, ShowsOne) {
  EXPECT_EQ(RunCommand({"origins", "https://B.example:443/", "-o", "name"}), ExitCode::kDone);
  EXPECT_EQ(out_.str(), "https://b.example\n");

  EXPECT_EQ(RunCommand({"origins", "https://c.example"}), ExitCode::kNotFound);
  EXPECT_THAT(err_.str(), HasSubstr("nothing is to be said of https://c.example"));
}

TEST_F(OriginsTest, SetsLimitsAndTakesThemAway) {
  EXPECT_EQ(RunCommand({"origins", "https://a.example", "--max-transfers", "0"}), ExitCode::kDone);
  EXPECT_TRUE(admin_.set.limits().has_max_transfers());
  EXPECT_EQ(admin_.set.limits().max_transfers(), 0U);
  EXPECT_FALSE(admin_.set.limits().has_requests_per_sec());

  EXPECT_EQ(RunCommand({"origins", "https://a.example", "--no-limits"}), ExitCode::kDone);
  EXPECT_FALSE(admin_.set.limits().has_max_transfers());
}

TEST_F(OriginsTest, LimitsWithoutAnOriginAndUnreadableOnesAreWrongUsage) {
  EXPECT_EQ(RunCommand({"origins", "--max-transfers", "1"}), ExitCode::kUsage);
  EXPECT_EQ(RunCommand({"origins", "https://a.example", "--requests-per-sec", "0"}),
            ExitCode::kUsage);
  EXPECT_EQ(RunCommand({"origins", "https://a.example", "--max-transfers", "1", "--no-limits"}),
            ExitCode::kUsage);
}

}  // namespace
}  // namespace fetchd::cli
