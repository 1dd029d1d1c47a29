#include "rpc/convert_job.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "rpc/convert_attempt.h"
#include "rpc/convert_spec.h"

namespace fetchd::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

constexpr char kSecret[] = "hunter2-canary";
const WallTime kNow{Duration(1'700'000'000'000'000'000)};

v1::Job ParseJob(const std::string& text) {
  v1::Job job;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &job));
  return job;
}

jobs::Job FullJob() {
  std::mt19937_64 random(7);
  jobs::Job job = FromProto(ParseJob(R"(
      spec {
        urls: "https://example.org/a" urls: "https://mirror.example/a"
        digests: "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        expected_size: 0 max_bytes: 10 max_bytes_per_sec: 4096 max_redirects: 0 tls_profile: "corp" method: METHOD_HEAD
        proxy: "lab" timeouts { dns { seconds: 1 } total { nanos: 5 } proxy { seconds: 8 } }
        retry_policy { max_attempts: 2 base_delay { seconds: 3 } }
      }
      destination: "file:{basename}" overwrite: OVERWRITE_NEVER priority: -5
      labels { key: "team" value: "a" } tenant: "reports"
      deadline { seconds: 1700000500 } not_before { seconds: 1700000100 })"),
                            kNow)
                      .value();
  job.id = JobId::Generate(kNow, random);
  return job;
}

TEST(ConvertJobTest, WhatACallerGivesComesBack) {
  const jobs::Job job = FullJob();

  const v1::Job out = ToProto(job, std::nullopt);

  EXPECT_EQ(out.name(), job.id.name());
  EXPECT_THAT(out.spec().urls(), ElementsAre("https://example.org/a", "https://mirror.example/a"));
  EXPECT_THAT(out.spec().digests(),
              ElementsAre("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
  EXPECT_TRUE(out.spec().has_expected_size());
  EXPECT_EQ(out.spec().max_bytes(), 10u);
  EXPECT_EQ(out.spec().max_bytes_per_sec(), 4096u);
  EXPECT_TRUE(out.spec().has_max_redirects());
  EXPECT_EQ(out.spec().method(), v1::FetchSpec::METHOD_HEAD);
  EXPECT_EQ(out.spec().timeouts().dns().seconds(), 1);
  EXPECT_EQ(out.spec().timeouts().total().nanos(), 5);
  EXPECT_FALSE(out.spec().timeouts().has_tls());
  EXPECT_EQ(out.spec().timeouts().proxy().seconds(), 8);
  EXPECT_EQ(out.spec().proxy(), "lab");
  EXPECT_EQ(out.spec().retry_policy().max_attempts(), 2);
  EXPECT_FALSE(out.spec().retry_policy().has_max_delay());
  EXPECT_EQ(out.overwrite(), v1::Job::OVERWRITE_NEVER);
  EXPECT_EQ(out.priority(), -5);
  EXPECT_EQ(out.labels().at("team"), "a");
  EXPECT_EQ(out.tenant(), "reports");
  EXPECT_EQ(out.deadline().seconds(), 1'700'000'500);
  EXPECT_EQ(out.not_before().seconds(), 1'700'000'100);
  EXPECT_EQ(out.state(), v1::Job::QUEUED);
}

TEST(ConvertJobTest, WhatIsKeptWithAnObjectIsReadAndShown) {
  const v1::Job in = ParseJob(R"(
      spec { urls: "https://example.org/a" } destination: "s3://bucket/a"
      object { content_type: "text/plain" content_disposition: "inline" cache_control: "no-store"
               storage_class: "IA" metadata { key: "a" value: "b" } tags { key: "c" value: "d" } })");

  const jobs::Job job = FromProto(in, kNow).value();

  EXPECT_EQ(job.object.content_type, "text/plain");
  EXPECT_EQ(job.object.metadata.at("a"), "b");
  EXPECT_EQ(ToProto(job, std::nullopt).object().SerializeAsString(),
            in.object().SerializeAsString());
  EXPECT_FALSE(ToProto(jobs::Job(), std::nullopt).has_object());
}

TEST(ConvertJobTest, EachDestinationAndWhatBecameOfItIsShown) {
  jobs::Job job = FromProto(ParseJob(R"(
      spec { urls: "https://example.org/a" } destination: "file:a" more_destinations: "file:{job}")"),
                            kNow)
                      .value();
  ASSERT_EQ(job.more_destinations.size(), 1u);
  EXPECT_EQ(job.more_destinations[0].asked_for, "file:{job}");
  job.more_destinations[0].resolved = "file:1";
  job.state = jobs::State::kFailed;
  job.result = {.size_bytes = 5,
                .deliveries = {{"file:///srv/a", {}, true, "sha256-x"},
                               {"file:1", absl::ResourceExhaustedError("disk full"), false, ""}}};

  const v1::Job out = ToProto(job, std::nullopt);

  EXPECT_THAT(out.more_destinations(), ElementsAre("file:1"));
  ASSERT_EQ(out.result().deliveries_size(), 2);
  EXPECT_EQ(out.result().deliveries(0).destination(), "file:///srv/a");
  EXPECT_FALSE(out.result().deliveries(0).has_error());
  EXPECT_TRUE(out.result().deliveries(0).unchanged());
  EXPECT_EQ(out.result().deliveries(0).digest(), "sha256-x");
  EXPECT_EQ(out.result().deliveries(1).error().message(), "disk full");
}

TEST(ConvertJobTest, WhileAJobRunsAgainItsProgressIsThatOfTheRun) {
  jobs::Job job = FullJob();
  job.result = {.size_bytes = 5};
  job.state = jobs::State::kQueued;

  EXPECT_EQ(ToProto(job, std::nullopt).progress().received_bytes(), 0u);
}

TEST(ConvertJobTest, DefaultsAreADayAndNow) {
  const jobs::Job job =
      FromProto(ParseJob(R"(spec { urls: "https://example.org/" })"), kNow).value();

  EXPECT_EQ(job.deadline_at, kNow + 24h);
  EXPECT_EQ(job.ready_at, kNow);
  EXPECT_EQ(job.overwrite, jobs::Overwrite::kAlways);
  EXPECT_EQ(job.tenant, "default");
  EXPECT_FALSE(job.spec.max_bytes.has_value());
  EXPECT_FALSE(ToProto(job, std::nullopt).has_not_before());
}

TEST(ConvertJobTest, OutputOnlyFieldsAreIgnored) {
  const jobs::Job job = FromProto(ParseJob(R"(name: "jobs/x" state: SUCCEEDED attempt_count: 9
      request_id: "theirs" error { code: 5 })"),
                                  kNow)
                            .value();

  EXPECT_EQ(job.state, jobs::State::kQueued);
  EXPECT_EQ(job.attempt, 0);
  EXPECT_TRUE(job.request_id.empty());
  EXPECT_TRUE(job.error.ok());
}

TEST(ConvertSpecTest, WhatPartIsWantedComesBack) {
  const std::string text = R"(decode: DECODE_CONTENT if_none_match: "\"a\"" if_none_match: "W/\"b\""
      if_modified_since { seconds: 784111777 } range { first: 5 last: 5 } )";
  v1::FetchSpec in;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &in));

  const v1::FetchSpec out = ToProto(FromProto(in).value());

  EXPECT_EQ(out.decode(), v1::FetchSpec::DECODE_CONTENT);
  EXPECT_THAT(out.if_none_match(), ElementsAre("\"a\"", "W/\"b\""));
  EXPECT_EQ(out.if_modified_since().seconds(), 784'111'777);
  EXPECT_EQ(out.range().first(), 5u);
  EXPECT_EQ(out.range().last(), 5u);
}

TEST(ConvertSpecTest, NothingSaidIsAllAsSent) {
  const jobs::FetchSpec spec = FromProto(v1::FetchSpec()).value();
  EXPECT_FALSE(spec.decode);
  EXPECT_EQ(spec.range, std::nullopt);

  const v1::FetchSpec out = ToProto(spec);

  EXPECT_EQ(out.decode(), v1::FetchSpec::DECODE_AS_SENT);
  EXPECT_FALSE(out.has_range());
  EXPECT_FALSE(out.has_if_modified_since());
}

TEST(ConvertSpecTest, AnOpenRangeStaysOpen) {
  v1::FetchSpec in;
  in.mutable_range()->set_first(7);

  const jobs::FetchSpec spec = FromProto(in).value();

  EXPECT_EQ(spec.range, (ByteRange{7, std::nullopt}));
  EXPECT_FALSE(ToProto(spec).range().has_last());
}

TEST(ConvertSpecTest, ADigestPasswordIsRedacted) {
  v1::FetchSpec in;
  in.mutable_credentials()->mutable_digest()->set_username("u");
  in.mutable_credentials()->mutable_digest()->set_password(kSecret);

  const jobs::FetchSpec spec = FromProto(in).value();
  const v1::FetchSpec out = ToProto(spec);

  EXPECT_EQ(std::get<DigestCredentials>(spec.credentials).password.Reveal(), kSecret);
  EXPECT_EQ(out.credentials().digest().username(), "u");
  EXPECT_EQ(out.credentials().digest().password(), "[redacted]");
}

TEST(ConvertSpecTest, ANamedSecretComesBackAsItsName) {
  for (const char* text :
       {"headers { name: \"Authorization\" secret: \"repo\" }",
        "credentials { bearer_token_secret: \"repo\" }",
        "credentials { basic { username: \"u\" password_secret: \"repo\" } }",
        "credentials { digest { username: \"u\" password_secret: \"repo\" } }"}) {
    const v1::Job job = ParseJob(Concat("spec { urls: \"https://example.org/\" ", text, " }"));

    const v1::FetchSpec out = ToProto(FromProto(job.spec()).value());

    EXPECT_EQ(out.credentials().DebugString(), job.spec().credentials().DebugString());
    ASSERT_EQ(out.headers_size(), job.spec().headers_size());
    if (out.headers_size() > 0) {
      EXPECT_EQ(out.headers(0).DebugString(), job.spec().headers(0).DebugString());
    }
  }
}

TEST(ConvertSpecTest, TheSignatureOfAUrlIsRedacted) {
  v1::FetchSpec in;
  in.add_urls(std::string("https://example.org/a?v=1&X-Amz-Signature=") + kSecret);

  const jobs::FetchSpec spec = FromProto(in).value();

  EXPECT_EQ(spec.urls[0], in.urls(0));
  EXPECT_EQ(ToProto(spec).urls(0), "https://example.org/a?v=1&X-Amz-Signature=[redacted]");
}

struct BadJob {
  std::string name, text, field;
};
class BadJobTest : public ::testing::TestWithParam<BadJob> {};

TEST_P(BadJobTest, IsRefusedByField) {
  const auto job = FromProto(ParseJob(GetParam().text), kNow);

  ASSERT_TRUE(absl::IsInvalidArgument(job.status())) << job.status();
  EXPECT_EQ(GetField(job.status())->field, GetParam().field);
}
INSTANTIATE_TEST_SUITE_P(
    All, BadJobTest,
    ::testing::Values(
        BadJob{"Digest", R"(spec { digests: "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
                                   digests: "sha1-x" })",
               "spec.digests[1]"},
        BadJob{"HeaderGivenTwice", R"(spec { headers { name: "a" value: "b" secret: "c" } })",
               "spec.headers[0].secret"},
        BadJob{"BasicGivenTwice",
               R"(spec { credentials { basic { password: "b" password_secret: "c" } } })",
               "spec.credentials.basic.password_secret"},
        BadJob{"DigestGivenTwice",
               R"(spec { credentials { digest { password: "b" password_secret: "c" } } })",
               "spec.credentials.digest.password_secret"},
        BadJob{"Method", "spec { method: 9 }", "spec.method"},
        BadJob{"Decode", "spec { decode: 9 }", "spec.decode"},
        BadJob{"ModifiedBeforeTheEpoch", "spec { if_modified_since { seconds: -1 } }",
               "spec.if_modified_since"},
        BadJob{"NegativeTimeout", "spec { timeouts { first_byte { seconds: -1 } } }",
               "spec.timeouts.first_byte"},
        BadJob{"RetryNanos", "spec { retry_policy { max_delay { nanos: 2000000000 } } }",
               "spec.retry_policy.max_delay"},
        BadJob{"Overwrite", "overwrite: 9", "overwrite"},
        BadJob{"Deadline", "deadline { seconds: -5 }", "deadline"},
        BadJob{"NotBefore", "not_before { nanos: -1 }", "not_before"}),
    [](const auto& info) { return info.param.name; });

TEST(RedactionTest, NoSecretLeavesWithAJob) {
  for (const std::string& credentials :
       {std::string("basic { username: \"me\" password: \"") + kSecret + "\" }",
        std::string("bearer_token: \"") + kSecret + "\""}) {
    jobs::Job job =
        FromProto(
            ParseJob("spec { urls: \"https://example.org/\" headers { name: \"X-Key\" value: \"" +
                     std::string(kSecret) + "\" } credentials { " + credentials + " } }"),
            kNow)
            .value();
    job.state = jobs::State::kFailed;
    job.error = absl::UnavailableError("connection refused");
    job.result = jobs::Result{.final_url = "https://example.org/"};

    const v1::Job out = ToProto(job, fetch::Progress{});

    EXPECT_THAT(out.DebugString(), Not(HasSubstr(kSecret)));
    EXPECT_EQ(out.spec().headers(0).name(), "X-Key");
    EXPECT_EQ(out.spec().headers(0).value(), kRedacted);
    EXPECT_THAT(out.spec().credentials().DebugString(), HasSubstr(kRedacted));
  }
}

TEST(ConvertJobTest, ProgressIsLiveWhileItRunsAndStoredElse) {
  jobs::Job job = FullJob();
  job.checkpoint.bytes = 100;
  const fetch::Progress live{.received_bytes = 250, .total_bytes = 1000, .rate_bytes_per_sec = 5};

  EXPECT_EQ(ToProto(job, live).progress().received_bytes(), 100u);
  job.state = jobs::State::kRunning;
  EXPECT_EQ(ToProto(job, live).progress().received_bytes(), 250u);
  EXPECT_EQ(ToProto(job, live).progress().total_bytes(), 1000u);
  job.state = jobs::State::kSucceeded;
  job.result = jobs::Result{.size_bytes = 1000};
  EXPECT_EQ(ToProto(job, std::nullopt).progress().received_bytes(), 1000u);
}

TEST(ConvertJobTest, StatesKeepTheirNames) {
  for (const jobs::State state :
       {jobs::State::kQueued, jobs::State::kRunning, jobs::State::kWaiting,
        jobs::State::kInterrupted, jobs::State::kSucceeded, jobs::State::kFailed,
        jobs::State::kCancelled}) {
    EXPECT_EQ(v1::Job::State_Name(ToProto(state)), jobs::StateName(state));
  }
}

TEST(ConvertAttemptTest, CarriesTheWaterfall) {
  jobs::AttemptRecord record;
  record.number = 2;
  record.started_at = kNow;
  record.took = 3s;
  record.outcome = jobs::AttemptOutcome::kFailed;
  record.status = absl::UnavailableError("refused");
  record.failed_phase = "connect";
  record.retry_delay = 250ms;
  record.hops.push_back({.url = "https://example.org/",
                         .proxy = "lab",
                         .connect = 5ms,
                         .proxy_negotiation = 6ms,
                         .addresses = {{"192.0.2.1:443", "refused", 1ms}},
                         .http_status = 0});

  const v1::Attempt out = ToProto(record);

  EXPECT_EQ(out.number(), 2);
  EXPECT_EQ(out.outcome(), v1::Attempt::OUTCOME_FAILED);
  EXPECT_EQ(out.error().code(), 14);
  EXPECT_EQ(out.failed_phase(), "connect");
  EXPECT_EQ(out.retry_delay().nanos(), 250'000'000);
  ASSERT_EQ(out.hops_size(), 1);
  EXPECT_EQ(out.hops(0).connect().nanos(), 5'000'000);
  EXPECT_EQ(out.hops(0).proxy(), "lab");
  EXPECT_EQ(out.hops(0).proxy_negotiation().nanos(), 6'000'000);
  EXPECT_EQ(out.hops(0).addresses(0).outcome(), "refused");
  EXPECT_FALSE(out.has_segments());
}

TEST(ConvertAttemptTest, CarriesHowABodyWasReadInPieces) {
  jobs::AttemptRecord record;
  record.segments = {3, 17, 2, 1, {"first", "second"}};

  const v1::Attempt::Segments out = ToProto(record).segments();

  EXPECT_EQ(out.most_connections(), 3);
  EXPECT_EQ(out.pieces(), 17u);
  EXPECT_EQ(out.added(), 2);
  EXPECT_EQ(out.dropped(), 1);
  ASSERT_EQ(out.notes_size(), 2);
  EXPECT_EQ(out.notes(1), "second");
}

TEST(ConvertFilterTest, OriginIsCanonical) {
  v1::JobFilter filter;
  filter.set_origin("HTTPS://Example.org:443");
  filter.add_states(v1::Job::FAILED);
  filter.set_tenant("reports");

  const jobs::JobFilter out = FromProto(filter).value();

  EXPECT_EQ(out.origin, "https://example.org");
  EXPECT_THAT(out.states, ElementsAre(jobs::State::kFailed));
  EXPECT_EQ(out.tenant, "reports");
}

TEST(ConvertFilterTest, RefusesWhatIsNoOriginOrState) {
  v1::JobFilter path;
  path.set_origin("https://example.org/a");
  v1::JobFilter state;
  state.add_states(static_cast<v1::Job::State>(99));

  EXPECT_EQ(GetField(FromProto(path).status())->field, "filter.origin");
  EXPECT_EQ(GetField(FromProto(state).status())->field, "filter.states[0]");
}

TEST(ParseNameTest, TakesResourceNamesOnly) {
  const std::string id = FullJob().id.str();

  EXPECT_EQ(ParseName("jobs/" + id, "name").value().str(), id);
  for (const std::string& bad :
       {id, std::string("jobs/"), std::string("jobs/../x"), std::string()}) {
    EXPECT_EQ(GetField(ParseName(bad, "name").status())->field, "name") << bad;
  }
}

}  // namespace
}  // namespace fetchd::rpc
