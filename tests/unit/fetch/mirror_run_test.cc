// Jobs and Fetch calls that have mirrors.
#include <map>

#include "unit/fetch/fetch_fixture.h"
#include "unit/fetch/receiver.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using jobs::State;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const Origin kA{"https", "a.test", 443}, kB{"https", "b.test", 443};

Digest Sha256Of(std::string_view body) {
  Digester digester({DigestAlgorithm::kSha256});
  digester.Update(std::as_bytes(std::span(body)));
  return digester.Finish()[0];
}

class MirrorRunTest : public FetchTest {
 protected:
  using Answers = std::vector<FakeAnswer>;

  /// Each host answers its n-th request with its n-th answer, later ones with its last.
  void ScriptHosts(std::map<std::string, Answers> hosts) {
    auto visits = std::make_shared<std::map<std::string, std::size_t>>();
    client_ = std::make_unique<testing::FakeHttpClient>(
        [hosts = std::move(hosts), visits](const http::Request& request) {
          const Answers& answers = hosts.at(std::string(request.url.host()));
          std::size_t& visit = (*visits)[std::string(request.url.host())];
          return answers[std::min(visit++, answers.size() - 1)];
        },
        &clock_);
  }

  jobs::Job NewMirrored(std::vector<std::string> hosts = {"a.test", "b.test"}) {
    jobs::Job job = NewJob();
    job.spec.urls.clear();
    for (const std::string& host : hosts) job.spec.urls.push_back("https://" + host + "/file");
    return job;
  }

  std::vector<std::string> Asked() const {
    std::vector<std::string> hosts;
    for (const http::Request& request : client_->requests()) {
      hosts.emplace_back(request.url.host());
    }
    return hosts;
  }
};

TEST_F(MirrorRunTest, UrlsAreAskedInOrderAndRound) {
  ScriptHosts({{"a.test", {Status(500)}}, {"b.test", {Status(500)}}, {"c.test", {Status(500)}}});

  const jobs::Job job = RunToEnd(NewMirrored({"a.test", "b.test", "c.test"}));

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test", "c.test", "a.test"));
  EXPECT_THAT(Attempts(job.id)[0].decision, HasSubstr("; next is urls[1], https://b.test"));
}

TEST_F(MirrorRunTest, AMirrorOnHoldIsNotAskedWhileAnotherIsFree) {
  ScriptHosts({{"a.test", {Status(500)}}, {"c.test", {Whole("x")}}});
  pacer_.SetLimits(kB, {.max_transfers = 0});

  EXPECT_EQ(RunToEnd(NewMirrored({"a.test", "b.test", "c.test"})).state, State::kSucceeded);

  EXPECT_THAT(Asked(), ElementsAre("a.test", "c.test"));
}

TEST_F(MirrorRunTest, AUrlThatRefusedIsNotAskedAgainAndTheOthersAre) {
  ScriptHosts({{"a.test", {Status(404)}}, {"b.test", {Status(500), Status(500), Whole("x")}}});

  EXPECT_EQ(RunToEnd(NewMirrored()).state, State::kSucceeded);

  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test", "b.test", "b.test"));
}

TEST_F(MirrorRunTest, AnErrorThatMayPassIsNotMaskedByTheMirrors404) {
  ScriptHosts({{"a.test", {Status(503), Status(503), Whole("x")}}, {"b.test", {Status(404)}}});

  EXPECT_EQ(RunToEnd(NewMirrored()).state, State::kSucceeded);

  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test", "a.test", "a.test"));
}

TEST_F(MirrorRunTest, InTheEndItIsTheErrorThatMayPassAndNamesTheOthers) {
  ScriptHosts({{"a.test", {Status(503)}}, {"b.test", {Status(404)}}});
  jobs::Job job = NewMirrored();
  job.spec.retry.max_attempts = 2;

  const jobs::Job ended = RunToEnd(job);

  EXPECT_TRUE(absl::IsUnavailable(ended.error)) << ended.error;
  EXPECT_EQ(GetReason(ended.error)->metadata[0].second, "503");
  EXPECT_THAT(MessageOf(ended.error),
              AllOf(HasSubstr("urls[0] https://a.test: the origin answered 503"),
                    HasSubstr("urls[1] https://b.test: the origin answered 404")));
  EXPECT_TRUE(absl::IsNotFound(Attempts(job.id)[1].status)) << "each record has its own";
}

TEST_F(MirrorRunTest, WhenAllRefuseItFailsAtOnceWithThePrimarysError) {
  ScriptHosts({{"a.test", {Status(403)}}, {"b.test", {Status(404)}}});

  const jobs::Job job = RunToEnd(NewMirrored());

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test"));
  EXPECT_EQ(GetReason(job.error)->metadata[0].second, "403");
  EXPECT_EQ(Attempts(job.id)[1].decision, "gave up: 404 is final");
}

TEST_F(MirrorRunTest, AnErrorOfTheSinkSaysNothingOfTheUrl) {
  ScriptHosts({{"a.test", {Whole("x")}}});
  std::filesystem::create_directories(root_ / "out/file");

  const jobs::Job job = RunToEnd(NewMirrored());

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_THAT(Asked(), ElementsAre("a.test"));
  EXPECT_EQ(MessageOf(job.error).find("urls["), std::string::npos);
}

TEST_F(MirrorRunTest, AnOriginThatAsksForTimeLeavesTheJobToAFreeMirrorAtNoAttempt) {
  ScriptHosts({{"a.test", {Status(429, {{"Retry-After", "60"}})}}, {"b.test", {Whole("x")}}});
  const WallTime before = clock_.WallNow();

  const jobs::Job job = RunToEnd(NewMirrored());

  EXPECT_EQ(job.state, State::kSucceeded);
  EXPECT_EQ(job.attempt, 1);
  EXPECT_LT(clock_.WallNow() - before, 1s);
  EXPECT_EQ(Attempts(job.id)[0].outcome, jobs::AttemptOutcome::kPutOff);
}

TEST_F(MirrorRunTest, ARetriedJobForgetsWhatItKnewOfItsUrls) {
  ScriptHosts({{"a.test", {Status(404), Whole("x")}}, {"b.test", {Status(404)}}});
  const jobs::Job failed = RunToEnd(NewMirrored());
  ASSERT_EQ(failed.state, State::kFailed);

  ASSERT_TRUE(Await(store_.Update(failed.id, jobs::RetryRequested{})).ok());

  EXPECT_EQ(RunOnce(failed.id).state, State::kSucceeded);
  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test", "a.test"));
}

TEST_F(MirrorRunTest, TheSpeedOfABodyIsRemembered) {
  FakeAnswer answer = Whole(Pattern(4 << 20));
  answer.body.push_back(BodyStep::Call([this] { clock_.Advance(2s); }));
  ScriptHosts({{"a.test", {answer}}});

  ASSERT_EQ(RunToEnd(NewMirrored()).state, State::kSucceeded);

  EXPECT_EQ(pacer_.StateOf(kA).bytes_per_sec, 2 << 20);
}

TEST_F(MirrorRunTest, WhereALimitWasKeptTheSpeedIsNotTheOrigins) {
  ScriptHosts({{"a.test", {Whole(Pattern(4 << 20))}}});
  jobs::Job job = NewMirrored();
  job.spec.max_bytes_per_sec = 1 << 20;

  ASSERT_EQ(RunToEnd(job).state, State::kSucceeded);

  EXPECT_EQ(pacer_.StateOf(kA).bytes_per_sec, std::nullopt);
}

// The first 300,000 of 500,000 bytes come from a.test.
class ContinuedTest : public MirrorRunTest {
 protected:
  jobs::Job Continue(FakeAnswer first, Answers mirror, bool with_digest) {
    ScriptHosts({{"a.test", {std::move(first), Status(404)}}, {"b.test", std::move(mirror)}});
    jobs::Job job = NewMirrored();
    if (with_digest) job.spec.digests = {Sha256Of(body_)};
    return RunToEnd(std::move(job));
  }

  const std::string body_ = Pattern(500'000);
};

TEST_F(ContinuedTest, WithADigestAMirrorGoesOnWhateverItsValidatorIs) {
  const jobs::Job job =
      Continue(Cut(body_, 300'000, "\"a\""), {Rest(body_, 300'000, "\"b\"")}, true);

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body_);
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=300000-");
  EXPECT_EQ(client_->Header(1, "If-Range"), "");
  EXPECT_EQ(Attempts(job.id)[1].resumed_from_bytes, 300'000u);
  EXPECT_FALSE(Attempts(job.id)[1].restarted);
}

TEST_F(ContinuedTest, ItsOwnValidatorCountsFromThenOn) {
  FakeAnswer part = Rest(body_, 300'000, "\"b\"");
  part.body = {BodyStep::Bytes(body_.substr(300'000, 100'000)),
               BodyStep::Error(absl::DataLossError("short body"))};
  const jobs::Job job =
      Continue(Cut(body_, 300'000, "\"a\""), {part, Rest(body_, 400'000, "\"b\"")}, true);

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test", "a.test", "b.test"));
  EXPECT_EQ(client_->Header(3, "Range"), "bytes=400000-");
  EXPECT_EQ(client_->Header(3, "If-Range"), "\"b\"");
}

TEST_F(ContinuedTest, BytesThatDoNotFitTogetherAreDroppedOnceAndCostTheJobNothing) {
  const std::string other = Pattern(500'000, 2);
  ScriptHosts({{"a.test", {Cut(other, 300'000, "\"a\""), Whole(other, "\"a\"")}},
               {"b.test", {Rest(body_, 300'000, "\"b\""), Whole(body_, "\"b\"")}}});
  jobs::Job job = NewMirrored();
  job.spec.digests = {Sha256Of(body_)};
  job.spec.retry.max_attempts = 2;
  const JobId id = job.id;
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  RunOnce(id);
  clock_.Advance(1s);

  const jobs::Job mixed = RunOnce(id);

  EXPECT_EQ(mixed.state, State::kWaiting);
  EXPECT_EQ(mixed.checkpoint, jobs::Checkpoint());
  EXPECT_EQ(GetReason(mixed.error)->reason, "DIGEST_MISMATCH");
  clock_.Advance(1s);
  // From a.test the whole body is wrong as well: that is its own fault.
  EXPECT_EQ(RunOnce(id).state, State::kFailed);
  EXPECT_EQ(client_->Header(2, "Range"), "");
  EXPECT_EQ(Files(), 0u);
}

TEST_F(ContinuedTest, AfterAMismatchNoMirrorGoesOnWithAnothersBytes) {
  const std::string other = Pattern(500'000, 2);
  ScriptHosts({{"a.test", {Cut(other, 300'000, "\"a\""), Cut(other, 200'000, "\"a\"")}},
               {"b.test", {Rest(body_, 300'000, "\"b\""), Whole(body_, "\"b\"")}}});
  jobs::Job job = NewMirrored();
  job.spec.digests = {Sha256Of(body_)};

  const jobs::Job ended = RunToEnd(job);

  EXPECT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test", "a.test", "b.test"));
  EXPECT_EQ(client_->Header(3, "Range"), "");
  EXPECT_EQ(Content("out/file"), body_);
}

TEST_F(ContinuedTest, WithoutADigestTheSameStrongEtagAndLengthAreTheProof) {
  const jobs::Job job = Continue(Cut(body_, 300'000), {Rest(body_, 300'000)}, false);

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body_);
  EXPECT_EQ(client_->Header(1, "If-Range"), "\"v1\"");
  EXPECT_EQ(Attempts(job.id)[1].resumed_from_bytes, 300'000u);
}

struct NoProofCase {
  const char* name;
  bool with_digest;
  /// Of the mirror, which has another body than the primary.
  std::function<std::vector<FakeAnswer>(const std::string& body)> answers;
  std::size_t requests;
};
void PrintTo(const NoProofCase& c, std::ostream* out) { *out << c.name; }

class NoProofTest : public ContinuedTest, public ::testing::WithParamInterface<NoProofCase> {};

TEST_P(NoProofTest, TheMirrorsBodyIsTakenFromZero) {
  const jobs::Job job = Continue(Cut(Pattern(500'000, 2), 300'000, "\"a\""),
                                 GetParam().answers(body_), GetParam().with_digest);

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body_);
  EXPECT_EQ(client_->requests().size(), GetParam().requests);
  EXPECT_TRUE(Attempts(job.id)[1].restarted);
}

FakeAnswer WithRange(FakeAnswer answer, const std::string& content_range) {
  answer.headers.back().second = content_range;
  return answer;
}

INSTANTIATE_TEST_SUITE_P(
    All, NoProofTest,
    ::testing::Values(
        NoProofCase{"OtherEtag", false,
                    [](const std::string& b) { return std::vector{Whole(b, "\"b\"")}; }, 2},
        NoProofCase{"OtherEtagInAPart", false,
                    [](const std::string& b) {
                      return std::vector{Rest(b, 300'000, "\"b\""), Whole(b, "\"b\"")};
                    },
                    3},
        NoProofCase{"NoEtag", false,
                    [](const std::string& b) {
                      return std::vector{Rest(b, 300'000, ""), Whole(b, "\"b\"")};
                    },
                    3},
        NoProofCase{"SameEtagUnknownLength", false,
                    [](const std::string& b) {
                      return std::vector{
                          WithRange(Rest(b, 300'000, "\"a\""), "bytes 300000-499999/*"),
                          Whole(b, "\"b\"")};
                    },
                    3},
        NoProofCase{"DigestAndOtherLength", true,
                    [](const std::string& b) {
                      return std::vector{
                          WithRange(Rest(b, 300'000, "\"b\""), "bytes 300000-499999/500001"),
                          Whole(b, "\"b\"")};
                    },
                    3},
        NoProofCase{"DigestAndUnknownLength", true,
                    [](const std::string& b) {
                      return std::vector{
                          WithRange(Rest(b, 300'000, "\"b\""), "bytes 300000-499999/*"),
                          Whole(b, "\"b\"")};
                    },
                    3},
        NoProofCase{"DigestAndNoRanges", true,
                    [](const std::string& b) { return std::vector{Whole(b, "\"b\"")}; }, 2}),
    [](const auto& info) { return info.param.name; });

class MirrorStreamTest : public MirrorRunTest {
 protected:
  absl::StatusOr<StreamEnd> Fetch(const std::vector<std::string>& hosts = {"a.test", "b.test"}) {
    jobs::FetchSpec spec = NewMirrored(hosts).spec;
    StreamRun run(StreamDeps(), std::move(spec), 0, Deadline::Never(), receiver_);
    return Await(run.Run());
  }

  CollectingReceiver receiver_;
};

TEST_F(MirrorStreamTest, BeginsWithAMirrorWhenThePrimaryIsOnHold) {
  ScriptHosts({{"b.test", {Whole("x")}}});
  pacer_.SetLimits(kA, {.max_transfers = 0});

  EXPECT_TRUE(Fetch().ok());

  EXPECT_THAT(Asked(), ElementsAre("b.test"));
}

TEST_F(MirrorStreamTest, WhenAllAreOnHoldThatIsSaidAtOnce) {
  ScriptHosts({{"a.test", {Whole("x")}}});
  pacer_.SetLimits(kA, {.max_transfers = 0});
  pacer_.SetLimits(kB, {.max_transfers = 0});

  EXPECT_EQ(GetReason(Fetch().status())->reason, "ORIGIN_ON_HOLD");
  EXPECT_THAT(Asked(), SizeIs(0));
}

TEST_F(MirrorStreamTest, BeginsWithTheMirrorThatIsClearlyFaster) {
  ScriptHosts({{"b.test", {Whole("x")}}});
  pacer_.Begin(kA, false).Received(4 << 20, 8s);
  pacer_.Begin(kB, false).Received(4 << 20, 2s);

  EXPECT_TRUE(Fetch().ok());

  EXPECT_THAT(Asked(), ElementsAre("b.test"));
}

TEST_F(MirrorStreamTest, AnErrorThatMayPassIsNotMaskedByTheMirrors404) {
  ScriptHosts({{"a.test", {Status(503), Status(503), Whole("x")}}, {"b.test", {Status(404)}}});

  EXPECT_TRUE(Fetch().ok());

  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test", "a.test", "a.test"));
}

TEST_F(MirrorStreamTest, WhenAllRefuseItIsThePrimarysError) {
  ScriptHosts({{"a.test", {Status(403)}}, {"b.test", {Status(404)}}});

  const absl::Status status = Fetch().status();

  EXPECT_EQ(GetReason(status)->metadata[0].second, "403");
  EXPECT_THAT(MessageOf(status), HasSubstr("urls[1] https://b.test: the origin answered 404"));
  EXPECT_THAT(Asked(), ElementsAre("a.test", "b.test"));
}

}  // namespace
}  // namespace fetchd::fetch
