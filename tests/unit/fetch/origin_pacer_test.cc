#include "fetch/origin_pacer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "support/manual_clock.h"

namespace fetchd::fetch {

void PrintTo(Hold hold, std::ostream* out) { *out << HoldName(hold); }

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFree = 1000;
constexpr OriginOutcome kGood{.kind = OriginOutcome::Kind::kAnswered};
constexpr OriginOutcome kBad{.kind = OriginOutcome::Kind::kFailed};
constexpr OriginOutcome kTooMuch{.kind = OriginOutcome::Kind::kPushback};

class OriginPacerTest : public ::testing::Test {
 protected:
  std::size_t Room() { return pacer_.RoomFor(a_, kFree).transfers; }
  std::size_t RetryRoom() { return pacer_.RoomFor(a_, kFree).retries; }
  Hold HoldNow() { return pacer_.StateOf(a_).hold; }
  void Transfer(const OriginOutcome& outcome) { pacer_.Begin(a_, false).End(outcome); }
  void FailTimes(int times) {
    for (int i = 0; i < times; ++i) Transfer(kBad);
  }
  void Begin(int transfers) {
    for (int i = 0; i < transfers; ++i) turns_.push_back(pacer_.Begin(a_, false));
  }
  void EndOne(const OriginOutcome& outcome) {
    turns_.back().End(outcome);
    turns_.pop_back();
  }

  testing::ManualClock clock_;
  const Origin a_{"http", "a.example", 80}, b_{"http", "b.example", 80};
  OriginLimits configured_;
  OriginPacer pacer_{clock_, {.limits_of = [this](const Origin&) { return configured_; }}};
  std::vector<OriginPacer::Turn> turns_;
};

TEST_F(OriginPacerTest, LeavesOneOfEightTransfersToTheOthers) {
  EXPECT_EQ(pacer_.RoomFor(a_, 256).transfers, 224U);

  Begin(224);
  EXPECT_EQ(pacer_.RoomFor(a_, 32).transfers, 0U);
  EXPECT_EQ(pacer_.RoomFor(b_, 32).transfers, 28U);
}

TEST_F(OriginPacerTest, AFewTransfersAreSharedByNobody) {
  EXPECT_EQ(pacer_.RoomFor(a_, 1).transfers, 1U);
  EXPECT_EQ(pacer_.RoomFor(a_, 7).transfers, 7U);
  EXPECT_EQ(pacer_.RoomFor(a_, 0).transfers, 0U);
}

TEST_F(OriginPacerTest, ACoolDownHoldsEverythingOfItsOriginBackAndNothingOfOthers) {
  Transfer({.kind = OriginOutcome::Kind::kPushback, .cool_down = 30s});

  EXPECT_EQ(Room(), 0U);
  EXPECT_EQ(HoldNow(), Hold::kCoolDown);
  EXPECT_EQ(pacer_.StateOf(a_).held_for, 30s);
  EXPECT_EQ(pacer_.NextChange(), clock_.Now() + 30s);
  EXPECT_EQ(pacer_.RoomFor(b_, 8).transfers, 7U);

  clock_.Advance(30s);
  EXPECT_GT(Room(), 0U);
  EXPECT_EQ(pacer_.NextChange(), std::nullopt);
}

TEST_F(OriginPacerTest, AnAnswerThatSaysThatNothingIsLeftCoolsToo) {
  Transfer({.kind = OriginOutcome::Kind::kAnswered, .cool_down = 5s});

  EXPECT_EQ(HoldNow(), Hold::kCoolDown);
  EXPECT_EQ(pacer_.StateOf(a_).pushbacks, 0U);
}

TEST_F(OriginPacerTest, TheLongestWishCountsAndIsCut) {
  Transfer({.kind = OriginOutcome::Kind::kPushback, .cool_down = 60s});
  Transfer({.kind = OriginOutcome::Kind::kPushback, .cool_down = 10s});
  EXPECT_EQ(pacer_.StateOf(a_).held_for, 60s);
  EXPECT_EQ(pacer_.StateOf(a_).cool_downs, 1U);

  Transfer({.kind = OriginOutcome::Kind::kPushback, .cool_down = 24h});
  EXPECT_EQ(pacer_.StateOf(a_).held_for, 5min);
}

TEST_F(OriginPacerTest, APushbackLowersWhatIsAtWorkOnceForAllThatWereAtWork) {
  Begin(10);

  EndOne(kTooMuch);
  EXPECT_EQ(pacer_.StateOf(a_).adaptive_limit, 7U);
  EXPECT_EQ(HoldNow(), Hold::kTransfers);

  EndOne(kTooMuch);
  EXPECT_EQ(pacer_.StateOf(a_).adaptive_limit, 7U);
  EXPECT_EQ(pacer_.StateOf(a_).pushbacks, 2U);

  clock_.Advance(1s);
  turns_.clear();
  Transfer(kTooMuch);
  EXPECT_EQ(pacer_.StateOf(a_).adaptive_limit, 1U);
}

TEST_F(OriginPacerTest, GoodAnswersRaiseTheAdaptiveLimitOneByOne) {
  Begin(3);
  EndOne(kTooMuch);
  turns_.clear();
  ASSERT_EQ(pacer_.StateOf(a_).adaptive_limit, 2U);

  Transfer(kGood);
  EXPECT_EQ(Room(), 2U);
  Transfer(kGood);
  EXPECT_EQ(Room(), 3U);
  for (int i = 0; i < 3; ++i) Transfer(kGood);
  EXPECT_EQ(Room(), 4U);
}

TEST_F(OriginPacerTest, AnOriginThatBearsVeryMuchHasNoLimitAgain) {
  Begin(2000);
  EndOne(kTooMuch);
  turns_.clear();
  clock_.Advance(1s);
  ASSERT_EQ(pacer_.StateOf(a_).adaptive_limit, 1400U);

  for (int i = 0; i < 1400; ++i) Transfer(kGood);

  EXPECT_EQ(pacer_.StateOf(a_).adaptive_limit, std::nullopt);
}

TEST_F(OriginPacerTest, FiveFailuresInARowOpenTheCircuit) {
  FailTimes(4);
  Transfer(kGood);
  FailTimes(4);
  EXPECT_EQ(HoldNow(), Hold::kNone);

  Transfer(kBad);
  EXPECT_EQ(HoldNow(), Hold::kCircuitOpen);
  EXPECT_EQ(Room(), 0U);
  EXPECT_EQ(pacer_.NextChange(), clock_.Now() + 30s);
}

TEST_F(OriginPacerTest, WhatEndsForReasonsOfOurOwnNeitherBreaksNorHeals) {
  FailTimes(4);
  Transfer({});
  EXPECT_EQ(HoldNow(), Hold::kNone);

  Transfer(kBad);
  EXPECT_EQ(HoldNow(), Hold::kCircuitOpen);
}

TEST_F(OriginPacerTest, AnOpenCircuitLetsOneProbeThroughWhichClosesIt) {
  FailTimes(5);
  clock_.Advance(30s);
  EXPECT_EQ(Room(), 1U);

  Begin(1);
  EXPECT_EQ(Room(), 0U);
  EXPECT_EQ(HoldNow(), Hold::kCircuitOpen);
  EXPECT_EQ(pacer_.NextChange(), std::nullopt);

  EndOne(kGood);
  EXPECT_EQ(HoldNow(), Hold::kNone);
  EXPECT_GT(Room(), 1U);
}

TEST_F(OriginPacerTest, EachProbeThatFailsDoublesThePauseUpToItsMaximum) {
  FailTimes(5);
  for (const Duration pause : {30s, 60s, 120s, 240s, 300s, 300s}) {
    EXPECT_EQ(pacer_.StateOf(a_).held_for, pause);
    clock_.Advance(pause);
    Transfer(kBad);
  }

  clock_.Advance(5min);
  Transfer(kGood);
  FailTimes(5);
  EXPECT_EQ(pacer_.StateOf(a_).held_for, 30s);
}

TEST_F(OriginPacerTest, AProbeThatIsGivenUpLeavesThePlaceToAnother) {
  FailTimes(5);
  clock_.Advance(30s);
  Transfer({});

  EXPECT_EQ(Room(), 1U);
}

TEST_F(OriginPacerTest, ThoseAtWorkWhenTheCircuitOpensDoNotOpenItAgain) {
  Begin(20);
  for (int i = 0; i < 19; ++i) EndOne(kBad);

  EXPECT_EQ(pacer_.StateOf(a_).circuit_openings, 1U);
  EXPECT_EQ(pacer_.StateOf(a_).held_for, 30s);
}

TEST_F(OriginPacerTest, AnAnswerToWhatBeganBeforeDoesNotCloseTheCircuit) {
  Begin(1);
  FailTimes(5);
  EndOne(kGood);

  EXPECT_EQ(HoldNow(), Hold::kCircuitOpen);
}

TEST_F(OriginPacerTest, RetriesGetAFifthAndThreeAtLeast) {
  EXPECT_EQ(RetryRoom(), 3U);
  for (int i = 0; i < 3; ++i) turns_.push_back(pacer_.Begin(a_, true));
  EXPECT_EQ(RetryRoom(), 0U);
  EXPECT_EQ(HoldNow(), Hold::kRetries);
  EXPECT_GT(Room(), 0U);

  Begin(22);
  EXPECT_EQ(RetryRoom(), 2U);
}

TEST_F(OriginPacerTest, TheOperatorsLimitHoldsAndZeroPauses) {
  pacer_.SetLimits(a_, {.max_transfers = 2});
  Begin(2);
  EXPECT_EQ(HoldNow(), Hold::kTransfers);
  EXPECT_EQ(Room(), 0U);

  pacer_.SetLimits(a_, {.max_transfers = 0});
  EXPECT_EQ(HoldNow(), Hold::kPaused);

  pacer_.SetLimits(a_, {});
  EXPECT_GT(Room(), 0U);
}

TEST_F(OriginPacerTest, AGoodHeadOfTheProbeClosesTheCircuitBeforeItsBodyHasCome) {
  FailTimes(5);
  clock_.Advance(30s);
  OriginPacer::Turn probe = pacer_.Begin(a_, false);

  probe.Answered();

  EXPECT_EQ(HoldNow(), Hold::kNone);
  EXPECT_EQ(pacer_.StateOf(a_).transfers, 1U);
}

TEST_F(OriginPacerTest, WhatARedirectLedToCoolsAndBreaksAndLowersNothing) {
  Begin(10);
  pacer_.Note(a_, {.kind = OriginOutcome::Kind::kPushback, .cool_down = 5s});
  EXPECT_EQ(HoldNow(), Hold::kCoolDown);
  EXPECT_EQ(pacer_.StateOf(a_).adaptive_limit, std::nullopt);
  EXPECT_EQ(pacer_.StateOf(a_).pushbacks, 1U);

  for (int i = 0; i < 5; ++i) pacer_.Note(b_, kBad);
  EXPECT_EQ(pacer_.StateOf(b_).hold, Hold::kCircuitOpen);
}

TEST_F(OriginPacerTest, WhatWasLearnedLongAgoIsForgottenWithTheRest) {
  for (std::uint16_t port = 1; port <= 5000; ++port) {
    pacer_.Begin({"http", "refuses.example", port}, false).End(kBad);
  }
  EXPECT_EQ(pacer_.List().size(), 5000U);

  clock_.Advance(1h);
  for (std::uint16_t port = 5001; port <= 20000; ++port) {
    pacer_.Begin({"http", "refuses.example", port}, false).End(kGood);
  }
  EXPECT_LT(pacer_.List().size(), 5000U);
}

TEST_F(OriginPacerTest, OriginsThatAreFineAreNotListed) {
  Transfer(kGood);
  EXPECT_TRUE(pacer_.List().empty());

  Begin(1);
  EXPECT_EQ(pacer_.List().size(), 1U);
}

TEST_F(OriginPacerTest, ARateIsKeptOverTime) {
  configured_.requests_per_sec = 2;
  EXPECT_EQ(Room(), 2U);
  Begin(2);
  EXPECT_EQ(HoldNow(), Hold::kRate);
  EXPECT_EQ(pacer_.NextChange(), clock_.Now() + 500ms);

  clock_.Advance(500ms);
  EXPECT_EQ(Room(), 1U);
  clock_.Advance(10s);
  EXPECT_EQ(Room(), 2U);
}

TEST_F(OriginPacerTest, ARateBelowOneASecondLetsOneThroughAtATime) {
  configured_.requests_per_sec = 0.1;
  EXPECT_EQ(Room(), 1U);
  Begin(1);

  EXPECT_EQ(pacer_.NextChange(), clock_.Now() + 10s);
  clock_.Advance(10s);
  EXPECT_EQ(Room(), 1U);
}

TEST_F(OriginPacerTest, ForgetsOriginsThatSayNothingAndKeepsTheOthers) {
  Transfer({.kind = OriginOutcome::Kind::kPushback, .cool_down = 60s});
  pacer_.SetLimits(b_, {.max_transfers = 1});
  for (std::uint16_t port = 1; port <= 5000; ++port) {
    pacer_.Begin({"http", "many.example", port}, false).End(kGood);
  }

  EXPECT_LT(pacer_.List().size(), 1100U);
  EXPECT_EQ(HoldNow(), Hold::kCoolDown);
  EXPECT_EQ(pacer_.StateOf(b_).limits.max_transfers, 1U);
}

TEST_F(OriginPacerTest, ARateThatIsSetLaterIsOwedNothingForWhatCameBefore) {
  for (int i = 0; i < 100; ++i) Transfer({});

  pacer_.SetLimits(a_, {.requests_per_sec = 10});

  EXPECT_EQ(HoldNow(), Hold::kNone);
}

/// Says what the test wants, and notes what it is told.
class FakeShares final : public OriginShares {
 public:
  std::size_t TransfersOf(const Origin&, std::size_t) override { return transfers; }
  void WantTransfers(const Origin&, std::size_t limit) override { wanted = limit; }
  void WantRate(const Origin&) override {}
  double RateOf(const Origin&) const override { return rate; }
  void Held(const Origin& origin, bool circuit, Duration left) override {
    held.emplace_back(origin.host, circuit, left);
  }

  std::size_t transfers = 0, wanted = 0;
  double rate = 1;
  std::vector<std::tuple<std::string, bool, Duration>> held;
};

class SharedPacerTest : public OriginPacerTest {
 protected:
  SharedPacerTest() {
    PacerConfig config{.limits_of = [this](const Origin&) { return configured_; }};
    config.shares = &shares_;
    shared_.emplace(clock_, config);
  }
  std::size_t SharedRoom() { return shared_->RoomFor(a_, kFree).transfers; }

  FakeShares shares_;
  std::optional<OriginPacer> shared_;
};

TEST_F(SharedPacerTest, OfALimitOnlyWhatIsAllottedMayBegin) {
  configured_.max_transfers = 10;
  EXPECT_EQ(SharedRoom(), 0U);
  EXPECT_EQ(shared_->StateOf(a_).hold, Hold::kTransfers);
  EXPECT_EQ(shares_.wanted, 10U);

  shares_.transfers = 3;
  shares_.wanted = 0;
  EXPECT_EQ(SharedRoom(), 3U);
  EXPECT_EQ(shares_.wanted, 0U);
  const auto first = shared_->Begin(a_, false), second = shared_->Begin(a_, false),
             third = shared_->Begin(a_, false);
  EXPECT_EQ(SharedRoom(), 0U);
  EXPECT_EQ(shares_.wanted, 10U);
}

TEST_F(SharedPacerTest, TheLimitHoldsWhateverIsAllottedAndZeroPauses) {
  shares_.transfers = 100;
  configured_.max_transfers = 2;
  EXPECT_EQ(SharedRoom(), 2U);

  shared_->SetLimits(a_, {.max_transfers = 0});
  EXPECT_EQ(shared_->StateOf(a_).hold, Hold::kPaused);
  EXPECT_EQ(shares_.wanted, 0U);
}

TEST_F(SharedPacerTest, WithoutALimitNothingIsAskedFor) {
  EXPECT_GT(SharedRoom(), 100U);
  EXPECT_EQ(shares_.wanted, 0U);
}

TEST_F(SharedPacerTest, OfRatesOnlyAPartIsUsed) {
  configured_.requests_per_sec = 10;
  configured_.bytes_per_sec = 1000;
  shares_.rate = 0.5;
  clock_.Advance(10s);

  EXPECT_EQ(SharedRoom(), 5U) << "of a second";
  const SteadyTime now = clock_.Now();
  shared_->TakeBytes(a_, 1000, now);
  EXPECT_EQ(shared_->TakeBytes(a_, 1000, now) - now, 4s - 250ms);
}

TEST_F(SharedPacerTest, WhatAnOriginAsksForIsToldOnce) {
  const OriginOutcome wish{.kind = OriginOutcome::Kind::kPushback, .cool_down = 30s};
  auto first = shared_->Begin(a_, false), second = shared_->Begin(a_, false);
  first.End(wish);
  second.End(wish);
  shared_->Note(b_, {.kind = OriginOutcome::Kind::kAnswered, .cool_down = 5s});

  EXPECT_THAT(shares_.held, ::testing::ElementsAre(std::tuple("a.example", false, Duration(30s)),
                                                   std::tuple("b.example", false, Duration(5s))));
}

TEST_F(SharedPacerTest, ACircuitThatOpensIsTold) {
  for (int i = 0; i < 5; ++i) shared_->Begin(a_, false).End(kBad);

  EXPECT_THAT(shares_.held, ::testing::ElementsAre(std::tuple("a.example", true, Duration(30s))));
}

TEST_F(SharedPacerTest, WhatAnotherHeardIsTakenOverAndNotToldAgain) {
  shared_->TakeOver(a_, false, 20s);

  EXPECT_EQ(shared_->StateOf(a_).hold, Hold::kCoolDown);
  EXPECT_EQ(*shared_->StateOf(a_).held_for, 20s);
  shared_->TakeOver(a_, false, 5s);
  EXPECT_EQ(*shared_->StateOf(a_).held_for, 20s) << "it is never shorter by that";
  EXPECT_TRUE(shares_.held.empty());
  clock_.Advance(20s);
  EXPECT_GT(SharedRoom(), 1U);
}

TEST_F(SharedPacerTest, WhereACircuitIsOpenElsewhereTheNextOneIsAProbe) {
  shared_->TakeOver(a_, true, 30s);
  EXPECT_EQ(SharedRoom(), 1U);
  OriginPacer::Turn probe = shared_->Begin(a_, false);
  EXPECT_EQ(SharedRoom(), 0U);
  EXPECT_EQ(shared_->StateOf(a_).hold, Hold::kCircuitOpen);
  probe.End(kGood);
  EXPECT_GT(SharedRoom(), 1U) << "it works from here";

  shared_->TakeOver(a_, true, 30s);
  shared_->Begin(a_, false).End(kBad);
  EXPECT_EQ(shared_->StateOf(a_).hold, Hold::kCircuitOpen);
  EXPECT_EQ(*shared_->StateOf(a_).held_for, 30s);
  shared_->TakeOver(a_, true, 1s);
  EXPECT_EQ(*shared_->StateOf(a_).held_for, 30s) << "its own is not shortened";
}

}  // namespace
}  // namespace fetchd::fetch
