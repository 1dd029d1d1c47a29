// Jobs against the misbehaving origin: what arrives is whole and right, or nothing arrives.
#include "fetch/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/engine_fixture.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

using jobs::State;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kBody = PatternBody(300'000);
constexpr char kTag[] = "\"v1\"";

std::string Reason(const absl::Status& status) {
  const std::optional<fetchd::Reason> reason = GetReason(status);
  return reason ? reason->reason : std::string();
}

class EngineTest : public EngineFixture {
 protected:
  Origin origin_;
};

struct Journey {
  std::string name;
  std::vector<Handler> visits;
  int attempts;
  bool silent = false;  ///< One visit ends by a timeout.
};

class RecoveringTest : public EngineTest, public ::testing::WithParamInterface<Journey> {};

TEST_P(RecoveringTest, TheFileIsRightAfterSoManyAttempts) {
  origin_.Handle("/body", Sequence(GetParam().visits));

  jobs::Job wanted = MakeJob(origin_.Url("/body"));
  if (GetParam().silent) {
    wanted.spec.timeouts.first_byte = milliseconds(1000);
    wanted.spec.timeouts.read_idle = milliseconds(1000);
  }
  const JobId id = house().Submit(std::move(wanted));
  const jobs::Job job = house().WaitUntilEnded(id);

  EXPECT_EQ(job.state, State::kSucceeded) << MessageOf(job.error);
  EXPECT_TRUE(FileContent("out") == kBody);
  EXPECT_EQ(job.attempt, GetParam().attempts);
  EXPECT_THAT(house().Attempts(id), SizeIs(GetParam().attempts));
  EXPECT_THAT(Files(), ElementsAre("out"));
  EXPECT_EQ(house().buffer_bytes_in_use(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Origin, RecoveringTest,
    ::testing::Values(
        Journey{"AtOnce", {Serve(kBody, kTag)}, 1}, Journey{"Chunked", {ServeChunked(kBody)}, 1},
        Journey{"UntilClose", {ServeUntilClose(kBody)}, 1},
        Journey{"ServerErrorsThenBody", {Status(500), Status(502), Status(503), Serve(kBody)}, 4},
        Journey{"TooManyRequestsThenBody", {Status(429), Serve(kBody)}, 2},
        Journey{"ResetMidHeadThenBody", {ResetMidHead(), Serve(kBody)}, 2},
        Journey{
            "ResetMidBodyThenRest", {ResetMidBody(kBody, 150'000, kTag), Serve(kBody, kTag)}, 2},
        Journey{"ResetTwiceThenRest",
                {ResetMidBody(kBody, 100'000, kTag), ResetMidBody(kBody, 100'000, kTag),
                 Serve(kBody, kTag)},
                3},
        Journey{"ResetThenRangeIgnored",
                {ResetMidBody(kBody, 150'000, kTag), Serve(kBody, kTag, RangeSupport::kIgnored)},
                2},
        Journey{"ResetThenAnotherVersion",
                {ResetMidBody(PatternBody(300'000, 7), 150'000, "\"v0\""), Serve(kBody, kTag)},
                2},
        Journey{"ResetWithoutValidatorThenAnotherVersion",
                {ResetMidBody(PatternBody(300'000, 7), 150'000), Serve(kBody)},
                2},
        Journey{"ShortBodyThenBody", {ShortBody("short", 300'000), Serve(kBody)}, 2},
        Journey{"ChunkedCutThenBody", {ChunkedCutShort(), Serve(kBody)}, 2},
        Journey{"GarbageThenBody", {Garbage(), Serve(kBody)}, 2},
        Journey{"SilenceThenBody", {NeverAnswer(), Serve(kBody)}, 2, true},
        Journey{"StallThenBody", {StallAfterHead(300'000), Serve(kBody)}, 2, true}),
    [](const auto& each) { return each.param.name; });

struct WrongRange {
  std::string name;
  RangeSupport ranges;
};
class WrongRangeTest : public EngineTest, public ::testing::WithParamInterface<WrongRange> {};

TEST_P(WrongRangeTest, NeverMakesAWrongFile) {
  const Handler wrong = Serve(kBody, kTag, GetParam().ranges);
  origin_.Handle("/body", Sequence({ResetMidBody(kBody, 150'000, kTag), wrong}));

  const JobId id = house().Submit(MakeJob(origin_.Url("/body")));
  const jobs::Job job = house().WaitUntilEnded(id);

  if (job.state == State::kSucceeded) {
    EXPECT_TRUE(FileContent("out") == kBody);
  } else {
    EXPECT_EQ(job.state, State::kFailed);
    Restart();
    EXPECT_THAT(Files(), IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(Origin, WrongRangeTest,
                         ::testing::Values(WrongRange{"Start", RangeSupport::kWrongStart},
                                           WrongRange{"Total", RangeSupport::kWrongTotal},
                                           WrongRange{"Missing", RangeSupport::kNoContentRange}),
                         [](const auto& each) { return each.param.name; });

TEST_F(EngineTest, AResumeAsksForTheRestOfTheSameVersion) {
  origin_.Handle("/body", Sequence({ResetMidBody(kBody, 150'000, kTag), Serve(kBody, kTag)}));

  const JobId id = house().Submit(MakeJob(origin_.Url("/body")));
  ASSERT_EQ(house().WaitUntilEnded(id).state, State::kSucceeded);

  const auto requests = origin_.Requests("/body");
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].Header("Range"), "");
  EXPECT_THAT(requests[1].Header("Range"), ::testing::StartsWith("bytes="));
  EXPECT_EQ(requests[1].Header("If-Range"), kTag);
  const auto attempts = house().Attempts(id);
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_GT(attempts[1].resumed_from_bytes, 0U);
  EXPECT_EQ(attempts[1].resumed_from_bytes + attempts[1].received_bytes, kBody.size());
}

TEST_F(EngineTest, RetryAfterIsHonoured) {
  origin_.Handle("/body", Sequence({Status(503, {{"Retry-After", "1"}}), Serve(kBody)}));

  const JobId id = house().Submit(MakeJob(origin_.Url("/body")));
  ASSERT_EQ(house().WaitUntilEnded(id).state, State::kSucceeded);

  const auto attempts = house().Attempts(id);
  ASSERT_THAT(attempts, SizeIs(2));
  ASSERT_TRUE(attempts[0].retry_delay.has_value());
  EXPECT_GE(*attempts[0].retry_delay, std::chrono::seconds(1));
  EXPECT_GE(attempts[1].started_at - attempts[0].started_at, milliseconds(900));
}

TEST_F(EngineTest, WhatCannotGetBetterFailsAtOnce) {
  for (const int status : {400, 403, 404, 410}) {
    origin_.Handle("/status", Status(status));

    const JobId id = house().Submit(MakeJob(origin_.Url("/status")));
    const jobs::Job job = house().WaitUntilEnded(id);

    EXPECT_EQ(job.state, State::kFailed) << status;
    EXPECT_EQ(job.attempt, 1) << status;
    EXPECT_THAT(MessageOf(job.error), HasSubstr(std::to_string(status)));
  }
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(EngineTest, AttemptsAreBounded) {
  origin_.Handle("/down", Status(503));

  const JobId id = house().Submit(MakeJob(origin_.Url("/down")));
  const jobs::Job job = house().WaitUntilEnded(id);

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_EQ(job.attempt, 4);
  EXPECT_THAT(origin_.Requests("/down"), SizeIs(4));
}

TEST_F(EngineTest, AMirrorTakesOver) {
  origin_.Handle("/down", Status(503));
  origin_.Handle("/mirror", Serve(kBody));
  jobs::Job job = MakeJob(origin_.Url("/down"));
  job.spec.urls.push_back(origin_.Url("/mirror"));

  const JobId id = house().Submit(job);

  EXPECT_EQ(house().WaitUntilEnded(id).state, State::kSucceeded);
  EXPECT_TRUE(FileContent("out") == kBody);
}

TEST_F(EngineTest, ABodyThatIsNotWhatWasExpectedNeverAppears) {
  origin_.Handle("/body", Serve(kBody));
  jobs::Job wrong_digest = MakeJob(origin_.Url("/body"), "file:digest");
  wrong_digest.spec.digests = {*Digest::Parse("sha256:" + std::string(64, '0'))};
  jobs::Job wrong_size = MakeJob(origin_.Url("/body"), "file:size");
  wrong_size.spec.expected_size = kBody.size() - 1;
  jobs::Job too_long = MakeJob(origin_.Url("/body"), "file:long");
  too_long.spec.max_bytes = 1000;

  const JobId digest_id = house().Submit(wrong_digest);
  const JobId size_id = house().Submit(wrong_size);
  const JobId long_id = house().Submit(too_long);

  EXPECT_EQ(Reason(house().WaitUntilEnded(digest_id).error), "DIGEST_MISMATCH");
  EXPECT_EQ(house().WaitUntilEnded(size_id).error.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(house().WaitUntilEnded(long_id).error.code(), absl::StatusCode::kResourceExhausted);
  Restart();  // What was fetched goes after the failure is recorded.
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(EngineTest, ATenantStoresNoMoreThanItMay) {
  fetch::EngineConfig config = Config();
  config.tenants["small"].max_stored_bytes = kBody.size() + 1000;
  Use(config);
  origin_.Handle("/body", Serve(kBody));
  origin_.Handle("/unannounced", ServeChunked(kBody));
  const auto submit = [this](const std::string& path, const std::string& destination) {
    jobs::Job job = MakeJob(origin_.Url(path), destination);
    job.tenant = "small";
    return house().WaitUntilEnded(house().Submit(std::move(job)));
  };
  ASSERT_EQ(submit("/body", "file:first").state, State::kSucceeded);

  const jobs::Job announced = submit("/body", "file:second");
  EXPECT_EQ(announced.state, State::kFailed);
  EXPECT_EQ(Reason(announced.error), "TENANT_STORAGE_FULL");
  EXPECT_EQ(Reason(submit("/unannounced", "file:third").error), "TENANT_STORAGE_FULL");
  EXPECT_EQ(submit("/body", "discard:").state, State::kSucceeded);

  Restart();
  EXPECT_THAT(Files(), ElementsAre("first"));
}

TEST_F(EngineTest, ACancelledTransferStopsAndLeavesNothing) {
  origin_.Handle("/slow", StallAfterHead(kBody.size()));
  const JobId id = house().Submit(MakeJob(origin_.Url("/slow")));
  ASSERT_EQ(house().WaitFor(id, State::kRunning).state, State::kRunning);
  ASSERT_TRUE(origin_.WaitForRequests("/slow", 1));

  ASSERT_TRUE(house().Cancel(id).ok());

  EXPECT_EQ(house().WaitUntilEnded(id).state, State::kCancelled);
  Restart();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(EngineTest, AnInterruptedTransferGoesOnInTheNextLife) {
  origin_.Handle("/slow", Sequence({[](Exchange& exchange) {
                                      exchange.SendHead(
                                          200, {{"Content-Length", std::to_string(kBody.size())},
                                                {"ETag", kTag}});
                                      exchange.Send(std::string_view(kBody).substr(0, 200'000));
                                      exchange.Hang();
                                    },
                                    Serve(kBody, kTag)}));
  const JobId id = house().Submit(MakeJob(origin_.Url("/slow")));
  ASSERT_TRUE(origin_.WaitForRequests("/slow", 1));

  Restart();
  EXPECT_FALSE(std::filesystem::exists(FilesRoot() / "out"));
  const jobs::Job job = house().WaitUntilEnded(id);

  EXPECT_EQ(job.state, State::kSucceeded) << MessageOf(job.error);
  EXPECT_EQ(job.attempt, 1);
  EXPECT_TRUE(FileContent("out") == kBody);
  EXPECT_THAT(Files(), ElementsAre("out"));
}

TEST_F(EngineTest, CancelAndRetryAtOnceNeverMixTwoRuns) {
  origin_.Handle("/body", Serve(kBody, kTag));
  for (int i = 0; i < 20; ++i) {
    const std::string path = "again/" + std::to_string(i);
    const JobId id = house().Submit(MakeJob(origin_.Url("/body"), "file:" + path));
    for (int round = 0; round < 3; ++round) {
      if (house().Cancel(id).ok()) ASSERT_TRUE(house().Retry(id).ok());
    }

    const jobs::Job job = house().WaitUntilEnded(id);

    EXPECT_EQ(job.state, State::kSucceeded) << MessageOf(job.error);
    EXPECT_TRUE(FileContent(path) == kBody);
  }
  Restart();
  EXPECT_THAT(Files(), SizeIs(20));
}

TEST_F(EngineTest, ManyJobsAtOnceAllArrive) {
  origin_.Handle("/body", Serve(kBody, kTag));
  origin_.Handle("/flaky", [](Exchange& exchange) {
    // Fewer failures than a job has attempts, whichever job meets them.
    const bool fails = exchange.request().visit < 3;
    (fails ? Status(503) : Serve(kBody, kTag))(exchange);
  });
  std::vector<JobId> ids;
  for (int i = 0; i < 60; ++i) {
    ids.push_back(house().Submit(
        MakeJob(origin_.Url(i % 2 == 0 ? "/body" : "/flaky"), "file:many/" + std::to_string(i))));
  }

  for (std::size_t i = 0; i < ids.size(); ++i) {
    const jobs::Job job = house().WaitUntilEnded(ids[i]);
    EXPECT_EQ(job.state, State::kSucceeded) << MessageOf(job.error);
    EXPECT_TRUE(FileContent("many/" + std::to_string(i)) == kBody);
  }
  EXPECT_THAT(Files(), SizeIs(60));
}

/// Keeps what a stream brings.
class Collector : public fetch::StreamReceiver {
 public:
  Task<absl::Status> OnHead(fetch::StreamHead received) override {
    head = std::move(received);
    co_return absl::OkStatus();
  }
  Task<absl::Status> OnBytes(std::uint64_t offset, sink::Buffer bytes) override {
    in_order = in_order && offset == head.offset + body.size();
    body.append(reinterpret_cast<const char*>(bytes.bytes().data()), bytes.size());
    co_return absl::OkStatus();
  }

  fetch::StreamHead head;
  std::string body;
  bool in_order = true;
};

class StreamTest : public EngineTest {
 protected:
  absl::StatusOr<fetch::StreamEnd> Stream(const std::string& path, std::uint64_t offset = 0) {
    jobs::FetchSpec spec;
    spec.urls = {origin_.Url(path)};
    return house().Stream(std::move(spec), offset, collector_);
  }
  Collector collector_;
};

TEST_F(StreamTest, BringsHeadBytesAndDigest) {
  origin_.Handle("/body", Serve(kBody, kTag));

  const auto end = Stream("/body");

  ASSERT_TRUE(end.ok()) << MessageOf(end.status());
  EXPECT_EQ(collector_.head.http_status, 200);
  EXPECT_EQ(collector_.head.total_bytes, kBody.size());
  EXPECT_TRUE(collector_.body == kBody);
  EXPECT_TRUE(collector_.in_order);
  EXPECT_EQ(end->size_bytes, kBody.size());
  EXPECT_THAT(end->digests, SizeIs(1));
}

TEST_F(StreamTest, BeginsAtTheOffsetAskedFor) {
  origin_.Handle("/body", Serve(kBody, kTag));

  const auto end = Stream("/body", 123'456);

  ASSERT_TRUE(end.ok()) << MessageOf(end.status());
  EXPECT_TRUE(collector_.body == kBody.substr(123'456));
  EXPECT_TRUE(collector_.in_order);
}

TEST_F(StreamTest, GoesOnAfterAResetWithoutTheCallerNoticing) {
  origin_.Handle("/body", Sequence({ResetMidBody(kBody, 150'000, kTag), Serve(kBody, kTag)}));

  const auto end = Stream("/body");

  ASSERT_TRUE(end.ok()) << MessageOf(end.status());
  EXPECT_TRUE(collector_.body == kBody);
  EXPECT_TRUE(collector_.in_order);
  EXPECT_THAT(end->attempts, SizeIs(2));
}

TEST_F(StreamTest, NeverMixesTwoVersions) {
  origin_.Handle("/body", Sequence({ResetMidBody(PatternBody(300'000, 7), 150'000, "\"v0\""),
                                    Serve(kBody, kTag)}));

  const auto end = Stream("/body");

  EXPECT_EQ(end.status().code(), absl::StatusCode::kAborted) << MessageOf(end.status());
  EXPECT_EQ(Reason(end.status()), "BODY_CHANGED");
}

TEST_F(StreamTest, AnHttpErrorIsTold) {
  origin_.Handle("/gone", Status(404));
  origin_.Handle("/forbidden", Status(403));

  EXPECT_EQ(Stream("/gone").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Reason(Stream("/forbidden").status()), "HTTP_STATUS");
}

}  // namespace
}  // namespace fetchd::testing
