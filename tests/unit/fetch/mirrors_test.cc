#include "fetch/mirrors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/manual_clock.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr UrlFacts kFine, kRefused{.refused = true}, kHeld{.on_hold = true},
    kFailing{.failing = true}, kRefusedAndHeld{.refused = true, .on_hold = true};
constexpr UrlFacts Fast(double bytes_per_sec) { return {.bytes_per_sec = bytes_per_sec}; }

struct ChoiceCase {
  const char* name;
  std::vector<UrlFacts> urls;
  std::size_t first = 0;
  std::size_t chosen = 0;
  std::optional<std::uint64_t> body_bytes;
};
void PrintTo(const ChoiceCase& c, std::ostream* out) { *out << c.name; }

class ChooseUrlTest : public ::testing::TestWithParam<ChoiceCase> {};

TEST_P(ChooseUrlTest, IsTheBestInOrder) {
  const ChoiceCase& c = GetParam();
  EXPECT_EQ(ChooseUrl(c.urls, c.first, c.body_bytes), c.chosen);
}

INSTANTIATE_TEST_SUITE_P(
    All, ChooseUrlTest,
    ::testing::Values(
        ChoiceCase{"ThePrimaryFirst", {kFine, kFine, kFine}, 0, 0},
        ChoiceCase{"OneAlone", {kRefusedAndHeld}, 1, 0},
        ChoiceCase{"TheNextOne", {kFine, kFine, kFine}, 1, 1},
        ChoiceCase{"AroundTheEnd", {kFine, kFine, kFine}, 3, 0},
        ChoiceCase{"NotOneThatFails", {kFailing, kFine}, 0, 1},
        ChoiceCase{"NotOneOnHoldWhenAnotherIsFree", {kFine, kHeld, kFine}, 1, 2},
        ChoiceCase{"RatherOneThatFailsThanOneOnHold", {kFailing, kHeld}, 1, 0},
        ChoiceCase{"NotOneThatRefused", {kFine, kRefused, kFine}, 1, 2},
        ChoiceCase{"RatherOneOnHoldThanOneThatRefused", {kHeld, kRefused}, 1, 0},
        ChoiceCase{"AllRefused", {kRefused, kRefused}, 1, 1},
        ChoiceCase{"AllOnHold", {kHeld, kHeld, kHeld}, 2, 2},
        ChoiceCase{"OneThatIsClearlyFaster", {Fast(100), Fast(400)}, 0, 1},
        ChoiceCase{"NotOneThatIsALittleFaster", {Fast(100), Fast(399)}, 0, 0},
        ChoiceCase{"OfThoseTheFastest", {Fast(100), Fast(400), Fast(1600)}, 0, 2},
        ChoiceCase{"AmongTheFastTheFirst", {Fast(100), Fast(400), Fast(1599)}, 0, 1},
        ChoiceCase{"NotKnownIsNotSlow", {kFine, Fast(400)}, 0, 0},
        ChoiceCase{"NotKnownIsNotFast", {Fast(1), kFine}, 0, 0},
        ChoiceCase{"SpeedIsNothingToASmallBody", {Fast(100), Fast(400)}, 0, 0, kLargeBodyBytes - 1},
        ChoiceCase{"SpeedCountsForALargeOne", {Fast(100), Fast(400)}, 0, 1, kLargeBodyBytes},
        ChoiceCase{
            "SpeedDoesNotOutdoAHold", {Fast(100), {.on_hold = true, .bytes_per_sec = 1000}}, 0, 0}),
    [](const auto& info) { return info.param.name; });

class MirrorsTest : public ::testing::Test {
 protected:
  MirrorsTest() {
    spec_.urls = {"https://a.test/f?secret=1", "https://b.test/f", "https://c.test/f"};
  }

  void Fail(std::size_t index, const std::string& message, bool refused) {
    NoteFailure(memory_, index, WithReason(absl::UnavailableError(message), {"R", {}}), refused);
  }
  absl::Status EndWith(std::size_t last) { return FinalError(spec_, memory_, last); }

  testing::ManualClock clock_;
  OriginPacer pacer_{clock_, {}};
  jobs::FetchSpec spec_;
  jobs::UrlMemory memory_;
};

TEST_F(MirrorsTest, TheErrorOfOneUrlIsAsItWas) {
  Fail(0, "no", true);

  EXPECT_EQ(EndWith(0), WithReason(absl::UnavailableError("no"), {"R", {}}));
}

TEST_F(MirrorsTest, AnErrorThatMayPassIsNotMaskedByALaterOneThatWillNot) {
  Fail(0, "reset", false);
  NoteFailure(memory_, 1, absl::NotFoundError("404"), true);

  const absl::Status end = EndWith(1);

  EXPECT_TRUE(absl::IsUnavailable(end)) << end;
  EXPECT_EQ(GetReason(end)->reason, "R");
  EXPECT_EQ(MessageOf(end), "urls[1] https://b.test: 404; urls[0] https://a.test: reset");
}

TEST_F(MirrorsTest, OfErrorsThatMayPassTheLastOneTells) {
  Fail(0, "reset", false);
  Fail(1, "refused", false);

  EXPECT_THAT(MessageOf(EndWith(1)), HasSubstr("urls[1] https://b.test: refused"));
  EXPECT_EQ(MessageOf(EndWith(1)).find("urls[0] https://a.test: reset"), 0u);
}

TEST_F(MirrorsTest, WhenAllRefusedThePrimaryTells) {
  NoteFailure(memory_, 0, absl::NotFoundError("404"), true);
  NoteFailure(memory_, 1, absl::PermissionDeniedError("403"), true);
  NoteFailure(memory_, 2, absl::NotFoundError("410"), true);

  const absl::Status end = EndWith(2);

  EXPECT_TRUE(absl::IsNotFound(end));
  EXPECT_THAT(MessageOf(end), AllOf(HasSubstr(": 404"), HasSubstr("https://b.test: 403"),
                                    HasSubstr("https://c.test: 410"), Not(HasSubstr("secret"))));
  EXPECT_FALSE(AnyLeft(spec_, memory_));
}

TEST_F(MirrorsTest, UrlsThatWereNeverAskedAreLeft) {
  EXPECT_TRUE(AnyLeft(spec_, memory_));
  NoteFailure(memory_, 1, absl::NotFoundError("404"), true);
  EXPECT_TRUE(AnyLeft(spec_, memory_));
}

TEST_F(MirrorsTest, WhatThePacerKnowsCounts) {
  pacer_.SetLimits({"https", "b.test", 443}, {.max_transfers = 0});
  for (int i = 0; i < 2; ++i) {
    pacer_.Begin({"https", "c.test", 443}, false).End({.kind = OriginOutcome::Kind::kFailed});
  }
  pacer_.Begin({"https", "a.test", 443}, false).Received(4 << 20, 2s);
  NoteFailure(memory_, 0, absl::NotFoundError("404"), true);

  const std::vector<UrlFacts> facts = FactsOf(spec_, memory_, pacer_, {}, std::nullopt);

  EXPECT_TRUE(facts[0].refused);
  EXPECT_EQ(facts[0].bytes_per_sec, 2 << 20);
  EXPECT_TRUE(facts[1].on_hold);
  EXPECT_FALSE(facts[0].on_hold || facts[2].on_hold);
  EXPECT_TRUE(facts[2].failing);
  EXPECT_TRUE(FactsOf(spec_, memory_, pacer_, {}, 1)[1].failing);
}

TEST_F(MirrorsTest, AJobLeavesAnOriginOnHoldForAFreeOneAlone) {
  jobs::Job job;
  job.spec = spec_;
  EXPECT_EQ(UrlOffHold(job, pacer_, {}), 0u);
  pacer_.SetLimits({"https", "a.test", 443}, {.max_transfers = 0});
  EXPECT_EQ(UrlOffHold(job, pacer_, {}), 1u);
  NoteFailure(job.urls, 1, absl::NotFoundError("404"), true);
  EXPECT_EQ(UrlOffHold(job, pacer_, {}), 2u);
  pacer_.SetLimits({"https", "c.test", 443}, {.max_transfers = 0});
  EXPECT_EQ(UrlOffHold(job, pacer_, {}), std::nullopt);
}

TEST_F(MirrorsTest, AJobThatWouldBeginAnewWaitsForAPauseButNotForAnOriginThatIsDown) {
  jobs::Job job;
  job.spec = spec_;
  job.checkpoint.bytes = 7;
  const Origin a{"https", "a.test", 443};
  pacer_.Note(a, {.kind = OriginOutcome::Kind::kPushback, .cool_down = 9s});
  EXPECT_EQ(UrlOffHold(job, pacer_, {}), std::nullopt);

  pacer_.SetLimits(a, {.max_transfers = 0});
  EXPECT_EQ(UrlOffHold(job, pacer_, {}), 1u);

  pacer_.SetLimits(a, {});
  job.checkpoint = {.bytes = 7, .url = spec_.urls[0], .etag = "\"1\"", .total_bytes = 9};
  job.checkpoint.source = "https://a.test/f";
  EXPECT_EQ(UrlOffHold(job, pacer_, {}), 1u) << "the mirror may go on with it";
}

struct ContinuationCase {
  const char* name;
  std::function<void(jobs::Checkpoint& kept, jobs::FetchSpec& spec)> set_up;
  Continuation expected;
};
void PrintTo(const ContinuationCase& c, std::ostream* out) { *out << c.name; }

class ContinuationTest : public ::testing::TestWithParam<ContinuationCase> {};

TEST_P(ContinuationTest, NeedsAProof) {
  jobs::Checkpoint kept{.bytes = 5, .url = "https://a/", .etag = "\"1\"", .total_bytes = 9};
  kept.source = "https://a:443/";
  jobs::FetchSpec spec;
  GetParam().set_up(kept, spec);

  EXPECT_EQ(ContinuationOf(kept, "https://b/", spec), GetParam().expected);
}

void Expect(jobs::FetchSpec& spec, DigestAlgorithm algorithm) {
  spec.digests.push_back({algorithm, "x"});
}

INSTANTIATE_TEST_SUITE_P(
    All, ContinuationTest,
    ::testing::Values(
        ContinuationCase{"SameUrl", [](auto& kept, auto&) { kept.url = "https://b/"; },
                         Continuation::kSameUrl},
        ContinuationCase{"StrongEtag", [](auto&, auto&) {}, Continuation::kByEtag},
        ContinuationCase{"StrongEtagOfAPart",
                         [](auto&, auto& spec) { spec.range = ByteRange{48, 155}; },
                         Continuation::kNone},
        ContinuationCase{"Sha256OfAPart",
                         [](auto&, auto& spec) {
                           spec.range = ByteRange{48, 155};
                           Expect(spec, DigestAlgorithm::kSha256);
                         },
                         Continuation::kByDigest},
        ContinuationCase{"LastModifiedAlone",
                         [](auto& kept, auto&) {
                           kept.etag.clear();
                           kept.last_modified = "Thu, 01 Jan 2026 00:00:00 GMT";
                         },
                         Continuation::kNone},
        ContinuationCase{"Sha256",
                         [](auto&, auto& spec) { Expect(spec, DigestAlgorithm::kSha256); },
                         Continuation::kByDigest},
        ContinuationCase{"Sha512BesideAWeakOne",
                         [](auto&, auto& spec) {
                           Expect(spec, DigestAlgorithm::kCrc32c);
                           Expect(spec, DigestAlgorithm::kSha512);
                         },
                         Continuation::kByDigest},
        ContinuationCase{"WeakDigestAndNoEtag",
                         [](auto& kept, auto& spec) {
                           kept.etag.clear();
                           kept.last_modified = "Thu, 01 Jan 2026 00:00:00 GMT";
                           Expect(spec, DigestAlgorithm::kMd5);
                         },
                         Continuation::kNone},
        ContinuationCase{"UnknownLength",
                         [](auto& kept, auto& spec) {
                           kept.total_bytes.reset();
                           Expect(spec, DigestAlgorithm::kSha256);
                         },
                         Continuation::kNone},
        ContinuationCase{"NothingKept", [](auto& kept, auto&) { kept = {}; }, Continuation::kNone}),
    [](const auto& info) { return info.param.name; });

class OriginSpeedTest : public MirrorsTest {
 protected:
  std::optional<double> Speed() { return pacer_.StateOf(a_).bytes_per_sec; }
  void Bring(std::uint64_t bytes, Duration took) { pacer_.Begin(a_, false).Received(bytes, took); }

  const Origin a_{"https", "a.test", 443};
};

TEST_F(OriginSpeedTest, IsAnAverageOfLargeBodiesInWhichTheLastCountsMost) {
  EXPECT_EQ(Speed(), std::nullopt);
  Bring((1 << 20) - 1, 1ms);
  Bring(1 << 20, 0ms);
  EXPECT_EQ(Speed(), std::nullopt) << "a small body and an unmeasured one say nothing";
  Bring(10'000'000, 1s);
  EXPECT_DOUBLE_EQ(*Speed(), 10'000'000);
  Bring(20'000'000, 1s);
  EXPECT_DOUBLE_EQ(*Speed(), 13'000'000);
}

TEST_F(OriginSpeedTest, IsListed) {
  Bring(10'000'000, 1s);

  ASSERT_EQ(pacer_.List().size(), 1u);
  EXPECT_EQ(pacer_.List()[0].bytes_per_sec, 10'000'000);
}

TEST_F(OriginSpeedTest, OfVeryManyOriginsItIsForgotten) {
  for (int i = 0; i < 5000; ++i) {
    const Origin origin{"https", std::to_string(i) + ".test", 443};
    pacer_.Begin(origin, false).Received(10'000'000, 1s);
  }

  EXPECT_LE(pacer_.List().size(), 1001u);
}

TEST_F(OriginSpeedTest, OnHoldAreThoseThatNothingBeginsWith) {
  pacer_.SetLimits({"https", "b.test", 443}, {.max_transfers = 0});
  pacer_.SetLimits({"https", "c.test", 443}, {.max_transfers = 1});
  const OriginPacer::Turn turn = pacer_.Begin({"https", "c.test", 443}, false);
  pacer_.Note(a_, {.kind = OriginOutcome::Kind::kPushback, .cool_down = 2s});

  EXPECT_THAT(pacer_.OnHold(), ElementsAre(a_, Origin{"https", "b.test", 443}));
  clock_.Advance(2s);
  EXPECT_THAT(pacer_.OnHold(), ElementsAre(Origin{"https", "b.test", 443}));
}

}  // namespace
}  // namespace fetchd::fetch
