// Jobs and streams for a range, for what has changed, and for decoded bodies, against servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/engine_fixture.h"
#include "support/content_encoder.h"
#include "support/nginx.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

using jobs::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kBody = PatternBody(300'000);
constexpr char kTag[] = "\"v1\"";

std::string Reason(const absl::Status& status) {
  return GetReason(status).value_or(fetchd::Reason{}).reason;
}

class WantedPartTest : public EngineFixture {
 protected:
  jobs::Job RunToEnd(jobs::Job job) {
    return house().WaitUntilEnded(house().Submit(std::move(job)));
  }
  Origin origin_;
};

TEST_F(WantedPartTest, ARangeIsResumedInsideItself) {
  origin_.Handle("/body", Sequence({ResetMidBody(kBody, 50'000, kTag), Serve(kBody, kTag)}));
  jobs::Job job = MakeJob(origin_.Url("/body"));
  job.spec.range = ByteRange{100'000, 199'999};

  const jobs::Job ended = RunToEnd(std::move(job));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_TRUE(FileContent("out") == kBody.substr(100'000, 100'000));
  const auto requests = origin_.Requests("/body");
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].Header("Range"), "bytes=100000-199999");
  EXPECT_EQ(requests[1].Header("Range"), "bytes=150000-199999");
  EXPECT_EQ(requests[1].Header("If-Range"), kTag);
}

TEST_F(WantedPartTest, ARangeIsNeverAnotherPart) {
  for (const RangeSupport wrong :
       {RangeSupport::kIgnored, RangeSupport::kWrongStart, RangeSupport::kNoContentRange}) {
    origin_.Handle("/body", Serve(kBody, kTag, wrong));
    jobs::Job job = MakeJob(origin_.Url("/body"));
    job.spec.range = ByteRange{100, 199};
    job.spec.retry.max_attempts = 2;

    EXPECT_EQ(RunToEnd(std::move(job)).state, State::kFailed);
  }
  Restart();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(WantedPartTest, WhatTheCallerHasIsNotFetchedAgain) {
  origin_.Handle("/body", Serve(kBody, kTag));
  RunToEnd(MakeJob(origin_.Url("/body")));
  jobs::Job again = MakeJob(origin_.Url("/body"));
  again.spec.if_none_match = {kTag};

  const jobs::Job ended = RunToEnd(std::move(again));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_TRUE(ended.result->not_modified);
  EXPECT_EQ(ended.result->etag, kTag);
  EXPECT_TRUE(FileContent("out") == kBody);

  jobs::Job other = MakeJob(origin_.Url("/body"));
  other.spec.if_none_match = {"\"v0\""};
  EXPECT_FALSE(RunToEnd(std::move(other)).result->not_modified);
}

TEST_F(WantedPartTest, ADecodedBodyThatBreaksOffIsFetchedAnew) {
  const std::string encoded = Gzip(kBody);
  const HeaderList headers = {{"Content-Encoding", "gzip"},
                              {"ETag", kTag},
                              {"Content-Length", std::to_string(encoded.size())}};
  const Handler cut = [=](Exchange& exchange) {
    exchange.SendHead(200, headers);
    exchange.Send(std::string_view(encoded).substr(0, encoded.size() / 2));
    exchange.Close();
  };
  const Handler whole = [=](Exchange& exchange) {
    exchange.SendHead(200, headers);
    exchange.Send(encoded);
  };
  origin_.Handle("/body", Sequence({cut, whole}));
  jobs::Job job = MakeJob(origin_.Url("/body"));
  job.spec.decode = true;
  job.spec.expected_size = kBody.size();

  const jobs::Job ended = RunToEnd(std::move(job));

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_TRUE(FileContent("out") == kBody);
  const auto requests = origin_.Requests("/body");
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[1].Header("Range"), "");
  EXPECT_EQ(requests[0].Header("Accept-Encoding"), "gzip, deflate, br, zstd");
}

TEST_F(WantedPartTest, ABombLeavesNothing) {
  const std::string bomb = Gzip(std::string(8 << 20, '\0'));
  origin_.Handle("/body", [=](Exchange& exchange) {
    exchange.Respond(200, {{"Content-Encoding", "gzip"}}, bomb);
  });
  jobs::Job job = MakeJob(origin_.Url("/body"));
  job.spec.decode = true;

  const jobs::Job ended = RunToEnd(std::move(job));

  EXPECT_TRUE(absl::IsResourceExhausted(ended.error)) << ended.error;
  EXPECT_EQ(Reason(ended.error), "DECODE_LIMIT");
  EXPECT_EQ(ended.attempt, 1);
  Restart();
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(WantedPartTest, AnErrorPageIsNeverDecoded) {
  origin_.Handle("/body", Status(404, {{"Content-Encoding", "unheard-of"}}));
  jobs::Job job = MakeJob(origin_.Url("/body"));
  job.spec.decode = true;

  EXPECT_TRUE(absl::IsNotFound(RunToEnd(std::move(job)).error));
}

TEST_F(WantedPartTest, NginxKnowsAllOfIt) {
  Nginx nginx;
  WriteFile(nginx.root() / "body", kBody);
  jobs::Job job = MakeJob(nginx.HttpUrl("/gzip/body"), "file:decoded");
  job.spec.decode = true;
  ASSERT_EQ(RunToEnd(std::move(job)).state, State::kSucceeded);
  EXPECT_TRUE(FileContent("decoded") == kBody);

  job = MakeJob(nginx.HttpUrl("/body"), "file:range");
  job.spec.range = ByteRange{5, 9};
  const jobs::Job ranged = RunToEnd(std::move(job));
  ASSERT_EQ(ranged.state, State::kSucceeded) << ranged.error;
  EXPECT_EQ(FileContent("range"), kBody.substr(5, 5));

  job = MakeJob(nginx.HttpUrl("/body"), "file:range");
  job.spec.if_none_match = {ranged.result->etag};
  EXPECT_TRUE(RunToEnd(std::move(job)).result->not_modified);
  EXPECT_EQ(FileContent("range"), kBody.substr(5, 5));

  job = MakeJob(nginx.HttpUrl("/body"), "file:range");
  // As nginx compares it: exactly, by the second.
  job.spec.if_modified_since =
      std::chrono::file_clock::to_sys(std::filesystem::last_write_time(nginx.root() / "body"));
  EXPECT_TRUE(RunToEnd(std::move(job)).result->not_modified);

  job = MakeJob(nginx.HttpUrl("/body"), "file:beyond");
  job.spec.range = ByteRange{300'000, std::nullopt};
  EXPECT_EQ(Reason(RunToEnd(std::move(job)).error), "RANGE_NOT_SATISFIABLE");
}

}  // namespace
}  // namespace fetchd::testing
